//! A listening socket: bound at boot, served with bounds, drained at the end.
//!
//! HTTP/1.1 and HTTP/2 without TLS on one port, so that REST, WebSocket and gRPC share it. A connection past the bound
//! is closed at once. Upgraded connections leave this module's hands: who upgrades watches
//! [`AppState::stopping`](crate::state::AppState::stopping) and bounds them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::ALLOW;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{Limits, ProblemResponse, limited};
use crate::metrics::Metrics;

/// After an accept that failed, for want of file handles as a rule.
const PAUSE: Duration = Duration::from_millis(50);
const HTTP2_STREAMS: u32 = 128;

/// Address that a request came from; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    tcp: TcpListener,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl Listener {
    /// Binds it.
    ///
    /// # Errors
    /// The system's.
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        limits: Limits,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        Ok(Self { name, tcp: TcpListener::bind(address).await?, limits, metrics })
    }

    /// Its address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stopping`, then until every request in flight is answered.
    pub async fn serve(self, router: Router, mut stopping: watch::Receiver<bool>) {
        let router = limited(router, self.name, self.limits, Arc::clone(&self.metrics));
        let free = Arc::new(Semaphore::new(self.limits.connections));
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
                    tracing::warn!(listener = self.name, "cannot accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
                self.metrics.refused_connection(self.name);
                continue;
            };
            let served = connection(stream, peer, router.clone(), self.limits, stopping.clone());
            connections.spawn(async move {
                served.await;
                drop(permit);
            });
        }
        drop(self.tcp);
        while connections.join_next().await.is_some() {}
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, "no TCP_NODELAY: {error}");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { answer(router, request).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .keep_alive_interval(limits.answer);
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(served);
    let mut told = false;
    let ended = loop {
        tokio::select! {
            ended = served.as_mut() => break ended,
            _ = stopping.wait_for(|stop| *stop), if !told => {
                told = true;
                served.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection ended: {error}");
    }
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.oneshot(request.map(Body::new)).await?;
    Ok(match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => method_not_allowed(&method, &path, response),
        _ => response,
    })
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
