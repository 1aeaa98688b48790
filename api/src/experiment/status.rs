//! Status of an experiment: phase, step, the agents that run it, and the last verdict.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Basis, Criterion, Figures, Outcome, Phase, Reason, Uncounted, Verb, Verdict};
use crate::{Attested, Freeze, Timestamp};

/// Status of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its id.
    pub id: Uuid,
    /// Its phase.
    pub phase: Phase,
    /// Outcome, if it is completed.
    pub outcome: Option<Outcome>,
    /// True if it only observes: nothing of the candidate is delivered.
    #[serde(default)]
    pub observe_only: bool,
    /// The step under way.
    pub step: Option<String>,
    /// The candidate's weight, basis points.
    pub weight_bp: Option<u16>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The agents of the step; of an experiment that is over, those of its last one.
    pub agents: Vec<AgentStatus>,
    /// The last horizon of each, added up.
    pub horizon: Option<Figures>,
    /// Last verdict, with its reasons.
    pub verdict: Option<Verdict>,
    /// Entry of the audit chain that names the last verdict and its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attested>,
    /// Reason for which it ended.
    pub reasons: Vec<Reason>,
    /// Freeze of its tenant: it does not go forward until that is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Freeze>,
    /// Agents that have refused what was promoted, a hundred at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_promoted: Vec<NotPromoted>,
    /// Progress of its promotion, if it was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Promotion>,
    /// Time at which it ended. The last verdict is of before then: what it calls not known yet was not known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What the candidate delivered and no figure has, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
}

/// Progress of a promotion on the agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Promotion {
    /// Number of agents that have taken it.
    pub on: u32,
    /// Number of agents that it is for.
    pub of: u32,
    /// Number of those that have refused it.
    pub refused: u32,
    /// Number of those that have neither taken nor refused it, and are not connected.
    pub away: u32,
    /// All of it, in a sentence.
    pub sentence: String,
}

/// Agent that has refused what was promoted: it runs what it ran without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotPromoted {
    /// Its id.
    pub uid: Uuid,
    /// Name of its host.
    pub host: String,
    /// The reason that it gives.
    pub reason: String,
    /// Way in which it is there no more, in words, such as `no longer registered`: `of` and `refused` of the promotion are without
    /// it, and nothing is pushed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
}

/// Criteria of an experiment, as its last verdict answers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Criteria {
    /// Its id.
    pub id: Uuid,
    /// Its phase.
    pub phase: Phase,
    /// The step under way.
    pub step: Option<String>,
    /// Kind of the last decision; nothing before the first.
    pub verb: Option<Verb>,
    /// Every criterion with its answer.
    pub criteria: Vec<Criterion>,
    /// Agents, units and stretch that the answers rest on.
    pub basis: Option<Basis>,
}

/// One agent of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentStatus {
    /// Its id.
    pub uid: Uuid,
    /// Name of its host.
    pub host: String,
    /// True if it is connected.
    pub connected: bool,
    /// True if it runs the step; of an experiment that is over, if it ran the last one.
    pub applied: bool,
    /// The wave in which it was offered the step, while that is new to agents of its version: 0 while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u8>,
    /// Reason for which it does not.
    pub failed: Option<String>,
    /// Reason for which it cut the candidate out.
    pub candidate_cut: Option<String>,
    /// Judged horizons of the step in which something came in.
    pub horizons: u32,
    /// Horizons of the step in which nothing came in: they count for nothing.
    pub idle_horizons: u32,
    /// Time of its last report, or of the step's begin.
    pub last_seen: Option<Timestamp>,
    /// Its last horizon.
    pub horizon: Option<Figures>,
}
