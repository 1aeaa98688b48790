//! Unary gRPC over hyper's HTTP/2: a five-byte prefix in, a five-byte prefix and trailers out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use gate::Peer;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Service, body};
use crate::grpc_status::PartialSuccess;
use crate::net::decompress;
use crate::request::{Answer, Encoding, ReceivedRequest, Refusal};
use crate::signal::Signal;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Export response without a partial success: an empty message.
const EMPTY_MESSAGE: Bytes = Bytes::from_static(&[0; 5]);

/// Answers one call. A refusal is a gRPC status, never an HTTP error, except where the caller does
/// not speak gRPC at all.
pub async fn serve(service: &Service, peer: Peer, request: Request<Incoming>) -> Response<Reply> {
    let speaks_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value == b"application/grpc" || value.starts_with(b"application/grpc+proto")
    });
    if !speaks_grpc || request.method() != Method::POST {
        service.metrics.refused(None, "unsupported");
        return not_grpc();
    }
    let Some(signal) = Signal::from_grpc_path(request.uri().path()) else {
        let refusal = Refusal::Unknown(format!("unknown method {}", request.uri().path()));
        service.metrics.refused(None, refusal.reason());
        return refuse(&refusal);
    };
    let deadline = request.headers().get(TIMEOUT).and_then(timeout);
    match service.take((peer, signal), read(service, peer, request), deadline).await {
        Ok(answer) => succeed(answer),
        Err(refusal) => refuse(&refusal),
    }
}

async fn read(service: &Service, peer: Peer, request: Request<Incoming>) -> Result<ReceivedRequest, Refusal> {
    let bounds = service.bounds(peer);
    let encoding = Encoding::from_grpc_header(request.headers().get(ENCODING))?;
    let message = body::grpc_message(request.into_body(), bounds).await?;
    let mut permit = message.permit;
    match (message.compressed, encoding) {
        (false, _) => Ok(ReceivedRequest { message: message.bytes, wire: None, permit }),
        (true, None) => Err(Refusal::Invalid("a compressed message without grpc-encoding".into())),
        (true, Some(encoding)) => {
            let plain = decompress(encoding, &message.bytes, bounds.max_bytes, &mut permit)?;
            Ok(ReceivedRequest { message: plain, wire: Some((encoding, message.bytes)), permit })
        }
    }
}

fn succeed(answer: Answer) -> Response<Reply> {
    let message = if answer == Answer::default() {
        EMPTY_MESSAGE
    } else {
        let rejected = i64::try_from(answer.rejected).unwrap_or(i64::MAX);
        let response = PartialSuccess { rejected, message: answer.message }.into_response();
        let mut framed = BytesMut::with_capacity(5 + response.len());
        framed.put_u8(0);
        framed.put_u32(response.len() as u32);
        framed.put(response);
        framed.freeze()
    };
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(STATUS, HeaderValue::from_static("0"));
    respond(Reply { data: Some(message), trailers: Some(trailers) })
}

fn refuse(refusal: &Refusal) -> Response<Reply> {
    let status = refusal.status();
    let mut response = respond(Reply::default());
    let headers = response.headers_mut();
    headers.insert(STATUS, HeaderValue::from(status.code));
    if let Ok(message) = HeaderValue::from_str(&percent_encode(&status.message)) {
        headers.insert(MESSAGE, message);
    }
    if let Ok(details) = HeaderValue::from_str(&status.to_trailer()) {
        headers.insert(DETAILS, details);
    }
    if matches!(refusal, Refusal::Compression { .. }) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,zstd,snappy"));
    }
    response
}

fn respond(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

fn not_grpc() -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

/// Reads gRPC's `grpc-timeout`: up to eight digits and a unit.
fn timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount = u64::from(digits.parse::<u32>().ok()?);
    Some(match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// What a `grpc-message` escapes: everything but printable ASCII, and `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Encodes a `grpc-message`.
fn percent_encode(message: &str) -> String {
    utf8_percent_encode(message, ESCAPED).to_string()
}

/// A whole response body: at most one piece of data, then at most one block of trailers.
#[derive(Debug, Default)]
pub struct Reply {
    /// The message with its prefix, or an HTTP body.
    pub data: Option<Bytes>,
    /// gRPC's status.
    pub trailers: Option<HeaderMap>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let data = self.data.take().filter(Buf::has_remaining).map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, Bytes::len) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_of_a_timeout_and_nothing_else() {
        let read = |text: &'static str| timeout(&HeaderValue::from_static(text));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("4999999u"), Some(Duration::from_micros(4_999_999)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for wrong in ["", "S", "5", "-5S", "5s", "99999999999S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_message_of_any_text_is_a_legal_header() {
        assert_eq!(percent_encode("100 % ü\n"), "100 %25 %C3%BC%0A");
    }
}
