//! A promotion that is asked for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A promotion on a person's word. Without a body nothing is forced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promote {
    /// True to promote although criteria are violated or not measured. Role: admin.
    #[serde(default)]
    pub force: bool,
    /// Reason for which it is forced, of 1 to 1000 characters; only with `force`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
