//! Shapes that several resources share, made of the domain's own types.

use api::Timestamp;

use crate::clock::UnixMillis;
use crate::refusal::Refusal;
use crate::role::Role;

impl From<UnixMillis> for Timestamp {
    fn from(at: UnixMillis) -> Self {
        Self(at.to_string())
    }
}

/// Time of a field of a request.
///
/// # Errors
/// 422 for a text that is none.
pub fn time(field: &str, at: &Timestamp) -> Result<UnixMillis, Refusal> {
    let read = serde_json::from_value(at.0.clone().into());
    read.map_err(|_| {
        Refusal::invalid_field(
            field,
            format!("{:?} is no time", at.0),
            "RFC 3339, such as 2026-11-28T12:00:00Z",
        )
    })
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
