//! Baselines that change in the midst of an experiment: nothing goes on with a candidate that would undo the change.

use super::answers::two;
use super::*;
use crate::experiment::{Rebased, rebased};

/// Two agents with evidence for any step, of which the second has another baseline than when it began.
fn changed() -> Vec<AgentEvidence> {
    let mut agents = two(good);
    agents[1].rebased = Some(Rebased { from: "aa11".into(), to: "bb22".into() });
    agents
}

fn decided(agents: Vec<AgentEvidence>, spec: &Spec, step: Step) -> Verdict {
    let goal = (step == Step::Split(10_000)).then_some(Goal::Promote);
    decide(&evidence(agents), spec, &run(step), goal, NOW)
}

#[test]
fn a_baseline_that_changes_holds_before_anything_is_delivered_and_rolls_back_after() {
    let steps = [
        (Step::Mirror, Verb::Hold),
        (Step::Split(2_500), Verb::RollBack),
        (Step::Split(10_000), Verb::RollBack),
    ];
    for (step, expected) in steps {
        let verdict = decided(changed(), &spec(), step);
        assert_eq!((verdict.verb, named(&verdict.reasons)), (expected, vec!["baseline"]), "{step}");
        let reason = &verdict.reasons[0];
        assert_eq!(reason.hosts, ["host-2"]);
        assert_eq!(reason.names, ["host-2: from aa11 to bb22"]);
        let puts_back = reason.sentence.contains("Put the earlier baseline back");
        assert_eq!(puts_back, expected == Verb::Hold, "{}", reason.sentence);
        assert!(reason.sentence.contains("does not count"), "{}", reason.sentence);
        assert!(!verdict.unmet(step).is_empty(), "a person is told, too");
    }
    let verdict = decided(two(good), &spec(), Step::Mirror);
    let kept = criterion(&verdict, "baseline");
    assert_eq!((verdict.verb, kept.answer), (Verb::Advance, Answer::Met));
    assert!(kept.finding.sentence.starts_with("No agent of the step says"), "{}", kept.finding.sentence);
}

#[test]
fn it_is_told_before_the_evidence_that_begins_again_is_complete() {
    let mut agents = changed();
    agents[1].count = 0;
    agents[1].horizons.clear();
    agents[1].totals.clear();
    let verdict = decided(agents.clone(), &spec(), Step::Mirror);
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::Hold, vec!["baseline"]));
    // Once the earlier one is back, the step begins again.
    agents[1].rebased = None;
    assert_eq!(decided(agents, &spec(), Step::Mirror).verb, Verb::Continue);
}

#[test]
fn what_only_observes_is_not_judged_by_what_was_measured_with_another_baseline() {
    let mut spec = observing();
    assert_eq!(decided(changed(), &spec, Step::Mirror).verb, Verb::Hold);
    spec.policy.max_duration = Some(Duration::from_secs(1));
    assert_eq!(decided(changed(), &spec, Step::Mirror).verb, Verb::NotMeasured);
}

#[test]
fn a_step_that_is_held_for_it_is_given_up_in_its_time() {
    let limited = asking(|policy| policy.max_step_duration = Some(Duration::from_secs(1)));
    let verdict = decided(changed(), &limited, Step::Mirror);
    assert_eq!(
        (verdict.verb, named(&verdict.reasons)),
        (Verb::RollBack, vec!["max_step_duration", "baseline"])
    );
}

#[test]
fn a_change_and_its_end_are_news_once_each() {
    let [kept, other] = [two(good), changed()].map(|agents| decided(agents, &spec(), Step::Mirror));
    let news = |before: Option<&Verdict>, next| rebased(before, next).map(|reason| reason.names.len());
    assert_eq!((news(None, &kept), news(Some(&kept), &kept)), (None, None));
    assert_eq!(
        (news(Some(&kept), &other), news(None, &other), news(Some(&other), &other)),
        (Some(1), Some(1), None)
    );
    assert_eq!(news(Some(&other), &kept), Some(0));
}
