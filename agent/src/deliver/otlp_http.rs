//! The OTLP/HTTP exporter: one payload, one attempt, and what its outcome means (OTLP specification, "OTLP/HTTP").
//!
//! Protobuf or JSON over HTTP/1.1, on connections that are kept: one for each request in flight. A connection that the server has
//! closed meanwhile gives the request back unsent, and another one is opened.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, DATE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
    RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use pipelines::json;
use tokio::time::Instant;

use super::authorization::Authorization;
use super::channel::CallError;
use super::otlp::{Attempt, encode, name_variant};
use super::settings::OtlpSettings;
use crate::grpc_status::PartialSuccess;
use crate::net::{Connector, compress};
use crate::request::{Media, Payload};

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
        let authority = self.connector.authority();
        *request.headers_mut() = headers;
        // A proxy that passes requests on is told the whole URL.
        let forwarder = self.connector.forwarder();
        let whole = forwarder.map(|_| format!("http://{authority}{}", self.path));
        let url = whole.as_deref().unwrap_or(&self.path);
        *request.uri_mut() = url.parse().map_err(|error| not_sent(&error))?;
        if let Some(value) = forwarder.and_then(|proxy| proxy.authorization.clone()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        let host = HeaderValue::from_str(&authority).map_err(|error| not_sent(&error))?;
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
    media: Media,
    settings: OtlpSettings,
    authorization: Authorization,
    headers: HeaderMap,
}

impl OtlpHttp {
    /// A client that connects with its first payload.
    pub fn new(
        channels: [Option<HttpChannel>; 3],
        media: Media,
        settings: OtlpSettings,
        authorization: Authorization,
    ) -> Self {
        let mut headers = settings.headers.clone();
        headers.insert(CONTENT_TYPE, media.header());
        let agent = concat!("phoenix-agent/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        if let Some(encoding) = settings.compression {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        }
        Self { channels, media, settings, authorization, headers }
    }

    /// The bytes to send for `payload`; made once, for every attempt.
    ///
    /// # Errors
    /// When it cannot be compressed, or written as JSON.
    pub fn encode(&self, payload: &Payload) -> std::io::Result<Bytes> {
        if self.media == Media::Protobuf {
            return encode(self.settings.compression, payload);
        }
        let json =
            json::encode(payload.signal.document(), &payload.message).map_err(std::io::Error::other)?;
        match self.settings.compression {
            None => Ok(json.into()),
            Some(encoding) => compress(encoding, &json.into()),
        }
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
        let retry = |reason, ambiguous| Attempt::Retry { reason, after: None, ambiguous };
        if let Err(reason) = self.authorization.add_to(&mut headers).await {
            return retry(reason, false);
        }
        let deadline = Instant::now() + self.settings.timeout;
        match tokio::time::timeout_at(deadline, channel.call(headers, encoded)).await {
            // Whether it was sent by then is not known.
            Err(_) => retry("no answer in time".into(), true),
            Ok(Err(CallError::NotSent(reason))) => retry(reason, false),
            Ok(Err(CallError::Unanswered(reason))) => retry(reason, true),
            Ok(Ok((status, headers, body))) => {
                if status == StatusCode::UNAUTHORIZED {
                    self.authorization.refused().await;
                }
                judge(status, &headers, &body)
            }
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
            let after = retry_after(headers, SystemTime::now());
            Attempt::Retry { reason, after, ambiguous: matches!(code, 502 | 504) }
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

/// Time of a `Retry-After`: seconds, or a date by the server's clock where it says what that shows, else by ours.
fn retry_after(headers: &HeaderMap<HeaderValue>, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = text(DATE).and_then(date).unwrap_or(now);
    Some(date(wanted)?.duration_since(now).unwrap_or_default())
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
    fn a_date_to_come_back_at_is_told_by_the_servers_clock() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_420);
        let after = |headers: &[(HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            retry_after(&headers.collect(), now)
        };
        let (early, late) = ("Wed, 21 Oct 2015 07:27:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(after(&[(RETRY_AFTER, late)]), Some(Duration::from_secs(60)));
        assert_eq!(after(&[(RETRY_AFTER, early), (DATE, late)]), Some(Duration::ZERO), "it is over");
        let ahead = "Thu, 22 Oct 2015 07:28:00 GMT";
        assert_eq!(
            after(&[(RETRY_AFTER, ahead), (DATE, "Thu, 22 Oct 2015 07:27:58 GMT")]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(after(&[(RETRY_AFTER, "soon")]), None);
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
