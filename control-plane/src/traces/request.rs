//! Spans of requests, by OpenTelemetry's conventions for servers of HTTP and of gRPC.
//!
//! A path is the route's own but for ids; a path that is none of ours, and a method of gRPC that is not served, are not shown: what
//! stands there may be anything.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use uuid::Uuid;

use super::{Sent, Span, Traces};

/// Requests that machines make all the time.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];
/// The most bytes of what a caller says of its trace.
const LONGEST: usize = 512;

impl Traces {
    /// Span of a request that has just come, over TLS or not. `route` is where it leads, if anywhere.
    pub fn request<B>(&self, request: &Request<B>, route: Option<&str>, is_tls: bool) -> Span {
        if PROBES.contains(&request.uri().path()) {
            return Span::default();
        }
        let parent = parent(request.headers());
        let Some(sent) = &self.0 else {
            return Span { caller: caller(&parent), ..Span::default() };
        };
        match route.and_then(service).filter(|_| is_grpc(request.headers())) {
            Some(service) => of_grpc(sent, service, request, &parent),
            None => of_http(sent, request, route, is_tls, &parent),
        }
    }
}

fn of_http<B>(
    sent: &Sent,
    request: &Request<B>,
    route: Option<&str>,
    is_tls: bool,
    parent: &Context,
) -> Span {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    let method = known.iter().find(|known| *known == request.method()).map(ToString::to_string);
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.clone().unwrap_or_else(|| "_OTHER".to_owned())),
        KeyValue::new("url.scheme", if is_tls { "https" } else { "http" }),
        KeyValue::new(
            "network.protocol.version",
            if request.version() == Version::HTTP_2 { "2" } else { "1.1" },
        ),
    ];
    let method = method.unwrap_or_else(|| "HTTP".to_owned());
    let name = match route {
        Some(route) => {
            attributes.push(KeyValue::new("http.route", route.to_owned()));
            attributes.push(KeyValue::new("url.path", shown(request.uri().path(), route)));
            format!("{method} {route}")
        }
        None => method,
    };
    sent.begin(name, SpanKind::Server, attributes, parent)
}

fn of_grpc<B>(sent: &Sent, service: &str, request: &Request<B>, parent: &Context) -> Span {
    let attributes = [KeyValue::new("rpc.system.name", "grpc")];
    let mut span = sent.begin(service.to_owned(), SpanKind::Server, attributes, parent);
    span.method = Some(request.uri().path().trim_start_matches('/').to_owned());
    span
}

impl Span {
    /// Ends that of a request with its answer: one of gRPC when the body has ended, which says how the call did.
    pub fn answered(self, response: Response<Body>) -> Response<Body> {
        let Some(context) = self.context.filter(|context| context.span().is_recording()) else {
            return response;
        };
        let Some(method) = self.method else {
            answered_by_http(&context, response.status());
            return response;
        };
        let at_once = status(response.headers());
        if at_once != Some(UNIMPLEMENTED) {
            context.span().update_name(method.clone());
            context.span().set_attribute(KeyValue::new("rpc.method", method));
        }
        if let Some(code) = at_once {
            answered_by_grpc(&context, code);
            return response;
        }
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                if let Some(code) = frame.trailers_ref().and_then(status) {
                    answered_by_grpc(&context, code);
                }
                frame
            }))
        })
    }
}

fn answered_by_http(context: &Context, status: StatusCode) {
    let span = context.span();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
        span.set_status(Status::error(""));
    }
}

/// Names of gRPC's codes, by number, and whether they are an error of the server's.
const CODES: [(&str, bool); 17] = [
    ("OK", false),
    ("CANCELLED", false),
    ("UNKNOWN", true),
    ("INVALID_ARGUMENT", false),
    ("DEADLINE_EXCEEDED", true),
    ("NOT_FOUND", false),
    ("ALREADY_EXISTS", false),
    ("PERMISSION_DENIED", false),
    ("RESOURCE_EXHAUSTED", false),
    ("FAILED_PRECONDITION", false),
    ("ABORTED", false),
    ("OUT_OF_RANGE", false),
    ("UNIMPLEMENTED", true),
    ("INTERNAL", true),
    ("UNAVAILABLE", true),
    ("DATA_LOSS", true),
    ("UNAUTHENTICATED", false),
];
const UNIMPLEMENTED: usize = 12;

fn answered_by_grpc(context: &Context, code: usize) {
    let Some((name, is_error)) = CODES.get(code) else { return };
    let span = context.span();
    span.set_attribute(KeyValue::new("rpc.response.status_code", *name));
    if *is_error {
        span.set_attribute(KeyValue::new("error.type", *name));
        span.set_status(Status::error(""));
    }
}

/// Number of a gRPC status, if it is said here.
fn status(headers: &HeaderMap) -> Option<usize> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"application/grpc")
}

/// Service of gRPC that a route leads to.
fn service(route: &str) -> Option<&str> {
    route.strip_prefix('/')?.strip_suffix("/{*rest}")
}

/// The path, with the ids in it; other parameters, such as names, as the route has them.
fn shown(path: &str, route: &str) -> StringValue {
    let mut said = path.split('/');
    let shown = route.split('/').map(|part| match said.next() {
        Some(said) if part.starts_with('{') && Uuid::try_parse(said).is_ok() => said,
        _ => part,
    });
    shown.collect::<Vec<_>>().join("/").into()
}

/// What a caller says of its trace, bounded. What is said twice is said by nobody.
#[derive(Default)]
struct Said<'r> {
    traceparent: Option<&'r str>,
    tracestate: Option<&'r str>,
}

impl Extractor for Said<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// Context of a caller's span, or one of none.
fn parent(headers: &HeaderMap) -> Context {
    let only = |name| {
        let mut all = headers.get_all(name).iter();
        let first = all.next().filter(|_| all.next().is_none())?;
        first.to_str().ok().filter(|text| text.len() <= LONGEST)
    };
    let said = Said { traceparent: only("traceparent"), tracestate: only("tracestate") };
    match said.traceparent {
        Some(_) => TraceContextPropagator::new().extract_with_context(&Context::new(), &said),
        None => Context::new(),
    }
}

fn caller(parent: &Context) -> Option<SpanContext> {
    Some(parent.span().span_context()).filter(|caller| caller.is_valid()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn trace(headers: &[(&'static str, &str)]) -> Option<(String, bool, String)> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let caller = caller(&parent(&all))?;
        Some((caller.trace_id().to_string(), caller.is_sampled(), caller.trace_state().header()))
    }

    #[test]
    fn a_callers_trace_is_taken_whole_or_not_at_all() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        let unsampled = format!("00-{TRACE}-b7ad6b7169203331-00");
        let told = |sampled, state: &str| Some((TRACE.to_owned(), sampled, state.to_owned()));
        assert_eq!(trace(&[("traceparent", &good)]), told(true, ""));
        assert_eq!(trace(&[("traceparent", &unsampled), ("tracestate", "a=1,b=2")]), told(false, "a=1,b=2"));
        let long = format!("a={}", "x".repeat(LONGEST));
        assert_eq!(trace(&[("traceparent", &good), ("tracestate", &long)]), told(true, ""));
        assert_eq!(trace(&[]), None);
        assert_eq!(trace(&[("tracestate", "a=1")]), None);
        assert_eq!(trace(&[("traceparent", &good), ("traceparent", &unsampled)]), None, "two of them");
        for bad in [
            "",
            "hello",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            &format!("00-{TRACE}-b7ad6b7169203331-01-{}", "0".repeat(LONGEST)),
        ] {
            assert_eq!(trace(&[("traceparent", bad)]), None, "{bad}");
        }
    }

    #[test]
    fn a_path_shows_ids_and_no_names() {
        let id = "0190a5c6-0000-7000-8000-000000000000";
        let of = |path: &str, route: &str| shown(path, route).to_string();
        assert_eq!(
            of(&format!("/api/v1/experiments/{id}/start"), "/api/v1/experiments/{id}/start"),
            format!("/api/v1/experiments/{id}/start")
        );
        assert_eq!(
            of("/api/v1/webhooks/hush/ping", "/api/v1/webhooks/{name}/ping"),
            "/api/v1/webhooks/{name}/ping"
        );
        assert_eq!(of("/api/v1/experiments/hush", "/api/v1/experiments/{id}"), "/api/v1/experiments/{id}");
        assert_eq!(
            of("/api/v1/webhooks/hu%2Fsh/ping", "/api/v1/webhooks/{name}/ping"),
            "/api/v1/webhooks/{name}/ping"
        );
    }
}
