//! The agent's own endpoints: `/health`, `/ready`, `/metrics`, `/experiment`.
//!
//! One small HTTP/1 server; loopback unless the config says otherwise. It only reads. What takes work, `/metrics` and
//! `/experiment`, has few places of its own, so that none of it is in the way of `/health` and `/ready`.

mod health;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gate::{Gate, Life, Peer, Quiet, ServerTls, ServerTlsSettings};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::admission::Budget;
use crate::deliver::{Destinations, StorageStatus};
use crate::delivery_ledger::DeliveryLedger;
use crate::engine::Engines;
use crate::net::Stream;
use crate::outbox::Outbox;
use crate::telemetry::{CONNECTED, ConnectionMetrics, GaugeValues, Health, Metrics, StorageValues};

const MAX_CONNECTIONS: usize = 64;
/// Answers of more work than a condition that are made at once.
const MAX_REPORTS: usize = 8;
const QUIET: Quiet = Quiet { head: Duration::from_secs(5), idle: Duration::from_secs(60) };
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

/// State of all rooms that the endpoint shows.
#[derive(Debug)]
pub struct Admin {
    /// The condition.
    pub health: Arc<Health>,
    /// Path that `/health` has besides.
    pub health_path: Option<String>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// The memory held.
    pub budget: Budget,
    /// Points owed.
    pub delivery_ledger: Arc<DeliveryLedger>,
    /// Pipelines with their generation and what was measured.
    pub engines: Arc<Engines>,
    /// Reports that wait to be sent.
    pub outbox: Arc<Outbox>,
    /// The queues.
    pub destinations: Arc<Destinations>,
}

/// Place of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSettings {
    /// Address to listen on.
    pub address: SocketAddr,
    /// TLS, where it is spoken.
    pub tls: Option<ServerTlsSettings>,
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
    tls: Option<Arc<ServerTls>>,
    admin: Arc<Admin>,
    audience: Audience,
    metrics: ConnectionMetrics,
    /// Places of `/metrics` and `/experiment`.
    pub reports: Gate<Peer>,
}

impl AdminListener {
    /// Reads the certificates and binds the address.
    ///
    /// # Errors
    /// The system's, and [`ServerTls::new`]'s.
    pub async fn bind(settings: AdminSettings, admin: Arc<Admin>, audience: Audience) -> io::Result<Self> {
        let name = match audience {
            Audience::Anybody => "health",
            Audience::Owner => "admin",
        };
        let metrics = admin.metrics.connections(name);
        let tls = settings.tls.map(|tls| ServerTls::new(tls, &["http/1.1"])).transpose()?.map(Arc::new);
        let (socket, reports) = (TcpListener::bind(settings.address).await?, Gate::new(MAX_REPORTS));
        Ok(Self { socket, tls, admin, audience, metrics, reports })
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
        let (connections, listener) = (Gate::new(MAX_CONNECTIONS), Arc::new(self));
        // Nobody stops it.
        let (_never, stop) = watch::channel(false);
        loop {
            let Ok((stream, address)) = listener.socket.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let peer = Peer::from(address.ip());
            // A connection that is broken already fails when it is read.
            let _ = stream.set_nodelay(true);
            match connections.enter(peer) {
                Ok(place) => {
                    let (listener, stop) = (Arc::clone(&listener), stop.clone());
                    tokio::spawn(async move {
                        listener.connection(stream, peer, stop).await;
                        drop(place);
                    });
                }
                Err(crowd) => listener.metrics.refused(crowd.reason()),
            }
        }
    }

    /// The connection in TLS, where that is asked for; nothing where the handshake fails or takes too long.
    async fn secured(&self, stream: TcpStream) -> Option<Box<dyn Stream>> {
        let Some(tls) = &self.tls else { return Some(Box::new(stream)) };
        let handshake = async { tls.acceptor().await.accept(stream).await };
        if let Ok(Ok(secured)) = tokio::time::timeout(QUIET.head, handshake).await {
            return Some(Box::new(secured));
        }
        self.metrics.refused("tls");
        None
    }

    async fn connection(self: &Arc<Self>, stream: TcpStream, peer: Peer, stop: watch::Receiver<bool>) {
        let Some(stream) = self.secured(stream).await else { return };
        let life = Life::default();
        let (listener, requests) = (Arc::clone(self), life.clone());
        let handler = service_fn(move |request: Request<Incoming>| {
            let (listener, in_progress) = (Arc::clone(&listener), requests.begin());
            async move {
                let answer = listener.answer(request, peer).await;
                drop(in_progress);
                Ok::<_, Infallible>(answer)
            }
        });
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
        if let Some(reason) = gate::serve(stream, &builder, handler, (&life, QUIET), stop).await.reason() {
            self.metrics.refused(reason);
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        let mut place = None;
        let path = request.uri().path();
        if path != "/ready" && !self.admin.is_health(path) {
            match self.reports.enter(peer) {
                Ok(taken) => place = Some(taken),
                Err(crowd) => return busy(&format!("{crowd}; try again in a second\n")),
            }
        }
        let (admin, audience) = (Arc::clone(&self.admin), self.audience);
        // A report is milliseconds of work: not on the threads of the data path.
        let answer = tokio::task::spawn_blocking(move || {
            let _until_it_is_made = place;
            admin.answer(&request, audience)
        });
        answer.await.unwrap_or_else(|_| failed())
    }
}

impl Admin {
    fn is_health(&self, path: &str) -> bool {
        matches!(path, "/" | "/health") || self.health_path.as_deref() == Some(path)
    }

    fn condition(&self, audience: Audience) -> String {
        let (failing, storage) = (self.destinations.failing(), self.destinations.storage());
        health::report(&self.health, &self.delivery_ledger, failing, storage, audience)
    }

    fn answer(&self, request: &Request<Incoming>, audience: Audience) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "expected GET\n".into());
        }
        match request.uri().path() {
            path if self.is_health(path) => respond(StatusCode::OK, JSON, self.condition(audience)),
            "/ready" if self.health.is_ready() => respond(StatusCode::OK, JSON, r#"{"ready":true}"#.into()),
            "/ready" => respond(StatusCode::SERVICE_UNAVAILABLE, JSON, r#"{"ready":false}"#.into()),
            "/metrics" => respond(StatusCode::OK, TEXT, self.metrics.render(&self.gauge_values())),
            "/experiment" => match self.engines.leading().report() {
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

    /// The text of `/metrics`, with names as the Collector's documentation lists them.
    pub fn own_metrics(&self) -> String {
        self.metrics.render_plain(&self.gauge_values())
    }

    fn gauge_values(&self) -> GaugeValues {
        let totals = self.delivery_ledger.totals();
        let condition = self.health.condition();
        let queues = self.destinations.all().into_iter().map(|destination| {
            let (size, capacity) = destination.load();
            (destination.name().to_owned(), size, capacity)
        });
        GaugeValues {
            queues: queues.collect(),
            budget: (self.budget.used(), self.budget.limit()),
            generation: self.engines.leading().generation(),
            connected: condition.control_plane.as_deref() == Some(CONNECTED),
            reports: self.outbox.counts(),
            lost: (totals.lost_crash, totals.lost_shutdown),
            held_lost: self.delivery_ledger.held_in_memory()[1],
            storage: self.destinations.storage().into_iter().map(storage_values).collect(),
            held_left: condition.held_left.into_iter().map(|left| (left.pipeline, left.points)).collect(),
            config_refused: condition.config_error.is_some(),
            local_override_pending: condition.local_override_pending,
        }
    }
}

fn storage_values((exporter, status): (String, StorageStatus)) -> StorageValues {
    let StorageStatus { disk_bytes, trouble, damaged_bytes, unwritten_items, expired_items, .. } = status;
    let is_failing = trouble.is_some();
    StorageValues { exporter, disk_bytes, is_failing, damaged_bytes, unwritten_items, expired_items }
}

fn busy(text: &str) -> Response<Full<Bytes>> {
    let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text.to_owned());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
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
