//! The candidate's share of a batch: units that leave by the candidate if it is done in time, else by the baseline.
//!
//! What always holds: a share leaves once. Whoever claims it first sends it; the other finds it taken. It is owed from when it
//! is accepted, as the baseline made it, so that the next start knows of it if the process is killed.

use std::sync::{Arc, Mutex, PoisonError};

use observe::Variant;
use pipelines::batch::Encoded;
use tokio::sync::oneshot;

use crate::admission::Permit;
use crate::deliver::{BatchRule, OwedItems};
use crate::engine::Engine;
use crate::engine::acknowledge::{AcknowledgeMode, PendingOutcomes};
use crate::engine::generation::Generation;
use crate::engine::ingest::QueueSlot;
use crate::request::Payload;
use crate::signal::Signal;

/// A share that nobody has sent yet, or that somebody has.
#[derive(Debug)]
pub struct PendingShare {
    /// What the baseline made of these units.
    fallback: Encoded,
    open: Mutex<Option<OpenShare>>,
}

/// A share to be sent: places at the destinations of both variants, and the sender that waits.
#[derive(Debug)]
pub struct OpenShare {
    /// Engine, which counts what leaves.
    pub engine: Arc<Engine>,
    /// Places by variant.
    pub slots: [Vec<QueueSlot>; 2],
    /// Generation of the batch.
    pub generation: Arc<Generation>,
    /// Rules by which what leaves becomes requests, by variant.
    pub rules: [Option<BatchRule>; 2],
    /// Moment at which the sender is answered.
    pub acknowledge: AcknowledgeMode,
    /// Channel of the outcomes, where the sender waits for them.
    pub outcomes: Option<oneshot::Sender<PendingOutcomes>>,
    /// Budget for the bytes.
    pub permit: Arc<Permit>,
    /// Points that are owed until it is sent; nothing where they go nowhere.
    pub owed: Option<OwedItems>,
}

impl PendingShare {
    /// A share of which this is what the baseline made.
    pub fn new(fallback: Encoded, open: OpenShare) -> Self {
        Self { fallback, open: Mutex::new(Some(open)) }
    }

    /// Takes the share, to send it; nothing if it has been taken.
    pub fn claim(&self) -> Option<OpenShare> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends what the baseline made of the units, unless the share has been taken. Returns true if it did.
    pub fn fall_back(&self) -> bool {
        self.claim().is_some_and(|open| {
            open.engine.metrics.fell_back(self.fallback.points);
            open.send(Variant::Baseline, self.fallback.clone());
            true
        })
    }

    /// What the baseline made of these units.
    pub fn fallback(&self) -> &Encoded {
        &self.fallback
    }
}

impl OpenShare {
    /// Sends what a variant made of the units; nothing to send settles it.
    pub fn send(self, variant: Variant, encoded: Encoded) {
        let Self { engine, slots, generation, rules, acknowledge, outcomes, permit, owed } = self;
        let mut pending = PendingOutcomes::default();
        let [baseline, candidate] = slots;
        let slots = if variant == Variant::Baseline { baseline } else { candidate };
        let payloads = if encoded.points > 0 { slots.len() } else { 0 };
        let mut owed =
            owed.map(|owed| owed.exchange(encoded.points, payloads)).unwrap_or_default().into_iter();
        if encoded.points > 0 {
            let payload = Payload {
                signal: Signal::Metrics,
                message: encoded.bytes,
                wire: None,
                items: encoded.points,
                pipeline: Arc::clone(&engine.pipeline),
                variant,
                generation: generation.number,
                meter: generation.meter.clone(),
                permit,
            };
            for QueueSlot { destination, slot } in slots {
                let queued = (payload.clone(), rules[variant.index()]);
                let owed = owed.next().unwrap_or_else(|| destination.owe(encoded.points));
                destination.enqueue_owed(queued, owed, slot, pending.add(acknowledge));
            }
        }
        if let Some(outcomes) = outcomes {
            let _nobody_waits_any_more = outcomes.send(pending);
        }
    }
}
