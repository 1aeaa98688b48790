//! A proof that cannot fail proves nothing: each kind of mistake has to break an equation.

use std::collections::BTreeMap;

use observe::{Comparison, VariantReport, Volume};
use simulator::sender::SenderCounts;
use simulator::sink::{Origin, OriginCounts, OriginEntry, SinkCounts};

use super::*;
use crate::demo::counters::Meters;

fn points(points: u64) -> Volume {
    Volume { points, ..Volume::default() }
}

/// Nothing compared in generation 1 (10 points in); generation 2 at weight 0 (100), generation 3 at 25 % (100),
/// generation 4 at 100 % (100), and the candidate promoted in generation 5 (20). It keeps three of five points.
fn agent() -> AgentCounters {
    let side = |output: u64, assigned_points: u64| {
        let mut side = VariantReport { output: points(output), assigned_points, ..VariantReport::default() };
        (side.units.value, side.units_delivered.value) = (20, 20);
        side
    };
    let total = Comparison {
        exact: true,
        input: points(300),
        baseline: side(300, 170),
        candidate: side(180, 125),
        unassigned_points: 5,
        ..Comparison::default()
    };
    let last = VariantReport { delivered: points(60), ..side(60, 100) };
    let generation = Comparison { exact: true, input: points(100), candidate: last, ..Comparison::default() };
    AgentCounters {
        name: "web-1".to_owned(),
        source: SenderCounts { scraped: 330, acknowledged: 330, ..SenderCounts::default() },
        meters: Meters {
            accepted: 330,
            sent: [197, 75],
            dropped_by_rule: BTreeMap::from([("a".to_owned(), 70), ("b".to_owned(), 50)]),
            dropped_in_charge: 8,
            ..Meters::default()
        },
        left: BTreeMap::from([(2, [100, 0]), (3, [75, 15]), (4, [0, 60])]),
        generation,
        total,
        ..AgentCounters::default()
    }
}

fn origin(variant: &str, generation: u64, points: u64) -> OriginEntry {
    let origin = Origin { variant: variant.to_owned(), generation: generation.to_string() };
    OriginEntry { origin, counts: OriginCounts { points, ..OriginCounts::default() } }
}

fn counters() -> Counters {
    let origins = vec![
        origin("baseline", 2, 100),
        origin("baseline", 3, 75),
        origin("candidate", 3, 15),
        origin("candidate", 4, 60),
        origin("baseline", 1, 17),
        origin("baseline", 5, 12),
    ];
    let sink =
        SinkCounts { points: 279, distinct_points: 279, exact: true, origins, ..SinkCounts::default() };
    let before = SinkCounts { origins: vec![origin("baseline", 1, 7)], ..SinkCounts::default() };
    Counters { agents: vec![agent()], before, sink }
}

/// The claims that do not hold.
fn broken(proof: &[Equation]) -> Vec<&str> {
    let is_broken = |equation: &&Equation| equation.cases.iter().any(|case| !case.holds);
    proof.iter().filter(is_broken).map(|equation| equation.claim.as_str()).collect()
}

#[test]
fn books_in_which_every_point_is_accounted_for_balance() {
    let proof = of_the_walk(&counters());
    assert_eq!(broken(&proof), Vec::<&str>::new());
    let (cases, holding) = tally(&proof);
    assert!(cases == holding && cases > 15, "{cases}");
}

#[test]
fn a_point_that_the_sink_misses_breaks_the_books() {
    let mut counters = counters();
    counters.sink.origins[3].counts.points -= 1;
    counters.sink.points -= 1;
    counters.sink.distinct_points -= 1;
    let proof = of_the_walk(&counters);
    assert_eq!(broken(&proof), ["left the three agents, by generation and variant = arrived at the sink"]);
    let (cases, holding) = tally(&proof);
    assert_eq!(cases, holding + 1);
    let case = proof.iter().flat_map(|equation| &equation.cases).find(|case| !case.holds).unwrap();
    assert_eq!((case.of.as_str(), case.numbers()), ("generation 4, candidate", "60 ≠ 59".to_owned()));
}

#[test]
fn a_point_under_the_wrong_generation_breaks_the_books_though_the_totals_agree() {
    let mut counters = counters();
    counters.sink.origins[2].counts.points += 1;
    counters.sink.origins[3].counts.points -= 1;
    assert!(!broken(&of_the_walk(&counters)).is_empty());
}

#[test]
fn each_other_mistake_breaks_an_equation_too() {
    type Mistake = fn(&mut Counters);
    let mistakes: [(&str, Mistake); 15] = [
        ("a scrape that was refused", |b| b.agents[0].source.acknowledged -= 1),
        ("an acknowledged point that the agent never took", |b| b.agents[0].meters.accepted -= 1),
        ("a point assigned to nobody", |b| b.agents[0].total.unassigned_points -= 1),
        ("a point that the baseline lost", |b| b.agents[0].left.entry(2).or_default()[0] -= 1),
        ("a rule that dropped without counting", |b| {
            b.agents[0].meters.dropped_by_rule.retain(|rule, _| rule != "a");
        }),
        ("a point that the candidate made up", |b| b.agents[0].generation.candidate.delivered.points += 1),
        ("a process that vanished whole", |b| b.agents[0].total.candidate.units_delivered.value -= 1),
        ("a point that got lost before the experiment", |b| b.sink.origins[4].counts.points -= 1),
        ("a point that the promoted pipeline lost", |b| b.agents[0].meters.dropped_in_charge -= 1),
        ("a point of which the sink never heard", |b| b.agents[0].meters.sent[0] -= 1),
        ("a doubled point", |b| b.sink.duplicate_points += 1),
        ("a request without a generation", |b| b.sink.origins.push(origin("none", 0, 0))),
        ("an attempt without an end", |b| b.agents[0].meters.doubtful += 1),
        ("a point that a stage held and lost", |b| b.agents[0].meters.lost_held += 1),
        ("an estimate", |b| b.sink.exact = false),
    ];
    for (what, mistake) in mistakes {
        let mut counters = counters();
        mistake(&mut counters);
        if what.contains("without a generation") {
            counters.sink.origins[6].origin.generation = "none".to_owned();
        }
        assert!(!broken(&of_the_walk(&counters)).is_empty(), "{what}");
    }
}

#[test]
fn a_candidate_at_weight_0_of_which_anything_arrives_breaks_the_books() {
    let mut counters = counters();
    counters.before = counters.sink.clone();
    counters.agents[0].left = BTreeMap::from([(8, [300, 0])]);
    counters.agents[0].meters.sent = [330, 0];
    counters.sink.origins.extend([origin("baseline", 8, 300), origin("baseline", 9, 30)]);
    assert_eq!(broken(&of_the_mirror(&counters)), Vec::<&str>::new());
    for generation in [8, 9] {
        let mut counters = counters.clone();
        counters.sink.origins.push(origin("candidate", generation, 1));
        assert!(!broken(&of_the_mirror(&counters)).is_empty(), "generation {generation}");
    }
}
