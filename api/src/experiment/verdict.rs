//! Verdict: the decision about a step, with its reasons.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// Kind of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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
    /// End what only observes: every criterion is met.
    WouldPromote,
    /// End what only observes: a criterion is violated.
    WouldNot,
    /// End what only observes: not everything that was asked for was measured.
    NotMeasured,
}

/// Decision and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Kind of the decision.
    pub verb: Verb,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
    /// Every criterion with its answer.
    pub criteria: Vec<Criterion>,
    /// Agents, units and stretch that it rests on.
    pub basis: Basis,
}

/// Answer to a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was measured, and it holds.
    Met,
    /// It was measured, and it does not hold.
    Violated,
    /// It was not measured: nothing advances on it.
    NotMeasured,
    /// Nobody asked for it, and nothing came in that it speaks of.
    NotApplicable,
}

/// Consequence of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Roll back at once, on any horizon of any agent.
    RollBackAtOnce,
    /// Roll back, once the evidence of the step is complete.
    RollBack,
    /// Hold the step.
    Hold,
    /// Tell, and go on.
    Tell,
}

/// One question that a policy asks, and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Criterion {
    /// Its answer.
    pub answer: Answer,
    /// Consequence of a violation; where it is not `tell`, what was not measured holds.
    pub effect: Effect,
    /// True if the policy asks for it, false if it is a default.
    pub asked: bool,
    /// Figures, limit, agents and names that the answer rests on, and the sentence.
    #[serde(flatten)]
    pub finding: Reason,
}

/// Basis of a verdict, whatever it says. Agents are named by their hosts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Basis {
    /// Agents of which horizons of this step count.
    pub counted: Vec<String>,
    /// Agents that report, and to which nothing came in during this step.
    pub idle: Vec<String>,
    /// Agents that were not heard of for longer than two horizons.
    pub missing: Vec<String>,
    /// Agents of which nothing was heard for the policy's `gone_after`: nobody waits for them.
    pub gone: Vec<String>,
    /// Agents that are enrolled no more, or take no pushed config any more.
    #[serde(default)]
    pub left: Vec<String>,
    /// Agents that took the place of another one on their node since the experiment began.
    #[serde(default)]
    pub replaced: Vec<String>,
    /// Agents whose node is claimed by another one, too: nothing that they report counts.
    #[serde(default)]
    pub in_conflict: Vec<String>,
    /// Agents that began anew since the experiment began: their counts of distinct things are upper bounds.
    pub restarted: Vec<String>,
    /// Agents whose clock is more than a window ahead or behind.
    pub skewed: Vec<String>,
    /// Agents of which reports were refused since the experiment began, each with their number and the reasons.
    pub refused: Vec<String>,
    /// Units assigned to baseline and candidate.
    pub units: [u64; 2],
    /// Share of the points that belong to no unit, and stay with the baseline; nothing where no point came in.
    pub unassigned: Option<f64>,
    /// Horizons that count for nothing: the split lost a unit in them, or batches were left out of them.
    pub void_horizons: u32,
    /// Begin of the first horizon; nothing where nothing came in.
    pub from: Option<Timestamp>,
    /// End of the last horizon.
    pub to: Option<Timestamp>,
    /// Hours of the week in which a horizon began, from 0 (Monday 00:00 UTC) to 167.
    pub hours: Vec<u8>,
    /// All of it in sentences.
    pub sentences: Vec<String>,
}

/// One finding behind a verdict, as data and in a sentence. Shares are from 0 to 1; counts are counts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Reason {
    /// Quantity that was looked at, such as `critical_process_coverage`.
    pub quantity: String,
    /// Figure that was found.
    pub observed: Option<f64>,
    /// Limit that it was held to.
    pub limit: Option<f64>,
    /// Agents that it rests on.
    pub n: u32,
    /// Layer of evidence: L0 exact counts, L2 what only delivery shows, L3 evidence over time, instant for a limit that
    /// acts at once, audit for what is missing, person for somebody's word.
    pub layer: String,
    /// The hosts that it is about; empty for all.
    pub hosts: Vec<String>,
    /// The groups of a lens that it is about.
    pub groups: Vec<String>,
    /// Names that it is about: processes, series.
    pub names: Vec<String>,
    /// In words.
    pub sentence: String,
}
