//! The OTLP/HTTP exporter: one payload, one attempt, and what its outcome means (OTLP specification, "OTLP/HTTP").
//!
//! Protobuf over HTTP/1.1, on connections that are kept: one for each request in flight. A connection that the server has
//! closed meanwhile gives the request back unsent, and another one is opened.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::channel::CallError;
use super::otlp::{Attempt, encode, name_variant};
use super::settings::OtlpSettings;
use crate::grpc_status::PartialSuccess;
use crate::net::Connector;
use crate::request::Payload;

/// Largest answer that is read; a partial success is a number and a sentence.
const MAX_RESPONSE: usize = 64 * 1024;
/// Connections of a signal that are kept while nothing is sent.
const MAX_IDLE: usize = 16;
/// Characters of a refusal's text that are told.
const MAX_REASON: usize = 200;

/// Connections to one URL.
#[derive(Debug)]
pub struct HttpChannel {
    connector: Connector,
    path: String,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl HttpChannel {
    /// A channel that is not connected yet, to this path.
    pub fn new(connector: Connector, path: String) -> Self {
        Self { connector, path, idle: Mutex::default() }
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`CallError`].
    async fn call(
        &self,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), CallError> {
        let not_sent = |error: &dyn std::fmt::Display| CallError::NotSent(error.to_string());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().map_err(|error| not_sent(&error))?;
        *request.headers_mut() = headers;
        let host = HeaderValue::from_str(&self.connector.authority()).map_err(|error| not_sent(&error))?;
        request.headers_mut().insert(HOST, host);
        while let Some(mut kept) = self.kept() {
            match kept.try_send_request(request).await {
                Ok(response) => return self.read(kept, response).await,
                Err(mut failed) => match failed.take_message() {
                    // The server had closed it.
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::Unanswered(failed.into_error().to_string())),
                },
            }
        }
        let mut sender = self.open().await.map_err(|error| not_sent(&error))?;
        let response = sender.try_send_request(request).await.map_err(|mut failed| {
            let unsent = failed.take_message().is_some();
            let reason = failed.into_error().to_string();
            if unsent { CallError::NotSent(reason) } else { CallError::Unanswered(reason) }
        })?;
        self.read(sender, response).await
    }

    async fn open(&self) -> std::io::Result<SendRequest<Full<Bytes>>> {
        let stream = TokioIo::new(self.connector.connect().await?);
        let (sender, connection) = handshake(stream).await.map_err(std::io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a destination ended");
            }
        });
        Ok(sender)
    }

    /// Reads an answer to its end, and keeps the connection.
    async fn read(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: Response<Incoming>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), CallError> {
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await;
        let body = body.map_err(|error| CallError::Unanswered(error.to_string()))?.to_bytes();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
        Ok((head.status, head.headers, body))
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().rposition(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }
}

/// An OTLP/HTTP client for one destination.
#[derive(Debug)]
pub struct OtlpHttp {
    /// By [`crate::signal::Signal::index`].
    channels: [Option<HttpChannel>; 3],
    settings: OtlpSettings,
    headers: HeaderMap,
}

impl OtlpHttp {
    /// A client that connects with its first payload.
    pub fn new(channels: [Option<HttpChannel>; 3], settings: OtlpSettings) -> Self {
        let mut headers = settings.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = concat!("phoenix-agent/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(encoding) = settings.compression {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        Self { channels, settings, headers }
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
        let Some(channel) = &self.channels[payload.signal.index()] else {
            return Attempt::Refused(format!("there is no endpoint for {}", payload.signal.name()));
        };
        let mut headers = self.headers.clone();
        if self.settings.variant_headers {
            name_variant(&mut headers, payload);
        }
        let deadline = Instant::now() + self.settings.timeout;
        let retry = |reason, ambiguous| Attempt::Retry { reason, after: None, ambiguous };
        if let Some(Err(reason)) = self.settings.token.as_ref().map(|token| token.add_to(&mut headers)) {
            return retry(reason, false);
        }
        match tokio::time::timeout_at(deadline, channel.call(headers, encoded)).await {
            // Whether it was sent by then is not known.
            Err(_) => retry("no answer in time".into(), true),
            Ok(Err(CallError::NotSent(reason))) => retry(reason, false),
            Ok(Err(CallError::Unanswered(reason))) => retry(reason, true),
            Ok(Ok((status, headers, body))) => judge(status, &headers, &body),
        }
    }
}

/// Meaning of an answer: 429, 502, 503 and 504 are worth another attempt, everything else that is no success is not.
fn judge(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Attempt {
    if status.is_success() {
        let partial = partial_success(headers, body).unwrap_or_default();
        return Attempt::Delivered { rejected: partial.rejected.max(0) as u64, message: partial.message };
    }
    let text = String::from_utf8_lossy(body);
    let shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    let reason = format!("HTTP status {}: {}", status.as_u16(), shown.trim());
    match status.as_u16() {
        // A proxy that answers for a server does not know what that did.
        code @ (429 | 502 | 503 | 504) => {
            Attempt::Retry { reason, after: retry_after(headers), ambiguous: matches!(code, 502 | 504) }
        }
        _ => Attempt::Refused(reason),
    }
}

/// The partial success of an answer, in protobuf or JSON; nothing where all was taken, and where it is no OTLP.
fn partial_success(headers: &HeaderMap, body: &Bytes) -> Option<PartialSuccess> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    if kind.starts_with("application/x-protobuf") {
        return PartialSuccess::from_response(body);
    }
    let answer: serde_json::Value =
        kind.starts_with("application/json").then(|| serde_json::from_slice(body).ok())??;
    let partial = answer.get("partialSuccess")?;
    let rejected = ["rejectedDataPoints", "rejectedSpans", "rejectedLogRecords"].iter().find_map(|key| {
        let count = partial.get(key)?;
        // 64-bit integers are texts in OTLP/JSON.
        count.as_i64().or_else(|| count.as_str()?.parse().ok())
    });
    let message = partial.get("errorMessage").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    Some(PartialSuccess { rejected: rejected.unwrap_or(0), message })
}

/// Time of a `Retry-After` in seconds. A date in it is left to the backoff.
fn retry_after(headers: &HeaderMap<HeaderValue>) -> Option<Duration> {
    const NAME: HeaderName = RETRY_AFTER;
    let text = headers.get(NAME)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(HeaderName, &'static str)], body: impl Into<Bytes>) -> Attempt {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        judge(StatusCode::from_u16(status).expect("a status"), &headers, &body.into())
    }

    #[test]
    fn what_may_come_to_a_better_end_is_tried_again_and_the_rest_is_not() {
        for (status, retried, doubtful) in [
            (400, false, false),
            (401, false, false),
            (404, false, false),
            (413, false, false),
            (429, true, false),
            (500, false, false),
            (502, true, true),
            (503, true, false),
            (504, true, true),
        ] {
            match answer(status, &[], "") {
                Attempt::Retry { ambiguous, .. } => {
                    assert_eq!((retried, ambiguous), (true, doubtful), "{status}");
                }
                Attempt::Refused(reason) => assert!(!retried && reason.contains(&status.to_string())),
                delivered @ Attempt::Delivered { .. } => panic!("{status}: {delivered:?}"),
            }
        }
        let Attempt::Retry { after, .. } = answer(503, &[(RETRY_AFTER, "7")], "") else { panic!("a retry") };
        assert_eq!(after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn a_partial_success_is_delivered_with_what_was_rejected() {
        let protobuf = [(CONTENT_TYPE, "application/x-protobuf")];
        let body = PartialSuccess { rejected: 3, message: "old".into() }.into_response();
        let partial = Attempt::Delivered { rejected: 3, message: "old".into() };
        assert_eq!(answer(200, &protobuf, body.clone()), partial);
        let json = [(CONTENT_TYPE, "Application/JSON; charset=utf-8")];
        for rejected in ["3", "\"3\""] {
            let text =
                format!("{{\"partialSuccess\":{{\"rejectedSpans\":{rejected},\"errorMessage\":\"old\"}}}}");
            assert_eq!(answer(200, &json, text), partial);
        }
        let whole = Attempt::Delivered { rejected: 0, message: String::new() };
        assert_eq!(answer(200, &protobuf, ""), whole);
        assert_eq!(answer(200, &json, "{}"), whole);
        assert_eq!(answer(202, &[(CONTENT_TYPE, "text/html")], body), whole, "what is no OTLP says nothing");
    }
}
