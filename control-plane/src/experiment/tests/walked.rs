//! Horizons that were walked before: what is judged of them and of the rest is what is judged of all at once.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::experiment::{Direction, Guardrail, Measured, Quantity, Scope, Severity, Walked, sequential};

/// Guardrails of both quantities, of the fleet and of each host.
fn guarded() -> Spec {
    let mut spec = spec();
    let guardrail = |quantity, scope, direction| Guardrail {
        name: format!("{quantity:?} {scope:?}"),
        quantity,
        lens: None,
        scope,
        direction,
        margin: 0.2,
        severity: Severity::Blocking,
    };
    spec.policy.guardrails = vec![
        guardrail(Quantity::NanosPerPoint, Scope::Fleet, Direction::Either),
        guardrail(Quantity::LatencyP99, Scope::Host, Direction::Higher),
    ];
    spec
}

/// Figures of each host: noise in mirror and, after it, with a shift. Hosts come late, leave early, miss horizons, and go on
/// after mirror one later than the other; a quantity may begin late.
fn hosts(random: &mut Pcg64Mcg) -> Vec<Vec<Measured>> {
    let shift = [0.0, 0.1, 0.4][random.random_range(0..3)];
    let begins = if random.random_bool(0.5) { 0 } else { 20 };
    let host = |_| {
        let (from, to) = (random.random_range(0..20), random.random_range(1_100..1_300));
        let mirror = 300 + random.random_range(0..3);
        let numbers = from..to;
        let mut measured = Vec::new();
        for horizon in numbers {
            let noise: f64 = StandardNormal.sample(random);
            let error = 0.1 * noise + if horizon < mirror { 0.0 } else { shift };
            if random.random_range(0..20) != 0 {
                measured.push(Measured {
                    horizon: 1_000 + horizon,
                    mirror: horizon < mirror,
                    nanos_per_point: Some(error),
                    latency_p99: (horizon >= begins).then_some(error / 2.0),
                });
            }
        }
        measured
    };
    (0..3).map(host).collect()
}

fn between(hosts: &[Vec<Measured>], from: u64, to: u64) -> Vec<Vec<Measured>> {
    let some = |host: &Vec<Measured>| {
        host.iter().filter(|one| (from..to).contains(&one.horizon)).copied().collect::<Vec<_>>()
    };
    hosts.iter().map(some).collect()
}

fn judged(hosts: Vec<Vec<Measured>>, walked: Option<&Walked>, spec: &Spec) -> String {
    let agents = (1..).zip(hosts).map(|(at, measured)| AgentEvidence { measured, ..agent(at, &[good()]) });
    let evidence = Evidence { agents: agents.collect(), ..Evidence::default() };
    let evidence = Evidence { walked: walked.cloned().map(Arc::new), ..evidence };
    format!("{:?}", sequential::judge(&evidence, spec))
}

#[test]
fn what_was_walked_and_the_rest_are_judged_as_all_at_once() {
    let spec = guarded();
    let (mut met, mut violated) = (0, 0);
    for seed in 0..12 {
        let random = &mut Pcg64Mcg::seed_from_u64(seed);
        let all = hosts(random);
        let mut walked = Walked::default();
        let mut now = 1_000;
        while now < 2_300 {
            let before = walked.before();
            now += 1 + random.random_range(0..150);
            let seen = between(&all, 0, now);
            let mirror = seen.iter().flatten().filter(|one| one.mirror).map(|one| one.horizon).max();
            let rest = between(&all, before, now);
            let goes_on = walked.has_begun() && rest.iter().flatten().any(|one| one.mirror);
            assert!(!goes_on, "mirror is over once the guards have begun");
            let whole = judged(seen, None, &spec);
            assert_eq!(judged(rest.clone(), Some(&walked), &spec), whole, "{seed}: {now} after {before}");
            (met, violated) =
                (met + whole.matches("Met").count(), violated + whole.matches("Violated").count());
            let next = before.max(now.saturating_sub(5));
            walked = walked.and(&rest, &spec, next, mirror);
            let rest = between(&all, walked.before(), now);
            assert_eq!(judged(rest, Some(&walked), &spec), whole, "{seed}: {now} after {next}");
        }
        assert!(walked.has_begun(), "{seed}");
    }
    assert!(met > 10 && violated > 10, "{met} {violated}");
}
