//! What is claimed of one thing, of what is void, of a sample, and of what reports leave out.

use std::collections::BTreeSet;

use observe::{Sample, Unnamed, UnwatchedMetrics};

use super::answers::{decided, two};
use super::*;

fn said(verdict: &Verdict, quantity: &str) -> String {
    criterion(verdict, quantity).finding.sentence
}

fn in_mirror(agents: Vec<AgentEvidence>) -> Verdict {
    decided(agents, &spec(), Step::Mirror)
}

/// One agent with two of these horizons.
fn alone(change: impl Fn(&mut Comparison)) -> Verdict {
    let mut found = good();
    change(&mut found);
    in_mirror(vec![agent(1, &[found.clone(), found])])
}

#[test]
fn of_one_thing_words_are_those_of_one() {
    let verdict = alone(|found| {
        let fates = SeriesFates {
            of: count(4),
            as_it_is: 1,
            fewer_attributes: 1,
            renamed: 1,
            lost: 1,
            ..Default::default()
        };
        (found.fates, found.candidate_only_collisions) = (fates, count(1));
        found.coverage = Coverage { critical: 1, baseline: 1, candidate: 1, ..Coverage::default() };
    });
    assert_eq!(
        said(&verdict, "fates"),
        "Of 4 series of the baseline 1 stays as it is, 1 has fewer attributes, 1 becomes another, 1 is lost."
    );
    let collisions = said(&verdict, "collisions");
    assert!(
        collisions.starts_with("1 series of the candidate on one agent has several writers"),
        "{collisions}"
    );
    let critical = said(&verdict, "critical_process_coverage");
    assert_eq!(critical, "The only critical process that the baseline shows stays visible.");
}

#[test]
fn a_series_that_comes_for_a_part_of_the_time_is_not_said_to_stay_as_it_is() {
    let with = |change: fn(&mut SeriesFates)| {
        alone(move |found| {
            found.fates = SeriesFates { of: count(30), as_it_is: 30, ..SeriesFates::default() };
            change(&mut found.fates);
        })
    };
    let half = with(|fates| {
        fates.interrupted.as_it_is = 10;
        fates.interrupted.metrics = vec!["memory".to_owned()];
    });
    assert_eq!(
        said(&half, "fates"),
        "Of 30 series of the baseline 20 stay as they are, 10 come as they are for a part of the time."
    );
    assert_eq!(criterion(&half, "fates").finding.names, ["memory"]);
    let active = said(&half, "min_cardinality_reduction");
    assert!(active.ends_with("also 10 that the candidate has for a part of the time."), "{active}");
    let others = |some: u64| {
        alone(move |found| {
            found.fates = SeriesFates { of: count(30), as_it_is: 10, renamed: 20, ..SeriesFates::default() };
            found.fates.interrupted.others = some;
        })
    };
    let ends = ["", " Of those that are not as they are, 1 comes for a part of the time."];
    for (some, end) in ends.into_iter().enumerate() {
        let told = said(&others(some as u64), "fates");
        assert_eq!(told, format!("Of 30 series of the baseline 10 stay as they are, 20 become others.{end}"));
    }
    assert!(said(&others(2), "fates").ends_with("are not as they are, 2 come for a part of the time."));
    let one = with(|fates| fates.interrupted.as_it_is = 1);
    assert!(
        said(&one, "fates").contains("1 comes as it is for a part of the time"),
        "{}",
        said(&one, "fates")
    );
}

#[test]
fn series_of_which_points_are_dropped_are_not_said_to_stay_as_they_are_without_a_word() {
    let told = |dropped: u64| {
        let verdict = alone(move |found| {
            found.fates = SeriesFates { of: count(30), as_it_is: 30, ..SeriesFates::default() };
            (found.baseline.output.points, found.candidate.output.points) = (300, 300 - dropped);
        });
        said(&verdict, "fates")
    };
    let all = "Of 30 series of the baseline 30 stay as they are.";
    assert_eq!(told(0), all);
    assert_eq!(told(100), format!("{all} The candidate drops 100 of their 300 points, 33.3 %."));
}

#[test]
fn one_group_past_a_limit_is_said_to_be_one() {
    let asked = asking(|policy| policy.max_lens_error = Some(0.01));
    let with = |names: &[&str]| {
        let mut found = good();
        found.lenses[0].worst =
            names.iter().map(|name| LensError::of((*name).into(), 100.0, 200.0)).collect();
        let verdict = decided(vec![agent(1, &[found.clone(), found])], &asked, Step::Mirror);
        said(&verdict, "max_lens_error")
    };
    assert!(with(&["cron"]).ends_with("Past 1.00 % is cron."), "{}", with(&["cron"]));
    assert!(with(&["cron", "java"]).ends_with("Past 1.00 % are cron, java."), "{}", with(&["cron", "java"]));
}

#[test]
fn what_the_policy_allows_is_counted_all_the_same() {
    let mut asked = spec();
    asked.policy.allow =
        serde_json::from_str(r#"["renamed", { "changed": { "metric": ["load"] } }]"#).expect("right");
    let mut found = good();
    let changed = observe::ChangedMetric { metric: "load".into(), points: 44, ..Default::default() };
    (found.changed.points, found.changed.by_metric) = (44, vec![changed]);
    found.fates.parts.name = 7;
    let verdict = decided(vec![agent(1, &[found.clone(), found])], &asked, Step::Mirror);
    let values = said(&verdict, "changed");
    assert!(values.contains("Changes of 44 points are allowed: load."), "{values}");
    let names = said(&verdict, "renamed");
    assert!(names.contains("Changes of 7 series are allowed: metrics that reports do not name."), "{names}");
    let none = said(&alone(|_| ()), "changed");
    assert!(!none.contains("are allowed:"), "{none}");
}

#[test]
fn critical_processes_are_counted_where_most_of_them_are_shown_if_none_is_hidden() {
    let with = |shown: u64| {
        let coverage = Coverage { critical: shown, baseline: shown, candidate: shown, ..Coverage::default() };
        Comparison { coverage, ..good() }
    };
    let verdict = in_mirror(vec![agent(1, &[with(2), with(8), with(5)])]);
    let critical = said(&verdict, "critical_process_coverage");
    assert_eq!(critical, "8 of 8 critical processes that the baseline shows stay visible.");
}

#[test]
fn of_void_horizons_it_is_not_said_that_nothing_came_in() {
    let void = |at| {
        let void: BTreeSet<String> =
            ["(3 batches that found no room beside the candidate)".to_owned()].into();
        AgentEvidence { voided: 3, void, ..agent(at, &[]) }
    };
    let mut asked = spec();
    asked.policy.max_series_loss = Some(0.1);
    for step in [Step::Mirror, Step::Split(2_500)] {
        let verdict = decided(vec![void(1), void(2)], &asked, step);
        assert!(verdict.criteria.iter().all(|one| one.answer != Answer::Met), "{verdict:#?}");
        let claims = verdict.criteria.iter().map(|one| &one.finding.sentence);
        let basis = verdict.basis.sentences();
        let of_nothing = ["Nothing", "nothing", "No metric", "has no series", "put out no series"];
        let told = claims.chain(&basis).filter(|text| of_nothing.iter().any(|words| text.contains(words)));
        let unheard = |text: &&String| !text.starts_with("Nothing was heard of the lens");
        let told: Vec<&String> = told.filter(unheard).collect();
        assert!(told.len() > 8 && told.iter().all(|text| text.contains("that count")), "{told:#?}");
    }
}

#[test]
fn a_limit_on_collisions_is_not_met_by_a_sample_of_nothing_and_never_not_applicable() {
    let sample = Some(Sample { one_in: 64, ..Sample::default() });
    let mut asked = spec();
    asked.policy.max_collisions = Some(10_000);
    for nothing in [Comparison { sample, ..nothing() }, nothing()] {
        let verdict = decided(two(|| nothing.clone()), &asked, Step::Mirror);
        assert_eq!(criterion(&verdict, "collisions").answer, Answer::NotMeasured);
    }
}

#[test]
fn an_estimate_is_about_so_many_also_after_a_restart() {
    let mut asked = spec();
    asked.policy.max_series_loss = Some(0.9);
    let sampled = || {
        let mut found = good();
        found.sample = Some(Sample { one_in: 8, entities: 300.0, ..Sample::default() });
        found.lost_by_candidate.exact = false;
        found
    };
    let mut once = agent(1, &[sampled(), sampled()]);
    let verdict = decided(vec![once.clone()], &asked, Step::Mirror);
    assert!(said(&verdict, "max_series_loss").contains("loses about 400"));
    let saving = said(&verdict, "min_cardinality_reduction");
    assert!(saving.contains("has about 500 where the baseline has about 1,000"), "{saving}");
    once.totals.push(sampled().into());
    let verdict = decided(vec![once], &asked, Step::Mirror);
    let loss = said(&verdict, "max_series_loss");
    assert!(loss.contains("loses at most about 800"), "{loss}");
}

#[test]
fn groups_that_no_report_names_are_said_to_be_lost_and_a_total_to_be_of_what_is_followed() {
    let verdict = alone(|found| {
        found.lenses[0].unnamed = Unnamed { groups: 3, lost: 3, ..Unnamed::default() };
    });
    let lens = said(&verdict, "lens");
    assert!(lens.contains("Groups that reports have no room to name are lost, too"), "{lens}");
    let verdict = alone(|found| found.lenses[0].truncated = true);
    let lens = said(&verdict, "lens");
    assert!(lens.contains("over the fleet, of the series that are followed."), "{lens}");
}

#[test]
fn a_total_is_not_said_to_be_the_fleets_where_an_agent_may_have_the_metric_in_no_lens() {
    let arrived = || LensReport {
        name: "queue by owner".into(),
        metric: "queue".into(),
        total: LensError::of(String::new(), 8.0, 8.0),
        ..LensReport::default()
    };
    let told = |unwatched: UnwatchedMetrics| {
        let one = {
            let mut found = good();
            found.lenses.push(arrived());
            found
        };
        let other = Comparison { unwatched, ..good() };
        let agents = vec![agent(1, &[one.clone(), one]), agent(2, &[other.clone(), other])];
        said(&in_mirror(agents), "other_metrics")
    };
    let of = |count, names: &[&str]| UnwatchedMetrics {
        count,
        at_least: false,
        names: names.iter().map(ToString::to_string).collect(),
    };
    let same = "The total of the only other metric, queue by owner, is the same over the";
    assert!(told(of(0, &[])).starts_with(&format!("{same} fleet.")));
    assert!(told(of(1, &["other"])).starts_with(&format!("{same} fleet.")));
    for unwatched in [of(1, &["queue"]), of(30, &["a"])] {
        let sentence = told(unwatched);
        assert!(sentence.starts_with(&format!("{same} agents that measured it.")), "{sentence}");
    }
}

#[test]
fn a_total_that_stays_the_same_does_not_hide_groups_that_change_places() {
    let verdict = alone(|found| {
        let worst = vec![LensError::of("a".into(), 1.0, 2.0), LensError::of("b".into(), 2.0, 1.0)];
        let total = LensError::of(String::new(), 3.0, 3.0);
        let (name, metric) = ("queue by owner".into(), "queue".into());
        found.lenses.push(LensReport { name, metric, worst, total, ..LensReport::default() });
    });
    let told = said(&verdict, "other_metrics");
    assert_eq!(
        told,
        "The total of queue by owner is the same over the fleet. Furthest off is a, by +100.0 %."
    );
}
