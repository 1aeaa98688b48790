//! `/api/v1/audit`: who changed what.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

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
    /// Tenant whose chain it is.
    pub tenant_id: Uuid,
    /// True if the entries fit each other, and all anchors that were compared.
    pub intact: bool,
    /// Number of entries, if they fit each other. A chain that was written anew as a whole does as well: only an anchor tells
    /// the two apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<i64>,
    /// The first place at which they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
    /// Comparison with the anchors of this chain outside the database; left out where none are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<AnchorState>,
}

/// Comparison of the chain with anchors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnchorState {
    /// Number of anchors that were compared; none after the first that does not fit.
    pub compared: u64,
    /// The last entry that an anchor holds. What comes behind it, the chain alone holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<i64>,
    /// Number of lines of the file that are no anchors, such as one that a crash left as a part.
    pub unreadable: u64,
    /// The first anchor that does not fit: the chain was written anew or cut short, or an older copy of the database was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfit: Option<AnchorMisfit>,
}

/// Anchor that the chain does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnchorMisfit {
    /// Its line in the file, from 1.
    pub line: u64,
    /// It.
    pub anchor: AuditAnchor,
    /// Hash of the entry in its place; nothing where the chain ends before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// End of the chain at a time, as it is kept outside the database: a line of JSON of the file of `--audit-anchors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditAnchor {
    /// Tenant whose chain it is.
    pub tenant_id: Uuid,
    /// The last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
    /// Time at which it was the last.
    pub at: Timestamp,
}
