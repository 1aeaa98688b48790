//! Person who asks. A handler that takes an [`Actor`] knows that the guard of its route has let them in.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::id::{TenantId, UserId};
use crate::rest::Problem;
use crate::role::Role;

/// The person behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Tenant whose things they see.
    pub tenant_id: TenantId,
    /// Their identity.
    pub user_id: UserId,
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
}

impl Actor {
    /// The same, if they may do what `role` may.
    ///
    /// # Errors
    /// 403.
    pub fn at_least(self, role: Role) -> Result<Self, Problem> {
        if self.role < role {
            return Err(Problem::forbidden(format!("this needs the role {role}; yours is {}", self.role)));
        }
        Ok(self)
    }
}

/// The access token behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub jti: Uuid,
    /// Time of its end.
    pub expires_at: UnixMillis,
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(Problem::unauthenticated)
    }
}
