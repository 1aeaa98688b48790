//! `/api/v1/freeze`: a tenant in which nothing goes forward.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;

/// Freeze of a tenant: nothing starts, advances or is promoted; a rollback is possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Freeze {
    /// Since when.
    pub since: Timestamp,
    /// Address of the person who asked for it.
    pub by: String,
    /// Reason.
    pub reason: String,
}

/// Tells whether a tenant is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FreezeState {
    /// The freeze; nothing where there is none.
    pub frozen: Option<Freeze>,
}

/// Freeze to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateFreeze {
    /// Reason, which is told wherever something is refused for it: 1 to 1,000 characters.
    pub reason: String,
}
