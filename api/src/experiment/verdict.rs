//! Verdict: the decision about a step, with its reasons.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
}

/// Decision and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Kind of the decision.
    pub verb: Verb,
    /// Reasons of the decision.
    pub reasons: Vec<Reason>,
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
    /// Interval of the mean of the hosts' own errors, with the confidence that the policy's alpha leaves.
    pub interval: Option<[f64; 2]>,
    /// Agents that it rests on.
    pub n: u32,
    /// Layer of evidence: L0 exact counts, L1 paired errors of hosts, L2 what only
    /// delivery shows, L3 evidence over time, instant for a limit
    /// that acts at once, audit for what is missing, person for somebody's word.
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
