//! `/api/v1/audit`: who changed what.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Timestamp;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the tenant's chain, from 1.
    pub seq: i64,
    /// Time.
    pub at: Timestamp,
    /// Author: `user/<id>`, `agent/<uid>` or `control-plane`.
    pub actor: String,
    /// Action, as `thing.verb`.
    pub action: String,
    /// To what, as `thing/id`.
    pub object: String,
    /// The rest.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The hash of the entry before it; empty for the first.
    pub previous_hash: String,
    /// SHA-256 over all the above.
    pub hash: String,
}

/// Result of a walk over the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChainState {
    /// True if every entry is as it was written.
    pub intact: bool,
    /// Number of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<i64>,
    /// The first place at which it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
}
