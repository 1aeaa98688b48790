//! Roles of people: three, each with all that the one below may.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A person's standing within their tenant. Ordered: viewer < operator < admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs experiments.
    Operator,
    /// Decides who else may.
    Admin,
}

/// Reason for which a text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator or admin, not {0:?}")]
pub struct NotARole(String);

impl Role {
    /// Every role, from below.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its name on every surface.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let role = Self::ALL.into_iter().find(|role| role.name() == text);
        role.ok_or_else(|| NotARole(text.chars().take(64).collect()))
    }
}
