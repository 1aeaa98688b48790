//! A pipeline compared with itself: it must differ by exactly nothing, or nothing else can be believed.

use super::{Subject, sampled};
use crate::experiment::words::{listed, unique};
use crate::experiment::{AgentEvidence, Answer, Criterion, Effect, Reason};

/// The criterion of an A/A step.
pub fn criterion(looked: &Subject<'_>) -> Criterion {
    let differs = |agent: &&AgentEvidence| agent.stretches().any(|found| !found.differs_by_nothing());
    let differing: Vec<&AgentEvidence> = looked.evidence.agents.iter().filter(differs).collect();
    let hosts: Vec<String> = differing.iter().map(|agent| agent.host.clone()).collect();
    let names = unique(differing.iter().flat_map(|agent| agent.stretches()).flat_map(differences));
    let (answer, sentence) = if !hosts.is_empty() {
        let sentence =
            format!("Baseline and baseline differ on {}: nothing else can be believed.", listed(&hosts));
        (Answer::Violated, sentence)
    } else if looked.came_in() {
        let in_all = || (Answer::Met, "Baseline and baseline differ by nothing at all.".to_owned());
        sampled::none_of_sample(looked, "none differs between baseline and baseline").unwrap_or_else(in_all)
    } else {
        (Answer::NotMeasured, "Nothing came in to compare the baseline with itself.".to_owned())
    };
    let finding = looked.measured(Reason::new("L0", "aa", sentence), hosts.len() as f64, 0.0);
    Criterion::asked_for(answer, Effect::Hold, finding.about(hosts, names))
}

/// Tells whether a criterion is that of an A/A step, which differs.
pub fn differs(criterion: &Criterion) -> bool {
    criterion.finding.quantity == "aa" && criterion.answer == Answer::Violated
}

/// Differences of two outputs, in words.
fn differences(found: &observe::Comparison) -> Vec<String> {
    let (a, b) = (&found.baseline, &found.candidate);
    let counts = [
        ("points", a.output.points, b.output.points),
        ("bytes", a.output.bytes, b.output.bytes),
        ("series", a.series.value, b.series.value),
        ("series lost", a.lost.value, b.lost.value),
        ("collisions", a.collisions.value, b.collisions.value),
        ("critical processes shown", found.coverage.baseline, found.coverage.candidate),
    ];
    let counts = counts.into_iter().filter(|(_, a, b)| a != b);
    let counts = counts.map(|(what, a, b)| format!("{what}: {a} and {b}"));
    let lenses = found.lenses.iter().filter(|lens| lens.groups_that_differ > 0);
    let lenses =
        lenses.map(|lens| format!("{}: {} of {} groups", lens.name, lens.groups_that_differ, lens.groups));
    counts.chain(lenses).collect()
}
