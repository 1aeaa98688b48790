//! The agent's file: a Collector file, read into the settings of every room.
//!
//! Every section says what is wrong with it, with its place, before anything is refused; a component
//! or key that the Collector has and this agent does not is told apart from a typing mistake. What
//! is accepted has an effect; keys that only tune the Collector's own machinery are the exception,
//! and are listed where they are taken.

mod address;
mod authenticator;
mod certificates;
pub mod components;
mod control_plane;
mod experiment;
mod exporter;
mod exporter_file;
mod exporter_http;
mod load;
mod oauth2;
mod observation;
mod own_log;
mod own_reader;
mod own_resource;
mod own_telemetry;
mod own_variables;
mod phoenix;
mod proxy;
mod receiver;
mod remote_config;
mod routes;
mod selected;
mod sending_queue;
mod sources;
mod storage;
mod tls;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pipelines::config::Plan;

use crate::admin::AdminSettings;
use crate::deliver::{BatchRule, ExporterSettings};
use crate::engine::{AcknowledgeMode, CandidateLimits};
use crate::fleet::ControlPlane;
use crate::generation::Intent;
use crate::own_metrics::OwnMetricsSettings;
use crate::receive::ReceiverSettings;
use crate::telemetry::{LogSettings, NameStyle, PipelineRole, PipelineSummary};

pub use certificates::CertificateProblems;
pub use load::load;
pub use remote_config::{Forbidden, RemoteConfig};
pub use sources::{ConfigSources, SourceError};

/// Exporters that each signal leaves by: indices into [`Settings::exporters`], nothing for a
/// signal without a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Metrics of the leading pipeline, or of its baseline.
    pub metrics: Option<Vec<usize>>,
    /// Metrics of the candidate; the baseline's unless its pipeline names its own.
    pub candidate: Vec<usize>,
    /// Traces.
    pub traces: Option<Vec<usize>>,
    /// Logs.
    pub logs: Option<Vec<usize>>,
    /// Metrics of each pipeline that passes, in the order of [`Settings::passing`].
    pub passing: Vec<Vec<usize>>,
    /// All of the candidate's output besides, whatever the weight.
    pub shadow: Option<usize>,
}

/// Pipeline of metrics that runs beside the one of experiments, and that no experiment touches.
#[derive(Clone, Debug)]
pub struct PassingPipeline {
    /// Its id, such as `metrics/host`.
    pub id: String,
    /// Its processors.
    pub plan: Plan,
}

/// Everything the agent needs to know to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every protocol of every receiver that a pipeline names.
    pub receivers: Vec<ReceiverSettings>,
    /// Every exporter a pipeline uses.
    pub exporters: Vec<ExporterSettings>,
    /// Exporters of each signal.
    pub routes: Routes,
    /// Id of the leading pipeline of metrics: the one of experiments, or the first where none is.
    pub pipeline: String,
    /// Processors of the leading pipeline, and the experiment on it.
    pub intent: Intent,
    /// Pipelines of metrics beside it.
    pub passing: Vec<PassingPipeline>,
    /// All pipelines that run, for a person.
    pub pipelines: BTreeMap<String, PipelineSummary>,
    /// Rules by which traces and logs become requests, in this order.
    pub rules: [Option<BatchRule>; 2],
    /// Moment at which senders are answered, and the reason for it.
    pub acknowledge: (AcknowledgeMode, String),
    /// Place of `/health`.
    pub health: AdminSettings,
    /// Path that `/health` has besides, as `health_check` says.
    pub health_path: Option<String>,
    /// Place of `/metrics`.
    pub admin: AdminSettings,
    /// Ends of the names that `/metrics` has from the Collector.
    pub names: NameStyle,
    /// Receivers that these metrics are sent to.
    pub own_metrics: OwnMetricsSettings,
    /// The log.
    pub log: LogSettings,
    /// Control plane that may change the metrics pipeline, if there is one.
    pub control_plane: Option<ControlPlane>,
    /// Processors that it may push.
    pub remote_config: RemoteConfig,
    /// Bytes of memory that the process may have.
    pub memory_limit: usize,
    /// Limits of the candidate and its observation.
    pub limits: CandidateLimits,
    /// Time that a pushed content is in charge before it is committed.
    pub trial: Duration,
    /// Folder of the delivery ledger and the ledger of generations.
    pub data_dir: Option<PathBuf>,
    /// Settings that the file asks for and does not get, for a person to know.
    pub notes: Vec<String>,
    /// Name of the node; shown in `/health`.
    pub labels: Vec<(String, String)>,
    /// SHA-256 of the config text, in hexadecimal.
    pub digest: String,
}

impl Settings {
    /// Id of the pipeline of metrics that experiments are about; nothing where there is none, or none is named.
    pub fn experiments_on(&self) -> Option<&str> {
        let leading = self.pipelines.get(&self.pipeline)?;
        (leading.role == PipelineRole::Experiments).then_some(&self.pipeline)
    }
}
