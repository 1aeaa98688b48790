//! Experiments that only observe: no step has a weight, nothing is promoted, and each end has its reasons.

use super::*;
use crate::experiment::{Allow, Direction, Guardrail, Quantity, Scope, Severity};

/// Nothing of the candidate leaves in mirror.
fn mirrored() -> Comparison {
    let mut found = good();
    found.candidate.delivered = Volume::default();
    found.candidate.delivery.confirmed = 0;
    found.candidate.assigned_points = 0;
    found
}

fn two(horizons: &[Comparison]) -> Evidence {
    evidence(vec![agent(1, horizons), agent(2, horizons)])
}

fn enough() -> Evidence {
    two(&[mirrored(), mirrored()])
}

fn asking(change: impl FnOnce(&mut Policy)) -> Spec {
    let mut spec = observing();
    change(&mut spec.policy);
    spec
}

/// Verb and quantities of the reasons.
fn decided(found: &Evidence, spec: &Spec, run: &Run, goal: Option<Goal>) -> (Verb, Vec<String>) {
    let verdict = decide(found, spec, run, goal, NOW);
    (verdict.verb, verdict.reasons.into_iter().map(|reason| reason.quantity).collect())
}

fn in_mirror(found: &Evidence, spec: &Spec) -> (Verb, Vec<String>) {
    decided(found, spec, &run(Step::Mirror), None)
}

/// Change of a policy.
type Change = fn(&mut Policy);

/// A run that began so long ago that every limit of a thousand seconds is over.
fn late(step: Step) -> Run {
    let long_ago = UnixMillis(NOW.0 - 2_000_000);
    Run { since: long_ago, began: long_ago, ..run(step) }
}

fn limited(policy: &mut Policy) {
    policy.max_duration = Some(Duration::from_secs(1_000));
}

#[test]
fn a_specification_without_weights_is_right_and_what_holds_points_back_needs_no_leave() {
    observing().check().expect("it observes");
    let held = "processors: { interval: { interval: 30s } }
service: { pipelines: { metrics: { processors: [interval] } } }\n";
    let holding = Spec { candidate: held.to_owned(), ..observing() };
    assert_eq!(holding.policy.allow, Allow::default());
    holding.clone().check().expect("nothing of it is delivered");
    let weighted = Spec { weights_bp: vec![10_000], ..holding };
    let refused = weighted.check().expect_err("it would be delivered").to_string();
    assert!(refused.contains("allow: [held]; or steps: [mirror]"), "{refused}");
    // Half of a roll-up is none, and a whole one is as good as any.
    let coarse = "processors: { groupbyattrs: { keys: [a] } }
service: { pipelines: { metrics: { processors: [groupbyattrs] } } }\n";
    Spec { candidate: coarse.to_owned(), ..observing() }.check().expect("no unit is moved");
}

#[test]
fn what_meets_everything_would_be_promoted_with_its_figures() {
    let verdict = decide(&enough(), &observing(), &run(Step::Mirror), None, NOW);
    assert_eq!(verdict.verb, Verb::WouldPromote);
    let saved = |reason: &Reason| reason.sentence.contains("has 1,000 where the baseline has 2,000");
    assert!(verdict.reasons.iter().any(saved), "{:#?}", verdict.reasons);
    let ended = State::Running(run(Step::Mirror))
        .after(Action::Judge(Outcome::WouldPromote, verdict.reasons), &observing(), NOW)
        .expect("an end");
    assert_eq!((ended.outcome(), ended.run()), (Some(Outcome::WouldPromote), None), "no agent runs it");
}

#[test]
fn nothing_is_promoted_approved_or_advanced_where_no_step_has_a_weight() {
    let asks = asking(|policy| policy.require_approval = true);
    for state in [State::Running(run(Step::Mirror)), State::Paused(run(Step::Mirror))] {
        for action in [
            Action::Promote(Vec::new()),
            Action::Approve("b@example.org".into()),
            Action::Conclude(Vec::new()),
            Action::Judge(Outcome::Promoted, Vec::new()),
            Action::Advance(vec![uid(1)]),
        ] {
            let refused = state.clone().after(action, &asks, NOW).expect_err("refused").to_string();
            assert!(refused.contains(" and only observes (allowed: "), "{refused}");
        }
        assert!(!state.awaits_approval(&asks));
    }
    assert_eq!(State::Running(run(Step::Mirror)).allowed(&asks), ["pause", "stop", "rollback"]);
    assert_eq!(in_mirror(&enough(), &asks).0, Verb::WouldPromote, "nobody has to be asked for an opinion");
    let judged =
        State::Running(run(Step::Mirror)).after(Action::Judge(Outcome::WouldNot, Vec::new()), &spec(), NOW);
    assert!(judged.is_err(), "a rollout is never judged so");
}

#[test]
fn every_violation_with_a_consequence_ends_it_and_one_without_does_not() {
    // What a rollout rolls back for, and what it holds for.
    for change in [
        (|policy: &mut Policy| policy.max_series_loss = Some(0.39)) as Change,
        |policy| policy.max_lens_error = Some(0.004),
        |policy| policy.min_cardinality_reduction = Some(0.51),
    ] {
        let (verb, reasons) = in_mirror(&enough(), &asking(change));
        assert_eq!((verb, reasons.len()), (Verb::WouldNot, 1), "{reasons:?}");
    }
    let guarded =
        |severity| asking(|policy| policy.guardrails = vec![guardrail(Quantity::Bytes, 0.4, severity)]);
    assert_eq!(
        in_mirror(&enough(), &guarded(Severity::Blocking)),
        (Verb::WouldNot, vec!["the guardrail".into()])
    );
    assert_eq!(in_mirror(&enough(), &guarded(Severity::Advisory)).0, Verb::WouldPromote);
    // Harm acts at once, the rest once the evidence is complete.
    let one = evidence(vec![agent(1, &[mirrored()]), agent(2, &[])]);
    assert_eq!(in_mirror(&one, &guarded(Severity::Fatal)).0, Verb::WouldNot);
    assert_eq!(in_mirror(&one, &guarded(Severity::Blocking)).0, Verb::Continue);
}

fn guardrail(quantity: Quantity, margin: f64, severity: Severity) -> Guardrail {
    let (scope, direction) = (Scope::Fleet, Direction::Either);
    Guardrail { name: "the guardrail".into(), quantity, lens: None, scope, direction, margin, severity }
}

#[test]
fn what_only_delivery_shows_is_never_met_and_ends_it_once_the_rest_is_measured() {
    let checks: [(Change, &str); 4] = [
        (|policy| policy.max_error_rate = Some(0.1), "max_error_rate"),
        (|policy| policy.max_latency_increase = Some(0.1), "max_latency_increase"),
        (
            |policy| policy.guardrails = vec![guardrail(Quantity::Undelivered, 0.1, Severity::Fatal)],
            "the guardrail",
        ),
        (
            |policy| policy.guardrails = vec![guardrail(Quantity::NanosPerPoint, 0.1, Severity::Blocking)],
            "the guardrail",
        ),
    ];
    for (change, name) in checks {
        let spec = asking(change);
        let needs = spec.needs();
        assert!(
            needs.iter().any(|need| need.contains(name) && need.contains("cannot be measured")),
            "{needs:?}"
        );
        assert!(
            !needs.iter().any(|need| need.contains("240 horizons")),
            "mirror need not be long: {needs:?}"
        );
        let verdict = decide(&enough(), &spec, &run(Step::Mirror), None, NOW);
        assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::NotMeasured, name));
        let of_it = verdict.criteria.iter().filter(|one| one.finding.quantity == name);
        let answers: Vec<Answer> = of_it.map(|one| one.answer).collect();
        assert_eq!(answers, [Answer::NotMeasured], "{name} is told once");
        assert!(verdict.reasons[0].sentence.contains("no step with a weight"), "{:?}", verdict.reasons[0]);
        // What is violated tells more than what nobody can know.
        let lossy = asking(|policy| {
            change(policy);
            policy.max_series_loss = Some(0.1);
        });
        assert_eq!(in_mirror(&enough(), &lossy), (Verb::WouldNot, vec!["max_series_loss".into()]));
        assert_eq!(in_mirror(&two(&[mirrored()]), &spec).0, Verb::Continue, "the rest is still to come");
    }
    let told = guardrail(Quantity::NanosPerPoint, 0.1, Severity::Advisory);
    let told = asking(|policy| policy.guardrails = vec![told]);
    assert_eq!(in_mirror(&enough(), &told).0, Verb::WouldPromote);
    assert!(!told.needs().iter().any(|need| need.contains("cannot be measured")), "{:?}", told.needs());
}

#[test]
fn when_time_is_up_it_ends_with_all_that_is_missing_unless_what_was_measured_decides() {
    let late_mirror = late(Step::Mirror);
    let of = |found: &Evidence, change: fn(&mut Policy)| {
        let spec = asking(|policy| {
            limited(policy);
            change(policy);
        });
        decided(found, &spec, &late_mirror, None)
    };
    let nothing_in = two(&[nothing(), nothing()]);
    let (verb, reasons) = of(&nothing_in, |policy| policy.max_error_rate = Some(0.1));
    assert_eq!(
        (verb, &reasons[..2]),
        (Verb::NotMeasured, &["max_duration".to_owned(), "traffic".to_owned()][..])
    );
    assert!(reasons.contains(&"max_error_rate".to_owned()), "{reasons:?}");
    assert_eq!(in_mirror(&nothing_in, &asking(limited)).0, Verb::Hold, "it may still come");
    assert_eq!(of(&enough(), |_| ()).0, Verb::WouldPromote);
    assert_eq!(of(&enough(), |policy| policy.max_series_loss = Some(0.1)).0, Verb::WouldNot);
    let (verb, reasons) = of(&enough(), |policy| policy.max_collisions = Some(0));
    assert_eq!(verb, Verb::NotMeasured, "not all series were compared across agents");
    assert_eq!(reasons, ["max_duration", "collisions_across_agents"]);
    // The limit of a step ends it likewise; whatever `at_max_duration` says, nothing waits for a person.
    let step = asking(|policy| policy.max_step_duration = Some(Duration::from_secs(1_000)));
    let (verb, reasons) = decided(&nothing_in, &step, &late_mirror, None);
    assert_eq!((verb, reasons[0].as_str()), (Verb::NotMeasured, "max_step_duration"));
    let verdict = decide(&nothing_in, &step, &late_mirror, None, NOW);
    assert!(verdict.is_out_of_time());
}

#[test]
fn a_stop_is_judged_by_what_was_measured_and_by_no_fewer_horizons() {
    let (observing, mirror) = (observing(), run(Step::Mirror));
    let stopped = State::Paused(mirror.clone()).after(Action::Stop, &observing, NOW).expect("stopped");
    assert!(matches!(stopped, State::Analyzing { goal: Goal::Judge, .. }), "{stopped:?}");
    assert_eq!(stopped.allowed(&observing), ["rollback"]);
    let goal = Some(Goal::Judge);
    assert_eq!(decided(&enough(), &observing, &mirror, goal).0, Verb::WouldPromote);
    assert_eq!(decided(&two(&[mirrored()]), &observing, &mirror, goal).0, Verb::Continue);
    let early = State::Initializing(mirror).after(Action::Stop, &observing, NOW).expect("stopped");
    assert_eq!(early.outcome(), Some(Outcome::NotMeasured));
    let reasons = &early.end().expect("an end").reasons;
    assert!(reasons[0].sentence.contains("nothing was judged"), "{reasons:?}");
}

#[test]
fn an_a_a_step_says_nothing_of_the_candidate_however_it_ends() {
    let mut same = good();
    same.candidate = same.baseline.clone();
    same.lost_by_candidate = count(0);
    same.fates = SeriesFates { of: count(1_000), as_it_is: 1_000, ..SeriesFates::default() };
    same.lenses[0].groups_that_differ = 0;
    let (alike, other) = (two(&[same.clone(), same]), two(&[good(), good()]));
    let observing = Spec { aa: true, ..observing() };
    let aa = run(Step::Aa);
    assert_eq!(decided(&alike, &observing, &aa, None).0, Verb::Advance);
    assert_eq!(observing.step_after(Step::Aa), Some(Step::Mirror));
    assert_eq!(
        decided(&alike, &observing, &aa, Some(Goal::Judge)),
        (Verb::NotMeasured, vec!["candidate".into()])
    );
    assert_eq!(decided(&other, &observing, &aa, None).0, Verb::Hold);
    let mut limited_spec = observing.clone();
    limited(&mut limited_spec.policy);
    let late = late(Step::Aa);
    let (verb, reasons) = decided(&other, &limited_spec, &late, None);
    assert_eq!((verb, &reasons[..]), (Verb::NotMeasured, &["max_duration".to_owned(), "aa".to_owned()][..]));
    let mut cut = agent(1, &[]);
    cut.cut = Some("panic".into());
    let (verb, reasons) = decided(&evidence(vec![cut]), &observing, &aa, None);
    assert_eq!(
        (verb, &reasons[..]),
        (Verb::NotMeasured, &["candidate_failure".to_owned(), "candidate".to_owned()][..])
    );
}

#[test]
fn the_wait_for_agents_ends_with_the_time_and_harm_to_them_ends_it_at_once() {
    let mut other = agent(2, &[]);
    other.applied = false;
    let waiting = evidence(vec![agent(1, &[]), other.clone()]);
    let at = |found: &Evidence, run: &Run| {
        let verdict = decide_start(found, &asking(limited), run, NOW);
        (verdict.verb, verdict.reasons.into_iter().map(|reason| reason.quantity).collect::<Vec<_>>())
    };
    assert_eq!(at(&waiting, &run(Step::Mirror)).0, Verb::Hold);
    assert_eq!(
        at(&waiting, &late(Step::Mirror)),
        (Verb::NotMeasured, vec!["max_duration".into(), "applied".into()])
    );
    other.cut = Some("panic".into());
    let harmed = evidence(vec![agent(1, &[]), other]);
    assert_eq!(at(&harmed, &run(Step::Mirror)), (Verb::WouldNot, vec!["candidate_failure".into()]));
    assert_eq!(at(&harmed, &run(Step::Aa)).0, Verb::NotMeasured, "the candidate is not what failed");
}
