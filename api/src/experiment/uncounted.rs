//! Delivery of a candidate that is in no figure.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// What units delivered by the candidate and no figure has: since an agent's last report, while a step with a weight is under way,
/// or since then until the end, if the agent has not told the rest. A zero beside it is not one of all that was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uncounted {
    /// Hosts of the agents, a hundred at most.
    pub hosts: Vec<String>,
    /// Number of them.
    pub agents: u32,
    /// Time since which it is not counted, of the agent that has told least.
    pub since: Timestamp,
    /// Time about which all of these agents have told more; nothing once the experiment is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// All of it, in a sentence.
    pub sentence: String,
}
