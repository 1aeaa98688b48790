//! `/health` and `/ready`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process's condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Condition {
    /// `ok`.
    pub status: String,
}
