//! Content of a generation: the baseline, the experiment beside it, and the digests by which it is known again.

use std::sync::Arc;
use std::time::Duration;

use pipelines::config::{Digest, Plan};
use pipelines::split::{Split, Weight};

/// The id of an experiment that the agent's own file defines.
pub const LOCAL: &str = "local";

/// Experiment on the metrics.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its id; [`LOCAL`] for one of the file.
    pub id: String,
    /// The most that a batch may take in the candidate's pipeline.
    pub max_batch_latency: Option<Duration>,
    /// Plan of the pipeline on trial.
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

impl Intent {
    /// Intent of a pipeline that no experiment touches.
    pub fn passing(plan: &Plan) -> Self {
        let digests = Digests { baseline: Some(plan.digest()), candidate: None, split: String::new() };
        Self { baseline: Some(plan.clone()), experiment: None, digests }
    }

    /// Names of the stages in which points wait that leave.
    pub fn holding(&self) -> String {
        let candidate = self.experiment.as_ref().filter(|experiment| experiment.split.weight > Weight::NONE);
        let plans = self.baseline.iter().chain(candidate.map(|experiment| &experiment.candidate));
        plans.flat_map(Plan::holding).collect::<Vec<_>>().join(", ")
    }

    /// Stages in which points wait that leave, each with the time.
    pub fn held(&self) -> Vec<String> {
        let candidate = self.experiment.as_ref().filter(|experiment| experiment.split.weight > Weight::NONE);
        let candidate = candidate.map(|experiment| ("the candidate", &experiment.candidate));
        let plans = self.baseline.iter().map(|plan| ("the baseline", plan)).chain(candidate);
        plans.filter_map(|(whose, plan)| held(plan, whose)).collect()
    }
}

/// Stages of a plan in which points wait, with the time.
pub fn held(plan: &Plan, whose: &str) -> Option<String> {
    let (stages, hold) = (plan.holding().join(", "), humantime::format_duration(plan.hold()));
    let text = || format!("{stages} of {whose} holds points for up to {hold}; a crash loses what it holds");
    (!plan.hold().is_zero()).then(text)
}

/// Digests of an intent's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Digest of the baseline's plan.
    pub baseline: Option<Digest>,
    /// Digest of the candidate's plan.
    pub candidate: Option<Digest>,
    /// Digest of the split and of what is measured, in hexadecimal; empty without an experiment.
    pub split: String,
}
