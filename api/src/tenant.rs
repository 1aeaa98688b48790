//! `/api/v1/tenants`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its name; of one that was deleted, with its id behind it.
    pub name: String,
    /// Time.
    pub created_at: Timestamp,
    /// Time at which it was deleted: its audit chain alone is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}
