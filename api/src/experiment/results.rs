//! Results of an experiment: the fleet's figures, and each agent's comparison in full.

use observe::Comparison;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Figures, Outcome, Reason, Verdict};
use crate::Timestamp;

/// Results of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Results {
    /// Id of the experiment.
    pub id: Uuid,
    /// All that the agents have measured since it began, added up: a series is a host's, so the sum is exact where
    /// they are.
    pub total: Figures,
    /// Each agent's own.
    pub agents: Vec<AgentResults>,
    /// Last verdict, with its reasons.
    pub verdict: Option<Verdict>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// Reasons of the outcome.
    pub reasons: Vec<Reason>,
}

/// Findings of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentResults {
    /// Its id.
    pub uid: Uuid,
    /// Name of its host.
    pub host: String,
    /// The candidate's weight at the last horizon, basis points.
    pub weight_bp: u16,
    /// End of the last horizon, by the agent's clock.
    pub at: Timestamp,
    /// Digest of the plan in charge.
    pub baseline_digest: String,
    /// Digest of the plan on trial.
    pub candidate_digest: String,
    /// The last horizon, in full.
    #[schema(value_type = Object)]
    pub horizon: Comparison,
    /// All since the experiment began, in full.
    #[schema(value_type = Object)]
    pub total: Comparison,
}
