//! Limits that act on any horizon of any agent, at once: instant limits, and what no policy forgives.

use super::{listed, unique};
use crate::experiment::{AgentEvidence, Evidence, Policy, Reason};

/// Harm that no policy forgives, in any horizon of any agent.
pub fn broken(evidence: &Evidence, policy: &Policy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let n = evidence.agents.len();
    let of = |found: &dyn Fn(&AgentEvidence) -> bool| -> Vec<&AgentEvidence> {
        evidence.agents.iter().filter(|agent| found(agent)).collect()
    };
    let hosts = |agents: &[&AgentEvidence]| agents.iter().map(|agent| agent.host.clone()).collect::<Vec<_>>();
    let cut = of(&|agent| reason_of_cut(agent).is_some());
    if !cut.is_empty() {
        let why: Vec<String> = cut.iter().filter_map(|agent| reason_of_cut(agent)).collect();
        let sentence = format!("The candidate was cut out on {}: {}.", listed(&hosts(&cut)), why.join("; "));
        reasons.push(Reason::new("instant", "candidate_failure", sentence).about(hosts(&cut), why));
    }
    let silent = of(&|agent| agent.horizons.iter().any(|f| zero_output(&f.horizon)));
    if !silent.is_empty() {
        let sentence =
            format!("The candidate put out nothing for a whole horizon on {}.", listed(&hosts(&silent)));
        reasons.push(Reason::new("instant", "zero_output", sentence).about(hosts(&silent), Vec::new()));
    }
    let colliding = of(&|agent| collisions(agent) > policy.max_collisions);
    if !colliding.is_empty() {
        let found = colliding.iter().map(|agent| collisions(agent)).max().unwrap_or(0);
        let names = colliding.iter().flat_map(|agent| &agent.horizons).flat_map(|f| &f.horizon.collisions);
        let names = unique(
            names.map(|c| format!("{} {{{}}}: {} and {}", c.metric, c.series, c.writers[0], c.writers[1])),
        );
        let sentence = format!(
            "Several processes write one series, {found} of them on one host, so that a backend keeps one of them: {}.",
            listed(&hosts(&colliding))
        );
        let reason = Reason::new("L0", "collisions", sentence);
        reasons.push(
            reason.measured(found as f64, policy.max_collisions as f64, n).about(hosts(&colliding), names),
        );
    }
    reasons.extend(hidden(
        evidence,
        policy,
        &of(&|agent| agent.horizons.iter().any(|f| hides(&f.horizon, policy))),
    ));
    reasons
}

/// Differences between a pipeline and itself, where there may be none.
pub fn differs(evidence: &Evidence) -> Option<Reason> {
    let differing = |agent: &&AgentEvidence| agent.horizons.iter().any(|f| !f.horizon.differs_by_nothing());
    let differing: Vec<&AgentEvidence> = evidence.agents.iter().filter(differing).collect();
    if differing.is_empty() {
        return None;
    }
    let hosts: Vec<String> = differing.iter().map(|agent| agent.host.clone()).collect();
    let horizons = differing.iter().flat_map(|agent| &agent.horizons).map(|findings| &findings.horizon);
    let names = unique(horizons.flat_map(difference));
    let sentence =
        format!("Baseline and baseline differ on {}: nothing else can be believed.", listed(&hosts));
    Some(Reason::new("L0", "aa", sentence).measured(1.0, 0.0, evidence.agents.len()).about(hosts, names))
}

/// In what two outputs differ, in words.
fn difference(horizon: &observe::Comparison) -> Vec<String> {
    let (a, b) = (&horizon.baseline, &horizon.candidate);
    let counts = [
        ("points", a.output.points, b.output.points),
        ("bytes", a.output.bytes, b.output.bytes),
        ("series", a.series.value, b.series.value),
        ("series lost", a.lost.value, b.lost.value),
        ("collisions", a.collisions.value, b.collisions.value),
        ("critical processes shown", horizon.coverage.baseline, horizon.coverage.candidate),
    ];
    let counts = counts.into_iter().filter(|(_, a, b)| a != b);
    let counts = counts.map(|(what, a, b)| format!("{what}: {a} and {b}"));
    let lenses = horizon.lenses.iter().filter(|lens| lens.groups_that_differ > 0);
    let lenses =
        lenses.map(|lens| format!("{}: {} of {} groups", lens.name, lens.groups_that_differ, lens.groups));
    counts.chain(lenses).collect()
}

fn reason_of_cut(agent: &AgentEvidence) -> Option<String> {
    agent.cut.clone().or_else(|| agent.horizons.iter().find_map(|findings| findings.candidate_cut.clone()))
}

fn zero_output(horizon: &observe::Comparison) -> bool {
    horizon.baseline.output.points > 0 && horizon.candidate.output.points == 0
}

fn collisions(agent: &AgentEvidence) -> u64 {
    agent.horizons.iter().map(|findings| findings.horizon.candidate.collisions.value).max().unwrap_or(0)
}

/// Coverage is of what the baseline shows: what it hides too, the candidate did not take away.
fn hides(horizon: &observe::Comparison, policy: &Policy) -> bool {
    let coverage = &horizon.coverage;
    coverage.baseline > 0
        && (coverage.candidate as f64) < policy.critical_process_coverage * coverage.baseline as f64
}

fn hidden(evidence: &Evidence, policy: &Policy, hiding: &[&AgentEvidence]) -> Option<Reason> {
    let worst =
        hiding.iter().flat_map(|agent| &agent.horizons).filter(|findings| hides(&findings.horizon, policy));
    let share = |c: &observe::Coverage| c.candidate as f64 / c.baseline.max(1) as f64;
    let worst =
        worst.map(|findings| &findings.horizon.coverage).min_by(|a, b| share(a).total_cmp(&share(b)))?;
    let vanished = hiding.iter().flat_map(|agent| &agent.horizons).flat_map(|f| &f.horizon.coverage.vanished);
    let names = unique(vanished.map(|one| one.process.clone()));
    let hosts: Vec<String> = hiding.iter().map(|agent| agent.host.clone()).collect();
    let sentence = format!(
        "The candidate hides critical processes on {}: it shows {} of {}; {} are named.",
        listed(&hosts),
        worst.candidate,
        worst.baseline,
        names.len()
    );
    let reason = Reason::new("L0", "critical_process_coverage", sentence);
    let reason = reason.measured(share(worst), policy.critical_process_coverage, evidence.agents.len());
    Some(reason.about(hosts, names))
}
