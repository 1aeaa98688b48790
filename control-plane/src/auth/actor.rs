//! Person or program that asks. A handler that takes an [`Actor`] knows that the guard of its route has let them in.

use uuid::Uuid;

use crate::audit::By;
use crate::clock::UnixMillis;
use crate::id::{KeyId, LoginId, TenantId, UserId};
use crate::refusal::Refusal;
use crate::role::Role;

/// The person behind a request, or whose program it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Tenant whose things they see.
    pub tenant_id: TenantId,
    /// Their identity.
    pub user_id: UserId,
    /// Their address.
    pub email: String,
    /// The role that they act in.
    pub role: Role,
    /// Credential that they came with.
    pub credential: Credential,
}

/// Credential of somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token: a person.
    Session(Session),
    /// An API key: a program of theirs.
    Key(Key),
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

/// The API key behind a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public part.
    pub id: KeyId,
    /// The one kind of thing that it reaches; without it, all.
    pub kind: Option<String>,
    /// Time of its last use before this one.
    pub last_used_at: Option<UnixMillis>,
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

    /// The same, if what they came with reaches things of this kind.
    ///
    /// # Errors
    /// Forbidden for an API key of another kind.
    pub fn reaching(self, kind: &str) -> Result<Self, Refusal> {
        match &self.credential {
            Credential::Key(Key { kind: Some(own), .. }) if own != kind => {
                Err(Refusal::forbidden(format!("this API key reaches {own} alone, not {kind}")))
            }
            Credential::Key(_) | Credential::Session(_) => Ok(self),
        }
    }

    /// Tells whether they came with an API key that reaches this kind alone.
    pub fn is_for(&self, kind: &str) -> bool {
        matches!(&self.credential, Credential::Key(Key { kind: Some(own), .. }) if own == kind)
    }

    /// Session of a person.
    ///
    /// # Errors
    /// Forbidden for a program.
    pub fn session(&self) -> Result<Session, Refusal> {
        match self.credential {
            Credential::Session(session) => Ok(session),
            Credential::Key(_) => Err(Refusal::forbidden("this is for people who log in, not for API keys")),
        }
    }
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        match &actor.credential {
            Credential::Session(_) => Self::User(actor.user_id),
            Credential::Key(key) => Self::ApiKey(key.id),
        }
    }
}
