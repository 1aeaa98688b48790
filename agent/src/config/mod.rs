//! The agent's file: a Collector file, read into what [`crate::app`] builds from.
//!
//! Every section says what is wrong with it, with its place, before anything is refused; a component
//! or key that the Collector has and this agent does not is told apart from a typing mistake. What
//! is accepted has an effect; keys that only tune the Collector's own machinery are the exception,
//! and are listed where they are taken.

mod address;
mod control_plane;
mod experiment;
mod exporter;
mod load;
mod observation;
mod phoenix;
mod receiver;
mod routes;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pipelines::config::{Digest, Plan};
use pipelines::split::Split;

use crate::deliver::{Endpoint, OtlpSettings, QueueSettings, RetrySettings};
use crate::engine::Acknowledge;
use crate::receive::Limits;

pub use load::load;

/// The id of an experiment that the agent's own file defines.
pub const LOCAL: &str = "local";

/// A receiver's address and limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Address to listen on; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Limits of its requests and connections.
    pub limits: Limits,
}

/// Kind of an exporter.
#[derive(Clone, Debug, PartialEq)]
pub enum ExporterKind {
    /// OTLP/gRPC.
    Otlp {
        /// Destination.
        endpoint: Endpoint,
        /// Settings of the connection.
        otlp: Box<OtlpSettings>,
    },
    /// A log line a request.
    Debug,
    /// Nothing.
    Nop,
}

/// An exporter's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Exporter {
    /// Component id, such as `otlp/eu`.
    pub id: String,
    /// Kind.
    pub kind: ExporterKind,
    /// Its queue.
    pub queue: QueueSettings,
    /// Its retries.
    pub retry: RetrySettings,
}

/// Exporters that each signal leaves by: indices into [`Settings::exporters`], nothing for a
/// signal without a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Metrics of the baseline.
    pub metrics: Option<Vec<usize>>,
    /// Metrics of the candidate; the baseline's unless its pipeline names its own.
    pub candidate: Vec<usize>,
    /// Traces.
    pub traces: Option<Vec<usize>>,
    /// Logs.
    pub logs: Option<Vec<usize>>,
}

/// Experiment on the metrics.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its id; [`LOCAL`] for one of the file.
    pub id: String,
    /// The most that a batch may take in the candidate's pipeline.
    pub max_batch_latency: Option<Duration>,
    /// The pipeline on trial.
    pub candidate: Plan,
    /// Split: by which variant each unit's output leaves.
    pub split: Split,
    /// Settings of the measurement.
    pub observation: Arc<observe::Settings>,
}

/// Parts of a generation.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Today's pipeline for metrics; nothing without one.
    pub baseline: Option<Plan>,
    /// Experiment beside it, if there is one.
    pub experiment: Option<Experiment>,
    /// Digests by which the ledger knows it again.
    pub digests: Digests,
}

/// Digests of an intent's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Of the baseline's plan.
    pub baseline: Option<Digest>,
    /// Of the candidate's plan.
    pub candidate: Option<Digest>,
    /// Of the split and of what is measured, in hexadecimal; empty without an experiment.
    pub split: String,
}

/// Control plane that may change the metrics pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPlane {
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Path of the control channel.
    pub path: String,
    /// The enrolment token, or where it stands.
    pub token: Option<Token>,
    /// True if it may try candidates here.
    pub experiments: bool,
}

/// An enrolment token.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// Itself.
    Given(String),
    /// The file that holds it, read when it is needed.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
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
    /// Exporters of each signal.
    pub routes: Routes,
    /// Pipelines and experiment of the metrics.
    pub intent: Intent,
    /// Moment at which senders are answered, and the reason for it.
    pub acknowledge: (Acknowledge, String),
    /// Address of `/health`.
    pub health: SocketAddr,
    /// Address of `/metrics`.
    pub admin: SocketAddr,
    /// Control plane that may change the metrics pipeline, if there is one.
    pub control_plane: Option<ControlPlane>,
    /// Bytes the agent may hold.
    pub memory_limit: usize,
    /// Folder of the account and the ledger.
    pub data_dir: Option<PathBuf>,
    /// Settings that the file asks for and does not get, for a person to know.
    pub notes: Vec<String>,
    /// Name of the node; shown in `/health`.
    pub labels: Vec<(String, String)>,
    /// SHA-256 of the config text, in hexadecimal.
    pub digest: String,
}
