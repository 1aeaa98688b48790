//! Guardrails in verdicts: by severity, over the fleet's hosts, and over time.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::experiment::{Direction, Guardrail, Measured, Quantity, Scope, Severity};

fn guardrail(quantity: Quantity, margin: f64, severity: Severity) -> Guardrail {
    let lens = (quantity == Quantity::LensTotal).then(|| "memory by executable".into());
    let (scope, direction) = (Scope::Fleet, Direction::Either);
    Guardrail { name: "the guardrail".into(), quantity, lens, scope, direction, margin, severity }
}

fn guarded(guardrail: Guardrail) -> Spec {
    let mut spec = spec();
    spec.policy.guardrails = vec![guardrail];
    spec.check().expect("right");
    spec
}

fn reason(reasons: &[Reason]) -> &Reason {
    reasons.iter().find(|reason| reason.quantity == "the guardrail").expect("its reason")
}

#[test]
fn past_its_margin_a_guardrail_rolls_back_holds_or_says_so() {
    let both = evidence(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])]);
    // Both hosts save half of the bytes.
    for (severity, found) in [
        (Severity::Fatal, Verb::RollBack),
        (Severity::Blocking, Verb::Hold),
        (Severity::Advisory, Verb::Advance),
    ] {
        let (verb, reasons) = verb(&both, &guarded(guardrail(Quantity::Bytes, 0.4, severity)));
        assert_eq!(verb, found, "{severity:?}");
        let reason = reason(&reasons);
        assert_eq!((reason.observed, reason.limit, reason.n), (Some(-0.5), Some(0.4), 2));
        assert_eq!(reason.hosts, ["host-1", "host-2"]);
        assert!(
            reason.sentence.contains("-50.00 %, past +40.00 %, on host-1, host-2"),
            "{}",
            reason.sentence
        );
    }
    let (verb, reasons) = verb(&both, &guarded(guardrail(Quantity::Bytes, 0.6, Severity::Fatal)));
    assert_eq!((verb, reason(&reasons).layer.as_str()), (Verb::Advance, "L1"));
    assert_eq!(reason(&reasons).interval, Some([-0.5, -0.5]));
}

#[test]
fn a_fatal_one_acts_on_the_first_horizon_before_others_are_heard_of() {
    let one = evidence(vec![agent(1, &[good()]), agent(2, &[])]);
    assert_eq!(verb(&one, &guarded(guardrail(Quantity::Bytes, 0.4, Severity::Fatal))).0, Verb::RollBack);
    assert_eq!(verb(&one, &guarded(guardrail(Quantity::Bytes, 0.4, Severity::Blocking))).0, Verb::Continue);
}

#[test]
fn a_margin_that_the_hosts_do_not_show_to_hold_holds_the_step_with_the_interval() {
    let with = |candidate: f64| {
        let mut found = good();
        found.lenses[0].total = LensError::of(String::new(), 100.0, candidate);
        found
    };
    let agents = |errors: [f64; 3]| {
        let found = (1..).zip(errors).map(|(at, candidate)| agent(at, &[with(candidate), with(candidate)]));
        evidence(found.collect())
    };
    let spec = guarded(guardrail(Quantity::LensTotal, 0.05, Severity::Blocking));
    assert_eq!(verb(&agents([99.0, 99.2, 98.9]), &spec).0, Verb::Advance);
    let (found, reasons) = verb(&agents([99.0, 105.0, 93.0]), &spec);
    assert_eq!(found, Verb::Hold);
    let reason = reason(&reasons);
    assert!(reason.interval.is_some_and(|[low, high]| low < -0.05 && high > 0.05), "{reason:?}");
    assert!(reason.sentence.contains("differ too much"), "{}", reason.sentence);
}

/// A relative error a horizon on each of two hosts: noise in mirror, then shifted noise.
fn over_time(mirror: usize, after: usize, shift: f64) -> Evidence {
    let mut agents = Vec::new();
    for at in 1..=2 {
        let mut rng = Pcg64Mcg::seed_from_u64(u64::from(at));
        let mut one = agent(at, &[good(), good()]);
        one.measured = (0..mirror + after)
            .map(|horizon| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                let shift = if horizon < mirror { 0.0 } else { shift };
                Measured {
                    horizon: horizon as u64,
                    mirror: horizon < mirror,
                    nanos_per_point: Some(0.1 * noise + shift),
                    latency_p99: None,
                }
            })
            .collect();
        agents.push(one);
    }
    evidence(agents)
}

fn slower(severity: Severity) -> Spec {
    guarded(Guardrail { direction: Direction::Higher, ..guardrail(Quantity::NanosPerPoint, 0.2, severity) })
}

#[test]
fn what_varies_is_judged_over_time_and_says_so_while_there_is_too_little() {
    let look = |evidence: &Evidence| {
        let (found, reasons) = verb(evidence, &slower(Severity::Fatal));
        (found, reason(&reasons).clone())
    };
    // Horizons of a minute: a block is half an hour.
    let (found, early) = look(&over_time(10, 0, 0.0));
    assert_eq!((found, early.layer.as_str()), (Verb::Hold, "L3"), "not measured yet");
    assert!(early.sentence.contains("too few blocks"), "{}", early.sentence);
    let (found, some) = look(&over_time(60, 90, 0.5));
    assert_eq!(found, Verb::Hold);
    assert!(some.sentence.contains("after 3 blocks of 30m; 9 are needed at least"), "{}", some.sentence);
    let (found, calm) = look(&over_time(60, 900, 0.1));
    assert_eq!(found, Verb::Advance, "10 % slower, of 20 % allowed");
    assert!(calm.sentence.contains("nothing shows"), "{}", calm.sentence);
    let (found, slow) = look(&over_time(60, 900, 0.4));
    assert_eq!((found, slow.hosts.len()), (Verb::RollBack, 2), "{}", slow.sentence);
    assert_eq!(verb(&over_time(60, 900, 0.4), &slower(Severity::Blocking)).0, Verb::Hold);
    assert_eq!(verb(&over_time(60, 900, 0.4), &slower(Severity::Advisory)).0, Verb::Advance);
}
