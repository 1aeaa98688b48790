//! A listening socket and its connections: bounded in number, patient only so long.
//!
//! The first bytes of a connection are read here, under a timeout, and say which HTTP it speaks; so
//! a peer that connects and says nothing costs a socket for one timeout and no more. After that
//! hyper's own guards hold: a header timeout on HTTP/1, keep-alive pings on HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::grpc::Reply;
use super::{Service, grpc, http as otlp_http};

const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Largest frame, for a whole scrape: a request that fits is one piece of memory from socket to socket.
const FRAME: u32 = 1 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections a listener serves at once; more wait in the socket's backlog.
const MAX_CONNECTIONS: usize = 1_024;
/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC: HTTP/2 only.
    Grpc,
    /// OTLP/HTTP: HTTP/1.1 or HTTP/2.
    Http,
}

/// Signal that ends listeners and connections: becomes true once.
pub type StopSignal = watch::Receiver<bool>;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    protocol: Protocol,
    service: Arc<Service>,
    connections: Arc<Semaphore>,
}

impl Listener {
    /// Binds `address`; connections wait in the backlog until [`Self::serve`].
    ///
    /// # Errors
    /// The system's, when the address cannot be bound.
    pub async fn bind(address: SocketAddr, protocol: Protocol, service: Arc<Service>) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Ok(Self { socket, protocol, service, connections })
    }

    /// Its address, with the port that the system chose if none was given.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`, then lets every request in flight finish and returns.
    pub async fn serve(self, mut stop: StopSignal) {
        let most = MAX_CONNECTIONS as u32;
        let connections = Arc::clone(&self.connections);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match accepted {
                Ok((stream, slot)) => {
                    let service = Arc::clone(&self.service);
                    tokio::spawn(connection(stream, self.protocol, service, stop.clone(), slot));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self); // The socket closes; only open connections are left.
        let _all_closed = connections.acquire_many(most).await;
    }

    async fn accept(&self) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let slot = Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        Ok((stream, slot))
    }
}

async fn connection(
    stream: TcpStream,
    protocol: Protocol,
    service: Arc<Service>,
    stop: StopSignal,
    slot: OwnedSemaphorePermit,
) {
    let served = async {
        stream.set_nodelay(true)?;
        let first = peek(&stream, service.bounds().timeout, stop.clone()).await?;
        match (first, protocol) {
            (Preface::Nothing, _) => Ok(()),
            (Preface::Http2, _) => serve_http2(stream, protocol, service, stop).await,
            (Preface::Other, Protocol::Http) => serve_http1(stream, service, stop).await,
            (Preface::Other, Protocol::Grpc) => Err(io::Error::other("expected HTTP/2 on the gRPC port")),
        }
    };
    if let Err(error) = served.await {
        tracing::debug!(%error, "connection ended");
    }
    drop(slot);
}

enum Preface {
    Nothing,
    Http2,
    Other,
}

/// Looks at the first bytes without taking them.
async fn peek(stream: &TcpStream, timeout: Duration, mut stop: StopSignal) -> io::Result<Preface> {
    let mut buffer = [0; HTTP2_PREFACE.len()];
    let look = async {
        loop {
            let read = stream.peek(&mut buffer).await?;
            if read == 0 {
                return Ok(Preface::Nothing);
            }
            if !HTTP2_PREFACE.starts_with(&buffer[..read]) {
                return Ok(Preface::Other);
            }
            if read == HTTP2_PREFACE.len() {
                return Ok(Preface::Http2);
            }
            // A preface in pieces: peek is ready at once for what it has seen, so wait a little.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        looked = tokio::time::timeout(timeout, look) => {
            looked.unwrap_or_else(|_| Err(io::Error::other("nothing was said in time")))
        }
        _ = stop.wait_for(|stop| *stop) => Ok(Preface::Nothing),
    }
}

async fn serve_http2(
    stream: TcpStream,
    protocol: Protocol,
    service: Arc<Service>,
    mut stop: StopSignal,
) -> io::Result<()> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(service.limits.load().max_streams)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .auto_date_header(false);
    let handler = service_fn(move |request| answer(Arc::clone(&service), protocol, request));
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        ended = serving.as_mut() => return ended.map_err(io::Error::other),
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    serving.await.map_err(io::Error::other)
}

async fn serve_http1(stream: TcpStream, service: Arc<Service>, mut stop: StopSignal) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(service.bounds().timeout);
    let handler = service_fn(move |request| answer(Arc::clone(&service), Protocol::Http, request));
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        ended = serving.as_mut() => return ended.map_err(io::Error::other),
        _ = stop.wait_for(|stop| *stop) => serving.as_mut().graceful_shutdown(),
    }
    serving.await.map_err(io::Error::other)
}

async fn answer(
    service: Arc<Service>,
    protocol: Protocol,
    request: Request<Incoming>,
) -> Result<Response<Reply>, std::convert::Infallible> {
    Ok(match protocol {
        Protocol::Grpc => grpc::serve(&service, request).await,
        Protocol::Http => otlp_http::serve(&service, request).await,
    })
}
