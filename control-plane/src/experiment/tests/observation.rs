//! Limits of what lenses and horizons see, said before an experiment begins and in its verdicts.

use super::answers::{decided, two};
use super::*;
use crate::experiment::Traits;

/// A spec whose candidate holds points back for so many seconds.
fn holding(hold: u64) -> Spec {
    let candidate = format!(
        "processors: {{ interval: {{ interval: {hold}s }} }}\nservice: {{ pipelines: {{ metrics: {{ processors: [interval] }} }} }}\n"
    );
    let mut spec = asking(|policy| (policy.max_lens_error, policy.allow.held) = (Some(0.1), true));
    (spec.candidate, spec.window, spec.report_every) =
        (candidate, Duration::from_secs(2), Duration::from_secs(4));
    spec
}

#[test]
fn a_look_back_that_is_shorter_than_what_the_candidate_holds_is_refused_by_name() {
    let with = |lookback: u64, change: fn(&mut Policy)| {
        let mut spec = holding(6);
        change(&mut spec.policy);
        spec.lenses.iter_mut().for_each(|lens| lens.lookback = Duration::from_secs(lookback));
        spec.check().map(drop).map_err(|wrong| wrong.to_string())
    };
    for short in [4, 6, 7] {
        let wrong = with(short, |_| ()).expect_err("too short");
        assert!(wrong.contains("the candidate may hold points for 6s"), "{wrong}");
    }
    assert_eq!(with(8, |_| ()), Ok(()));
    // Lenses that describe hold nobody to anything.
    assert_eq!(with(4, |policy| policy.max_lens_error = None), Ok(()));
    let mut plain = asking(|policy| policy.max_lens_error = Some(0.1));
    plain.lenses.iter_mut().for_each(|lens| lens.lookback = Duration::from_secs(1));
    assert!(plain.check().is_ok(), "nothing is held back");
}

#[test]
fn a_horizon_is_said_to_be_as_long_as_agents_make_it() {
    let needs = holding(6).needs();
    assert_eq!(
        needs[0],
        "Each step takes at least 24s: min_horizons is 2, and a horizon is 12s, twice the candidate's hold."
    );
    assert!(spec().needs()[0].ends_with("a horizon is 1m."));
    // Silence for two horizons of four seconds is none of an agent that reports every twelve.
    let held =
        Spec { traits: Some(Traits { hold: Duration::from_secs(6), ..Traits::default() }), ..holding(6) };
    let quiet = |spec: &Spec| {
        let mut silent = agent(2, &[]);
        silent.last_seen = Some(UnixMillis(NOW.0 - 20_000));
        let verdict =
            decide(&evidence(vec![agent(1, &[good(), good()]), silent]), spec, &run(Step::Mirror), None, NOW);
        verdict.basis.missing
    };
    assert_eq!(quiet(&held), Vec::<String>::new());
    let short = Spec { traits: Some(Traits::default()), ..held };
    assert_eq!(quiet(&short), ["host-2"]);
}

#[test]
fn lenses_of_peaks_say_what_they_do_not_see() {
    let mut peaks = spec();
    assert!(!peaks.needs().iter().any(|need| need.contains("looked at once a window")));
    peaks.lenses[0].function = observe::LensFunction::Max;
    let needs = peaks.needs();
    let told = needs.iter().find(|need| need.contains("looked at once a window, every 10s")).expect("told");
    assert!(told.contains(&peaks.lenses[0].name), "{told}");
}

#[test]
fn where_lenses_were_looked_at_is_said_and_where_none_was_it_is_not() {
    let with = |instants: u64, increases: bool| {
        let found = || {
            let mut found = good();
            found.lenses[0].total.instants = instants;
            found.lenses[0].increases = increases;
            found
        };
        decided(two(found), &spec(), Step::Mirror).basis.sentences().join(" ")
    };
    let said = with(24, false);
    assert!(said.contains("Lenses of gauges were evaluated at 24 instants, 10s apart"), "{said}");
    assert!(!with(0, false).contains("evaluated at") && !with(24, true).contains("evaluated at"));
}

#[test]
fn two_series_of_one_process_are_not_said_to_be_two_processes() {
    let verdict = |writers: [&str; 2]| {
        let found = || {
            let mut found = good();
            found.candidate_only_collisions = count(1);
            let writers = writers.map(str::to_owned);
            found.collisions = vec![Collision { metric: "m".into(), series: "s".into(), writers }];
            found
        };
        criterion(&decided(two(found), &spec(), Step::Mirror), "collisions").finding.names.join(" ")
    };
    assert_eq!(verdict(["java (pid 7)", "java (pid 7)"]), "m {s}: several series of java (pid 7)");
    assert_eq!(verdict(["java (pid 7)", "java (pid 8)"]), "m {s}: java (pid 7) and java (pid 8)");
}
