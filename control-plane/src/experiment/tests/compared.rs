//! Agents compared with each other: what several write, what was looked at, and what cannot be said.

use super::*;
use crate::experiment::across::{AcrossAgents, CollisionName, FleetCollision, Turn};

const QUANTITY: &str = "collisions_across_agents";

fn across(cover: &[(u64, u32, u32)], collisions: u64) -> AcrossAgents {
    let turn = |(turn, slices, agents): &(u64, u32, u32)| Turn {
        turn: *turn,
        slices: *slices,
        agents: *agents,
        overlaps: false,
    };
    let named = Some(CollisionName {
        metric: "memory".to_owned(),
        series: "state=used".to_owned(),
        writer: "host web-2".to_owned(),
    });
    let found = FleetCollision { agents: [uid(1), uid(2)], named };
    AcrossAgents {
        turns: cover.iter().map(turn).collect(),
        collisions,
        since: (collisions > 0).then_some(NOW),
        found: (0..collisions.min(1)).map(|_| found.clone()).collect(),
    }
}

fn decided(agents: u8, across: AcrossAgents, spec: &Spec, step: Step) -> Verdict {
    let agents = (1..=agents).map(|at| agent(at, &[good(), good()])).collect();
    decide(&Evidence { agents, across, ..Evidence::default() }, spec, &run(step), None, NOW)
}

const WHOLE: &[(u64, u32, u32)] = &[(7, 1, 2)];
const HALF: &[(u64, u32, u32)] = &[(7, 2, 2)];

#[test]
fn a_collision_across_agents_rolls_back_at_once_by_name_however_little_was_looked_at() {
    for (cover, step) in [(WHOLE, Step::Mirror), (HALF, Step::Split(2_500))] {
        let verdict = decided(2, across(cover, 20), &spec(), step);
        assert_eq!((verdict.verb, named(&verdict.reasons)), (Verb::RollBack, vec![QUANTITY]));
        let found = criterion(&verdict, QUANTITY);
        assert_eq!((found.answer, found.finding.observed), (Answer::Violated, Some(20.0)));
        assert_eq!(found.finding.hosts, ["host-1", "host-2"]);
        let name = "memory {state=used}: host web-2 and another, through host-1 and host-2";
        assert_eq!(found.finding.names, [name]);
        assert!(
            found.finding.sentence.starts_with("20 series of the candidate are written by several agents")
        );
    }
}

#[test]
fn what_was_just_found_holds_until_it_is_named_and_rolls_back_without_names_if_nobody_does() {
    let unnamed = |since| {
        let mut across = across(WHOLE, 1);
        (across.since, across.found[0].named) = (Some(since), None);
        decided(2, across, &spec(), Step::Mirror)
    };
    let held = unnamed(NOW);
    assert_eq!((held.verb, criterion(&held, QUANTITY).answer), (Verb::Hold, Answer::NotMeasured));
    let late = unnamed(UnixMillis(NOW.0 - 5_001));
    assert_eq!((late.verb, criterion(&late, QUANTITY).answer), (Verb::RollBack, Answer::Violated));
    assert!(criterion(&late, QUANTITY).finding.names.is_empty());
}

#[test]
fn a_policy_may_allow_some_collisions() {
    let spec = asking(|policy| policy.max_collisions = Some(20));
    assert_eq!(criterion(&decided(2, across(WHOLE, 20), &spec, Step::Mirror), QUANTITY).answer, Answer::Met);
    let half = criterion(&decided(2, across(HALF, 2), &spec, Step::Mirror), QUANTITY).finding.sentence;
    assert!(
        half.contains("and 2 series of the candidate are written over") && !half.contains("none"),
        "{half}"
    );
    let more = decided(2, across(WHOLE, 21), &spec, Step::Mirror);
    assert_eq!(criterion(&more, QUANTITY).answer, Answer::Violated);
}

#[test]
fn what_was_not_looked_at_is_told_and_holds_only_who_asks() {
    let asked = asking(|policy| policy.max_collisions = Some(0));
    for (cover, said) in [(HALF, "50.0 % of the series of 2 agents"), (&[][..], "0.00 % of the series")] {
        let told = decided(2, across(cover, 0), &spec(), Step::Mirror);
        let found = criterion(&told, QUANTITY);
        assert_eq!((told.verb, found.answer), (Verb::Advance, Answer::NotMeasured));
        assert!(found.finding.sentence.starts_with(said), "{}", found.finding.sentence);
        assert_eq!(found.finding.sentence.contains("none of them"), !cover.is_empty());
        assert!(named(&told.reasons).contains(&QUANTITY), "the share is told");
        let held = decided(2, across(cover, 0), &asked, Step::Mirror);
        assert_eq!((held.verb, criterion(&held, QUANTITY).holds()), (Verb::Hold, true));
    }
    assert_eq!(decided(2, across(WHOLE, 0), &asked, Step::Mirror).verb, Verb::Advance);
}

#[test]
fn a_turn_that_one_of_the_agents_did_not_tell_covers_nothing_unless_the_policy_lets_it_be_missing() {
    let turn: &[(u64, u32, u32)] = &[(7, 1, 2)];
    assert_eq!(
        criterion(&decided(3, across(turn, 0), &spec(), Step::Mirror), QUANTITY).answer,
        Answer::NotMeasured
    );
    let lenient = asking(|policy| policy.max_missing = 0.4);
    assert_eq!(criterion(&decided(3, across(turn, 0), &lenient, Step::Mirror), QUANTITY).answer, Answer::Met);
}

#[test]
fn one_agent_alone_writes_over_nobody_and_a_pipeline_compared_with_itself_is_not_asked() {
    let asked = asking(|policy| policy.max_collisions = Some(0));
    let alone = decided(1, across(&[], 0), &asked, Step::Mirror);
    assert_eq!((alone.verb, criterion(&alone, QUANTITY).answer), (Verb::Advance, Answer::NotApplicable));
    let aa = decided(2, across(&[], 0), &spec(), Step::Aa);
    assert!(aa.criteria.iter().all(|one| one.finding.quantity != QUANTITY));
}

#[test]
fn an_agent_of_an_earlier_release_that_does_not_tell_is_named() {
    let mut agents = vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])];
    agents[1].horizons.iter_mut().for_each(|found| Arc::make_mut(found).slices = observe::Slices::default());
    let evidence = Evidence { agents, across: across(WHOLE, 0), ..Evidence::default() };
    let verdict = decide(&evidence, &spec(), &run(Step::Mirror), None, NOW);
    let found = criterion(&verdict, QUANTITY);
    assert_eq!(
        (found.answer, found.finding.hosts.as_slice()),
        (Answer::NotMeasured, &["host-2".to_owned()][..])
    );
    assert!(found.finding.sentence.contains("upgrade them"), "{}", found.finding.sentence);
}

#[test]
fn where_a_series_comes_through_several_agents_counts_are_at_most_and_it_is_said() {
    let mut overlapping = across(WHOLE, 0);
    overlapping.turns[0].overlaps = true;
    let verdict = decided(2, overlapping, &spec(), Step::Mirror);
    let fates = criterion(&verdict, "fates").finding.sentence;
    assert!(
        fates.starts_with("Of 2,000 series of the baseline, counted for each agent and process, "),
        "{fates}"
    );
    assert!(verdict.basis.sentences().iter().any(|said| said.contains("come through several agents")));
    let disjoint = decided(2, across(WHOLE, 0), &spec(), Step::Mirror);
    assert!(criterion(&disjoint, "fates").finding.sentence.starts_with("Of 2,000 series"));
    assert!(!disjoint.basis.sentences().iter().any(|said| said.contains("several agents")));
}

/// Evidence of one agent that follows one in eight of its entities, of which so many identities collide.
fn of_a_sample(found: u64, sample: observe::Sample) -> Evidence {
    let mut horizon = good();
    horizon.sample = Some(sample);
    let inexact = Count { value: found, exact: false };
    (horizon.candidate.collisions, horizon.candidate_only_collisions) = (inexact, inexact);
    horizon.input_series.exact = false;
    horizon.exact = false;
    evidence(vec![agent(1, &[horizon.clone(), horizon])])
}

const SAMPLE: observe::Sample =
    observe::Sample { one_in: 8, entities: 300.0, critical_cut: false, overloaded: false };

#[test]
fn none_of_a_sample_is_not_none_of_all_and_holds_until_so_many_are_allowed() {
    let verdict = decide(&of_a_sample(0, SAMPLE), &spec(), &run(Step::Mirror), None, NOW);
    let found = criterion(&verdict, "collisions");
    assert_eq!(
        (verdict.verb, found.answer, found.finding.observed),
        (Verb::Hold, Answer::NotMeasured, Some(24.0))
    );
    let said = "Of 1 in 8 output identities that were looked at on host-1 none has several writers; up to 24 of them";
    assert!(found.finding.sentence.starts_with(said), "{}", found.finding.sentence);
    let lenient = asking(|policy| policy.max_collisions = Some(24));
    let verdict = decide(&of_a_sample(0, SAMPLE), &lenient, &run(Step::Mirror), None, NOW);
    let met = criterion(&verdict, "collisions");
    assert_eq!(met.answer, Answer::Met);
    assert!(met.finding.sentence.ends_with("up to 24 of them all may (95 %). 24 are allowed."), "{met:?}");
    let verdict = decide(&of_a_sample(25, SAMPLE), &lenient, &run(Step::Mirror), None, NOW);
    assert_eq!((verdict.verb, criterion(&verdict, "collisions").answer), (Verb::RollBack, Answer::Violated));
}

#[test]
fn every_criterion_on_series_says_what_sample_it_rests_on() {
    let verdict = decide(&of_a_sample(0, SAMPLE), &spec(), &run(Step::Mirror), None, NOW);
    for quantity in ["fates", "renamed", "changed"] {
        let said = criterion(&verdict, quantity).finding.sentence;
        assert!(said.contains("On host-1 this rests on 1 in 8 entities"), "{said}");
        assert!(said.contains("off by 5.66 %") && said.contains("up to 0.99 %"), "{said}");
    }
    let whole = decide(&evidence(vec![agent(1, &[good(), good()])]), &spec(), &run(Step::Mirror), None, NOW);
    assert!(whole.criteria.iter().all(|one| !one.finding.sentence.contains("rests on 1 in")));
}

#[test]
fn where_critical_processes_alone_are_too_many_nothing_is_said_of_them_but_what_is_hidden() {
    let cut = observe::Sample { critical_cut: true, ..SAMPLE };
    let verdict = decide(&of_a_sample(0, cut), &spec(), &run(Step::Mirror), None, NOW);
    assert_eq!(criterion(&verdict, "critical_process_coverage").answer, Answer::NotMeasured);
    let mut hiding = of_a_sample(0, cut);
    Arc::make_mut(&mut hiding.agents[0].horizons[0]).horizon.coverage.candidate = 4;
    let verdict = decide(&hiding, &spec(), &run(Step::Mirror), None, NOW);
    assert_eq!(criterion(&verdict, "critical_process_coverage").answer, Answer::Violated);
}

/// Evidence of two agents whose candidate gets one in so many entities.
fn of_overloaded(shares: [u32; 2], of: impl Fn(&mut Comparison)) -> Evidence {
    let horizon = |one_in: u32| {
        let mut found = good();
        let entities = 4_000.0 / f64::from(one_in);
        found.sample = Some(observe::Sample { one_in, entities, overloaded: true, ..SAMPLE });
        let inexact = |count: Count| Count { exact: false, ..count };
        found.candidate.collisions = inexact(found.candidate.collisions);
        found.candidate_only_collisions = inexact(found.candidate_only_collisions);
        (found.input_series, found.exact) = (inexact(found.input_series), false);
        of(&mut found);
        found
    };
    let agents = (1..).zip(shares).map(|(at, one_in)| agent(at, &[horizon(one_in), horizon(one_in)]));
    evidence(agents.collect())
}

#[test]
fn of_a_candidate_that_gets_a_part_the_rest_is_not_said_to_be_looked_at_later() {
    let said = |evidence: &Evidence| {
        let verdict = decide(evidence, &spec(), &run(Step::Mirror), None, NOW);
        criterion(&verdict, QUANTITY).finding.sentence.clone()
    };
    let of_part = said(&of_overloaded([4, 1], |_| {}));
    assert!(of_part.contains("on host-1, host-2 the candidate gets a part of the entities"), "{of_part}");
    assert!(!of_part.contains("yet"), "{of_part}");
    let whole = said(&evidence(vec![agent(1, &[good(), good()]), agent(2, &[good(), good()])]));
    assert!(whole.contains("the rest was not looked at yet"), "{whole}");
}

#[test]
fn of_a_candidate_that_gets_a_part_collisions_are_not_measured_and_it_is_never_advanced() {
    let evidence = of_overloaded([4, 16], |_| {});
    let lenient = asking(|policy| policy.max_collisions = Some(1_000_000));
    for spec in [spec(), lenient] {
        for goal in [None, Some(Goal::Promote)] {
            let verdict = decide(&evidence, &spec, &run(Step::Mirror), goal, NOW);
            let found = criterion(&verdict, "collisions");
            assert_eq!((verdict.verb, found.answer), (Verb::Hold, Answer::NotMeasured), "{found:?}");
            let said = &found.finding.sentence;
            assert!(said.starts_with("Collisions were not looked for on host-1, host-2"), "{said}");
            assert!(said.contains("the candidate got 1 in 16 entities there"), "the smaller share: {said}");
        }
    }
    // What a part shows is there.
    let colliding = of_overloaded([4, 16], |found| found.candidate_only_collisions.value = 1);
    let verdict = decide(&colliding, &spec(), &run(Step::Mirror), None, NOW);
    assert_eq!((verdict.verb, criterion(&verdict, "collisions").answer), (Verb::RollBack, Answer::Violated));
    let hiding = of_overloaded([4, 16], |found| found.coverage.candidate = 4);
    let verdict = decide(&hiding, &spec(), &run(Step::Mirror), None, NOW);
    assert_eq!(criterion(&verdict, "critical_process_coverage").answer, Answer::Violated);
}

#[test]
fn figures_of_a_part_say_its_share_and_are_met_only_where_their_interval_is() {
    let evidence = of_overloaded([4, 16], |_| {});
    let verdict = decide(&evidence, &spec(), &run(Step::Mirror), None, NOW);
    let said = criterion(&verdict, "fates").finding.sentence;
    assert!(said.contains("On host-1, host-2 this rests on 1 in 16 entities"), "{said}");
    assert!(
        said.contains("On host-1, host-2 the candidate gets no more than 1 in 16: it does not keep up."),
        "{said}"
    );
    let saved = criterion(&verdict, "min_cardinality_reduction").finding.observed.expect("a share");
    // 250 entities tell a share to 6.2 %.
    let asked = |limit: f64| {
        let spec = asking(|policy| policy.min_cardinality_reduction = Some(limit));
        criterion(&decide(&evidence, &spec, &run(Step::Mirror), None, NOW), "min_cardinality_reduction")
            .answer
    };
    assert_eq!(
        [saved - 0.07, saved - 0.05, saved + 0.05, saved + 0.07].map(asked),
        [Answer::Met, Answer::NotMeasured, Answer::NotMeasured, Answer::Violated]
    );
    let loses = |lost: u64, limit: f64| {
        let evidence = of_overloaded([4, 16], |found| {
            found.baseline.series.value = 1_000;
            found.lost_by_candidate = Count { value: lost, exact: false };
        });
        let spec = asking(|policy| policy.max_series_loss = Some(limit));
        criterion(&decide(&evidence, &spec, &run(Step::Mirror), None, NOW), "max_series_loss").answer
    };
    assert_eq!(
        [(0, 0.0), (0, 0.02), (300, 0.31), (300, 0.4), (300, 0.2)].map(|(lost, limit)| loses(lost, limit)),
        [Answer::NotMeasured, Answer::Met, Answer::NotMeasured, Answer::Met, Answer::Violated]
    );
}
