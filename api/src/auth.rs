//! `/api/v1/auth`: coming in, and who one is.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Role;

/// The first user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// Without what is secret.
impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("tenant", &self.tenant)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Person who wants to log in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
}

/// Without what is secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Access token that lets them in from now on, and what comes after it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// Without what is secret.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires_in", &self.expires_in)
            .field("refresh_expires_in", &self.refresh_expires_in)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Refresh token to be exchanged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The one that came last.
    pub refresh_token: String,
}

/// Without what is secret.
impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").finish_non_exhaustive()
    }
}

/// Another password of one's own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The password so far.
    pub current: String,
    /// The password from now on: 12 to 256 characters.
    pub new: String,
}

/// Without what is secret.
impl fmt::Debug for ChangePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePassword").finish_non_exhaustive()
    }
}

/// Identity of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Tenant whose things they see.
    pub tenant_id: Uuid,
    /// Its name.
    #[serde(default)]
    pub tenant: String,
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

/// A login at the identity provider to be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginSso {
    /// Address at which the person's own machine listens, such as `http://127.0.0.1:50123/callback`.
    pub redirect_uri: String,
}

/// A login at the identity provider that was begun.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BegunSso {
    /// Address for the person's browser.
    pub authorization_url: String,
    /// The flow, which alone ends it. Nobody else is to have it.
    pub flow: String,
}

/// A login at the identity provider to be ended.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinishSso {
    /// The flow that was begun.
    pub flow: String,
    /// The `state` that came back.
    pub state: String,
    /// The `code` that came back.
    pub code: String,
}

/// Without what is secret.
impl fmt::Debug for BegunSso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BegunSso").finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for FinishSso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishSso").finish_non_exhaustive()
    }
}
