//! A generation: what happens to metrics, under one number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Acknowledge;
use super::lane::Lane;
use crate::deliver::{Destination, Meter};

/// One immutable set {baseline, candidate, split, experiment}; its state is in the lane.
#[derive(Debug)]
pub struct Generation {
    /// Its number; never used for another content.
    pub number: u64,
    /// True if a share of the units is the candidate's.
    pub splits: bool,
    /// Told what becomes of its points, where it is watched.
    pub meter: Option<Arc<Meter>>,
    /// Nothing where metrics pass through untouched and unobserved. Empty once it is retired: the next
    /// generation has taken what was in it.
    lane: Option<Mutex<Option<Lane>>>,
}

impl Generation {
    /// A generation that runs in `lane`.
    pub fn new(number: u64, splits: bool, lane: Option<Lane>) -> Self {
        let meter = lane.as_ref().and_then(|lane| lane.trial.as_ref()).map(|trial| Arc::clone(&trial.meter));
        Self { number, splits, meter, lane: lane.map(Some).map(Mutex::new) }
    }

    /// The lane, for as long as the guard lives; an empty one belongs to a retired generation.
    pub fn lane(&self) -> Option<MutexGuard<'_, Option<Lane>>> {
        // Pipelines panic under guard; what is left to poison a lane is ours, and counts only.
        self.lane.as_ref().map(|lane| lane.lock().unwrap_or_else(PoisonError::into_inner))
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
}

/// All that a request needs to know, swapped as a whole.
#[derive(Debug)]
pub struct Current {
    /// Generation that the metrics take.
    pub generation: Arc<Generation>,
    /// Destinations of all signals.
    pub routes: Routes,
    /// Moment at which senders are answered.
    pub acknowledge: Acknowledge,
}
