//! Guardrails in verdicts: by severity, over the fleet's hosts, and over time.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;

use drift::Judgement;
use observe::{LensInstant, Sample};

use super::*;
use crate::experiment::{Direction, Guardrail, Measured, Quantity, Scope, Severity, sequential};

fn guardrail(quantity: Quantity, margin: f64, severity: Severity) -> Guardrail {
    let lens = (quantity == Quantity::LensTotal).then(|| "memory by executable".into());
    let (scope, direction) = (Scope::Fleet, Direction::Either);
    Guardrail { name: "the guardrail".into(), quantity, lens, scope, direction, margin, severity }
}

fn guarded(guardrail: Guardrail) -> Spec {
    let mut spec = spec();
    spec.policy.guardrails = vec![guardrail];
    spec.check().expect("right")
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
            reason.sentence.contains("-50.00 %, past ±40.00 %, on host-1, host-2"),
            "{}",
            reason.sentence
        );
    }
    let (verb, reasons) = verb(&both, &guarded(guardrail(Quantity::Bytes, 0.6, Severity::Fatal)));
    assert_eq!((verb, reason(&reasons).layer.as_str()), (Verb::Advance, "L0"));
}

#[test]
fn a_fatal_one_acts_on_the_first_horizon_before_others_are_heard_of() {
    let one = evidence(vec![agent(1, &[good()]), agent(2, &[])]);
    assert_eq!(verb(&one, &guarded(guardrail(Quantity::Bytes, 0.4, Severity::Fatal))).0, Verb::RollBack);
    assert_eq!(verb(&one, &guarded(guardrail(Quantity::Bytes, 0.4, Severity::Blocking))).0, Verb::Continue);
}

/// A horizon of which one in eight entities was followed; with `overloaded` they are all that the candidate got.
fn sampled(overloaded: bool) -> Comparison {
    let sample = Sample { one_in: 8, entities: 100.0, critical_cut: false, overloaded };
    let mut found = Comparison { sample: Some(sample), exact: false, ..good() };
    found.lenses.iter_mut().for_each(|lens| lens.truncated = overloaded);
    found
}

#[test]
fn what_a_sample_cannot_tell_no_guardrail_is_met_by() {
    let look = |overloaded, quantity, margin| {
        let both = evidence(vec![
            agent(1, &[sampled(overloaded), sampled(overloaded)]),
            agent(2, &[good(), good()]),
        ]);
        let verdict = decide(
            &both,
            &guarded(guardrail(quantity, margin, Severity::Blocking)),
            &run(Step::Mirror),
            None,
            NOW,
        );
        let criterion = verdict.criteria.into_iter().find(|one| one.finding.quantity == "the guardrail");
        criterion.map(|one| (one.answer, one.finding.sentence)).expect("a criterion")
    };
    let lost = good().lost_by_candidate.value as f64 / good().baseline.series.value as f64;
    for overloaded in [false, true] {
        let (answer, sentence) = look(overloaded, Quantity::SeriesLost, lost + 0.01);
        assert_eq!(answer, Answer::NotMeasured, "{sentence}");
        assert!(sentence.contains("1 in 8 entities"), "{sentence}");
        assert_eq!(look(overloaded, Quantity::SeriesLost, 1.0).0, Answer::Met);
        // None of one in eight: 24 of all may.
        assert_eq!(look(overloaded, Quantity::Collisions, 5.0).0, Answer::NotMeasured);
    }
    assert_eq!(look(false, Quantity::Collisions, 30.0).0, Answer::Met);
    assert_eq!(look(true, Quantity::Collisions, 30.0).0, Answer::NotMeasured);
    // Lenses are of the entities that are followed.
    assert_eq!(look(false, Quantity::LensTotal, 0.1).0, Answer::NotMeasured);
    assert_eq!(look(true, Quantity::LensTotal, 0.1).0, Answer::NotMeasured);
    assert_eq!(look(false, Quantity::Points, 0.6).0, Answer::Met, "all points were counted");
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
    let in_step = |evidence: &Evidence, severity: Severity, step: Step| {
        let verdict = decide(evidence, &slower(severity), &run(step), None, NOW);
        (verdict.verb, reason(&verdict.reasons).clone())
    };
    let look = |evidence: &Evidence| in_step(evidence, Severity::Fatal, Step::Split(2_500));
    // Horizons of a minute: a block is half an hour, and mirror needs eight of them.
    let (found, early) = in_step(&over_time(10, 0, 0.0), Severity::Fatal, Step::Mirror);
    assert_eq!((found, early.layer.as_str()), (Verb::Hold, "L3"));
    assert!(early.sentence.contains("not measured: the mirror step has 10 horizons"), "{}", early.sentence);
    let (found, some) = look(&over_time(300, 90, 0.5));
    assert_eq!(found, Verb::Hold);
    let expected = ["too few blocks (3 blocks of 30m;", "7 blocks are needed at least to show"];
    assert!(expected.iter().all(|words| some.sentence.contains(words)), "{}", some.sentence);
    let (found, calm) = look(&over_time(300, 900, 0.1));
    assert_eq!(found, Verb::Advance, "10 % slower, of 20 % allowed");
    assert!(calm.sentence.contains("is within +20.00 %"), "{}", calm.sentence);
    let (found, slow) = look(&over_time(300, 900, 0.4));
    assert_eq!((found, slow.hosts.len()), (Verb::RollBack, 2), "{}", slow.sentence);
    for (severity, found) in [(Severity::Blocking, Verb::Hold), (Severity::Advisory, Verb::Advance)] {
        assert_eq!(in_step(&over_time(300, 900, 0.4), severity, Step::Split(2_500)).0, found);
    }
}

/// The answer to a guardrail on time, without what is decided of it.
fn answer(evidence: &Evidence, guardrail: Guardrail) -> sequential::Sequential {
    let mut spec = spec();
    spec.policy.guardrails = vec![guardrail];
    sequential::judge(evidence, &spec).remove(0)
}

fn on_time(direction: Direction, scope: Scope) -> Guardrail {
    Guardrail { direction, scope, ..guardrail(Quantity::NanosPerPoint, 0.2, Severity::Blocking) }
}

#[test]
fn a_mirror_goes_on_until_it_tells_the_scale() {
    let short = answer(&over_time(239, 0, 0.0), on_time(Direction::Higher, Scope::Fleet));
    assert!(short.holds(Step::Mirror) && short.gathered.is_none());
    let enough = answer(&over_time(240, 0, 0.0), on_time(Direction::Higher, Scope::Fleet));
    assert!(!enough.holds(Step::Mirror) && enough.holds(Step::Split(500)), "{:?}", enough.judgement);
}

#[test]
fn harm_that_has_passed_stays_found_with_the_stretch_in_which_it_was() {
    let mut evidence = over_time(300, 1200, 0.0);
    for agent in &mut evidence.agents {
        for one in &mut agent.measured[600..1080] {
            one.nanos_per_point = one.nanos_per_point.map(|error| error + 0.5);
        }
    }
    let found = answer(&evidence, on_time(Direction::Either, Scope::Fleet));
    let Judgement::Violated { stretch } = found.judgement else { panic!("{found:?}") };
    assert_eq!((stretch.from, stretch.to), (600, 1079));
}

#[test]
fn a_host_without_a_mirror_switches_no_other_off() {
    let mut evidence = over_time(300, 900, 0.1);
    let mut new = agent(3, &[good(), good()]);
    new.measured = evidence.agents[0].measured[1_000..].to_vec();
    evidence.agents.push(new);
    assert_eq!(answer(&evidence, on_time(Direction::Higher, Scope::Fleet)).judgement, Judgement::Met);
}

#[test]
fn either_side_is_met_only_if_both_are() {
    let at_the_lower_margin = over_time(300, 900, -0.2);
    assert_eq!(
        answer(&at_the_lower_margin, on_time(Direction::Higher, Scope::Fleet)).judgement,
        Judgement::Met
    );
    let either = answer(&at_the_lower_margin, on_time(Direction::Either, Scope::Fleet));
    assert!(matches!(either.judgement, Judgement::NotMeasured { .. }), "{either:?}");
}

#[test]
fn what_a_part_of_each_batch_cannot_tell_is_no_guardrail_that_holds() {
    let part = |quantity, margin| {
        let mut found = good();
        let count = Count { value: 0, exact: false };
        found.sample = Some(Sample { one_in: 8, entities: 300.0, overloaded: true, ..Sample::default() });
        (found.candidate_only_collisions, found.candidate.collisions) = (count, count);
        (found.candidate.nanos_per_point, found.candidate.latency.p99) = (None, 0);
        let spec = guarded(guardrail(quantity, margin, Severity::Blocking));
        decide(&evidence(vec![agent(1, &[found.clone(), found])]), &spec, &run(Step::Mirror), None, NOW)
    };
    let verdict = part(Quantity::Collisions, 5.0);
    let found = verdict.criteria.iter().find(|one| one.finding.quantity == "the guardrail").expect("it");
    assert_eq!((verdict.verb, found.answer), (Verb::Hold, Answer::NotMeasured));
    assert!(found.finding.sentence.contains("this rests on 1 in 8 entities"), "{found:?}");
    for quantity in [Quantity::NanosPerPoint, Quantity::LatencyP99] {
        let verdict = part(quantity, 0.2);
        let found = verdict.criteria.iter().find(|one| one.finding.quantity == "the guardrail").expect("it");
        assert_eq!((verdict.verb, found.answer), (Verb::Hold, Answer::NotMeasured));
        assert!(found.finding.sentence.contains("its time there is not told"), "{found:?}");
    }
}

#[test]
fn a_lens_that_is_past_its_limit_names_the_group_the_instant_and_both_figures() {
    let found = |off: f64| {
        let mut found = good();
        let group = |name: &str, candidate: f64| LensError {
            shown: [6, 6],
            instants: 6,
            worst: Some(LensInstant { time: 1_796_045_556_000_000_000, figures: [120.0, candidate / 3.0] }),
            ..LensError::of(name.into(), 100.0, candidate)
        };
        found.lenses[0].worst = vec![group("sshd", 99.0), group("nginx", off), group("java", 140.0)];
        found.lenses[0].total = LensError::of(String::new(), 300.0, 299.0 + off - 60.0);
        found
    };
    let told = |quantity: Quantity, direction: Direction, off: f64| {
        let agents = vec![agent(1, &[found(off), found(off)]), agent(2, &[found(96.0), found(96.0)])];
        let lens = Some("memory by executable".into());
        let asked = Guardrail { lens, direction, ..guardrail(quantity, 0.05, Severity::Blocking) };
        let (_, reasons) = verb(&evidence(agents), &guarded(asked));
        reason(&reasons).sentence.clone()
    };
    let said = told(Quantity::LensGroup, Direction::Either, 30.125_5);
    let furthest = " Furthest off of the groups that reports name is nginx on host-1: 30.1255 where the baseline has 100; the \
                    instant at which they are furthest apart is 2026-11-30T13:32:36Z, with 10.0418 where the baseline has \
                    120.";
    assert!(said.ends_with(furthest), "{said}");
    // On the side that is harm alone, and not where the limit is kept.
    let more = told(Quantity::LensGroup, Direction::Higher, 30.0);
    assert!(more.contains("is java on host-2: 140 where the baseline has 100"), "{more}");
    let kept = told(Quantity::LensTotal, Direction::Lower, 60.0);
    assert!(!kept.contains("Furthest off"), "{kept}");
}
