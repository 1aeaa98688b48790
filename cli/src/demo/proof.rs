//! The proof: equations between the counters of parties that do not know each other's, checked to the point.

use observe::Variant::{Baseline, Candidate};
use serde::Serialize;

use super::counters::{AgentCounters, Counters};
use crate::report::numbers::exact;

/// One claim, and all its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Equation {
    /// Sentence that says which sums are equal.
    pub claim: String,
    /// For whom, with the numbers.
    pub cases: Vec<Case>,
}

/// One case of an equation: two sums that must be equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Owner of the points.
    pub of: String,
    /// Terms of the left side, in the order of the claim.
    pub left: Vec<u64>,
    /// Terms of the right side.
    pub right: Vec<u64>,
    /// True if they are equal.
    pub holds: bool,
}

impl Case {
    fn new(of: impl Into<String>, left: &[u64], right: &[u64]) -> Self {
        let holds = left.iter().sum::<u64>() == right.iter().sum::<u64>();
        Self { of: of.into(), left: left.to_vec(), right: right.to_vec(), holds }
    }

    /// The equation with its numbers: `12 = 5 + 7`.
    pub fn numbers(&self) -> String {
        let side = |terms: &[u64]| terms.iter().copied().map(exact).collect::<Vec<_>>().join(" + ");
        let sign = if self.holds { "=" } else { "≠" };
        format!("{} {sign} {}", side(&self.left), side(&self.right))
    }
}

/// Number of cases, and number of those that hold.
pub fn tally(equations: &[Equation]) -> (usize, usize) {
    let cases = || equations.iter().flat_map(|equation| &equation.cases);
    (cases().count(), cases().filter(|case| case.holds).count())
}

/// The equations of the walk from mirror to promoted and back.
pub fn of_the_walk(counters: &Counters) -> Vec<Equation> {
    let mut proof = arrivals(counters);
    proof.extend([
        each(
            counters,
            "compared = of processes assigned to the baseline + to the candidate + of no process",
            |a| {
                let [to_baseline, to_candidate] = assigned(a);
                (vec![a.total.input.points], vec![to_baseline, to_candidate, a.total.unassigned_points])
            },
        ),
        each(
            counters,
            "assigned to the baseline + of no process = left by the baseline, which drops nothing",
            |a| (vec![assigned(a)[0], a.total.unassigned_points], vec![left(a)[0]]),
        ),
        each(
            counters,
            "compared = kept by the candidate's pipeline + dropped by its rules, by their own count",
            |a| {
                let dropped = a.meters.dropped_by_rule.values().sum();
                (vec![a.total.input.points], vec![a.total.candidate.output.points, dropped])
            },
        ),
        each(
            counters,
            "accepted = compared + left before the experiment and after + dropped by what was promoted",
            |a| {
                let besides = a.meters.sent[0].saturating_sub(left(a)[0]);
                (vec![a.meters.accepted], vec![a.total.input.points, besides, a.meters.dropped_in_charge])
            },
        ),
        each(counters, "at 100 %: assigned to the candidate = left by it + dropped by it", |a| {
            let last = &a.generation;
            let dropped = last.input.points.saturating_sub(last.candidate.output.points);
            (vec![last.candidate.assigned_points], vec![last.candidate.delivered.points, dropped])
        }),
        each(
            counters,
            "processes assigned to the baseline + to the candidate = those that something left of",
            |a| {
                let (b, c) = (&a.total.baseline, &a.total.candidate);
                (vec![b.units.value, c.units.value], vec![b.units_delivered.value, c.units_delivered.value])
            },
        ),
    ]);
    proof.extend(integrity(counters));
    proof
}

/// The equations of candidates that were only looked at.
pub fn of_the_mirror(counters: &Counters) -> Vec<Equation> {
    let mut proof = arrivals(counters);
    proof.push(each(counters, "accepted = left by the baseline, before, in and after mirror", |a| {
        (vec![a.meters.accepted], vec![a.meters.sent[0]])
    }));
    let none = |generation: &u64| {
        let arrived = counters.arrived(*generation, Candidate);
        Case::new(format!("generation {generation}"), &[arrived], &[0])
    };
    let besides = Case::new("any other generation", &[counters.arrived_besides(Candidate)], &[0]);
    let cases = counters.compared().iter().map(none).chain([besides]).collect();
    proof.push(Equation { claim: "arrived at the sink from these candidates = nothing".to_owned(), cases });
    proof.extend(integrity(counters));
    proof
}

/// From the sources through the agents to the sink.
fn arrivals(counters: &Counters) -> Vec<Equation> {
    let mut per_generation = Vec::new();
    for generation in &counters.compared() {
        for variant in [Baseline, Candidate] {
            let lefts =
                counters.agents.iter().map(|a| a.left.get(generation).map_or(0, |l| l[variant.index()]));
            let of = format!("generation {generation}, {}", variant.name());
            per_generation.push(Case::new(
                of,
                &lefts.collect::<Vec<_>>(),
                &[counters.arrived(*generation, variant)],
            ));
        }
    }
    let besides = counters.agents.iter().map(|a| a.meters.sent[0].saturating_sub(left(a)[0]));
    let other =
        Case::new("other generations", &besides.collect::<Vec<_>>(), &[counters.arrived_besides(Baseline)]);
    per_generation.push(other);
    let of_candidate = |a: &AgentCounters| Case::new(a.name.clone(), &[left(a)[1]], &[a.meters.sent[1]]);
    let confirmed = counters.agents.iter().map(of_candidate).collect();
    vec![
        each(counters, "points that the source scraped = acknowledged to it", |a| {
            (vec![a.source.scraped], vec![a.source.acknowledged])
        }),
        each(counters, "acknowledged to the source = accepted by the agent", |a| {
            (vec![a.source.acknowledged], vec![a.meters.accepted])
        }),
        Equation {
            claim: "left by the candidate = confirmed by the sink as the candidate's".to_owned(),
            cases: confirmed,
        },
        Equation {
            claim: "left the three agents, by generation and variant = arrived at the sink".to_owned(),
            cases: per_generation,
        },
    ]
}

/// Conditions that would make equal sums worthless.
fn integrity(counters: &Counters) -> Vec<Equation> {
    let sink = &counters.sink;
    let exact = counters.agents.iter().filter(|a| a.total.exact && a.generation.exact).count() as u64;
    let exact = exact + u64::from(sink.exact);
    let sum = |of: fn(&AgentCounters) -> u64| counters.agents.iter().map(of).sum::<u64>();
    let refused = sum(|a| a.source.refused + a.source.ambiguous + a.meters.failed);
    let doubtful = sum(|a| a.source.maybe_doubled + a.meters.doubtful);
    let lost_held = sum(|a| a.meters.lost_held);
    let told = sink.origins.iter().map(|entry| &entry.origin);
    let nameless = told.filter(|origin| origin.generation.parse::<u64>().is_err()).count() as u64;
    let one = |claim: &str, of: &str, left: u64, right: u64| Equation {
        claim: claim.to_owned(),
        cases: vec![Case::new(of, &[left], &[right])],
    };
    vec![
        one(
            "points at the sink = different points at the sink",
            "the sink",
            sink.points,
            sink.distinct_points,
        ),
        Equation {
            claim: "what must not be = nothing".to_owned(),
            cases: vec![
                Case::new("points that arrived twice", &[sink.duplicate_points], &[0]),
                Case::new("requests without variant", &[nameless], &[0]),
                Case::new("points refused", &[refused], &[0]),
                Case::new("points of doubtful attempts", &[doubtful], &[0]),
                Case::new("points held and lost", &[lost_held], &[0]),
            ],
        },
        one(
            "agents and sink whose counts are exact, none an estimate = all of them",
            "everybody",
            exact,
            counters.agents.len() as u64 + 1,
        ),
    ]
}

fn each(
    counters: &Counters,
    claim: &str,
    sides: impl Fn(&AgentCounters) -> (Vec<u64>, Vec<u64>),
) -> Equation {
    let case = |agent: &AgentCounters| {
        let (left, right) = sides(agent);
        Case::new(agent.name.clone(), &left, &right)
    };
    Equation { claim: claim.to_owned(), cases: counters.agents.iter().map(case).collect() }
}

fn assigned(agent: &AgentCounters) -> [u64; 2] {
    [agent.total.baseline.assigned_points, agent.total.candidate.assigned_points]
}

fn left(agent: &AgentCounters) -> [u64; 2] {
    agent.left.values().fold([0, 0], |sum, left| [sum[0] + left[0], sum[1] + left[1]])
}

#[cfg(test)]
mod tests;
