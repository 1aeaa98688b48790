//! A receiver of spans: OTLP over gRPC, or over HTTP.
//!
//! Written on the messages of OTLP, because a receiver that takes a part says so in its answer, and who counts what is lost must read
//! it.

use std::io::Write as _;
use std::time::Duration;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::settings::{Settings, Way};
use crate::outgoing::{Outgoing, Rules, Target};

/// The most characters of somebody else's words.
const WORDS: usize = 200;
/// The most bytes of an answer over HTTP.
const ANSWER: usize = 64 << 10;
/// Statuses after which OTLP has a message sent again.
const FOR_NOW: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// A receiver.
#[derive(Debug)]
pub(super) struct Receiver {
    client: Client,
    headers: HeaderMap,
    timeout: Duration,
    is_compressed: bool,
    resource: ResourceAttributesWithSchema,
    /// The receiver, as the log names it.
    pub place: String,
}

#[derive(Debug)]
enum Client {
    Grpc(TraceServiceClient<Channel>),
    Http(Outgoing, Target),
}

/// Reason for which a receiver did not take a message.
#[derive(Debug)]
pub(super) struct NotTaken {
    pub why: String,
    /// True if it may take the same message in a while.
    pub for_now: bool,
}

/// Spans that a receiver has refused out of a message that it took, and its words.
#[derive(Debug)]
pub(super) struct Refused {
    pub spans: u64,
    pub why: String,
}

impl Receiver {
    /// One that is connected to when something is first sent; within a runtime.
    pub fn new(settings: Settings) -> Self {
        let Settings { way, place, headers, timeout, is_compressed, resource, .. } = settings;
        let client = match way {
            Way::Grpc(endpoint) => {
                let client = TraceServiceClient::new(endpoint.connect_lazy());
                let zipped =
                    |client: TraceServiceClient<_>| client.send_compressed(CompressionEncoding::Gzip);
                Client::Grpc(if is_compressed { zipped(client) } else { client })
            }
            Way::Http(target) => Client::Http(Outgoing::new(Rules::default()), target),
        };
        Self { client, headers, timeout, is_compressed, resource: (&resource).into(), place }
    }

    /// Message of these spans.
    pub fn message(&self, spans: Vec<SpanData>) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(spans, &self.resource) }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: ExportTraceServiceRequest) -> Result<Refused, NotTaken> {
        let answer = async {
            match &mut self.client {
                Client::Grpc(client) => {
                    let mut request = tonic::Request::new(message);
                    *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
                    let answer = client.export(request).await;
                    answer.map(tonic::Response::into_inner).map_err(|status| of_grpc(&status))
                }
                Client::Http(calls, target) => {
                    let request = request(message, &self.headers, self.is_compressed)?;
                    let answer = calls.call(target, request, ANSWER).await;
                    let answer =
                        answer.map_err(|why| NotTaken { why: bounded(&why.to_string()), for_now: true })?;
                    of_http(answer.status(), answer.body())
                }
            }
        };
        let late = NotTaken { why: format!("no answer in {:?}", self.timeout), for_now: true };
        let answer = tokio::time::timeout(self.timeout, answer).await.unwrap_or(Err(late))?;
        let ExportTracePartialSuccess { rejected_spans, error_message } =
            answer.partial_success.unwrap_or_default();
        Ok(Refused { spans: rejected_spans.try_into().unwrap_or(0), why: bounded(&error_message) })
    }
}

/// A message over HTTP.
fn request(
    message: ExportTraceServiceRequest,
    headers: &HeaderMap,
    is_compressed: bool,
) -> Result<Request<Vec<u8>>, NotTaken> {
    let mut headers = headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let mut body = message.encode_to_vec();
    if is_compressed {
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        let written = zipped.write_all(&body).and_then(|()| zipped.finish());
        body = written.map_err(|why| NotTaken { why: why.to_string(), for_now: false })?;
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let mut request = Request::post("/");
    if let Some(all) = request.headers_mut() {
        *all = headers;
    }
    request.body(body).map_err(|why| NotTaken { why: why.to_string(), for_now: false })
}

/// Answer over HTTP. One without a body has taken all; nothing else of one that has failed is read.
fn of_http(status: StatusCode, body: &[u8]) -> Result<ExportTraceServiceResponse, NotTaken> {
    if !status.is_success() {
        return Err(NotTaken { why: status.to_string(), for_now: FOR_NOW.contains(&status) });
    }
    Ok(ExportTraceServiceResponse::decode(body).unwrap_or_default())
}

/// Code, words and cause of a refusal over gRPC.
fn of_grpc(status: &Status) -> NotTaken {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(status);
    let mut last = None;
    while let Some(next) = cause {
        last = Some(next.to_string());
        cause = next.source();
    }
    let last = last.map(|cause| format!(": {cause}")).unwrap_or_default();
    let why = bounded(&format!("{:?}: {}{last}", status.code(), status.message()));
    NotTaken { why, for_now: is_for_now(status.code()) }
}

/// Codes after which OTLP has a message sent again.
fn is_for_now(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    )
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS).collect()
}
