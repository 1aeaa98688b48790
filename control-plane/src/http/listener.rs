//! A listening socket: bound at boot, served with bounds, drained at the end.
//!
//! HTTP/1.1 and HTTP/2 on one port, with TLS or without, so that REST, WebSocket and gRPC share it. A connection past the
//! bound is closed at once. Upgraded connections leave this module's hands: who upgrades watches
//! [`AppState::stopping`](crate::state::AppState::stopping) and bounds them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use gate::{Gate, InProgress, Life, Quiet, ServerTls, Watched, WatchedStream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::dress::{Dress, Origins};
use super::limit::Traced;
use super::{Limits, ProblemResponse, limited};
use crate::auth::{Certificate, NotAnAgents};
use crate::metrics::Metrics;
use crate::traces::Traces;

/// After an accept that failed, for want of file handles as a rule.
const PAUSE: Duration = Duration::from_millis(50);
const HTTP2_STREAMS: u32 = 128;

/// Address that a request came from; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Certificate that a client showed, or the reason for which it is no agent's; an extension of its requests.
#[derive(Debug, Clone)]
pub struct Shown(pub Result<Certificate, NotAnAgents>);

/// A connection's other side.
#[derive(Debug, Clone)]
struct Client {
    peer: SocketAddr,
    shown: Option<Shown>,
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    tcp: TcpListener,
    tls: Option<Arc<ServerTls>>,
    limits: Limits,
    metrics: Arc<Metrics>,
    traces: Traces,
    origins: Arc<Origins>,
}

/// Manner in which a listener answers: whose pages may read it, and whether it speaks TLS.
#[derive(Debug, Clone)]
struct Manner {
    router: Router,
    origins: Arc<Origins>,
    tls: bool,
}

/// Protocols that are spoken in TLS, ALPN names.
pub const PROTOCOLS: &[&str] = &["h2", "http/1.1"];

impl Listener {
    /// Binds it. With `tls` nothing else is spoken.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        tls: Option<Arc<ServerTls>>,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let (traces, origins) = (Traces::default(), Arc::default());
        Ok(Self { name, tcp: gate::listen(address)?, tls, limits, metrics, traces, origins })
    }

    /// The same, with leave for pages of these origins to read its answers.
    #[must_use]
    pub fn with_origins(self, origins: Origins) -> Self {
        Self { origins: Arc::new(origins), ..self }
    }

    /// The same, with spans of its requests among these traces.
    #[must_use]
    pub fn with_traces(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Its address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Its port, if it is without TLS.
    pub fn plain_port(&self) -> Option<u16> {
        let address = self.tcp.local_addr().ok().filter(|_| self.tls.is_none());
        address.map(|address| address.port())
    }

    /// Serves until `stopping`, then until every request in flight is answered.
    pub async fn serve(self, router: Router, mut stopping: watch::Receiver<bool>) {
        let (name, limits) = (self.name, self.limits);
        let tls = self.tls.is_some();
        let router =
            limited(router, name, limits, Arc::clone(&self.metrics), Traced { traces: self.traces, tls });
        let manner = Manner { router, origins: self.origins, tls };
        let places = Gate::new(gate::connections(limits.connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                _ = stopping.wait_for(|stop| *stop) => break,
            };
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = name, "cannot accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let place = match places.enter(gate::Peer::from(peer.ip())) {
                Ok(place) => place,
                Err(crowd) => {
                    self.metrics.refused_connection(name, crowd.reason());
                    continue;
                }
            };
            // A connection that is broken already fails when it is read.
            let _ = stream.set_nodelay(true);
            let (manner, stopping, tls) = (manner.clone(), stopping.clone(), self.tls.clone());
            let metrics = Arc::clone(&self.metrics);
            connections.spawn(async move {
                let ended = match tls {
                    None => connection(stream, Client { peer, shown: None }, manner, limits, stopping).await,
                    Some(tls) => secured(&tls, stream, peer, manner, limits, stopping).await,
                };
                if let Some(reason) = ended {
                    metrics.refused_connection(name, reason);
                }
                drop(place);
            });
        }
        drop(self.tcp);
        while connections.join_next().await.is_some() {}
    }
}

/// The same as [`connection`] in TLS, after a handshake that must not take longer than a head.
async fn secured(
    tls: &Arc<ServerTls>,
    stream: TcpStream,
    peer: SocketAddr,
    manner: Manner,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) -> Option<&'static str> {
    let handshake = async { tls.acceptor().await.accept(stream).await };
    let stream = tokio::select! {
        stream = tokio::time::timeout(limits.head, handshake) => stream,
        _ = stopping.wait_for(|stop| *stop) => return None,
    };
    match stream {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let own = certificates.and_then(|chain| chain.first());
            let shown = own.map(|der| Shown(Certificate::read(der)));
            connection(stream, Client { peer, shown }, manner, limits, stopping).await
        }
        Ok(Err(_)) | Err(_) => Some("tls"),
    }
}

/// Serves a connection to its end; the reason for which it was ended, if it was.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    client: Client,
    manner: Manner,
    limits: Limits,
    stopping: watch::Receiver<bool>,
) -> Option<&'static str> {
    let peer = client.peer;
    let (life, quiet) = (Life::default(), Quiet { head: limits.head, idle: limits.idle });
    let requests = life.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        if let Some(shown) = &client.shown {
            request.extensions_mut().insert(shown.clone());
        }
        let (manner, in_progress, life) = (manner.clone(), requests.begin(), requests.clone());
        async move { Ok::<_, Infallible>(until_sent(answer(manner, request).await?, in_progress, &life)) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for a head is that of the connection's silence.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(limits.answer);
    let end = gate::serve(stream, &builder, service, (&life, quiet), stopping).await;
    if let gate::End::Broken(error) = &end {
        tracing::debug!(%peer, "a connection ended: {error}");
    }
    end.reason()
}

/// Body of an answer, which the peer is to read. A stream is a request in progress until its end, and each of its frames is
/// to be read.
fn until_sent(response: Response<Body>, in_progress: InProgress, life: &Life) -> Response<Body> {
    if response.body().size_hint().exact().is_some() {
        return response.map(|body| Body::new(Watched::new(body, life)));
    }
    response.map(|body| {
        Body::new(WatchedStream::start(body, life).map_frame(move |frame| {
            let _until_it_is_dropped = &in_progress;
            frame
        }))
    })
}

async fn answer(manner: Manner, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let Manner { router, origins, tls } = manner;
    let dress = Dress::of(&request, &origins, tls);
    if let Some(response) = dress.preflight(&request) {
        return Ok(dress.put(response));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // What fails within is logged with the id that the answer has.
    let id = dress.id.to_str().unwrap_or_default();
    let within = tracing::error_span!("request", id, trace_id = Empty, span_id = Empty);
    let response = router.oneshot(request.map(Body::new)).instrument(within).await?;
    Ok(dress.put(match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(&method, &path, response),
        _ => response,
    }))
}

/// A problem in place of the router's own answer, whose `Allow` header it keeps and says.
fn method_not_allowed(method: &Method, path: &str, response: Response<Body>) -> Response<Body> {
    let Some(allow) = response.headers().get(ALLOW).cloned() else { return response };
    let allowed = allow.to_str().unwrap_or_default().replace(',', ", ");
    let detail = format!("{method} is not allowed on {path}; allowed: {allowed}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = ProblemResponse::new(status, "method", "Method not allowed", detail).into_response();
    response.headers_mut().insert(ALLOW, allow);
    response
}
