//! The few protobuf messages an OTLP answer is made of: `google.rpc.Status`, `RetryInfo`, and the
//! partial success that the three Export responses have in common.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::Bytes;
use prost::Message;

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Text for a person.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Packed details, of which only `RetryInfo` is known here.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// Type of the packed message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The packed message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Status {
    /// A status without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as i32, message: message.into(), details: Vec::new() }
    }

    /// The same status with a `RetryInfo`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        let delay = Delay { seconds: delay.as_secs() as i64, nanos: delay.subsec_nanos() as i32 };
        let value = RetryInfo { retry_delay: Some(delay) }.encode_to_vec();
        self.details.push(Any { type_url: RETRY_INFO.into(), value });
        self
    }

    /// The delay a peer asks for. A `RetryInfo` without a delay asks for none beyond the backoff.
    pub fn retry_delay(&self) -> Option<Duration> {
        let any = self.details.iter().find(|any| any.type_url.ends_with("google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(any.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
        let seconds = Duration::from_secs(delay.seconds.try_into().unwrap_or(0));
        Some(seconds + Duration::from_nanos(delay.nanos.try_into().unwrap_or(0)))
    }

    /// Encodes the status for the trailer `grpc-status-details-bin`.
    pub fn to_trailer(&self) -> String {
        STANDARD_NO_PAD.encode(self.encode_to_vec())
    }

    /// Decodes the trailer `grpc-status-details-bin`, padded or not.
    pub fn from_trailer(trailer: &[u8]) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(trailer).or_else(|_| STANDARD.decode(trailer)).ok()?;
        Self::decode(bytes.as_slice()).ok()
    }
}

/// gRPC status codes, as far as they are sent or told apart here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Canceled = 1,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    ResourceExhausted = 8,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
}

/// `ExportMetricsPartialSuccess` and its two siblings: they differ only in names.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PartialSuccess {
    /// Points, spans or records the destination refused for good.
    #[prost(int64, tag = "1")]
    pub rejected: i64,
    /// Reason, for a person.
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

impl PartialSuccess {
    /// Reads an Export response; an unreadable one counts as full success, as its status said.
    pub fn from_response(response: &[u8]) -> Option<Self> {
        if response.is_empty() {
            return None;
        }
        ExportResponse::decode(response).ok()?.partial_success
    }

    /// Writes an Export response.
    pub fn into_response(self) -> Bytes {
        ExportResponse { partial_success: Some(self) }.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_survives_the_trailer() {
        let status = Status::new(Code::Unavailable, "full").retry_after(Duration::from_millis(1_250));
        let read = Status::from_trailer(status.to_trailer().as_bytes()).expect("readable");
        assert_eq!(read.retry_delay(), Some(Duration::from_millis(1_250)));
        assert_eq!(read.code, 14);
    }

    #[test]
    fn what_a_peer_sends_wrong_is_no_delay_and_no_panic() {
        assert!(Status::from_trailer(b"%%%").is_none());
        let negative = Any {
            type_url: RETRY_INFO.into(),
            value: RetryInfo { retry_delay: Some(Delay { seconds: -5, nanos: -1 }) }.encode_to_vec(),
        };
        let status = Status { details: vec![negative], ..Default::default() };
        assert_eq!(status.retry_delay(), Some(Duration::ZERO));
    }
}
