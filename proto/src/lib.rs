//! The customs house: what goes over the wire between agents and the control plane, and its conversions.
//!
//! Generated types ([`opamp`], [`v1`]) stop at the edges: the agent's `fleet`, the control plane's `fleet` and `grpc`. What
//! always holds: what is read here comes from outside, so every conversion says what was wrong with it and none
//! panics; numbers only ever get added to a message, never reused.

pub mod generation;
pub mod node_conflict;
pub mod preview;
pub mod promotion;
pub mod quarantine;
mod report;
pub mod unknown;

pub use report::{Findings, Invalid, MAX_BODY, read_names, slice_keys};

/// Header in which an agent says its name before its first message (OpAMP, "Plain HTTP Transport").
pub const INSTANCE_UID: &str = "opamp-instance-uid";

/// OpAMP: the control channel.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the .proto file documents it"
)]
pub mod opamp {
    tonic::include_proto!("opamp.proto");
}

/// Phoenix's own services.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated; the .proto file documents it"
)]
pub mod v1 {
    tonic::include_proto!("phoenix.v1");
}

/// Every service and message above, as an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
