//! Flush of points without a request: stages that hold points back send them when their time has come, before they are
//! replaced, and at the end.
//!
//! A flush is assigned by the resources that its points came from, is observed in the window in which it is sent, and
//! leaves by the destinations of its own generation. It was acknowledged long ago, so it is not lost to a full queue:
//! it waits, and until it has left no further flush is asked for.

use std::sync::{Arc, MutexGuard, PoisonError};

use observe::Variant;
use pipelines::batch::{Encoded, Keep};
use pipelines::processors::{Flush, Pipeline};
use tokio::time::Instant;

use super::Engine;
use super::experiment::ExperimentState;
use super::generation::{Generation, ServingState};
use super::worker::Worker;
use crate::deliver::Destination;
use crate::request::Payload;
use crate::signal::Signal;

/// A share of a flush on its way to one destination.
#[derive(Debug)]
pub struct PendingPayload {
    payload: Payload,
    destination: Arc<Destination>,
}

/// Points that pipelines sent without a batch.
#[derive(Debug, Default)]
pub struct FlushOutput {
    /// Points that leave, each by a variant.
    pub leaving: Vec<(Variant, Encoded)>,
    /// All that the candidate sent, where a shadow is wanted.
    pub shadow: Vec<Encoded>,
    /// Variants that failed, and the reason; a candidate that did is cut out.
    pub failures: Vec<(Variant, String)>,
}

impl Worker {
    /// Lets time pass in both pipelines until `now`.
    pub fn advance(&mut self, now: u64) -> FlushOutput {
        self.flush(now, |pipeline, _| pipeline.advance(now))
    }

    /// Stops both pipelines.
    pub fn shutdown(&mut self, now: u64) -> FlushOutput {
        self.flush(now, |pipeline, _| pipeline.shutdown(now))
    }

    /// Sends what waits in stages that the next generation does not have. A candidate without a successor gives way
    /// to the next baseline.
    pub fn retire(&mut self, next: Option<&mut Self>, now: u64) -> FlushOutput {
        let mut successors = next.map(super::swap::variants).unwrap_or_default();
        let [baseline, candidate] = &mut successors;
        self.flush(now, |pipeline, variant| {
            let own = if variant == Variant::Candidate { candidate.as_deref() } else { None };
            pipeline.retire(own.or(baseline.as_deref()), now)
        })
    }

    fn flush(&mut self, now: u64, mut ask: impl FnMut(&mut Pipeline, Variant) -> Vec<Flush>) -> FlushOutput {
        let Self { baseline, experiment, .. } = self;
        let mut output = FlushOutput::default();
        if let Some(experiment) = experiment {
            experiment.roll(baseline, now);
        }
        let flushes = baseline.flush(now, |pipeline| ask(pipeline, Variant::Baseline));
        output.take(Variant::Baseline, flushes, experiment.as_mut());
        let Some(experiment) = experiment else { return output };
        let Some(candidate) = experiment.candidate.pipeline_mut() else { return output };
        let flushes = candidate.flush(now, |pipeline| ask(pipeline, Variant::Candidate));
        if flushes.is_err() {
            experiment.cut_candidate();
        }
        output.take(Variant::Candidate, flushes, Some(experiment));
        output
    }
}

impl FlushOutput {
    /// Takes in what a variant sent, of which an experiment observes and delivers its share.
    fn take(
        &mut self,
        variant: Variant,
        flushes: Result<Vec<Flush>, String>,
        mut experiment: Option<&mut ExperimentState>,
    ) {
        match flushes {
            Ok(flushes) => self.leaving.extend(flushes.into_iter().filter_map(|flush| {
                let encoded = match &mut experiment {
                    None => flush.output.encode(Keep::All),
                    Some(experiment) => {
                        if experiment.shadow && variant == Variant::Candidate {
                            self.shadow.push(flush.output.encode(Keep::All));
                        }
                        experiment.flush(variant, flush)
                    }
                };
                (encoded.points > 0).then_some((variant, encoded))
            })),
            Err(failure) => self.failures.push((variant, failure)),
        }
    }
}

impl Engine {
    /// Lets time pass in the generation in charge, and sends what is due. Nothing is asked for while something waits
    /// for room in a queue.
    pub(super) fn advance(&self, current: &ServingState, worker: &mut Worker, now: u64) {
        if self.send_pending() {
            self.dispatch(current, worker.advance(now));
        }
    }

    /// Reports what failed, and puts what leaves on its way by the destinations of its generation.
    pub(super) fn dispatch(&self, current: &ServingState, output: FlushOutput) {
        for (variant, why) in output.failures {
            self.metrics.failed(variant);
            tracing::error!(variant = variant.name(), why, "a pipeline failed between batches");
            if variant == Variant::Candidate {
                self.health.update(|condition| condition.candidate_cut = Some(why));
            }
        }
        for encoded in output.shadow {
            self.shadow(current, Some(encoded));
        }
        let mut pending = self.pending();
        for (variant, encoded) in output.leaving {
            self.metrics.flushed(variant, encoded.points);
            let payload = self.payload(&current.generation, variant, encoded);
            let destinations = match variant {
                Variant::Baseline => current.routes.metrics.as_deref().unwrap_or_default(),
                Variant::Candidate => &current.routes.candidate,
            };
            pending.extend(destinations.iter().map(|destination| PendingPayload {
                payload: payload.clone(),
                destination: Arc::clone(destination),
            }));
        }
        drop(pending);
        self.send_pending();
    }

    fn payload(&self, generation: &Generation, variant: Variant, encoded: Encoded) -> Payload {
        Payload {
            signal: Signal::Metrics,
            permit: Arc::new(self.budget.hold(encoded.bytes.len())),
            message: encoded.bytes,
            wire: None,
            items: encoded.points,
            variant,
            generation: generation.number,
            meter: generation.meter.clone(),
        }
    }

    /// Queues what waits, as far as there is room. Returns true if nothing waits any more.
    fn send_pending(&self) -> bool {
        let mut pending = self.pending();
        pending.retain(|PendingPayload { payload, destination }| match destination.reserve() {
            Some(slot) => {
                destination.enqueue(payload.clone(), slot, None);
                false
            }
            None => true,
        });
        pending.is_empty()
    }

    fn pending(&self) -> MutexGuard<'_, Vec<PendingPayload>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all that stages hold, because the agent ends: to be called when no request comes any more. What finds no
    /// room until `deadline` is counted as lost.
    pub async fn finish(&self, now: u64, deadline: Instant) {
        let current = self.current.load_full();
        if let Some(worker) = current.generation.worker().as_mut().and_then(|worker| worker.as_mut()) {
            self.dispatch(&current, worker.shutdown(now));
        }
        let pending = std::mem::take(&mut *self.pending());
        for PendingPayload { payload, destination } in pending {
            match tokio::time::timeout_at(deadline, destination.place()).await {
                Ok(Some(slot)) => destination.enqueue(payload, slot, None),
                Ok(None) | Err(_) => destination.lose(&payload),
            }
        }
    }
}
