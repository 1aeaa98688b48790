//! Refusal of an agent whose node is another agent's.

/// Type of the problem (RFC 9457), with status 409.
pub const PROBLEM: &str = "/problems/node-conflict";

/// Last part of [`PROBLEM`].
pub const KIND: &str = "node-conflict";
