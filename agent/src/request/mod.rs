//! Vocabulary between in and out: a request as it was received, the payload that leaves, the answer and the refusal.

mod encoding;
mod media;
mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use observe::Variant;

pub use encoding::Encoding;
pub use media::Media;
pub use refusal::Refusal;

use crate::admission::Permit;
use crate::meter::Meter;
use crate::signal::Signal;

/// A request as it came in, ready for the engine.
#[derive(Debug)]
pub struct ReceivedRequest {
    /// The OTLP request, decompressed.
    pub message: Bytes,
    /// The compressed form it arrived in, for a destination that wants the same one.
    pub wire: Option<(Encoding, Bytes)>,
    /// Budget for both.
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

/// A whole OTLP request that leaves: one variant's, of one pipeline and generation, never a mixture.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Service that it is for.
    pub signal: Signal,
    /// The request, uncompressed.
    pub message: Bytes,
    /// The same in the compressed form it was received in, where nothing changed it.
    pub wire: Option<(Encoding, Bytes)>,
    /// Points, spans or records in it.
    pub items: u64,
    /// Name of the pipeline of metrics whose output it is; for traces and logs that of the leading one.
    pub pipeline: Arc<str>,
    /// Variant whose output it is.
    pub variant: Variant,
    /// The generation that made it.
    pub generation: u64,
    /// Meter that is told what becomes of it, where somebody watches the generation.
    pub meter: Option<Arc<Meter>>,
    /// Budget for the bytes; shared by every destination that gets them, and given back with the last.
    #[expect(dead_code, reason = "held, not read")]
    pub permit: Arc<Permit>,
}
