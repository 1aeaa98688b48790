//! Criteria that nobody asks for: a candidate that costs more, that rewrites what people group by, or that is refused.

use observe::AttributeFates;

use super::answers::{decided, two};
use super::*;
use crate::experiment::Effect;

type Change = fn(&mut Comparison);

/// Verdict on two agents whose horizons are all changed alike.
fn with(change: impl Fn(&mut Comparison), spec: &Spec, step: Step) -> Verdict {
    let found = || {
        let mut found = good();
        change(&mut found);
        found
    };
    decided(two(found), spec, step)
}

fn mirror(change: impl Fn(&mut Comparison)) -> Verdict {
    with(change, &spec(), Step::Mirror)
}

#[test]
fn a_candidate_that_has_more_than_the_baseline_holds_until_that_is_allowed() {
    let series: Change = |found| found.candidate.active_series = 13_000;
    let points: Change = |found| found.candidate.output.points = 6_100;
    let bytes: Change = |found| found.candidate.output.bytes = 700_000;
    let told = [
        (
            series,
            "active series as the backend bills them (26,000 where the baseline has 2,000, 1200.0 % more)",
        ),
        (points, "points (12,200 where the baseline has 12,000, 1.67 % more)"),
        (bytes, "bytes (1,400,000 where the baseline has 1,200,000, 16.7 % more)"),
    ];
    let allowed = asking(|policy| policy.allow.more = true);
    for (change, what) in told {
        let verdict = mirror(change);
        assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "more"), "{what}");
        let sentence = format!("The candidate has more {what}. To accept it: `allow: [more]`.");
        assert_eq!(verdict.reasons[0].sentence, sentence);
        let verdict = with(change, &allowed, Step::Mirror);
        assert_eq!(verdict.verb, Verb::Advance);
        let sentence = criterion(&verdict, "more").finding.sentence;
        assert_eq!(sentence, format!("The candidate has more {what}; that is allowed."));
    }
}

#[test]
fn less_and_what_stages_and_attributes_make_is_not_called_more() {
    let slightly = |found: &mut Comparison| {
        (found.candidate.output.points, found.candidate.active_series) = (6_060, 1_010);
        found.candidate.output.bytes = 650_000;
    };
    for verdict in [mirror(|_| ()), mirror(slightly)] {
        let more = criterion(&verdict, "more");
        assert_eq!((verdict.verb, more.answer), (Verb::Advance, Answer::Met), "{more:?}");
        assert!(more.finding.sentence.starts_with("The candidate has no more"), "{}", more.finding.sentence);
    }
    let nothing = decided(two(nothing), &spec(), Step::Mirror);
    let more = criterion(&nothing, "more");
    assert_eq!(more.answer, Answer::NotApplicable);
    assert_eq!(more.finding.sentence, "Nothing came in of which the candidate could make more.");
}

#[test]
fn what_the_baseline_has_none_of_is_more() {
    let verdict = mirror(|found| {
        (found.baseline.active_series, found.candidate.active_series) = (0, 7);
    });
    let sentence = criterion(&verdict, "more").finding.sentence;
    assert!(sentence.contains("(14 where the baseline has none)"), "{sentence}");
}

#[test]
fn more_than_a_sample_can_tell_is_not_said_to_be_more() {
    let verdict = mirror(|found| {
        found.candidate.active_series = 1_020;
        found.sample = Some(observe::Sample { one_in: 4, entities: 100.0, ..observe::Sample::default() });
    });
    let more = criterion(&verdict, "more");
    assert_eq!(more.answer, Answer::NotMeasured, "{more:?}");
    assert!(more.finding.sentence.starts_with("The candidate may have more active series"), "{more:?}");
}

#[test]
fn an_attribute_that_gets_one_value_for_all_is_not_said_to_be_kept() {
    let group = |name: &str, shown: [u64; 2]| LensError {
        shown,
        instants: 6,
        ..LensError::of(name.into(), 100.0, 100.0)
    };
    let constant = |found: &mut Comparison| {
        found.lenses[0].groups_lost = 3;
        found.lenses[0].worst =
            vec![group("nginx", [6, 0]), group("java", [6, 0]), group("sshd", [6, 0]), group("app", [0, 6])];
    };
    let verdict = mirror(constant);
    assert_eq!((verdict.verb, named(&verdict.reasons)[0]), (Verb::Hold, "attributes_used"));
    let reason = &verdict.reasons[0];
    assert!(
        reason.sentence.starts_with(
            "The candidate gives other values to what people group by: process.executable.name of memory by executable"
        ),
        "{}",
        reason.sentence
    );
    assert_eq!(reason.names, ["memory by executable"]);
    let allowed = asking(|policy| policy.allow.renamed = crate::experiment::Allowed::All);
    assert_eq!(with(constant, &allowed, Step::Mirror).verb, Verb::Advance);
    // A group that is put to another one, which is there already: nothing is new.
    let renamed = |found: &mut Comparison| {
        found.lenses[0].groups_lost = 1;
        found.lenses[0].worst = vec![group("nginx", [6, 0]), group("java", [6, 6])];
        let attribute = "process.executable.name".to_owned();
        found.fates.by_attribute = vec![AttributeFates { attribute, rewritten: 8, ..Default::default() }];
    };
    let exchanged = |found: &mut Comparison| {
        renamed(found);
        found.lenses[0].groups_lost = 0;
        (found.lenses[0].groups_that_differ, found.lenses[0].total) = (2, LensError::of("".into(), 9.0, 9.0));
    };
    for change in [&renamed as &dyn Fn(&mut Comparison), &exchanged] {
        assert_eq!(named(&mirror(change).reasons)[0], "attributes_used");
        let elsewhere = |found: &mut Comparison| {
            change(found);
            found.fates.by_attribute[0].attribute = "process.command_line".to_owned();
        };
        assert_eq!(mirror(elsewhere).verb, Verb::Advance);
    }
    // Groups that are lost and nothing in their place, and new ones beside all others, are no other value.
    let lost = |found: &mut Comparison| {
        constant(found);
        found.lenses[0].worst.truncate(3);
    };
    let new = |found: &mut Comparison| found.lenses[0].worst = vec![group("app", [0, 6])];
    assert_eq!((mirror(lost).verb, mirror(new).verb), (Verb::Advance, Verb::Advance));
}

/// Verdict on a step at 25 % in which destinations confirmed and failed so many points of the baseline and of the candidate.
fn delivered([baseline, candidate]: [[u64; 2]; 2], spec: &Spec) -> Verdict {
    let change = |found: &mut Comparison| {
        (found.baseline.delivery.confirmed, found.baseline.delivery.failed) = baseline.into();
        (found.candidate.delivery.confirmed, found.candidate.delivery.rejected) = candidate.into();
    };
    with(change, spec, Step::Split(2_500))
}

#[test]
fn points_that_destinations_refuse_for_good_roll_back_though_nobody_asks() {
    let verdict = delivered([[1_000, 0], [0, 750]], &spec());
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::RollBack, vec!["undelivered"]));
    assert!(
        verdict.reasons[0].sentence.starts_with(
            "Destinations did not take 3,000 of 3,000 points of the candidate, 100.0 %, and 0.00 % of the baseline's"
        ),
        "{}",
        verdict.reasons[0].sentence
    );
    // Many at once; a few, once the step's evidence is complete.
    for (lost, effect) in [(400, Effect::RollBackAtOnce), (20, Effect::RollBack)] {
        let verdict = delivered([[1_000, 0], [1_000 - lost, lost]], &spec());
        let refused = criterion(&verdict, "undelivered");
        assert_eq!((verdict.verb, refused.effect), (Verb::RollBack, effect));
    }
}

#[test]
fn points_that_are_refused_of_both_alike_or_that_the_policy_accepts_are_not_the_candidates_fault() {
    let alike = delivered([[500, 500], [500, 500]], &spec());
    assert_eq!(criterion(&alike, "undelivered").answer, Answer::Met);
    assert_eq!(alike.verb, Verb::Advance);
    let few = delivered([[1_000, 0], [995, 5]], &spec());
    assert_eq!(few.verb, Verb::Advance);
    let accepts = asking(|policy| policy.max_error_rate = Some(0.5));
    let verdict = delivered([[1_000, 0], [600, 400]], &accepts);
    assert_eq!(verdict.verb, Verb::Advance);
    assert!(!verdict.criteria.iter().any(|one| one.finding.quantity == "undelivered"));
    let alone = delivered([[0, 0], [999, 1]], &spec());
    let sentence = criterion(&alone, "undelivered").finding.sentence;
    assert!(sentence.ends_with("; nothing of the baseline was settled."), "{sentence}");
    let nothing = delivered([[1_000, 0], [0, 0]], &spec());
    let none = criterion(&nothing, "undelivered");
    assert_eq!(none.answer, Answer::NotApplicable);
    assert!(none.finding.sentence.starts_with("No point of the candidate was settled"), "{none:?}");
}

#[test]
fn a_destination_that_refuses_whatever_comes_is_not_said_to_refuse_the_candidate() {
    let told = |agents: Vec<AgentEvidence>| decided(agents, &spec(), Step::Split(10_000));
    // Confirmed and rejected of the baseline and of the candidate.
    let agent = |at: u8, step: [[u64; 2]; 2], before: [u64; 2]| {
        let mut found = good();
        let [baseline, candidate] = step;
        (found.baseline.delivery.confirmed, found.baseline.delivery.rejected) = baseline.into();
        (found.candidate.delivery.confirmed, found.candidate.delivery.rejected) = candidate.into();
        let mut agent = agent(at, &[found.clone(), found]);
        for total in agent.totals.iter_mut().map(Arc::make_mut) {
            (total.baseline.delivery.confirmed, total.baseline.delivery.rejected) = before.into();
        }
        agent
    };
    let nil = [0, 0];
    // Nothing of the baseline was ever settled: nothing to compare with.
    let alone = |at| agent(at, [nil, [10, 990]], nil);
    let verdict = told(vec![alone(1), alone(2)]);
    let found = criterion(&verdict, "undelivered");
    assert_eq!((verdict.verb, found.answer), (Verb::Hold, Answer::NotMeasured), "{found:?}");
    assert!(found.finding.sentence.contains("there is nothing to compare with"), "{found:?}");
    // At 100 % what was refused of the baseline before is what may be refused now.
    let as_before = |at| agent(at, [nil, [10, 990]], [10, 990]);
    let met = criterion(&told(vec![as_before(1), as_before(2)]), "undelivered");
    let said = "and 99.0 % of the baseline's before, as nothing of it was settled in the step 100 %.";
    assert!(met.answer == Answer::Met && met.finding.sentence.ends_with(said), "{met:?}");
    let taken_before = |at| agent(at, [nil, [10, 990]], [1_000, 0]);
    let verdict = told(vec![taken_before(1), taken_before(2)]);
    assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::RollBack, vec!["undelivered"]));
    // It had begun to refuse the baseline, and may have come to refuse all.
    let begun = |at| agent(at, [nil, [0, 1_000]], [706, 294]);
    let verdict = told(vec![begun(1), begun(2)]);
    assert_eq!(criterion(&verdict, "undelivered").answer, Answer::NotMeasured);
    // A destination that one agent alone has refuses it of both variants; another's takes both.
    let [broken, sound] = [agent(1, [[0, 50], [0, 900]], nil), agent(2, [[900, 0], [50, 0]], nil)];
    let met = criterion(&told(vec![broken, sound]), "undelivered");
    assert!(met.answer == Answer::Met && !met.finding.sentence.contains("before"), "{met:?}");
    let mixed = criterion(&told(vec![as_before(1), agent(2, [[900, 0], [50, 0]], nil)]), "undelivered");
    assert!(mixed.finding.sentence.contains("in the step 100 %, or before it where nothing"), "{mixed:?}");
    // Some that cannot be compared hold, and do not hide what can be.
    let partly = told(vec![alone(1), agent(2, [[900, 0], [50, 0]], nil)]);
    assert_eq!(criterion(&partly, "undelivered").answer, Answer::NotMeasured);
    let harm = told(vec![alone(1), agent(2, [[900, 0], [0, 900]], nil)]);
    assert_eq!(harm.verb, Verb::RollBack);
}
