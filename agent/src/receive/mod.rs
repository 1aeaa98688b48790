//! OTLP in: gRPC and HTTP, both served by hyper directly.
//!
//! What holds for every request: it is refused on its headers where they suffice; its bytes are
//! budgeted before they are read and collected into one buffer; they are decompressed once, bounded;
//! and a refusal always says whether to retry. Nothing here decodes a request into structs; one that comes as JSON
//! is protobuf from here on.

pub mod body;
pub mod compression;
mod grpc;
mod http;
mod listener;
mod media;
mod refusal;
mod service;

use bytes::Bytes;

pub use compression::Encoding;
pub use listener::{Listener, Protocol};
pub use refusal::Refusal;
pub use service::{Limits, Service};

use crate::admission::Permit;

/// A request as it came in, ready for the engine.
#[derive(Debug)]
pub struct Received {
    /// The OTLP request, decompressed.
    pub message: Bytes,
    /// The compressed form it arrived in, for a destination that wants the same one.
    pub wire: Option<(Encoding, Bytes)>,
    /// Covers both.
    pub permit: Permit,
}

/// Answer to a request that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Items a destination refused for good, known only when the answer waited for delivery.
    pub rejected: u64,
    /// Reason, for a person.
    pub message: String,
}
