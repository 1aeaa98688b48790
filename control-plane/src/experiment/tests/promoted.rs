//! Promotion on a person's word: what stands in its way, by name.

use super::*;
use crate::experiment::{Allow, Effect, Traits, Unmet};

fn unmet(verdict: &Verdict, step: Step) -> Vec<String> {
    Unmet(verdict.unmet(step)).named()
}

fn decided(change: impl FnOnce(&mut Policy), horizons: &[Comparison], step: Step) -> Vec<String> {
    let found = evidence(vec![agent(1, horizons), agent(2, horizons)]);
    unmet(&decide(&found, &asking(change), &run(step), None, NOW), step)
}

#[test]
fn nothing_stands_in_the_way_where_every_criterion_is_met() {
    assert_eq!(decided(|_| (), &[good(), good()], Step::Mirror), Vec::<String>::new());
    assert_eq!(Unmet(Vec::new()).to_string(), "every criterion is met.");
}

#[test]
fn what_is_violated_and_what_is_not_measured_stand_in_the_way_by_name() {
    let short = decided(|_| (), &[good()], Step::Mirror);
    assert_eq!(short, ["horizons is not measured"]);
    let lossy = decided(|policy| policy.max_series_loss = Some(0.1), &[good(), good()], Step::Mirror);
    assert_eq!(lossy, ["max_series_loss is violated"]);
    let both = decided(|policy| policy.max_series_loss = Some(0.1), &[good()], Step::Mirror);
    assert_eq!(both.len(), 2, "{both:?}");
}

#[test]
fn an_a_a_step_has_measured_nothing_of_the_candidate() {
    let same = Comparison { lost_by_candidate: count(0), ..good() };
    let named = decided(|_| (), &[same.clone(), same], Step::Aa);
    assert!(named.contains(&"candidate is not measured".to_owned()), "{named:?}");
}

#[test]
fn what_only_describes_stands_in_nobodys_way() {
    let described = Criterion::default_of(Answer::NotMeasured, Effect::Tell, Reason::default());
    let verdict = Verdict { criteria: vec![described], ..Verdict::of(Verb::Continue, Vec::new()) };
    assert!(verdict.unmet(Step::Mirror).is_empty());
}

#[test]
fn a_candidate_is_compiled_when_it_is_checked_and_never_again() {
    let held = "processors: { interval: { interval: 30s } }
service: { pipelines: { metrics: { processors: [interval] } } }\n";
    let holding = Spec { candidate: held.to_owned(), ..spec() };
    let refused = holding.clone().check().expect_err("its steps have weights").to_string();
    assert!(refused.contains("holds points for up to 30s") && refused.contains("allow: [held]"), "{refused}");
    let policy = Policy { allow: Allow { held: true, ..Allow::default() }, ..holding.policy.clone() };
    let checked = Spec { policy, ..holding }.check().expect("right");
    let traits = checked.traits.clone().expect("told when it is checked");
    assert_eq!((traits.hold, checked.hold()), (Duration::from_secs(30), Duration::from_secs(30)));
    // A text that does not compile: whoever compiled it would find no hold and no functions.
    let merges = vec!["sum".to_owned()];
    let traits = Some(Traits { merges, ..traits });
    let kept = Spec {
        candidate: "no config".to_owned(),
        traits,
        ..asking(|policy| policy.max_lens_error = Some(0.1))
    };
    assert_eq!(kept.hold(), Duration::from_secs(30));
    assert!(kept.needs().iter().any(|need| need.contains("6m 30s")), "{:?}", kept.needs());
    let mut merged = good();
    (merged.fates.merged, merged.fates.merged_into) = (600, 3);
    (merged.fates.as_it_is, merged.fates.lost) = (400, 0);
    let found = evidence(vec![agent(1, &[merged.clone(), merged])]);
    let verdict = decide(&found, &kept, &run(Step::Mirror), None, NOW);
    let sentence = criterion(&verdict, "fates").finding.sentence;
    assert!(sentence.contains("together, by sum"), "{sentence}");
}

#[test]
fn a_promotion_that_is_rolled_back_stays_told_and_who_forced_it_and_why() {
    let promoted = |reasons| State::Running(run(Step::Mirror)).after(Action::Promote(reasons), &spec(), NOW);
    let rolled_back = |reasons| {
        let asked = vec![Reason::new("person", "rollback", "b@example.org asked for it.")];
        let state = promoted(reasons).expect("promoted").after(Action::RollBack(asked), &spec(), NOW);
        let state = state.expect("rolled back");
        assert_eq!(state.outcome(), Some(Outcome::RolledBack));
        state.end().expect("an end").reasons.iter().map(|one| one.sentence.clone()).collect::<Vec<_>>()
    };
    let forced = "a@example.org forced it, though 1 criterion is not met. The reason: a demo";
    assert_eq!(
        rolled_back(vec![Reason::new("person", "force", forced)]),
        ["b@example.org asked for it.", &format!("It had been promoted at {NOW}: {forced}")]
    );
    let by_evidence = rolled_back(vec![Reason::new("L0", "lost", "No series is lost.")]);
    assert_eq!(by_evidence[1], format!("It had been promoted at {NOW}."));
}

#[test]
fn what_was_waited_for_when_the_time_was_up_is_not_waited_for_after_the_end() {
    let asked = asking(|policy| policy.max_step_duration = Some(Duration::from_secs(1)));
    let verdict = decide(&evidence(vec![agent(1, &[])]), &asked, &run(Step::Mirror), None, NOW);
    assert_eq!(verdict.verb, Verb::RollBack, "{verdict:?}");
    let said: Vec<&str> = verdict.reasons.iter().map(|one| one.sentence.as_str()).collect();
    assert!(
        said[0].contains("did not get further") && said[1].starts_with("When it ended: 0 of 2"),
        "{said:?}"
    );
}
