//! The body of a generation: what the control plane pushes to an agent, under the key [`KEY`] of an OpAMP config.
//!
//! It is a YAML document (written as its JSON subset, read as YAML) of its own type. What always holds: it holds
//! nothing but what a generation is made of, so that no server can change a node's receivers, destinations or
//! secrets; every fragment comes with the SHA-256 of its bytes; what was written reads back as the same.

mod read;
mod write;

use std::time::Duration;

use observe::{Critical, Lens, Price};
use pipelines::config::ComponentId;
use pipelines::split::Split;
use pipelines::yaml::Location;
use sha2::{Digest as _, Sha256};

/// The key in OpAMP's config map.
pub const KEY: &str = "phoenix.yaml";
/// The media type of a body.
pub const MEDIA_TYPE: &str = "text/vnd.phoenix.generation+yaml";
/// The most bytes of a body.
pub const MAX_BODY: usize = 1 << 20;

/// One immutable set {baseline, candidate, split, experiment}.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Its number: monotone for each agent, never used for another content.
    pub number: u64,
    /// Id of the pipeline of metrics that it is about; nothing for the one that the agent's file says.
    pub pipeline: Option<String>,
    /// The pipeline in charge.
    pub baseline: Baseline,
    /// Experiment beside it.
    pub experiment: Option<Experiment>,
}

/// The pipeline in charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// That of the agent's own file.
    Current,
    /// This one.
    Given(Fragment),
}

/// The pipeline that is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// The baseline itself, run a second time: both must differ by exactly nothing.
    Baseline,
    /// This one.
    Given(Fragment),
}

/// A Collector file of `processors` and their order, `service.pipelines.metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The text.
    pub config: String,
}

/// Experiment: its plans, its units and its measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// The experiment's id.
    pub id: String,
    /// Split: by which variant each unit's output leaves.
    pub split: Split,
    /// The pipeline that is tried.
    pub candidate: Candidate,
    /// Length of a window.
    pub window: Duration,
    /// Time between two reports of the agent: whole windows, at least a horizon.
    pub report_every: Duration,
    /// The aggregates that people look at.
    pub lenses: Vec<Lens>,
    /// The processes that must not vanish.
    pub critical: Vec<Critical>,
    /// Price of the backend.
    pub price: Price,
    /// Limits that the agent holds the candidate to by itself.
    pub guardrails: Guardrails,
}

/// Limits that an agent acts on at once, without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Guardrails {
    /// The most that a batch may take in the candidate's pipeline; nothing for no limit.
    pub max_batch_latency: Option<Duration>,
}

impl Fragment {
    /// A fragment of this text.
    pub fn new(config: impl Into<String>) -> Self {
        Self { config: config.into() }
    }

    /// SHA-256 of its bytes, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.config))
    }
}

impl Generation {
    /// SHA-256 of everything but the number, in hexadecimal: by it a content is known again under another number.
    #[must_use]
    pub fn content(&self) -> String {
        hex::encode(Sha256::digest(Self { number: 0, ..self.clone() }.write()))
    }
}

/// Tells whether a text can be the id of a pipeline of metrics.
#[must_use]
pub fn is_pipeline(text: &str) -> bool {
    ComponentId::parse(text, Location::START).is_ok_and(|id| id.kind() == "metrics" && id.as_str() == text)
}

/// SHA-256 of a body: OpAMP's `config_hash`.
#[must_use]
pub fn config_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

#[cfg(test)]
mod tests;
