//! A generation that serves: what happens to metrics, under one number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::AcknowledgeMode;
use super::worker::Worker;
use crate::deliver::Destination;
use crate::meter::Meter;

/// One immutable set {baseline, candidate, split, experiment}; its state is in the worker.
#[derive(Debug)]
pub struct Generation {
    /// Its number; never used for another content.
    pub number: u64,
    /// True if a share of the units is the candidate's.
    pub splits: bool,
    /// Meter of its points at their destinations, where it is watched.
    pub meter: Option<Arc<Meter>>,
    /// Worker of its batches; nothing where metrics pass through untouched and unobserved. Empty once it is retired:
    /// the next generation has taken what was in it.
    worker: Option<Mutex<Option<Worker>>>,
}

impl Generation {
    /// A generation that runs in `worker`, with the meter of its points where it is watched.
    pub fn new(number: u64, splits: bool, meter: Option<Arc<Meter>>, worker: Option<Worker>) -> Self {
        Self { number, splits, meter, worker: worker.map(Some).map(Mutex::new) }
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
}
