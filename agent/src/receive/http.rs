//! OTLP over HTTP: `POST /v1/{metrics,traces,logs}` with a protobuf body.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use prost::Message as _;

use super::compression::{Encoding, decompress};
use super::grpc::Reply;
use super::{Answer, Received, Refusal, Service, body};
use crate::signal::Signal;
use crate::status::PartialSuccess;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// Answers one request. An error's body is a `google.rpc.Status` in protobuf.
pub async fn serve(service: &Service, request: Request<Incoming>) -> Response<Reply> {
    let Some(signal) = Signal::from_http_path(request.uri().path()) else {
        let path = request.uri().path();
        let refusal =
            Refusal::Unknown(format!("no {path} here: expected /v1/metrics, /v1/traces or /v1/logs"));
        service.metrics.refused(None, refusal.reason());
        return refuse(&refusal);
    };
    if request.method() != Method::POST {
        service.metrics.refused(Some(signal), "unsupported");
        let refusal = Refusal::Unknown(format!("{} is not allowed here: expected POST", request.method()));
        let mut response = refuse(&refusal);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let (head, mut body) = request.into_parts();
    match service.take(signal, read(service, &head, &mut body), None).await {
        Ok(answer) => succeed(answer),
        Err(refusal) => {
            if head.version < Version::HTTP_2 {
                body::discard(&mut body).await;
            }
            refuse(&refusal)
        }
    }
}

async fn read(service: &Service, head: &Parts, body: &mut Incoming) -> Result<Received, Refusal> {
    media_type(head.headers.get(CONTENT_TYPE))?;
    let encoding = Encoding::from_header(head.headers.get(CONTENT_ENCODING))?;
    let (bytes, mut permit) = body::http_body(body, &service.budget, service.bounds()).await?;
    let Some(encoding) = encoding else {
        return Ok(Received { message: bytes, wire: None, permit });
    };
    let message = decompress(encoding, &bytes, service.bounds().max_bytes, &mut permit)?;
    Ok(Received { message, wire: Some((encoding, bytes)), permit })
}

fn media_type(value: Option<&HeaderValue>) -> Result<(), Refusal> {
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        return Ok(());
    }
    let json = essence.eq_ignore_ascii_case("application/json");
    let hint = if json { "; OTLP/JSON is not read by this version" } else { "" };
    Err(Refusal::MediaType(format!("expected content-type application/x-protobuf, got '{essence}'{hint}")))
}

fn succeed(answer: Answer) -> Response<Reply> {
    let body = if answer == Answer::default() {
        Bytes::new()
    } else {
        let rejected = i64::try_from(answer.rejected).unwrap_or(i64::MAX);
        PartialSuccess { rejected, message: answer.message }.into_response()
    };
    respond(StatusCode::OK, body)
}

fn refuse(refusal: &Refusal) -> Response<Reply> {
    let body = refusal.status().encode_to_vec().into();
    let mut response = respond(refusal.http_status(), body);
    if let Some(delay) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
    }
    response
}

fn respond(status: StatusCode, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply { data: Some(body), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, PROTOBUF);
    response
}
