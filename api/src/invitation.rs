//! `/api/v1/invitations`: people who may come in, and choose their password themselves.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Role, Timestamp};

/// An invitation to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Address of the person.
    pub email: String,
    /// Role of the person.
    pub role: Role,
    /// Time for which it is valid, such as `24h`; `7d` without it, `31d` at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
}

/// An invitation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    /// Its public part.
    pub id: String,
    /// Address of the person.
    pub email: String,
    /// Role of the person.
    pub role: Role,
    /// Person who made it.
    pub created_by: Uuid,
    /// Time.
    pub created_at: Timestamp,
    /// From when on it lets nobody in.
    pub expires_at: Timestamp,
    /// Time at which the person came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// Time at which somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// An invitation just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedInvitation {
    /// Facts about the invitation.
    #[serde(flatten)]
    pub about: Invitation,
    /// The whole token, for the person who is invited. It is shown this once.
    pub token: String,
}

/// Without what is secret.
impl fmt::Debug for CreatedInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedInvitation").field("about", &self.about).finish_non_exhaustive()
    }
}

/// A person who comes in by an invitation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The invitation's token.
    pub token: String,
    /// Their password: 12 to 256 characters.
    pub password: String,
}

/// Without what is secret.
impl fmt::Debug for AcceptInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptInvitation").finish_non_exhaustive()
    }
}
