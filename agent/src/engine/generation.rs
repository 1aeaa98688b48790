//! A generation that serves: what happens to metrics, under one number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipelines::config::{Digest, Stage};

use super::AcknowledgeMode;
use super::worker::Worker;
use crate::deliver::{BatchRules, Destination, HeldLog};
use crate::meter::Meter;

/// One immutable set {baseline, candidate, split, experiment}; its state is in the worker.
#[derive(Debug)]
pub struct Generation {
    /// Its number; never used for another content that is pushed.
    pub number: u64,
    /// Digest of its baseline; nothing where there are no metrics.
    pub plan: Option<Digest>,
    /// Digest of its candidate; nothing without one.
    pub candidate: Option<Digest>,
    /// True if it is of the leading pipeline.
    pub leads: bool,
    /// True if a share of the units is the candidate's.
    pub splits: bool,
    /// Meter of its points at their destinations, where it is watched.
    pub meter: Option<Arc<Meter>>,
    /// Worker of its batches; nothing where metrics pass through untouched and unobserved. Empty once it is retired:
    /// the next generation has taken what was in it.
    worker: Option<Mutex<Option<Worker>>>,
}

impl Generation {
    /// A generation that only passes on what comes, until it is told where it runs.
    pub fn new(number: u64, plan: Option<Digest>, leads: bool) -> Self {
        Self { number, plan, candidate: None, leads, splits: false, meter: None, worker: None }
    }

    /// Tells whether `next` is this one. The number alone does not: a pipeline that passes has it from the one that leads, and
    /// what was pushed keeps its own when the file that its baseline is in changes.
    pub fn is_same(&self, next: &Self) -> bool {
        let plans = |of: &Self| (of.plan, of.candidate);
        (self.number, self.leads, plans(self)) == (next.number, next.leads, plans(next))
    }

    /// Tells whether nothing changes in `next`, which has no experiment, but its number.
    pub fn passes_as(&self, next: &Self) -> bool {
        self.meter.is_none() && self.plan == next.plan
    }

    /// The same, run in `worker`.
    pub fn run_in(self, worker: Option<Worker>) -> Self {
        Self { worker: worker.map(Some).map(Mutex::new), ..self }
    }

    /// The worker, for as long as the guard lives; an empty one belongs to a retired generation.
    pub fn worker(&self) -> Option<MutexGuard<'_, Option<Worker>>> {
        // Pipelines panic under guard; what is left to poison a worker is ours, and counts only.
        self.worker.as_ref().map(|worker| worker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The destinations of each signal; nothing for a signal without a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Metrics of the baseline.
    pub metrics: Option<Vec<Arc<Destination>>>,
    /// Metrics of the candidate.
    pub candidate: Vec<Arc<Destination>>,
    /// Traces.
    pub traces: Option<Vec<Arc<Destination>>>,
    /// Logs.
    pub logs: Option<Vec<Arc<Destination>>>,
    /// All of the candidate's output besides, whatever the weight.
    pub shadow: Option<Arc<Destination>>,
    /// Rules by which what leaves becomes requests.
    pub rules: BatchRules,
}

/// State that a request is served by, swapped as a whole.
#[derive(Debug)]
pub struct ServingState {
    /// Generation that the metrics take.
    pub generation: Arc<Generation>,
    /// Destinations of all signals.
    pub routes: Routes,
    /// Moment at which senders are answered.
    pub acknowledge: AcknowledgeMode,
    /// Log of what the baseline's stage holds, where there is one.
    pub held: Option<HeldInputs>,
}

/// Log of what a stage of the baseline holds.
#[derive(Clone, Debug)]
pub struct HeldInputs {
    /// The stage.
    pub stage: Stage,
    /// Ids of the stages before it, as its records have them.
    pub before: String,
    /// The log.
    pub log: Arc<HeldLog>,
}
