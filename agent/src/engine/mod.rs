//! The engine between in and out: admits requests, runs the pipelines, and hands on what leaves.
//!
//! Admission is decided before the first stage, on the queues' slots and the budget. From then on
//! the agent owns the request and never answers retryably: a retry would pass state already advanced.
//! A request takes one state (generation, routes, mode of acknowledgment) and finishes with it; only one that
//! finds its generation retired before it ran is admitted again, to the next.

mod acknowledge;
mod candidate;
mod clock;
mod deadline;
mod engines;
mod experiment;
mod flush;
mod generation;
mod held;
mod ingest;
mod limits;
mod observation;
mod observer;
mod preview;
mod repair;
mod ring;
mod saved;
mod shadow;
mod split;
mod swap;
mod variant;
mod warm;
mod windows;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use observe::Evidence;

pub use acknowledge::AcknowledgeMode;
pub use clock::now;
pub use engines::{EngineParts, EngineSet, Engines};
pub use generation::{HeldInputs, Routes};
pub use limits::CandidateLimits;
pub use preview::{PreviewCpu, PreviewJob, PreviewProgress};
pub use ring::limit_within as kept_requests_within;
pub use swap::NextGeneration;
pub use warm::warm;

use crate::admission::Budget;
use crate::deliver::VariantStates;
use crate::delivery_ledger::DeliveryLedger;
use crate::outbox::Outbox;
use crate::telemetry::{EngineMetrics, Health};
use experiment::LostHeld;
use flush::PendingPayload;
use generation::{Generation, ServingState};
use repair::RepairLog;
use ring::Ring;

/// Engine of one pipeline of metrics; that of the leading one passes traces and logs as well.
#[derive(Debug)]
pub struct Engine {
    /// Name of its pipeline.
    pipeline: Arc<str>,
    current: ArcSwap<ServingState>,
    stopping: AtomicBool,
    /// True once all that stages held is on its way, or waits for room.
    finished: AtomicBool,
    evidence: Mutex<Option<Evidence>>,
    reporter: Reporter,
    /// Payloads without a request that wait for room in a queue.
    pending: Mutex<Vec<PendingPayload>>,
    /// Points that workers held which nobody waits for, with the id of their experiment, until its next worker tells of them.
    orphaned: Mutex<Vec<(String, LostHeld)>>,
    /// State of stages once it is finished, until it is asked for.
    saved: Mutex<VariantStates>,
    /// Points that a variant's stages hold in memory alone and that leave by it.
    held: [AtomicU64; 2],
    /// Names of these stages.
    holding: ArcSwap<Arc<str>>,
    delivery_ledger: Arc<DeliveryLedger>,
    budget: Budget,
    shadow_budget: Budget,
    health: Arc<Health>,
    metrics: EngineMetrics,
    repairs: RepairLog,
    /// The last requests of metrics, for previews.
    ring: Ring,
}

/// Outbox of findings, and the process that they are reported by.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Queue in which reports wait to be sent.
    pub outbox: Arc<Outbox>,
    /// Identity of this process, a UUIDv7 in text.
    pub boot_id: String,
}

impl Engine {
    /// An engine that takes nothing until something is installed.
    pub fn new(pipeline: &str, parts: &EngineParts) -> Self {
        let generation = Arc::new(Generation::new(0, None, false));
        let nothing = ServingState {
            generation,
            routes: Routes::default(),
            acknowledge: AcknowledgeMode::OnAccept,
            held: None,
        };
        Self {
            pipeline: pipeline.into(),
            current: ArcSwap::from_pointee(nothing),
            stopping: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            evidence: Mutex::new(None),
            reporter: parts.reporter.clone(),
            pending: Mutex::new(Vec::new()),
            orphaned: Mutex::new(Vec::new()),
            saved: Mutex::default(),
            held: Default::default(),
            holding: ArcSwap::from_pointee("".into()),
            delivery_ledger: Arc::clone(&parts.delivery_ledger),
            budget: parts.budget.clone(),
            shadow_budget: Budget::new(shadow::BUDGET),
            health: Arc::clone(&parts.health),
            metrics: parts.metrics.engine(pipeline),
            repairs: RepairLog::default(),
            ring: Ring::new(&parts.budget),
        }
    }

    /// Name of its pipeline.
    pub fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Keeps the last requests of metrics for previews from now on, of so many bytes; none where that is 0.
    pub fn keep_requests(&self, bytes: usize) {
        self.ring.set_limit(bytes);
    }

    /// Refuses everything from now on.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Tells whether it refuses everything.
    pub fn is_stopped(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells whether all that stages held is on its way, or waits for room.
    fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// The number of the generation in charge.
    pub fn generation(&self) -> u64 {
        self.current.load().generation.number
    }

    /// Measurements so far, also of an experiment that has ended; nothing where there was none.
    pub fn report(&self) -> Option<observe::Report> {
        self.evidence().as_ref().map(Evidence::report)
    }

    fn evidence(&self) -> MutexGuard<'_, Option<Evidence>> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
