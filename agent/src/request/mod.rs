//! Vocabulary between in and out: a request as it was received, the payload that leaves, the answer and the refusal.

mod refusal;

use std::sync::Arc;

use bytes::Bytes;
use observe::Variant;

pub use refusal::Refusal;

use crate::admission::Permit;
use crate::meter::Meter;
use crate::signal::Signal;

/// Compression of a request, as OTLP senders use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// RFC 1950, by HTTP's name of it (RFC 9110, section 8.4.1.2); not over gRPC.
    Deflate,
    /// The same by the Collector's name.
    Zlib,
}

impl Encoding {
    /// Its name in `grpc-encoding` and `content-encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Zlib => "zlib",
        }
    }

    /// The encoding that `grpc-encoding` names.
    ///
    /// # Errors
    /// As [`Self::from_header`].
    pub fn from_grpc_header(value: Option<&http::HeaderValue>) -> Result<Option<Self>, Refusal> {
        match Self::from_header(value)? {
            Some(other @ (Self::Deflate | Self::Zlib)) => Err(Refusal::Compression(other.name().to_owned())),
            of_grpc => Ok(of_grpc),
        }
    }

    /// The encoding a header names; `identity` and an absent header are none.
    ///
    /// # Errors
    /// [`Refusal::Compression`] for one that is not supported.
    pub fn from_header(value: Option<&http::HeaderValue>) -> Result<Option<Self>, Refusal> {
        match value.map(http::HeaderValue::as_bytes) {
            None | Some(b"" | b"identity" | b"none") => Ok(None),
            Some(b"gzip" | b"x-gzip") => Ok(Some(Self::Gzip)),
            Some(b"zstd") => Ok(Some(Self::Zstd)),
            Some(b"deflate") => Ok(Some(Self::Deflate)),
            Some(b"zlib") => Ok(Some(Self::Zlib)),
            Some(other) => Err(Refusal::Compression(String::from_utf8_lossy(other).into_owned())),
        }
    }
}

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

/// A whole OTLP request that leaves: one variant's, of one generation, never a mixture.
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
