//! `phoenix`: the agent's own section, which can be absent.

use std::path::PathBuf;
use std::time::Duration;

use pipelines::config::CollectorFile;
use pipelines::yaml::{Fields, Location, Node, Problem, keep};

use super::remote_config::{self, RemoteConfig};
use super::{address, control_plane, experiment, observation, tls};
use crate::admin::AdminSettings;
use crate::engine::{AcknowledgeMode, CandidateLimits};
use crate::fleet::ControlPlane;

/// The section, decoded.
#[derive(Debug, Default)]
pub struct Phoenix {
    /// Folder of the delivery ledger and the ledger of generations.
    pub data_dir: Option<PathBuf>,
    /// Name of the node.
    pub labels: Vec<(String, String)>,
    /// Bytes of memory that the process may have.
    pub memory_limit: Option<usize>,
    /// Age from which on what waits in a queue on disk is dropped, and its place in the file.
    pub max_queue_age: Option<(Duration, Location)>,
    /// Limits of the candidate and its observation.
    pub limits: CandidateLimits,
    /// Time that a pushed content is in charge before it is committed.
    pub trial: Option<Duration>,
    /// Name of the metrics pipeline that experiments are about, and its place in the file.
    pub pipeline: Option<(String, Location)>,
    /// True if requests say which variant and generation they are.
    pub variant_headers: Option<bool>,
    /// Moment at which senders are answered.
    pub acknowledge: Option<(AcknowledgeMode, Location)>,
    /// Address of `/metrics`.
    pub admin: Option<AdminSettings>,
    /// Settings of the measurement.
    pub observation: observe::Settings,
    /// Control plane that may change the metrics pipeline.
    pub control_plane: Option<ControlPlane>,
    /// Processors that it may push.
    pub remote_config: RemoteConfig,
    /// True if the file asks for a local experiment.
    pub has_experiment: bool,
    /// The local experiment, if it can be used.
    pub experiment: Option<experiment::Section>,
}

/// Decodes the section of `file`.
pub fn decode(file: &CollectorFile, problems: &mut Vec<Problem>) -> Phoenix {
    let mut phoenix = Phoenix::default();
    let Some(node) = file.phoenix() else { return phoenix };
    let Some(mut fields) = keep(node.map(), problems) else { return phoenix };
    phoenix.data_dir =
        fields.take("data_dir").and_then(|node| keep(node.text(), problems)).map(PathBuf::from);
    if let Some(node) = fields.take("labels") {
        for entry in keep(node.entries(), problems).unwrap_or_default() {
            if let Some(value) = keep(entry.value.text(), problems) {
                phoenix.labels.push((entry.key.text.clone(), value.to_owned()));
            }
        }
    }
    phoenix.memory_limit = fields.take("memory_limit").and_then(|node| keep(address::size(node), problems));
    phoenix.max_queue_age =
        fields.take("max_queue_age").and_then(|node| Some((keep(queue_age(node), problems)?, node.location)));
    phoenix.limits = limits(&mut fields, problems);
    phoenix.trial = fields.take("trial").and_then(|node| keep(trial(node), problems));
    phoenix.pipeline = fields
        .take("pipeline")
        .and_then(|node| keep(node.text(), problems).map(|id| (id.to_owned(), node.location)));
    phoenix.variant_headers = fields.take("variant_headers").and_then(|node| keep(node.bool(), problems));
    if let Some(node) = fields.take("acknowledge")
        && let Some(mut fields) = keep(node.map(), problems)
    {
        if let Some(node) = fields.take("otlp") {
            let words = [
                ("on_accept", AcknowledgeMode::OnAccept),
                ("on_persist", AcknowledgeMode::OnPersist),
                ("on_delivery", AcknowledgeMode::OnDelivery),
            ];
            let mode = keep(node.one_of("mode", &words), problems);
            phoenix.acknowledge = mode.map(|mode| (mode, node.location));
        }
        fields.finish(problems);
    }
    phoenix.admin = fields.take("admin").and_then(|node| admin(node, problems));
    phoenix.observation = observation::decode(&mut fields, problems);
    let experiment = fields.take("experiment");
    phoenix.has_experiment = experiment.is_some();
    phoenix.experiment = experiment.and_then(|node| experiment::decode(node, file, problems));
    let experiments = fields.take("experiments").map(|node| {
        keep(node.one_of("experiments", &[("allow", true), ("refuse", false)]), problems).unwrap_or_default()
    });
    if let Some(node) = fields.take("remote_config") {
        phoenix.remote_config = remote_config::decode(node, problems);
    }
    if let Some(node) = fields.take("control_plane") {
        phoenix.control_plane = control_plane::decode(node, experiments.unwrap_or(true), problems);
        if phoenix.data_dir.is_none() {
            let problem = Problem::new(node.location, "phoenix.data_dir is missing");
            problems.push(problem.expected("a directory for the agent's credential and ledger"));
        }
    }
    fields.finish(problems);
    if phoenix.memory_limit == Some(0)
        && let Some(node) = file.phoenix()
    {
        problems.push(Problem::new(node.location, "memory_limit is 0").expected("a size such as 128MiB"));
    }
    phoenix
}

/// `admin`: an address, or `endpoint` and `tls`.
fn admin(node: &Node, problems: &mut Vec<Problem>) -> Option<AdminSettings> {
    if node.entries().is_err() {
        return Some(AdminSettings { address: keep(address::listen(node), problems)?, tls: None });
    }
    let mut fields = keep(node.map(), problems)?;
    let address = keep(fields.required("endpoint").and_then(address::listen), problems);
    let tls = fields.take("tls").filter(|node| !node.is_null()).map(|node| tls::server(node, problems));
    fields.finish(problems);
    Some(AdminSettings { address: address?, tls: tls? })
}

/// A time of at least a second.
fn queue_age(node: &Node) -> Result<Duration, Problem> {
    let age = node.duration()?;
    let problem = || Problem::new(node.location, format!("max_queue_age is {age:?}")).expected("1s or more");
    if age < Duration::from_secs(1) { Err(problem()) } else { Ok(age) }
}

/// A time from a second to a day.
fn trial(node: &Node) -> Result<Duration, Problem> {
    let time = node.duration()?;
    if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&time) {
        return Ok(time);
    }
    Err(Problem::new(node.location, format!("trial is {time:?}")).expected("1s to 24h"))
}

/// Decodes `budget` and `max_added_latency`: what the candidate may take, and how long units wait for it.
fn limits(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> CandidateLimits {
    let mut limits = CandidateLimits::default();
    if let Some(node) = fields.take("budget")
        && let Some(mut budget) = keep(node.map(), problems)
    {
        if let Some(cpu) = budget.take("cpu").and_then(|node| keep(share(node), problems)) {
            limits.cpu = cpu;
        }
        if let Some(memory) = budget.take("memory").and_then(|node| keep(address::size(node), problems)) {
            limits.memory = memory;
        }
        budget.finish(problems);
    }
    if let Some(wait) = fields.take("max_added_latency").and_then(|node| keep(node.duration(), problems)) {
        limits.max_added_latency = wait;
    }
    limits
}

/// A share of the CPU such as 25%, above 0 and at most 100%.
fn share(node: &Node) -> Result<f64, Problem> {
    let share = node.text().ok().and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
    share.filter(|share| *share > 0.0 && *share <= 100.0).map(|share| share / 100.0).ok_or_else(|| {
        Problem::new(node.location, format!("{} stands here", node.describe()))
            .expected("a share of the agent's CPU such as 25%, above 0% and at most 100%")
    })
}
