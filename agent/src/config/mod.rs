//! The agent's settings, checked: what `app` builds from.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::deliver::{Endpoint, OtlpSettings, QueueSettings, RetrySettings};
use crate::engine::Acknowledge;
use crate::receive::Limits;

/// A receiver's address and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// What to take.
    pub limits: Limits,
}

/// What an exporter is.
#[derive(Clone, Debug)]
pub enum ExporterKind {
    /// OTLP/gRPC.
    Otlp {
        /// Where.
        endpoint: Endpoint,
        /// How.
        otlp: Box<OtlpSettings>,
    },
    /// A log line a request.
    Debug,
    /// Nothing.
    Nop,
}

/// An exporter's settings.
#[derive(Clone, Debug)]
pub struct Exporter {
    /// Component id, such as `otlp/eu`.
    pub id: String,
    /// What it is.
    pub kind: ExporterKind,
    /// Its queue.
    pub queue: QueueSettings,
    /// Its retries.
    pub retry: RetrySettings,
}

/// Everything the agent needs to know to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// OTLP/gRPC, if enabled.
    pub grpc: Option<Receiver>,
    /// OTLP/HTTP, if enabled.
    pub http: Option<Receiver>,
    /// Every exporter a pipeline uses.
    pub exporters: Vec<Exporter>,
    /// Per signal, the indices of its exporters; nothing without a pipeline.
    pub routes: [Option<Vec<usize>>; 3],
    /// When senders are answered, and why then.
    pub acknowledge: (Acknowledge, String),
    /// Where `/health` is served.
    pub health: SocketAddr,
    /// Where `/metrics` is served.
    pub admin: SocketAddr,
    /// Bytes the agent may hold.
    pub memory_limit: usize,
    /// Where the account is kept.
    pub data_dir: Option<PathBuf>,
    /// SHA-256 of the config text.
    pub digest: String,
}
