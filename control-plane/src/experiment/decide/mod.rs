//! Decision: evidence × policy × step → a verdict with its reasons. Pure.
//!
//! In this order: instant limits, fatal guardrails and what no policy forgives (roll back, on any horizon of any
//! agent); an A/A step that differs (hold: nothing else can be believed); time that is up (hold, or roll back); what is
//! missing (hold); too little yet (continue); what the policy asks for (roll back, or hold); who has to be asked and
//! when (hold); else advance. Nothing advances on silence.

mod approval;
mod criteria;
mod guardrails;
mod hard_limits;
mod pending;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AgentEvidence, Evidence, Figures, Goal, Reason, Run, Spec, Step};
use crate::clock::UnixMillis;

/// Kind of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Decision and its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Kind of the decision.
    pub verb: Verb,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
}

/// Looks at the evidence of a step under way. `goal` is set once the last horizon is being collected.
#[must_use]
pub fn decide(evidence: &Evidence, spec: &Spec, run: &Run, goal: Option<Goal>, now: UnixMillis) -> Verdict {
    let policy = &spec.policy;
    let verdict = |verb, reasons| Verdict { verb, reasons };
    let over_time = guardrails::over_time(evidence, spec);
    let mut fatal = hard_limits::broken(evidence, policy);
    fatal.extend(guardrails::counted(evidence, spec, false).fatal);
    fatal.extend(over_time.fatal);
    if !fatal.is_empty() {
        return verdict(Verb::RollBack, fatal);
    }
    if run.step == Step::Aa
        && let Some(differs) = hard_limits::differs(evidence)
    {
        return verdict(Verb::Hold, vec![differs]);
    }
    if goal != Some(Goal::Stop)
        && let Some(over) = approval::out_of_time(policy, run, now)
    {
        return over;
    }
    let needed = if goal.is_some() { 1 } else { policy.min_horizons };
    let overdue = policy.max_step_duration.filter(|limit| run.since.plus(*limit) < now);
    let waits = |verdict: Verdict| match overdue {
        Some(limit) => give_up(limit, verdict.reasons),
        None => verdict,
    };
    if let Some(pending) = pending::pending(evidence, spec, needed, now) {
        return waits(pending);
    }
    let figures =
        Figures::of(evidence.reporting().filter_map(AgentEvidence::last).map(|findings| &findings.total));
    let counted = guardrails::counted(evidence, spec, true);
    let mut broken = criteria::broken(&figures, policy);
    broken.extend(counted.fatal);
    if !broken.is_empty() {
        return verdict(Verb::RollBack, broken);
    }
    let mut short = criteria::short(&figures, policy, run.step);
    short.extend(counted.blocking.into_iter().chain(over_time.blocking));
    let noted = counted.noted.into_iter().chain(over_time.noted);
    if !short.is_empty() {
        return waits(verdict(Verb::Hold, short.into_iter().chain(noted).collect()));
    }
    let asked = approval::permission(policy, run, goal, now);
    let mut kept = criteria::kept(&figures, spec, run.step, needed);
    kept.extend(noted);
    if goal != Some(Goal::Stop) && !asked.is_empty() {
        return verdict(Verb::Hold, asked.into_iter().chain(kept).collect());
    }
    match goal {
        Some(Goal::Promote) => {
            verdict(Verb::Promote, kept.into_iter().chain(approval::approval(run)).collect())
        }
        Some(Goal::Stop) | None => verdict(Verb::Advance, kept),
    }
}

fn give_up(limit: Duration, mut reasons: Vec<Reason>) -> Verdict {
    let sentence = format!("The step was given {limit:?} and did not get further.");
    reasons.insert(0, Reason::new("audit", "max_step_duration", sentence));
    Verdict { verb: Verb::RollBack, reasons }
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
