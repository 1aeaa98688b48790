//! Bodies of HTTP in either encoding: a request's, and with it that of the answer.

use bytes::Bytes;
use http::HeaderValue;
use pipelines::json::{self, NotOtlp};
use prost::Message as _;
use serde_json::json;

use crate::admission::Permit;
use crate::grpc_status::PartialSuccess;
use crate::request::{Answer, Media, Refusal};
use crate::signal::Signal;
use crate::telemetry::ReceiverMetrics;

impl Media {
    /// Reads a request's `content-type`.
    ///
    /// # Errors
    /// Another type, or none.
    pub fn from_header(value: Option<&HeaderValue>) -> Result<Self, Refusal> {
        let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        let known = [Self::Protobuf, Self::Json];
        known.into_iter().find(|media| essence.eq_ignore_ascii_case(media.name())).ok_or_else(|| {
            let known = known.map(Self::name).join(" or ");
            Refusal::MediaType(format!("expected content-type {known}, got '{essence}'"))
        })
    }

    /// The request in protobuf, of at most `limit` bytes, covered by the permit like the one that came.
    ///
    /// # Errors
    /// JSON that is no such request, or a budget that does not hold both forms for a moment.
    pub fn into_protobuf(
        self,
        signal: Signal,
        body: Bytes,
        limit: usize,
        permit: &mut Permit,
        metrics: &ReceiverMetrics,
    ) -> Result<Bytes, Refusal> {
        if self == Self::Protobuf {
            return Ok(body);
        }
        if !permit.grow_to(2 * body.len()) {
            return Err(Refusal::Memory);
        }
        let malformed = |error: NotOtlp| Refusal::Invalid(format!("the request is not OTLP/JSON: {error}"));
        let decoded = json::decode_repaired(signal.document(), &body, limit).map_err(malformed)?;
        if decoded.repairs > 0 {
            metrics.repaired(decoded.repairs);
        }
        Ok(decoded.protobuf.into())
    }

    /// The body that answers a request that was taken.
    pub fn success(self, signal: Signal, answer: Answer) -> Bytes {
        let Answer { rejected, message } = answer;
        let partial = rejected > 0 || !message.is_empty();
        match self {
            Self::Protobuf if !partial => Bytes::new(),
            Self::Protobuf => {
                let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
                PartialSuccess { rejected, message }.into_response()
            }
            Self::Json if !partial => Bytes::from_static(b"{}"),
            Self::Json => {
                let key = match signal {
                    Signal::Metrics => "rejectedDataPoints",
                    Signal::Traces => "rejectedSpans",
                    Signal::Logs => "rejectedLogRecords",
                };
                let partial = json!({ key: rejected.to_string(), "errorMessage": message });
                json!({ "partialSuccess": partial }).to_string().into()
            }
        }
    }

    /// The `google.rpc.Status` of a refusal.
    pub fn status(self, refusal: &Refusal) -> Bytes {
        let status = refusal.status();
        if self == Self::Protobuf {
            return status.encode_to_vec().into();
        }
        let retry = status.retry_delay().map(|delay| {
            json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", delay.as_secs_f64()),
            })
        });
        let details: Vec<serde_json::Value> = retry.into_iter().collect();
        json!({ "code": status.code, "message": status.message, "details": details }).to_string().into()
    }
}
