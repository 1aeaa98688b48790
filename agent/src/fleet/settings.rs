//! Settings of the fleet session: where the control plane is, and how this agent enrolls with it.

use std::fmt;
use std::path::PathBuf;

use crate::net::Endpoint;

/// Control plane that may change the metrics pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlane {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Path of the control channel.
    pub path: String,
    /// The enrollment token, or where it stands.
    pub token: Option<Token>,
    /// True if it may push anything: `phoenix.experiments` is not `refuse`.
    pub experiments: bool,
}

/// An enrollment token.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// The token itself.
    Given(String),
    /// The file that holds it, read when it is needed.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
