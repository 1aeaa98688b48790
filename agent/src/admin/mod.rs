//! The agent's own endpoints: `/health`, `/ready`, `/metrics`, `/experiment`.
//!
//! One small HTTP/1 server; loopback unless the config says otherwise. It only reads.

mod health;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::admission::Budget;
use crate::deliver::Destinations;
use crate::delivery_ledger::DeliveryLedger;
use crate::engine::Engine;
use crate::outbox::Outbox;
use crate::telemetry::{CONNECTED, GaugeValues, Health, Metrics};

const MAX_CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

/// State of all rooms that the endpoint shows.
#[derive(Debug)]
pub struct Admin {
    /// The condition.
    pub health: Arc<Health>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The memory held.
    pub budget: Budget,
    /// Points owed.
    pub delivery_ledger: Arc<DeliveryLedger>,
    /// The generation and what was measured.
    pub engine: Arc<Engine>,
    /// Reports that wait to be sent.
    pub outbox: Arc<Outbox>,
    /// The queues.
    pub destinations: Arc<Destinations>,
}

/// Readers of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anybody, as probes are: learns that there is an error.
    Anybody,
    /// The node's owner: learns which.
    Owner,
}

/// A bound admin port.
#[derive(Debug)]
pub struct AdminListener {
    socket: TcpListener,
    admin: Arc<Admin>,
    audience: Audience,
}

impl AdminListener {
    /// Binds `address`.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(address: SocketAddr, admin: Arc<Admin>, audience: Audience) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await?, admin, audience })
    }

    /// Its address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the process ends; a draining agent still answers.
    pub async fn serve(self) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(slot) = Arc::clone(&connections).acquire_owned().await else { return };
            let Ok((stream, _)) = self.socket.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (admin, audience) = (Arc::clone(&self.admin), self.audience);
            tokio::spawn(async move {
                let handler = service_fn(|request: Request<Incoming>| {
                    let admin = Arc::clone(&admin);
                    // A report is milliseconds of work: not on the threads of the data path.
                    let answer = tokio::task::spawn_blocking(move || admin.answer(&request, audience));
                    async { Ok::<_, Infallible>(answer.await.unwrap_or_else(|_| failed())) }
                });
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                let ended = builder.serve_connection(TokioIo::new(stream), handler).await;
                drop((ended, slot));
            });
        }
    }
}

impl Admin {
    fn answer(&self, request: &Request<Incoming>, audience: Audience) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "expected GET\n".into());
        }
        match request.uri().path() {
            "/" | "/health" => {
                respond(StatusCode::OK, JSON, health::report(&self.health, &self.delivery_ledger, audience))
            }
            "/ready" if self.health.is_ready() => respond(StatusCode::OK, JSON, r#"{"ready":true}"#.into()),
            "/ready" => respond(StatusCode::SERVICE_UNAVAILABLE, JSON, r#"{"ready":false}"#.into()),
            "/metrics" => respond(StatusCode::OK, TEXT, self.metrics.render(&self.gauge_values())),
            "/experiment" => match self.engine.report() {
                Some(report) => {
                    respond(StatusCode::OK, JSON, serde_json::to_string(&report).unwrap_or_default())
                }
                None => respond(StatusCode::NOT_FOUND, JSON, r#"{"error":"no experiment has run"}"#.into()),
            },
            path => {
                let text = format!("no {path} here: expected /health, /ready, /metrics or /experiment\n");
                respond(StatusCode::NOT_FOUND, "text/plain", text)
            }
        }
    }

    fn gauge_values(&self) -> GaugeValues {
        let totals = self.delivery_ledger.totals();
        let queues = self.destinations.all().into_iter().map(|destination| {
            let (size, capacity) = destination.load();
            (destination.name().to_owned(), size, capacity)
        });
        GaugeValues {
            queues: queues.collect(),
            budget: (self.budget.used(), self.budget.limit()),
            generation: self.engine.generation(),
            connected: self.health.condition().control_plane.as_deref() == Some(CONNECTED),
            reports: self.outbox.counts(),
            lost: (totals.lost_crash, totals.lost_shutdown),
        }
    }
}

fn failed() -> Response<Full<Bytes>> {
    respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the answer could not be made\n".into())
}

fn respond(status: StatusCode, media_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
