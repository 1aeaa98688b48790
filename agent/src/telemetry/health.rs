//! State of the agent, which everyone writes and `/health`, `/ready` and the fleet's session read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

/// Part of the agent's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Built, not serving yet.
    Starting,
    /// Serving.
    Running,
    /// Finishing what is in flight.
    Draining,
}

/// Text by which [`Condition::control_plane`] says that all is well.
pub const CONNECTED: &str = "connected";

/// Part of a pipeline in experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineRole {
    /// Experiments are about it.
    Experiments,
    /// On trial in the experiment of the agent's own file.
    Candidate,
    /// No experiment touches it.
    Passes,
}

impl PipelineRole {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Candidate => "candidate",
            Self::Passes => "passes",
        }
    }
}

/// Pipeline that runs, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PipelineSummary {
    /// Its part in experiments.
    pub role: PipelineRole,
    /// Ids of its receivers.
    pub receivers: Vec<String>,
    /// Ids of its exporters.
    pub exporters: Vec<String>,
}

/// Points that stages held when an agent died, and that wait on disk because no pipeline takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldLeft {
    /// Their pipeline.
    pub pipeline: String,
    /// The stages that held them.
    pub stages: Vec<String>,
    /// Requests that they came with.
    pub inputs: u64,
    /// Points of these requests: what was sent of each series last, and what it took the place of.
    pub points: u64,
    /// Time at which the oldest came, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Reason for which no pipeline takes them.
    pub why: String,
    /// Directory in which they lie.
    pub directory: String,
    /// Ways out.
    pub what_to_do: String,
}

/// State that can change while the agent runs.
#[derive(Clone, Debug, Serialize)]
pub struct Condition {
    /// Phase of its life.
    pub phase: Phase,
    /// The generation in charge.
    pub generation: u64,
    /// SHA-256 of the config text in charge.
    pub config_digest: String,
    /// Reason for which the last config was not taken, if it was not.
    pub config_error: Option<String>,
    /// What the data directory cannot keep or has lost, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<String>,
    /// Settings that the config asks for and does not get.
    pub config_notes: Vec<String>,
    /// Reason for which the candidate was cut out, if it was.
    pub candidate_cut: Option<String>,
    /// The generation in charge, if it is an attempt: not committed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// Contents in quarantine by their ids, and what is known of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, String>,
    /// Settings that changed and are read at the start only.
    pub restart_needed_for: Vec<&'static str>,
    /// [`CONNECTED`], or why there is no session with the control plane; nothing where there is to be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<String>,
    /// True if the file's pipeline was changed while a pushed one is in its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local_override_pending: bool,
    /// Pipelines of the agent's file, by their ids.
    pub pipelines: BTreeMap<String, PipelineSummary>,
    /// Name of the node.
    pub labels: BTreeMap<String, String>,
    /// Moment at which senders are answered.
    pub acknowledge: &'static str,
    /// Reason for it.
    pub acknowledge_why: String,
    /// What stages held when an agent died, and no pipeline takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_left: Vec<HeldLeft>,
    /// What could not be read of it since the start, by pipeline.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub held_damaged: BTreeMap<String, String>,
    /// What is answered for and on no disk, where senders are answered once a request is on disk or delivered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_persisted: Vec<String>,
}

impl Condition {
    /// State before anything is in force.
    pub fn starting() -> Self {
        Self {
            phase: Phase::Starting,
            generation: 0,
            config_digest: String::new(),
            config_error: None,
            data_dir: None,
            config_notes: Vec::new(),
            candidate_cut: None,
            attempt: None,
            quarantined: BTreeMap::new(),
            restart_needed_for: Vec::new(),
            control_plane: None,
            local_override_pending: false,
            pipelines: BTreeMap::new(),
            labels: BTreeMap::new(),
            acknowledge: "",
            acknowledge_why: String::new(),
            held_left: Vec::new(),
            held_damaged: BTreeMap::new(),
            not_persisted: Vec::new(),
        }
    }
}

/// The condition, shared.
#[derive(Debug)]
pub struct Health {
    condition: Mutex<Condition>,
    changed: Notify,
}

impl Health {
    /// Health that starts from `condition`.
    pub fn new(condition: Condition) -> Self {
        Self { condition: Mutex::new(condition), changed: Notify::new() }
    }

    /// Changes the condition.
    pub fn update(&self, change: impl FnOnce(&mut Condition)) {
        change(&mut self.condition.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// A copy of the condition.
    pub fn condition(&self) -> Condition {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns once it was changed since this was last awaited. One waiter is served: the fleet's session.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells whether senders should come here.
    pub fn is_ready(&self) -> bool {
        self.condition().phase == Phase::Running
    }
}
