//! `/api/v1/auth`: coming in, and who one is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Role;

/// The first user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The setup token: from the log of the first boot, or the owner's own.
    pub token: String,
    /// The first tenant's name.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The first admin's address.
    pub email: String,
    /// Their password: 12 to 256 characters.
    pub password: String,
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Person who wants to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
}

/// Access token that lets them in from now on, and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    /// To be sent as `Authorization: Bearer …`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until it is over.
    pub expires_in: u64,
    /// To be exchanged for the next two tokens; good once.
    pub refresh_token: String,
    /// Seconds until that is over.
    pub refresh_expires_in: u64,
    /// Role of its holder.
    pub role: Role,
}

/// Refresh token to be exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The one that came last.
    pub refresh_token: String,
}

/// Another password of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password so far.
    pub current: String,
    /// The password from now on: 12 to 256 characters.
    pub new: String,
}

/// Identity of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Tenant whose things they see.
    pub tenant_id: Uuid,
    /// Their identity.
    pub user_id: Uuid,
    /// Their address.
    pub email: String,
    /// The role that they act in.
    pub role: Role,
    /// The API key by which a program of theirs asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}
