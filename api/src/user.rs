//! `/api/v1/users` and `/api/v1/tenants`: people, and what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A person's standing within their tenant. Ordered: viewer < operator < admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs experiments.
    Operator,
    /// Decides who else may.
    Admin,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// Tenant whose things they see.
    pub tenant_id: Uuid,
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// Since when they are known.
    pub created_at: Timestamp,
    /// Since when they may no longer do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    /// True for a service account: a program's own, with which nobody logs in.
    #[serde(default)]
    pub service: bool,
    /// One more with each change of the role, and each time that they are sent out or let in again.
    #[serde(default)]
    pub version: i64,
}

/// A person to be made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// Their password, 12 to 256 characters; without it, one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// True for a service account, with which nobody logs in; it has no password.
    #[serde(default)]
    pub service: bool,
}

/// Without what is secret.
impl fmt::Debug for CreateUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUser")
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Changes of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// Their role from now on.
    pub role: Role,
}

/// A tenant to be made, with its admin.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name: a-z, 0-9, `.`, `_`, `-`.
    pub name: String,
    /// Its admin's address.
    pub email: String,
    /// Their password, 12 to 256 characters; without it, one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for CreateTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateTenant")
            .field("name", &self.name)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// Somebody just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedUser {
    /// Facts about the user.
    #[serde(flatten)]
    pub user: User,
    /// The password that was made. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for CreatedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedUser").field("user", &self.user).finish_non_exhaustive()
    }
}
