//! The OTLP/gRPC exporter: one payload, one attempt, and what its outcome means.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};
use percent_encoding::percent_decode;
use tokio::time::Instant;

use super::authorization::Authorization;
use super::channel::{CallError, Channel, Reply};
use super::retry::{is_ambiguous, is_retryable};
use super::settings::OtlpSettings;
use crate::grpc_status::{PartialSuccess, Status};
use crate::net::compress;
use crate::request::{Encoding, Payload};

const VARIANT: HeaderName = HeaderName::from_static("x-phoenix-variant");
/// The code by which a server tells that it does not know who asks.
const UNAUTHENTICATED: &str = "16";
const GENERATION: HeaderName = HeaderName::from_static("x-phoenix-generation");

/// Outcome of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Taken, but for `rejected` items.
    Delivered {
        /// Items refused for good.
        rejected: u64,
        /// Reason.
        message: String,
    },
    /// Refused for good.
    Refused(String),
    /// Worth another attempt.
    Retry {
        /// Failure of the attempt.
        reason: String,
        /// Time for which the destination wants to be left alone.
        after: Option<Duration>,
        /// True if it may have kept the data all the same.
        ambiguous: bool,
    },
}

/// An OTLP/gRPC client for one destination.
#[derive(Debug)]
pub struct Otlp {
    channel: Channel,
    settings: OtlpSettings,
    authorization: Authorization,
    headers: HeaderMap,
}

impl Otlp {
    /// A client that connects with its first payload.
    pub fn new(channel: Channel, settings: OtlpSettings, authorization: Authorization) -> Self {
        let mut headers = settings.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let agent = concat!("phoenix-agent/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(encoding) = settings.compression {
            headers.insert("grpc-encoding", HeaderValue::from_static(encoding.grpc_name()));
        }
        let millis = settings.timeout.as_millis().clamp(1, 99_999_999);
        if let Ok(timeout) = HeaderValue::from_str(&format!("{millis}m")) {
            headers.insert("grpc-timeout", timeout);
        }
        Self { channel, settings, authorization, headers }
    }

    /// The bytes to send for `payload`; made once, for every attempt.
    ///
    /// # Errors
    /// When compression fails.
    pub fn encode(&self, payload: &Payload) -> std::io::Result<Bytes> {
        encode(self.settings.compression, payload)
    }

    /// Sends `encoded`, which [`Self::encode`] made of `payload`.
    pub async fn attempt(&self, payload: &Payload, encoded: Bytes) -> Attempt {
        let not_sent = |reason: String| Attempt::Retry { reason, after: None, ambiguous: false };
        let mut headers = self.headers.clone();
        if self.settings.variant_headers {
            name_variant(&mut headers, payload);
        }
        if let Err(reason) = self.authorization.add_to(&mut headers).await {
            return not_sent(reason);
        }
        let deadline = Instant::now() + self.settings.timeout;
        let sender = match tokio::time::timeout_at(deadline, self.channel.open()).await {
            Err(_) => return not_sent("no connection in time".into()),
            Ok(Err(error)) => return not_sent(error.to_string()),
            Ok(Ok(sender)) => sender,
        };
        let compressed = self.settings.compression.is_some();
        let call = self.channel.call(sender, payload.signal, headers, compressed, encoded);
        match tokio::time::timeout_at(deadline, call).await {
            Err(_) => {
                self.channel.abandon();
                Attempt::Retry { reason: "no answer in time".into(), after: None, ambiguous: true }
            }
            Ok(Err(CallError::NotSent(reason))) => not_sent(reason),
            Ok(Err(CallError::Unanswered(reason))) => Attempt::Retry { reason, after: None, ambiguous: true },
            Ok(Ok(reply)) => {
                if reply.trailers.get("grpc-status").is_some_and(|code| code == UNAUTHENTICATED) {
                    self.authorization.refused().await;
                }
                judge(&reply)
            }
        }
    }
}

/// The bytes of a payload in a compression: those that came, if they came so.
pub(super) fn encode(compression: Option<Encoding>, payload: &Payload) -> std::io::Result<Bytes> {
    match (compression, &payload.wire) {
        (None, _) => Ok(payload.message.clone()),
        (Some(wanted), Some((has, wire))) if wanted == *has => Ok(wire.clone()),
        (Some(wanted), _) => compress(wanted, &payload.message),
    }
}

/// Adds the headers that say which variant and generation made a payload.
pub(super) fn name_variant(headers: &mut HeaderMap, payload: &Payload) {
    headers.insert(VARIANT, HeaderValue::from_static(payload.variant.name()));
    headers.insert(GENERATION, HeaderValue::from(payload.generation));
}

/// Meaning of an answer (OTLP specification, "Failures"; gRPC's mapping of HTTP statuses).
fn judge(reply: &Reply) -> Attempt {
    let trailer = |name: &str| reply.trailers.get(name).map(HeaderValue::as_bytes);
    let Some(code) = trailer("grpc-status") else {
        let reason = format!("HTTP status {} without a gRPC status", reply.http.as_u16());
        return match reply.http.as_u16() {
            200 => Attempt::Retry { reason, after: None, ambiguous: true },
            429 | 502 | 503 | 504 => Attempt::Retry { reason, after: None, ambiguous: true },
            _ => Attempt::Refused(reason),
        };
    };
    let code: i32 = std::str::from_utf8(code).ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    if code == 0 {
        let partial = PartialSuccess::from_response(&reply.message).unwrap_or_default();
        return Attempt::Delivered { rejected: partial.rejected.max(0) as u64, message: partial.message };
    }
    let message = percent_decode(trailer("grpc-message").unwrap_or_default()).decode_utf8_lossy();
    let reason = format!("gRPC status {code}: {message}");
    let after =
        trailer("grpc-status-details-bin").and_then(Status::from_trailer).and_then(|s| s.retry_delay());
    if is_retryable(code, after.is_some()) {
        Attempt::Retry { reason, after, ambiguous: is_ambiguous(code, after.is_some()) }
    } else {
        Attempt::Refused(reason)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::grpc_status::Code;

    fn reply(status: &Status) -> Reply {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(status.code));
        trailers
            .insert("grpc-status-details-bin", HeaderValue::from_str(&status.to_trailer()).expect("ascii"));
        Reply { http: StatusCode::OK, message: Bytes::new(), trailers }
    }

    #[test]
    fn exhausted_is_retried_only_when_the_peer_says_when() {
        let bare = Status::new(Code::ResourceExhausted, "quota");
        assert!(matches!(judge(&reply(&bare)), Attempt::Refused(_)));
        let after = Duration::from_secs(7);
        let Attempt::Retry { after: asked, ambiguous, .. } = judge(&reply(&bare.retry_after(after))) else {
            panic!("expected a retry");
        };
        assert_eq!((asked, ambiguous), (Some(after), false));
    }

    #[test]
    fn a_reason_is_told_as_it_was_said_before_it_was_escaped_for_the_wire() {
        let mut refused = reply(&Status::new(Code::Unimplemented, ""));
        for (escaped, said) in
            [("caf%C3%A9%20is%20shut", "café is shut"), ("100%", "100%"), ("%FF!", "\u{fffd}!")]
        {
            refused.trailers.insert("grpc-message", HeaderValue::from_static(escaped));
            assert_eq!(judge(&refused), Attempt::Refused(format!("gRPC status 12: {said}")));
        }
    }

    #[test]
    fn a_partial_success_is_delivered_and_never_retried() {
        let mut full = reply(&Status::default());
        assert_eq!(judge(&full), Attempt::Delivered { rejected: 0, message: String::new() });
        full.message = PartialSuccess { rejected: 3, message: "old".into() }.into_response();
        assert_eq!(judge(&full), Attempt::Delivered { rejected: 3, message: "old".into() });
    }

    #[test]
    fn a_proxy_that_is_overloaded_is_retried_and_one_that_forbids_is_not() {
        let from_proxy = |status| Reply { http: status, message: Bytes::new(), trailers: HeaderMap::new() };
        let overloaded = judge(&from_proxy(StatusCode::SERVICE_UNAVAILABLE));
        assert!(matches!(overloaded, Attempt::Retry { .. }));
        assert!(matches!(judge(&from_proxy(StatusCode::FORBIDDEN)), Attempt::Refused(_)));
    }
}
