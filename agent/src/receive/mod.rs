//! Receivers of OTLP: gRPC and HTTP, both served by hyper directly.
//!
//! What holds for every request: it is refused on its headers where they suffice; its bytes are
//! budgeted as they come and collected into one buffer; they are decompressed once, bounded;
//! and a refusal always says whether to retry. Nothing here decodes a request into structs; one that comes as JSON
//! is protobuf from here on.

mod body;
mod cors;
mod grpc;
mod http;
mod listener;
mod media;
mod service;
mod settings;
mod socket;

pub use cors::Cors;
pub use listener::{Listener, MAX_REQUESTS};
pub use service::Service;
pub use settings::{Limits, Protocol, ReceiverSettings};
pub use socket::ListenAddress;
