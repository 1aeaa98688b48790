//! The calibration table, short: some of its scenarios through the whole chain, mirror → guard → answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::time::Duration;

use calibration::{Alpha, Kind, Outcome, Question, Row, Scenario, run, table};

fn alpha() -> Alpha {
    Alpha::new(0.05).unwrap()
}

fn outcomes(scenario: &Scenario, runs: u64) -> Vec<Outcome> {
    (0..runs).map(|number| run(scenario, 1, number).unwrap()).collect()
}

fn named(name: &str) -> Scenario {
    table(alpha()).into_iter().find(|scenario| scenario.name == name).unwrap()
}

fn rows(names: &[&str], runs: u64) -> Vec<Row> {
    names.iter().map(|name| Row::of(&named(name), &outcomes(&named(name), runs))).collect()
}

#[test]
fn where_no_block_is_past_the_margin_hardly_a_day_alarms_and_hardly_one_at_it_is_met() {
    let names = [
        "φ = 0.6, skewed",
        "rare spikes on the other side",
        "φ = 0.95, one host",
        "the mean's daily cycle of 0.5σ peaks at the margin, φ = 0.6",
        "scatter four times the mirror's, φ = 0.6",
        "hosts that differ, share, come late and go, daily cycle of the scatter",
        "at the margin, φ = 0.6",
        "at the margin, hosts that differ",
    ];
    for row in rows(&names, 50) {
        assert!(row.kind.is_wrong() && row.rate <= 0.05, "{row:?}");
        assert_eq!(row.median_minutes, None, "{row:?}");
    }
}

#[test]
fn harm_is_found_and_what_is_harmless_is_met() {
    let harm = ["0.2σ everywhere, φ = 0.6", "one host of 20 by 2σ, φ = 0.6"];
    let harmless = ["0.2σ inside the margin, φ = 0.6", "1σ inside the margin, φ = 0.9"];
    for (row, within) in rows(&harm, 20).iter().chain(&rows(&harmless, 20)).zip([800.0, 700.0, 700.0, 600.0])
    {
        assert!(!row.kind.is_wrong() && row.rate == 1.0, "{row:?}");
        assert!(row.median_minutes.unwrap() <= within, "{row:?}");
    }
}

#[test]
fn a_longer_memory_mirrors_longer() {
    let [short, long] = ["φ = 0.6, Gaussian", "φ = 0.95, one host"]
        .map(|name| Row::of(&named(name), &outcomes(&named(name), 10)).mirror_minutes.unwrap());
    assert_eq!(short, 240.0);
    assert!((500.0..1500.0).contains(&long), "{long}");
}

#[test]
fn a_run_is_the_same_whenever_it_is_run_and_another_seed_is_another_run() {
    let scenario = named("0.2σ everywhere, φ = 0.9");
    let forwards = outcomes(&scenario, 4);
    let backwards: Vec<Outcome> = (0..4).rev().map(|number| run(&scenario, 1, number).unwrap()).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    let other: Vec<Outcome> = (0..4).map(|number| run(&scenario, 2, number).unwrap()).collect();
    assert_ne!(forwards, other);
}

#[test]
fn names_in_the_table_are_different_for_a_run_depends_on_its_name() {
    let mut names: Vec<String> = table(alpha()).into_iter().map(|scenario| scenario.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn rows_say_their_kind_and_the_share_that_it_counts() {
    let at = |mirror, time| Outcome { mirror: Some(mirror), time };
    for (kind, said) in [(Kind::AA, "A/A"), (Kind::Harm, "harm"), (Kind::AtMargin, "at the margin")] {
        let scenario = table(alpha()).into_iter().find(|scenario| scenario.kind == kind).unwrap();
        let row = Row::of(&scenario, &[at(240, Some(30)), at(240, Some(60)), at(300, None)]);
        let row = serde_json::to_value(row).unwrap();
        assert_eq!(row["kind"].as_str(), Some(said));
        assert_eq!(
            (row["median_minutes"].as_f64(), row["mirror_minutes"].as_f64()),
            (Some(60.0), Some(240.0))
        );
        assert_eq!(row["runs"].as_u64(), Some(3));
        assert!((row["rate"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }
}

fn question() -> Question {
    Question {
        hosts: 10,
        window: Duration::from_secs(60),
        phi: 0.6,
        margin: 0.05,
        effect: 0.1,
        variability: 0.25,
        mirror: Duration::ZERO,
        alpha: alpha(),
    }
}

fn answer(question: Question) -> calibration::Answer {
    let scenarios = question.scenarios().unwrap();
    let [margin, no_change, effect] = scenarios.each_ref().map(|scenario| outcomes(scenario, 6));
    question.answer([&margin, &no_change, &effect]).unwrap()
}

#[test]
fn a_plan_finds_large_effects_sooner_and_never_before_the_minimum() {
    let (small, large) = (answer(question()), answer(Question { effect: 0.5, ..question() }));
    let time = |answer: &calibration::Answer| answer.minutes_to_find_with_95_percent_power.unwrap();
    assert_eq!((small.block_minutes, small.least_mirror_minutes), (30.0, Some(240.0)));
    assert_eq!((small.least_minutes_to_meet, small.least_minutes_to_find), (210.0, Some(270.0)));
    assert!(small.least_minutes_to_find_on_one_host > small.least_minutes_to_find);
    assert!(time(&large) >= 270.0 && time(&small) > time(&large), "{small:?} {large:?}");
    assert!(small.no_change.rate == 1.0 && small.effect.rate == 1.0 && small.at_the_margin.rate == 0.0);
}

#[test]
fn a_plan_takes_the_mirror_that_it_is_given_unless_that_is_too_short() {
    let mirror = |minutes: u64| {
        let mirror = Duration::from_secs(60 * minutes);
        answer(Question { mirror, ..question() }).mirror_minutes_in_95_percent
    };
    assert_eq!((mirror(60), mirror(600)), (Some(240.0), Some(600.0)));
}

#[test]
fn what_no_fleet_has_is_refused() {
    let question = question();
    for wrong in [
        Question { hosts: 0, ..question },
        Question { phi: 1.0, ..question },
        Question { phi: f64::NAN, ..question },
        Question { effect: 0.05, ..question },
        Question { margin: -0.1, ..question },
        Question { variability: -1.0, ..question },
        Question { window: Duration::ZERO, ..question },
    ] {
        assert!(wrong.scenarios().is_err(), "{wrong:?}");
    }
    assert!(question.scenarios().is_ok());
}
