//! Attacks that hold what they are given, from one address; honest senders beside them, from another, are served.
//! Each prints its figure.

use std::time::Duration;

mod agent;
mod control_plane;
mod idle;

/// Time within which a connection is ended that reads no answer, on a busy machine.
const ENDED: Duration = Duration::from_secs(120);
