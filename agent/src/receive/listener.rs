//! A listening socket and its connections: bounded in number, patient only so long.
//!
//! Places and silences are [`gate`]'s. A connection past the bounds is closed at once, so that it does not wait in front
//! of others in the socket's backlog.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gate::{Gate, Life, Peer, Place, Watched};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::grpc::Reply;
use super::settings::Protocol;
use super::socket::{ListenAddress, Socket};
use super::{Service, grpc, http as otlp_http};
use crate::net::Stream;

const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Largest frame, for a whole scrape: a request that fits is one piece of memory from socket to socket.
const FRAME: u32 = 1 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections a listener serves at once.
const MAX_CONNECTIONS: usize = 1_024;
/// Requests of a listener in progress at once.
pub const MAX_REQUESTS: usize = 4_096;
/// Pause after a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Signal that ends listeners and connections: becomes true once.
pub type StopSignal = watch::Receiver<bool>;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    protocol: Protocol,
    service: Arc<Service>,
    connections: Gate<Peer>,
}

impl Listener {
    /// Binds `address`; connections wait in the backlog until [`Self::serve`].
    ///
    /// # Errors
    /// The system's, when the address cannot be bound.
    pub fn bind(address: &ListenAddress, protocol: Protocol, service: Arc<Service>) -> io::Result<Self> {
        let socket = Socket::bind(address)?;
        let connections = Gate::new(gate::connections(MAX_CONNECTIONS));
        Ok(Self { socket, protocol, service, connections })
    }

    /// Its address, with the port that the system chose if none was given.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<ListenAddress> {
        self.socket.local_addr()
    }

    /// Serves until `stop`, then lets every request in flight finish and returns.
    pub async fn serve(self, mut stop: StopSignal) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            while open.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) => match self.connections.enter(peer) {
                    Ok(place) => {
                        let connection = Connection {
                            protocol: self.protocol,
                            service: Arc::clone(&self.service),
                            peer,
                            life: Life::default(),
                        };
                        open.spawn(connection.serve(stream, stop.clone(), place));
                    }
                    Err(crowd) => self.service.metrics.refused_connection(crowd.reason()),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self); // The socket closes; only open connections are left.
        while open.join_next().await.is_some() {}
    }
}

#[derive(Clone, Debug)]
struct Connection {
    protocol: Protocol,
    service: Arc<Service>,
    peer: Peer,
    life: Life,
}

impl Connection {
    async fn serve(self, stream: Box<dyn Stream>, mut stop: StopSignal, _place: Place<Peer>) {
        let stream = tokio::select! {
            secured = self.secured(stream) => secured,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Some(stream) = stream else { return };
        let (builder, quiet) = (self.builder(), self.service.quiet());
        let (life, metrics) = (self.life.clone(), self.service.metrics.clone());
        let handler = service_fn(move |request| self.clone().answer(request));
        let end = gate::serve(stream, &builder, handler, (&life, quiet), stop).await;
        if let Some(reason) = end.reason() {
            metrics.refused_connection(reason);
        }
        if let gate::End::Broken(error) = end {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// The connection in TLS, where that is asked for; nothing where the handshake fails or takes too long.
    async fn secured(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let Some(tls) = self.service.tls.load_full() else { return Some(stream) };
        let handshake = async { tls.acceptor().await.accept(stream).await };
        let failed = match tokio::time::timeout(self.service.quiet().head, handshake).await {
            Ok(Ok(secured)) => return Some(Box::new(secured)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it takes too long".to_owned(),
        };
        self.service.metrics.refused_connection("tls");
        tracing::debug!(peer = ?self.peer, failed, "no TLS");
        None
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        // The time for a head is that of the connection's silence.
        builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .max_concurrent_streams(self.service.settings.load().limits.max_streams)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .auto_date_header(false);
        match self.protocol {
            Protocol::Grpc => builder.http2_only(),
            Protocol::Http => builder,
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Watched<Reply>>, Infallible> {
        let _until_it_is_answered = self.life.begin();
        let response = match self.protocol {
            Protocol::Grpc => grpc::serve(&self.service, self.peer, request).await,
            Protocol::Http => otlp_http::serve(&self.service, self.peer, request).await,
        };
        Ok(response.map(|reply| Watched::new(reply, &self.life)))
    }
}
