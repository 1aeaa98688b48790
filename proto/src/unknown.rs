//! Proof by which a control plane says that it does not know an agent's credential.

/// Header by which an agent asks for the proof, and that the answer brings back as it came.
pub const NONCE: &str = "phoenix-nonce";

/// Type of the problem (RFC 9457), with status 401.
pub const PROBLEM: &str = "/problems/agent-unknown";

/// Last part of [`PROBLEM`].
pub const KIND: &str = "agent-unknown";

/// Media type of OpAMP over plain HTTP, by which an agent asks.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// The most bytes of a nonce that is brought back.
pub const MAX_NONCE: usize = 64;
