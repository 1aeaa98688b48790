//! Limits of one listener: how much it takes at once, and for how long. Past a bound it refuses, retryably, and counts it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::metrics::Metrics;
use crate::refusal::Refusal;

/// The bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Requests whose answer has not begun.
    pub requests: usize,
    /// Open connections.
    pub connections: usize,
    /// Time until an answer begins. A stream that answers goes on for as long as it likes.
    pub answer: Duration,
    /// Time for a request's head.
    pub head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            requests: 256,
            connections: 4096,
            answer: Duration::from_secs(30),
            head: Duration::from_secs(10),
        }
    }
}

#[derive(Clone)]
struct Gate {
    listener: &'static str,
    answer: Duration,
    requests: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// Puts `limits` around everything in `router`, and counts what it answers under the name of its listener.
pub fn limited(router: Router, listener: &'static str, limits: Limits, metrics: Arc<Metrics>) -> Router {
    let gate = Gate {
        listener,
        answer: limits.answer,
        requests: Arc::new(Semaphore::new(limits.requests)),
        metrics,
    };
    router
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(limits.body))
        .layer(middleware::from_fn_with_state(gate, pass))
}

async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let answer = async {
        let Ok(_permit) = gate.requests.try_acquire() else {
            return Refusal::unavailable("too many requests at once").into_response();
        };
        match tokio::time::timeout(gate.answer, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::unavailable("it took too long").into_response(),
        }
    };
    let response = answer.await;
    gate.metrics.answered(gate.listener, &method, route, response.status());
    response
}

/// A path that there is not, in the words of who asks: gRPC has its own for a method that is not served.
async fn nothing_here(headers: HeaderMap) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/grpc") {
        return Status::unimplemented("there is no such method").into_http();
    }
    Refusal::not_found("such", "path").into_response()
}
