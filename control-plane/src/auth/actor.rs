//! Person who asks. A handler that takes an [`Actor`] knows that the guard of its route has let them in.

use uuid::Uuid;

use crate::audit::By;
use crate::clock::UnixMillis;
use crate::id::{LoginId, TenantId, UserId};
use crate::refusal::Refusal;
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
    /// The access token that they came with.
    pub session: Session,
}

impl Actor {
    /// The same, if they may do what `role` may.
    ///
    /// # Errors
    /// Forbidden.
    pub fn at_least(self, role: Role) -> Result<Self, Refusal> {
        if self.role < role {
            return Err(Refusal::forbidden(format!("this needs the role {role}; yours is {}", self.role)));
        }
        Ok(self)
    }
}

/// The access token behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub jti: Uuid,
    /// Login that it is of.
    pub login: LoginId,
    /// Time of its end.
    pub expires_at: UnixMillis,
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        Self::User(actor.user_id)
    }
}
