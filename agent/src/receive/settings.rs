//! Settings of a receiver: where it listens, and how much it takes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gate::{ServerTls, ServerTlsSettings};

use super::cors::Cors;
use super::socket::ListenAddress;

/// Protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC: HTTP/2 only.
    Grpc,
    /// OTLP/HTTP: HTTP/1.1 or HTTP/2.
    Http,
}

impl Protocol {
    /// Its name in a config, beneath `protocols`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// One protocol of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverSettings {
    /// Component id of the receiver, such as `otlp/2`.
    pub id: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Address to listen on.
    pub address: ListenAddress,
    /// TLS, where it is spoken.
    pub tls: Option<ServerTlsSettings>,
    /// Limits of its requests and connections.
    pub limits: Limits,
    /// Signals whose pipelines name the receiver, by [`crate::signal::Signal::index`].
    pub signals: [bool; 3],
    /// Id of the pipeline of metrics that names the receiver, if one does.
    pub pipeline: Option<String>,
    /// Pages of other origins that a browser lets send here; nothing where it lets none.
    pub cors: Option<Arc<Cors>>,
}

impl ReceiverSettings {
    /// Prepares TLS, so that a missing certificate is an error before anything else changes.
    ///
    /// # Errors
    /// As [`ServerTls::new`].
    pub fn secured(&self) -> io::Result<Option<Arc<ServerTls>>> {
        let Some(settings) = &self.tls else { return Ok(None) };
        let protocols: &[&str] = match self.protocol {
            Protocol::Grpc => &["h2"],
            Protocol::Http => &["h2", "http/1.1"],
        };
        ServerTls::new(settings.clone(), protocols).map(Arc::new).map(Some)
    }
}

/// Limits of a receiver's requests and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one request, before and after decompression.
    pub max_bytes: usize,
    /// Longest wait for a connection's first request: preface and head.
    pub head: Duration,
    /// Longest time for a request's body.
    pub body: Duration,
    /// Longest time for which a connection may be without a request.
    pub idle: Duration,
    /// HTTP/2 streams one connection may have open.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, body, idle) = (10, 30, 60);
        Self {
            max_bytes: 64 << 20,
            head: Duration::from_secs(head),
            body: Duration::from_secs(body),
            idle: Duration::from_secs(idle),
            max_streams: 128,
        }
    }
}
