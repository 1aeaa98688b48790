//! Shapes that several resources share, made of the domain's own types.

use api::Timestamp;

use crate::clock::UnixMillis;
use crate::role::Role;

impl From<UnixMillis> for Timestamp {
    fn from(at: UnixMillis) -> Self {
        Self(at.to_string())
    }
}

impl From<Role> for api::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}

impl From<api::Role> for Role {
    fn from(role: api::Role) -> Self {
        match role {
            api::Role::Viewer => Self::Viewer,
            api::Role::Operator => Self::Operator,
            api::Role::Admin => Self::Admin,
        }
    }
}
