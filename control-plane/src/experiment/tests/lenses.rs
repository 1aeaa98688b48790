//! What of lenses must not be overlooked: groups that are lost without a limit, and agents that were idle for a while.

use observe::{LensError, LensFunction, LensReport, Unnamed};

use super::answers::{decided, two};
use super::*;

fn group(name: &str, shown: [u64; 2]) -> LensError {
    let figures = shown.map(|instants| if instants > 0 { 10.0 } else { 0.0 });
    LensError { shown, instants: 6, ..LensError::of(name.to_owned(), figures[0], figures[1]) }
}

/// A horizon whose lens has twelve groups, of which so many are lost.
fn losing(lost: usize) -> Comparison {
    let mut found = good();
    let kept = |at: usize| at >= lost;
    let groups = (0..12).map(|at| group(&format!("app-{at:02}"), [6, if kept(at) { 6 } else { 0 }]));
    found.lenses[0].total = LensError::of(String::new(), 120.0, 120.0 - lost as f64 * 10.0);
    found.lenses[0].worst = groups.collect();
    (found.lenses[0].groups, found.lenses[0].groups_lost) = (12, lost as u64);
    found
}

/// Sentence about lost groups, and its place among the reasons.
fn lost(verdict: &Verdict) -> Option<(usize, String)> {
    let found = verdict.reasons.iter().enumerate().find(|(_, reason)| reason.quantity == "lost_groups");
    found.map(|(at, reason)| (at, reason.sentence.clone()))
}

#[test]
fn groups_that_are_lost_without_a_limit_are_the_first_that_a_verdict_says_and_none_is_said_to_be_else() {
    const TEN: &str = "The candidate loses 10 of 12 groups of memory by executable (app-00, app-01, app-02, app-03 and 6 more); \
                       no limit is on this lens, so that nothing follows from it.";
    let verdict = decided(two(|| losing(10)), &observing(), Step::Mirror);
    assert_eq!((verdict.verb, lost(&verdict)), (Verb::WouldPromote, Some((0, TEN.to_owned()))));
    assert_eq!(verdict.reasons[0].names, ["memory by executable"]);
    assert_eq!(verdict.reasons[0].groups.len(), 10);
    let advances = decided(two(|| losing(10)), &spec(), Step::Mirror);
    assert_eq!((advances.verb, lost(&advances)), (Verb::Advance, Some((0, TEN.to_owned()))));

    for spec in [observing(), spec()] {
        assert_eq!(lost(&decided(two(|| losing(0)), &spec, Step::Mirror)), None);
    }
    // A limit decides by itself.
    let limited = asking(|policy| policy.max_lens_error = Some(0.9));
    let verdict = decided(two(|| losing(1)), &limited, Step::Mirror);
    assert_eq!((verdict.verb, lost(&verdict)), (Verb::RollBack, None));
}

#[test]
fn of_groups_that_reports_do_not_name_the_least_number_is_told_and_other_lenses_are_named() {
    let verdict = decided(
        two(|| {
            let mut found = losing(10);
            found.lenses[0].worst.truncate(8);
            found.lenses[0].unnamed = Unnamed { groups: 4, lost: 2, ..Unnamed::default() };
            let (name, metric) = ("queue by owner".into(), "queue".into());
            let total = LensError::of(String::new(), 20.0, 10.0);
            let worst = vec![group("a", [6, 0]), group("b", [6, 6])];
            found.lenses.push(LensReport {
                name,
                metric,
                worst,
                total,
                groups_lost: 1,
                ..LensReport::default()
            });
            found
        }),
        &observing(),
        Step::Mirror,
    );
    let told = "The candidate loses at least 10 groups of memory by executable (among them app-00, app-01, app-02, app-03 and 4 \
                more), and groups of queue by owner; no limit is on these lenses, so that nothing follows from it.";
    assert_eq!(lost(&verdict), Some((0, told.to_owned())));
}

#[test]
fn a_total_over_agents_of_which_some_were_idle_is_not_said_to_be_of_all_the_time() {
    let told = |idle: u32| {
        let mut agents = two(good);
        agents[1].idle = idle;
        criterion(&decided(agents, &spec(), Step::Mirror), "lens").finding.sentence
    };
    assert!(!told(0).contains("That adds up"), "{}", told(0));
    let sentence = told(3);
    assert!(sentence.contains(" That adds up 2 agents from "), "{sentence}");
    assert!(
        sentence.ends_with(", without the time in which nothing came in: on host-2 for 3 horizons."),
        "{sentence}"
    );
}

#[test]
fn of_extremes_it_is_said_what_is_not_compared_and_of_other_lenses_it_is_not() {
    let told = |function, limit: Option<f64>| {
        let mut spec = asking(|policy| policy.max_lens_error = limit);
        spec.lenses.truncate(1);
        spec.lenses[0].function = function;
        let name = spec.lenses[0].name.clone();
        let agents = two(|| {
            let mut found = good();
            found.lenses[0].name.clone_from(&name);
            found
        });
        let quantity = if limit.is_some() { "max_lens_error" } else { "lens" };
        criterion(&decided(agents, &spec, Step::Mirror), quantity).finding.sentence
    };
    for limit in [None, Some(0.1)] {
        for (function, what) in [(LensFunction::Max, "Peaks"), (LensFunction::Min, "Lows")] {
            let unseen = format!("{what} between two instants, which are 10s apart, are not compared.");
            assert!(told(function, limit).ends_with(&unseen), "{}", told(function, limit));
        }
        assert!(
            !told(LensFunction::Sum, limit).contains("between two"),
            "{}",
            told(LensFunction::Sum, limit)
        );
    }
    // Of a lens that nothing entered there is no more to say.
    let mut silent = spec();
    silent.lenses.truncate(1);
    (silent.lenses[0].function, silent.lenses[0].name) = (LensFunction::Max, "nobody's".into());
    let sentence = criterion(&decided(two(good), &silent, Step::Mirror), "lens").finding.sentence;
    assert!(!sentence.contains("between two"), "{sentence}");
}
