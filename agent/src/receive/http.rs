//! OTLP over HTTP: `POST /v1/{metrics,traces,logs}` in protobuf or JSON.

use bytes::Bytes;
use gate::Peer;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, ORIGIN, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::grpc::Reply;
use super::{Cors, Service, body};
use crate::admission::Permit;
use crate::net::decompress;
use crate::request::{Encoding, Media, ReceivedRequest, Refusal};
use crate::signal::Signal;

/// Answers one request, for pages of other origins too where they may.
pub async fn serve(service: &Service, peer: Peer, request: Request<Incoming>) -> Response<Reply> {
    let cors = service.settings.load().cors.clone();
    let Some(cors) = cors else { return exchange(service, peer, request).await };
    if Cors::is_preflight(&request) {
        let mut response = Response::new(Reply::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = cors.preflight(request.headers());
        return response;
    }
    let origin = request.headers().get(ORIGIN).cloned();
    let mut response = exchange(service, peer, request).await;
    cors.allow(origin.as_ref(), response.headers_mut());
    response
}

/// Answers one request in the media type that it came in. An error's body is a `google.rpc.Status`.
async fn exchange(service: &Service, peer: Peer, request: Request<Incoming>) -> Response<Reply> {
    let media = Media::from_header(request.headers().get(CONTENT_TYPE));
    let answer_in = *media.as_ref().unwrap_or(&Media::Protobuf);
    let Some(signal) = Signal::from_http_path(request.uri().path()) else {
        let path = request.uri().path();
        let refusal =
            Refusal::Unknown(format!("no {path} here: expected /v1/metrics, /v1/traces or /v1/logs"));
        service.metrics.refused(None, refusal.reason());
        return refuse(answer_in, &refusal);
    };
    if request.method() != Method::POST {
        service.metrics.refused(Some(signal), "unsupported");
        let refusal = Refusal::Unknown(format!("{} is not allowed here: expected POST", request.method()));
        let mut response = refuse(answer_in, &refusal);
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let (head, mut body) = request.into_parts();
    let received = async { read(service, (peer, signal), media?, &head, &mut body).await };
    match service.take((peer, signal), received, None).await {
        Ok(answer) => respond(answer_in, StatusCode::OK, answer_in.success(signal, answer)),
        Err(refusal) => {
            if head.version < Version::HTTP_2 {
                body::discard(&mut body).await;
            }
            refuse(answer_in, &refusal)
        }
    }
}

async fn read(
    service: &Service,
    (peer, signal): (Peer, Signal),
    media: Media,
    head: &Parts,
    body: &mut Incoming,
) -> Result<ReceivedRequest, Refusal> {
    let encoding = Encoding::from_header(head.headers.get(CONTENT_ENCODING))?;
    let bounds = service.bounds(peer);
    let (wire, mut permit) = body::http_body(body, bounds).await?;
    let limit = bounds.max_bytes;
    let Some(encoding) = encoding else {
        let message = media.into_protobuf(signal, wire, limit, &mut permit, &service.metrics)?;
        hold(media, &message, &mut permit);
        return Ok(ReceivedRequest { message, wire: None, permit });
    };
    let encoding = encoding.of_body(&wire);
    let message = decompress(encoding, &wire, limit, &mut permit)?;
    if media == Media::Protobuf {
        return Ok(ReceivedRequest { message, wire: Some((encoding, wire)), permit });
    }
    // What came compressed was JSON, which no destination is sent.
    drop(wire);
    let message = media.into_protobuf(signal, message, limit, &mut permit, &service.metrics)?;
    hold(media, &message, &mut permit);
    Ok(ReceivedRequest { message, wire: None, permit })
}

/// Reduces the permit to the message: JSON is gone once it is read.
fn hold(media: Media, message: &Bytes, permit: &mut Permit) {
    if media == Media::Json {
        permit.hold(message.len());
    }
}

fn refuse(media: Media, refusal: &Refusal) -> Response<Reply> {
    let mut response = respond(media, refusal.http_status(), media.status(refusal));
    if let Some(delay) = refusal.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
    }
    response
}

fn respond(media: Media, status: StatusCode, body: Bytes) -> Response<Reply> {
    let mut response = Response::new(Reply { data: Some(body), trailers: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media.header());
    response
}
