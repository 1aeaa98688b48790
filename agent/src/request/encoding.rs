//! Compression of a request, and its names: over HTTP and over gRPC they differ.

use bytes::Bytes;
use http::HeaderValue;

use super::Refusal;

/// First bytes of a stream in snappy's framing format (framing_format.txt, section 4.1).
const SNAPPY_STREAM: &[u8] = b"\xff\x06\x00\x00sNaPpY";

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
    /// One block of snappy; not over gRPC.
    Snappy,
    /// Snappy's framing format, which gRPC calls snappy.
    SnappyFramed,
    /// LZ4's frame format; not over gRPC.
    Lz4,
}

impl Encoding {
    /// Its name in `content-encoding`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Zlib => "zlib",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Lz4 => "lz4",
        }
    }

    /// Its name in `grpc-encoding`.
    pub const fn grpc_name(self) -> &'static str {
        match self {
            Self::SnappyFramed => "snappy",
            other => other.name(),
        }
    }

    /// The encoding that `grpc-encoding` names.
    ///
    /// # Errors
    /// As [`Self::from_header`].
    pub fn from_grpc_header(value: Option<&HeaderValue>) -> Result<Option<Self>, Refusal> {
        match value.map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(None),
            Some(b"gzip") => Ok(Some(Self::Gzip)),
            Some(b"zstd") => Ok(Some(Self::Zstd)),
            Some(b"snappy") => Ok(Some(Self::SnappyFramed)),
            Some(other) => {
                let named = String::from_utf8_lossy(other).into_owned();
                Err(Refusal::Compression { named, known: "gzip, zstd or snappy" })
            }
        }
    }

    /// The encoding that `content-encoding` names; `identity` and an absent header are none.
    ///
    /// # Errors
    /// [`Refusal::Compression`] for one that is not supported.
    pub fn from_header(value: Option<&HeaderValue>) -> Result<Option<Self>, Refusal> {
        match value.map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity" | b"none") => Ok(None),
            Some(b"gzip" | b"x-gzip") => Ok(Some(Self::Gzip)),
            Some(b"zstd") => Ok(Some(Self::Zstd)),
            Some(b"deflate") => Ok(Some(Self::Deflate)),
            Some(b"zlib") => Ok(Some(Self::Zlib)),
            Some(b"snappy") => Ok(Some(Self::Snappy)),
            Some(b"x-snappy-framed") => Ok(Some(Self::SnappyFramed)),
            Some(b"lz4") => Ok(Some(Self::Lz4)),
            Some(other) => {
                let named = String::from_utf8_lossy(other).into_owned();
                let known = "gzip, zstd, deflate, zlib, snappy, x-snappy-framed or lz4";
                Err(Refusal::Compression { named, known })
            }
        }
    }

    /// The same, told apart by the bytes: Collectors before v0.127 send framed snappy by the name of the block format.
    pub fn of_body(self, wire: &Bytes) -> Self {
        match self {
            Self::Snappy if wire.starts_with(SNAPPY_STREAM) => Self::SnappyFramed,
            other => other,
        }
    }
}
