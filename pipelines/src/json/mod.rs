//! OTLP/JSON, both ways, for every signal.
//!
//! The mapping is protobuf's with OTLP's exceptions: ids are hexadecimal, enums integers, keys lowerCamelCase,
//! unknown keys ignored; 64-bit integers are written as text and read as text or number. As the Collector does,
//! names of enums and snake_case keys are read too, null in a list is an empty message, half of a surrogate pair
//! and what is not UTF-8 become U+FFFD, and what follows the document is not read. One table of messages drives
//! both directions. Nothing is built in between: JSON becomes protobuf as it is read, nesting and sizes are
//! bounded, and what is wrong is said with its offset.

mod decode;
mod encode;
mod lex;
mod scalar;
pub(crate) mod schema;

use crate::batch::Malformed;

/// Content of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `ExportMetricsServiceRequest`
    Metrics,
    /// `ExportTraceServiceRequest`
    Traces,
    /// `ExportLogsServiceRequest`
    Logs,
}

/// JSON that is not the request it is to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {what}")]
pub struct NotOtlp {
    /// Offset from the start of the JSON, in bytes.
    pub offset: usize,
    /// Mistake there, and what was expected.
    pub what: String,
}

/// Reads OTLP/JSON and gives the request in protobuf, of at most `limit` bytes.
///
/// # Errors
/// What is no JSON, or not of the shape of the request; nesting and size beyond the limits.
pub fn decode(request: Request, json: &[u8], limit: usize) -> Result<Vec<u8>, NotOtlp> {
    decode_repaired(request, json, limit).map(|decoded| decoded.protobuf)
}

/// A request that was read from JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The request in protobuf.
    pub protobuf: Vec<u8>,
    /// Number of texts with something in them that is no character.
    pub repairs: u64,
}

/// The same as [`decode`], with the number of texts that had to be repaired.
///
/// # Errors
/// As [`decode`].
pub fn decode_repaired(request: Request, json: &[u8], limit: usize) -> Result<Decoded, NotOtlp> {
    decode::request(schema::of(request), json, limit)
}

/// Writes a request in protobuf as OTLP/JSON, on one line. Defaults are left out; unknown fields are lost.
///
/// # Errors
/// Bytes that are not the message, with their offset.
pub fn encode(request: Request, protobuf: &[u8]) -> Result<String, Malformed> {
    encode::request(schema::of(request), protobuf)
}

#[cfg(test)]
mod tests;
