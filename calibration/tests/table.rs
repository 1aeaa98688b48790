//! The calibration table, short: every scenario through the whole chain, windows → blocks → betting → fleet → e-BH.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::time::Duration;

use calibration::{Kind, Outcome, Question, Row, Scenario, run, table};
use drift::Alpha;

fn alpha() -> Alpha {
    Alpha::new(0.05).unwrap()
}

/// Forty quantities take forty times as long.
fn few(scenario: &Scenario, runs: u64) -> Vec<Outcome> {
    outcomes(scenario, if scenario.quantities > 1 { runs / 10 } else { runs })
}

fn outcomes(scenario: &Scenario, runs: u64) -> Vec<Outcome> {
    (0..runs).map(|number| run(scenario, 1, number).unwrap()).collect()
}

#[test]
fn a_day_without_drift_hardly_ever_alarms_whatever_the_fleet() {
    for scenario in table(alpha()).into_iter().filter(|scenario| scenario.kind() == Kind::AA) {
        let row = Row::of(&scenario, &few(&scenario, 100));
        assert!(row.false_alarm_rate.unwrap() <= 0.05, "{row:?}");
        assert_eq!((row.found_rate, row.median_minutes), (None, None), "{row:?}");
    }
}

#[test]
fn a_small_shift_everywhere_and_one_broken_host_are_found_within_the_day() {
    // Medians of the reference, by φ, for either shift; without memory nothing is stated.
    let medians = [("0.2σ everywhere, φ = 0.6", 390.0), ("0.2σ everywhere, φ = 0.9", 858.0)];
    let broken = [("one host of 20 by 2σ, φ = 0.6", 420.0), ("one host of 20 by 2σ, φ = 0.9", 702.0)];
    let shifts = table(alpha()).into_iter().filter(|scenario| scenario.kind() == Kind::Shift);
    let rows: Vec<Row> = shifts.map(|scenario| Row::of(&scenario, &few(&scenario, 200))).collect();
    assert!(rows.iter().all(|row| row.found_rate.unwrap() >= 0.99), "{rows:#?}");
    for (name, median) in medians.into_iter().chain(broken) {
        let row = rows.iter().find(|row| row.scenario == name).unwrap();
        assert!(row.median_minutes.unwrap() <= 1.2 * median, "{row:?}");
    }
}

#[test]
fn a_run_is_the_same_whenever_it_is_run_and_another_seed_is_another_run() {
    let scenario = table(alpha()).into_iter().find(|s| s.name == "0.2σ everywhere, φ = 0.9").unwrap();
    let forwards = outcomes(&scenario, 12);
    let backwards: Vec<Outcome> = (0..12).rev().map(|number| run(&scenario, 1, number).unwrap()).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    let other: Vec<Outcome> = (0..12).map(|number| run(&scenario, 2, number).unwrap()).collect();
    assert_ne!(forwards, other);
}

#[test]
fn rows_say_their_kind_and_only_their_own_rate() {
    let scenarios = table(alpha());
    let row = |kind| {
        let scenario = scenarios.iter().find(|scenario| scenario.kind() == kind).unwrap();
        serde_json::to_value(Row::of(scenario, &[Some(30), Some(60), None])).unwrap()
    };
    let (aa, shift) = (row(Kind::AA), row(Kind::Shift));
    assert_eq!((aa["kind"].as_str(), aa.get("found_rate")), (Some("A/A"), None));
    assert_eq!((shift["kind"].as_str(), shift.get("false_alarm_rate")), (Some("shift"), None));
    assert_eq!(shift["median_minutes"].as_f64(), Some(60.0));
    assert_eq!(shift["runs"].as_u64(), Some(3));
}

#[test]
fn a_plan_finds_large_effects_sooner_and_never_before_the_minimum() {
    let question = |effect| Question {
        hosts: 20,
        window: Duration::from_secs(60),
        phi: 0.6,
        effect,
        variability: 0.25,
        alpha: alpha(),
    };
    let answer = |effect| {
        let question: Question = question(effect);
        let [nothing, found] = question.scenarios().unwrap();
        question.answer([&outcomes(&nothing, 50), &outcomes(&found, 50)]).unwrap()
    };
    let (small, large) = (answer(0.05), answer(0.5));
    let time = |answer: &calibration::Answer| answer.minutes_to_find_with_95_percent_power.unwrap();
    assert_eq!(small.block_minutes, 30.0);
    assert_eq!(small.minimum.everywhere_minutes, Some(210.0), "seven blocks");
    assert!(small.minimum.one_host_minutes > small.minimum.everywhere_minutes);
    assert!(time(&large) >= 210.0 && time(&small) > time(&large), "{small:?} {large:?}");
    assert!(small.effect.found_rate.unwrap() > 0.99 && small.nothing_wrong.false_alarm_rate.unwrap() <= 0.05);
}

#[test]
fn what_no_fleet_has_is_refused() {
    let question = Question {
        hosts: 20,
        window: Duration::from_secs(60),
        phi: 0.6,
        effect: 0.05,
        variability: 0.25,
        alpha: alpha(),
    };
    for wrong in [
        Question { hosts: 0, ..question },
        Question { phi: 1.0, ..question },
        Question { phi: f64::NAN, ..question },
        Question { effect: 0.0, ..question },
        Question { variability: -1.0, ..question },
        Question { window: Duration::ZERO, ..question },
    ] {
        assert!(wrong.scenarios().is_err(), "{wrong:?}");
    }
    assert!(question.scenarios().is_ok());
}
