//! `/api/v1/api-keys`: what programs come with.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Role, Timestamp};

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// Its purpose: a-z, 0-9, `.`, `_`, `-`.
    pub name: String,
    /// The highest role that it acts in, at most one's own, which it is without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The one kind of thing that it reaches, such as `experiments`; without it, all that programs reach. `agents:connect` lets
    /// agents in over OpAMP, and reaches nothing else; no other key does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The service account that it is of; without it, one's own. Takes the role admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<Uuid>,
    /// Time for which it is valid, such as `30d`; `90d` without it, `366d` at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// Its public part, with which it begins.
    pub id: String,
    /// Its purpose.
    pub name: String,
    /// The highest role that it acts in; never more than its owner's at the time.
    pub role: Role,
    /// The one kind of thing that it reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Person who made it. It ends with their access.
    pub owner_id: Uuid,
    /// Time.
    pub created_at: Timestamp,
    /// From when on it lets nobody in.
    pub expires_at: Timestamp,
    /// Time of its last use, to about a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Time at which somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A key just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedApiKey {
    /// Facts about the key.
    #[serde(flatten)]
    pub about: ApiKey,
    /// The whole key, to be sent as `Authorization: Bearer …`. It is shown this once.
    pub key: String,
}

/// Without what is secret.
impl fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedApiKey").field("about", &self.about).finish_non_exhaustive()
    }
}
