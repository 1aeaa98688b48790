//! Attacks that hold what they are given, from one address; honest senders beside them, from another, are served.
//! Each prints its figure.

mod agent;
mod control_plane;
