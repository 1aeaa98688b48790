//! What the evidence says: evidence × policy × step → a verdict with its reasons. Pure.
//!
//! In this order: instant limits and what no policy forgives (roll back, on any horizon of any agent); what is
//! missing (hold); too little yet (continue); what the policy asks for (roll back, or hold); else advance. Nothing
//! advances on silence.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AgentEvidence, Evidence, Figures, Goal, Policy, Reason, Run, Spec, Step};
use crate::clock::UnixMillis;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Wait for more evidence.
    Continue,
    /// Take the next step.
    Advance,
    /// Put the candidate in charge.
    Promote,
    /// Stay in this step.
    Hold,
    /// Put the baseline back in charge.
    RollBack,
}

/// What to do, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// What to do.
    pub verb: Verb,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Looks at the evidence of a step under way. `goal` is set once the last horizon is being collected.
#[must_use]
pub fn decide(evidence: &Evidence, spec: &Spec, run: &Run, goal: Option<Goal>, now: UnixMillis) -> Verdict {
    let policy = &spec.policy;
    let verdict = |verb, reasons| Verdict { verb, reasons };
    let fatal = fatal(evidence, policy, run.step);
    if !fatal.is_empty() {
        return verdict(Verb::RollBack, fatal);
    }
    let needed = if goal.is_some() { 1 } else { policy.min_horizons };
    let overdue = policy.max_step_duration.filter(|limit| run.since.plus(*limit) < now);
    let waiting = waiting(evidence, spec, needed, now);
    if let Some(waiting) = waiting {
        return overdue.map_or(waiting.clone(), |limit| give_up(limit, waiting.reasons));
    }
    let figures =
        Figures::of(evidence.reporting().filter_map(AgentEvidence::last).map(|findings| &findings.total));
    let broken = broken(&figures, policy);
    if !broken.is_empty() {
        return verdict(Verb::RollBack, broken);
    }
    let short = short(&figures, policy, run.step);
    if !short.is_empty() {
        return overdue
            .map_or_else(|| verdict(Verb::Hold, short.clone()), |limit| give_up(limit, short.clone()));
    }
    let kept = kept(&figures, spec, run.step, needed);
    match goal {
        Some(Goal::Promote) => verdict(Verb::Promote, kept),
        Some(Goal::Stop) | None => verdict(Verb::Advance, kept),
    }
}

fn give_up(limit: Duration, mut reasons: Vec<Reason>) -> Verdict {
    let sentence = format!("The step was given {limit:?} and did not get further.");
    reasons.insert(0, Reason::new("audit", "max_step_duration", sentence));
    Verdict { verb: Verb::RollBack, reasons }
}

/// What no policy forgives, in any horizon of any agent.
fn fatal(evidence: &Evidence, policy: &Policy, step: Step) -> Vec<Reason> {
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
    if step == Step::Aa {
        let differing = of(&|agent| agent.horizons.iter().any(|f| !f.horizon.differs_by_nothing()));
        if !differing.is_empty() {
            let sentence = format!(
                "Baseline and baseline differ on {}: nothing else can be believed.",
                listed(&hosts(&differing))
            );
            reasons.push(Reason::new("L0", "aa", sentence).about(hosts(&differing), Vec::new()));
        }
    }
    reasons
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

/// What is still to come: nothing once every agent whose evidence may not be missing has enough.
fn waiting(evidence: &Evidence, spec: &Spec, needed: u32, now: UnixMillis) -> Option<Verdict> {
    let policy = &spec.policy;
    let behind: Vec<&AgentEvidence> = evidence.behind(needed).collect();
    let allowed = (policy.max_missing * evidence.agents.len() as f64).floor() as usize;
    let enough = evidence.agents.len() - behind.len();
    if behind.len() <= allowed && enough >= policy.min_hosts as usize && enough > 0 {
        return None;
    }
    let patience = spec.report_every * 2 + spec.window * 2 + Duration::from_secs(2);
    let missing: Vec<&&AgentEvidence> =
        behind.iter().filter(|agent| agent.last_seen.is_none_or(|seen| seen.plus(patience) < now)).collect();
    let failed: Vec<&&AgentEvidence> = behind.iter().filter(|agent| agent.failed.is_some()).collect();
    let hosts =
        |agents: &[&&AgentEvidence]| agents.iter().map(|agent| agent.host.clone()).collect::<Vec<_>>();
    if !failed.is_empty() {
        let why = failed.iter().filter_map(|agent| agent.failed.clone()).collect();
        let sentence = format!("The step could not be applied on {}.", listed(&hosts(&failed)));
        let reason = Reason::new("audit", "not_applied", sentence).about(hosts(&failed), why);
        return Some(Verdict { verb: Verb::Hold, reasons: vec![reason] });
    }
    if missing.len() > allowed {
        let share = missing.len() as f64 / evidence.agents.len() as f64;
        let sentence = format!("Evidence is incomplete: nothing is heard of {}.", listed(&hosts(&missing)));
        let reason = Reason::new("audit", "missing_agents", sentence);
        let reason = reason.measured(share, policy.max_missing, enough).about(hosts(&missing), Vec::new());
        return Some(Verdict { verb: Verb::Hold, reasons: vec![reason] });
    }
    let least = evidence.agents.iter().map(|agent| agent.count).min().unwrap_or(0);
    let waiting: Vec<String> = behind.iter().map(|agent| agent.host.clone()).collect();
    let sentence = format!("{least} of {needed} horizons are in; waiting for {}.", listed(&waiting));
    let reason = Reason::new("audit", "horizons", sentence);
    let reason = reason.measured(f64::from(least), f64::from(needed), enough).about(waiting, Vec::new());
    Some(Verdict { verb: Verb::Continue, reasons: vec![reason] })
}

/// What the policy sends back.
fn broken(figures: &Figures, policy: &Policy) -> Vec<Reason> {
    let n = figures.agents as usize;
    let mut reasons = Vec::new();
    if let (Some(limit), Some(loss)) = (policy.max_series_loss, figures.loss())
        && loss > limit
    {
        let sentence = format!(
            "The candidate loses {} of the baseline's {} series, {:.1} %; at most {:.1} % are allowed.",
            figures.lost,
            figures.series[0],
            100.0 * loss,
            100.0 * limit
        );
        reasons.push(Reason::new("L0", "max_series_loss", sentence).measured(loss, limit, n));
    }
    for lens in &figures.lenses {
        if let (Some(limit), Some(error)) = (policy.max_lens_error, lens.relative_error)
            && error.abs() > limit
        {
            let sentence = format!(
                "{} is off by {:+.2} % over the fleet; at most {:.2} % is allowed.",
                lens.name,
                100.0 * error,
                100.0 * limit
            );
            let reason = Reason::new("L1", "max_lens_error", sentence).measured(error, limit, n);
            reasons.push(reason.about(Vec::new(), vec![lens.name.clone()]));
        }
    }
    reasons
}

/// What keeps a candidate where it is: it does no harm, and not enough good. An A/A step saves nothing.
fn short(figures: &Figures, policy: &Policy, step: Step) -> Vec<Reason> {
    let criteria = [
        (
            "min_cardinality_reduction",
            "distinct series",
            policy.min_cardinality_reduction,
            figures.saving_series,
        ),
        ("min_cost_reduction", "the monthly cost", policy.min_cost_reduction, figures.saving_cost),
    ];
    let short = |(quantity, what, limit, saved): (&str, &str, Option<f64>, Option<f64>)| {
        let (limit, saved) = (limit?, saved.unwrap_or(0.0));
        let sentence = format!(
            "The candidate saves {:.1} % of {what}; at least {:.1} % are asked for.",
            100.0 * saved,
            100.0 * limit
        );
        (saved < limit)
            .then(|| Reason::new("L0", quantity, sentence).measured(saved, limit, figures.agents as usize))
    };
    if step == Step::Aa { Vec::new() } else { criteria.into_iter().filter_map(short).collect() }
}

/// Why it may go on.
fn kept(figures: &Figures, spec: &Spec, step: Step, needed: u32) -> Vec<Reason> {
    let n = figures.agents as usize;
    let policy = &spec.policy;
    let exactly = if figures.exact { "exactly" } else { "by estimate" };
    let mut reasons = vec![
        Reason::new(
            "audit",
            "horizons",
            format!("Each of {n} agents has {needed} or more whole horizons in the step {step}."),
        )
        .measured(f64::from(needed), f64::from(needed), n),
    ];
    if step == Step::Aa {
        reasons.push(Reason::new("L0", "aa", "Baseline and baseline differ by nothing at all."));
        return reasons;
    }
    let [came, baseline, candidate] = figures.critical;
    let sentence = if came == 0 {
        "No critical process came in, so nothing can be said of them.".to_owned()
    } else {
        format!("{candidate} of {baseline} critical processes that the baseline shows stay visible.")
    };
    let share = candidate as f64 / baseline.max(1) as f64;
    reasons.push(Reason::new("L0", "critical_process_coverage", sentence).measured(
        share,
        policy.critical_process_coverage,
        n,
    ));
    if let Some(saved) = figures.saving_series {
        let sentence = format!(
            "It keeps {} of {} series, {exactly}: {:.1} % fewer.",
            figures.series[1],
            figures.series[0],
            100.0 * saved
        );
        let limit = policy.min_cardinality_reduction.unwrap_or(0.0);
        reasons.push(Reason::new("L0", "min_cardinality_reduction", sentence).measured(saved, limit, n));
    }
    for lens in &figures.lenses {
        if let Some(error) = lens.relative_error {
            let sentence = format!("{} differs by {:+.3} % over the fleet.", lens.name, 100.0 * error);
            let limit = policy.max_lens_error.unwrap_or(f64::INFINITY);
            let reason = Reason::new("L1", "max_lens_error", sentence);
            let reason = if limit.is_finite() {
                reason.measured(error, limit, n)
            } else {
                Reason { observed: Some(error), ..reason }
            };
            reasons.push(reason.about(Vec::new(), vec![lens.name.clone()]));
        }
    }
    reasons
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        few if few.len() <= 5 => few.join(", "),
        many => format!("{} and {} more", many[..4].join(", "), many.len() - 4),
    }
}
