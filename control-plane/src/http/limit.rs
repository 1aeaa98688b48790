//! Limits of one listener: how much it takes at once, and for how long. Past a bound it refuses, retryably, and counts it.
//!
//! A request has a place while it is on its way, and another one for its work once it is whole, so that what is withheld
//! is in nobody's way. Probes and the sessions of agents have places of their own. Bytes count as they come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use gate::{Crowd, Gate, Peer, Place};
use tonic::Status;

use super::listener;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::traces::Traces;

/// The bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of all bodies that are on their way or at work.
    pub bodies: usize,
    /// Requests whose answer has not begun.
    pub requests: usize,
    /// Requests that are whole and at work.
    pub work: usize,
    /// Requests for a session of an agent, whose answer has not begun. Each is a look into an index; a whole fleet comes back at once.
    pub sessions: usize,
    /// Streams of agents' reports.
    pub streams: usize,
    /// Requests of probes.
    pub probes: usize,
    /// Open connections.
    pub connections: usize,
    /// Time until an answer begins. A stream that answers goes on for as long as its session.
    pub answer: Duration,
    /// Time until a connection's first request.
    pub head: Duration,
    /// Time between two requests of a connection.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            bodies: 64 << 20,
            requests: 2048,
            work: 256,
            sessions: 2048,
            streams: 24_000,
            probes: 64,
            connections: 4096,
            answer: Duration::from_secs(30),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}

/// Purpose of a request, as far as its places depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A question of a probe.
    Probe,
    /// A session of an agent.
    Session,
    /// All else.
    Other,
}

impl Purpose {
    pub fn of(request: &Request) -> Self {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/health" | "/ready") => Self::Probe,
            (&Method::GET, "/v1/opamp") => Self::Session,
            _ => Self::Other,
        }
    }
}

/// Traces that requests of a listener are in, and whether it speaks TLS.
#[derive(Debug, Default)]
pub struct Traced {
    /// The traces.
    pub traces: Traces,
    /// True if it speaks TLS.
    pub tls: bool,
}

/// Places of a listener, which each of its requests brings along.
#[derive(Debug)]
pub(super) struct Places {
    pub listener: &'static str,
    pub limits: Limits,
    requests: Gate<Peer>,
    pub bodies: Gate<Peer>,
    work: Gate<Peer>,
    sessions: Gate<Peer>,
    streams: Gate<Peer>,
    probes: Gate<Peer>,
    metrics: Arc<Metrics>,
    traced: Traced,
}

impl Places {
    fn new(listener: &'static str, limits: Limits, metrics: Arc<Metrics>, traced: Traced) -> Self {
        Self {
            listener,
            limits,
            requests: Gate::new(limits.requests),
            work: Gate::new(limits.work),
            bodies: Gate::new(limits.bodies),
            sessions: Gate::new(limits.sessions),
            streams: Gate::new(limits.streams),
            probes: Gate::new(limits.probes),
            metrics,
            traced,
        }
    }

    /// Place for a request, by what it is for.
    fn enter(&self, request: &Request) -> Result<Place<Peer>, Crowd> {
        let gate = match Purpose::of(request) {
            Purpose::Probe => &self.probes,
            Purpose::Session => &self.sessions,
            Purpose::Other => &self.requests,
        };
        gate.enter(peer(request))
    }

    /// Place for the work on a request that is whole. A probe needs none besides its own.
    pub fn work(&self, purpose: Purpose, peer: Peer) -> Result<Option<Place<Peer>>, Crowd> {
        match purpose {
            Purpose::Probe => Ok(None),
            Purpose::Session | Purpose::Other => self.work.enter(peer).map(Some),
        }
    }

    /// Refuses for want of `what`, and counts it.
    pub fn refuse(&self, crowd: Crowd, what: &str) -> Refusal {
        self.metrics.refused_request(self.listener, crowd.reason());
        match crowd {
            Crowd::Full => Refusal::unavailable(format!("too many {what} at once; try again in a second")),
            Crowd::Peer => {
                let whose = "the control plane is nearly full, and this address has its share of";
                Refusal::too_many(format!("{whose} {what}; try again in a second"), 1)
            }
        }
    }

    /// Counts a body that came too slowly.
    pub fn slow(&self) {
        self.metrics.refused_request(self.listener, "slow");
    }
}

/// A place for a stream that a request opens, for as long as it is open.
///
/// # Errors
/// 429 or 503 if there is none.
pub fn stream(extensions: &Extensions) -> Result<Option<Place<Peer>>, Refusal> {
    let (Some(places), Some(peer)) = (extensions.get::<Arc<Places>>(), extensions.get::<listener::Peer>())
    else {
        return Ok(None);
    };
    let entered = places.streams.enter(peer.0.ip().into());
    entered.map(Some).map_err(|crowd| places.refuse(crowd, "streams"))
}

/// The peer of a request; a request that no listener of ours brought has none, and counts as this machine's.
pub(super) fn peer(request: &Request) -> Peer {
    let address = request.extensions().get::<listener::Peer>().map(|peer| peer.0.ip());
    address.unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()).into()
}

/// Puts `limits` around everything in `router`, and counts what it answers under the name of its listener.
pub fn limited(
    router: Router,
    listener: &'static str,
    limits: Limits,
    metrics: Arc<Metrics>,
    traced: Traced,
) -> Router {
    let places = Arc::new(Places::new(listener, limits, metrics, traced));
    router
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(middleware::from_fn_with_state(places, pass))
}

async fn pass(State(places): State<Arc<Places>>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let grpc = is_grpc(request.headers());
    let Traced { traces, tls } = &places.traced;
    let span = traces.request(&request, route.as_deref(), *tls);
    span.name_in(&tracing::Span::current());
    request.extensions_mut().insert(Arc::clone(&places));
    let answer = async {
        let _place = match places.enter(&request) {
            Ok(place) => place,
            Err(crowd) => return refusal(places.refuse(crowd, "requests"), grpc),
        };
        match tokio::time::timeout(places.limits.answer, next.run(request)).await {
            Ok(response) => response,
            Err(_) => refusal(Refusal::unavailable("it took too long"), grpc),
        }
    };
    let began = Instant::now();
    let response = span.around(answer).await;
    let took = began.elapsed();
    places.metrics.answered(places.listener, (&method, route), (response.status(), took), span.kept());
    span.answered(response)
}

/// A path that there is not, in the words of who asks: gRPC has its own for a method that is not served.
async fn nothing_here(headers: HeaderMap) -> Response {
    if is_grpc(&headers) {
        return Status::unimplemented("there is no such method").into_http();
    }
    Refusal::not_found("such", "path").into_response()
}

/// Tells whether a request speaks gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/grpc")
}

/// A refusal in the form of who asks.
pub(super) fn refusal(refusal: Refusal, grpc: bool) -> Response {
    if grpc { Status::from(refusal).into_http() } else { refusal.into_response() }
}
