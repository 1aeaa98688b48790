//! An OTLP/gRPC server that counts what arrives, and fails when told to.
//!
//! It is the judge of losses and doubles, so its counts are exact or say that they are not: a request is
//! counted once, at the moment the sink decides to accept it, whether or not the answer reaches the client.

mod failures;
mod origin;
mod series;
mod service;
mod tally;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsServiceServer;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsServiceServer;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::transport::server::TcpIncoming;

pub use failures::{Failure, When};
pub use origin::Origin;
pub use series::{PointKey, point_keys};
pub use tally::{OriginCounts, OriginEntry, RecordedPoint, SinkCounts};

use service::Receiver;

/// The OTLP specification's recommended limit, doubled: a judge should not refuse what an agent merged.
const MAX_MESSAGE_BYTES: usize = 128 << 20;
/// Room for a large message to be on its way, so that flow control does not pace the sender.
const WINDOW_BYTES: u32 = 16 << 20;
/// Time that open requests may take to finish at a stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Options of what a sink keeps.
#[derive(Clone, Debug)]
pub struct SinkOptions {
    /// Most (series, timestamp) keys to tell doubles by, 16 bytes each; past it `exact` is false. With 0 no
    /// key is worked out at all, for load.
    pub max_keys: usize,
    /// Most points whose key and origin are recorded in memory, for tests; 0 records none.
    pub max_recorded: usize,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self { max_keys: 20_000_000, max_recorded: 0 }
    }
}

/// Reason for which a sink could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}")]
pub struct SinkError {
    addr: SocketAddr,
    source: std::io::Error,
}

/// A running sink; dropping it stops it.
#[derive(Debug)]
pub struct Sink {
    /// Its address; the port is the one bound, also when 0 was asked for.
    pub addr: SocketAddr,
    receiver: Receiver,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
}

impl Sink {
    /// Binds with the default options and serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: SocketAddr) -> Result<Self, SinkError> {
        Self::bind_with(addr, SinkOptions::default()).await
    }

    /// As [`Sink::bind`], with options.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind_with(addr: SocketAddr, options: SinkOptions) -> Result<Self, SinkError> {
        let failed = |source| SinkError { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let (stop, stopping) = watch::channel(false);
        let receiver = Receiver::new(options, stopping.clone());
        let server = tokio::spawn(serve(listener, receiver.clone(), stopping));
        Ok(Self { addr: bound, receiver, stop, server: Some(server) })
    }

    /// URL for clients: `http://` and the address.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything counted up to now.
    pub fn counts(&self) -> SinkCounts {
        self.receiver.tally.update(|tally| tally.counts())
    }

    /// The recorded points in the order of their arrival, at most `max_recorded` of them.
    pub fn recorded(&self) -> Vec<RecordedPoint> {
        self.receiver.tally.update(|tally| tally.recorded().to_vec())
    }

    /// From now on fails requests in this way, instead of in any earlier one.
    pub fn inject(&self, failure: Failure, when: When) {
        self.receiver.failures.update(|failures| failures.inject(failure, when));
    }

    /// From now on fails nothing.
    pub fn heal(&self) {
        self.receiver.failures.update(failures::Failures::heal);
    }

    /// Stops listening, lets open requests finish for two seconds, and closes every connection.
    pub async fn stop(mut self) -> SinkCounts {
        self.stop.send_replace(true);
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(STOP_GRACE, &mut server).await.is_err()
        {
            server.abort();
        }
        self.counts()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn serve(listener: TcpListener, receiver: Receiver, mut stopping: watch::Receiver<bool>) {
    macro_rules! service {
        ($server:ident) => {
            $server::new(receiver.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .accept_compressed(Gzip)
                .accept_compressed(Zstd)
        };
    }
    let served = tonic::transport::Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(service!(MetricsServiceServer))
        .add_service(service!(TraceServiceServer))
        .add_service(service!(LogsServiceServer))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), async move {
            // The sender of a stop being gone is a stop too.
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await;
    if let Err(error) = served {
        receiver.tally.update(|tally| tally.server_failed(&error));
    }
}
