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
use super::generation::Current;
use super::lane::Lane;
use crate::deliver::{Destination, Payload};
use crate::signal::Signal;

/// A share of a flush on its way to one destination.
#[derive(Debug)]
pub struct Waiting {
    payload: Payload,
    destination: Arc<Destination>,
}

/// Points of a flush that left by a variant; where none did, it is not here.
pub type Left = (Variant, Encoded);

impl Lane {
    /// Lets time pass in both pipelines until `now`. What left, and why the candidate was cut out if it was.
    pub fn advance(&mut self, now: u64) -> (Vec<Left>, Vec<(Variant, String)>) {
        self.flush(now, |pipeline, _| pipeline.advance(now))
    }

    /// Stops both pipelines.
    pub fn shutdown(&mut self, now: u64) -> (Vec<Left>, Vec<(Variant, String)>) {
        self.flush(now, |pipeline, _| pipeline.shutdown(now))
    }

    /// Sends what waits in stages that the next generation does not have. A candidate without a successor gives way
    /// to the next baseline.
    pub fn retire(&mut self, next: Option<&mut Self>, now: u64) -> (Vec<Left>, Vec<(Variant, String)>) {
        let mut successors = next.map(super::install::variants).unwrap_or_default();
        let [baseline, candidate] = &mut successors;
        self.flush(now, |pipeline, variant| {
            let own = if variant == Variant::Candidate { candidate.as_deref() } else { None };
            pipeline.retire(own.or(baseline.as_deref()), now)
        })
    }

    fn flush(
        &mut self,
        now: u64,
        mut ask: impl FnMut(&mut Pipeline, Variant) -> Vec<Flush>,
    ) -> (Vec<Left>, Vec<(Variant, String)>) {
        let (mut left, mut failed) = (Vec::new(), Vec::new());
        if let Some(trial) = &mut self.trial {
            trial.roll(&mut self.baseline, now);
        }
        match self.baseline.flush(now, |pipeline| ask(pipeline, Variant::Baseline)) {
            Ok(flushes) => left.extend(flushes.into_iter().filter_map(|f| self.leave(Variant::Baseline, f))),
            Err(why) => failed.push((Variant::Baseline, why)),
        }
        let candidate = self.trial.as_mut().and_then(|trial| trial.side.as_mut());
        match candidate.map(|side| side.flush(now, |pipeline| ask(pipeline, Variant::Candidate))) {
            None => {}
            Some(Ok(flushes)) => {
                left.extend(flushes.into_iter().filter_map(|f| self.leave(Variant::Candidate, f)));
            }
            Some(Err(why)) => {
                if let Some(trial) = &mut self.trial {
                    trial.cut();
                }
                failed.push((Variant::Candidate, why));
            }
        }
        (left, failed)
    }

    /// Observes a variant's flush; what of it is delivered.
    fn leave(&mut self, variant: Variant, flush: Flush) -> Option<Left> {
        let encoded = match &mut self.trial {
            None => flush.output.encode(Keep::All),
            Some(trial) => trial.flushed(variant, flush),
        };
        (encoded.points > 0).then_some((variant, encoded))
    }
}

impl Engine {
    /// Lets time pass in the generation in charge, and sends what is due. Nothing is asked for while something waits
    /// for room in a queue.
    pub(super) fn advance(&self, current: &Current, lane: &mut Lane, now: u64) {
        if self.send_waiting() {
            let (left, failed) = lane.advance(now);
            self.take(current, left, failed);
        }
    }

    /// Puts what left of a lane on its way.
    pub(super) fn take(&self, current: &Current, left: Vec<Left>, failed: Vec<(Variant, String)>) {
        for (variant, why) in failed {
            self.metrics.failed(variant);
            tracing::error!(variant = variant.name(), why, "a pipeline failed between batches");
            if variant == Variant::Candidate {
                self.health.update(|condition| condition.candidate_cut = Some(why.clone()));
            }
        }
        let mut waiting = self.waiting();
        for (variant, encoded) in left {
            self.metrics.flushed(variant, encoded.points);
            let permit = Arc::new(self.budget.hold(encoded.bytes.len()));
            let payload = Payload {
                signal: Signal::Metrics,
                message: encoded.bytes,
                wire: None,
                items: encoded.points,
                variant,
                generation: current.generation.number,
                meter: current.generation.meter.clone(),
                permit,
            };
            let destinations = match variant {
                Variant::Baseline => current.routes.metrics.as_deref().unwrap_or_default(),
                Variant::Candidate => &current.routes.candidate,
            };
            waiting.extend(destinations.iter().map(|destination| Waiting {
                payload: payload.clone(),
                destination: Arc::clone(destination),
            }));
        }
        drop(waiting);
        self.send_waiting();
    }

    /// Queues what waits, as far as there is room. True if nothing waits any more.
    fn send_waiting(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.retain(|Waiting { payload, destination }| match destination.reserve() {
            Some(slot) => {
                destination.enqueue(payload.clone(), slot, None);
                false
            }
            None => true,
        });
        waiting.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends all that stages hold, because the agent ends: to be called when no request comes any more. What finds no
    /// room until `deadline` is counted as lost.
    pub async fn finish(&self, now: u64, deadline: Instant) {
        let current = self.current.load_full();
        if let Some(lane) = current.generation.lane().as_mut().and_then(|lane| lane.as_mut()) {
            let (left, failed) = lane.shutdown(now);
            self.take(&current, left, failed);
        }
        let waiting = std::mem::take(&mut *self.waiting());
        for Waiting { payload, destination } in waiting {
            match tokio::time::timeout_at(deadline, destination.place()).await {
                Ok(Some(slot)) => destination.enqueue(payload, slot, None),
                Ok(None) | Err(_) => destination.lose(&payload),
            }
        }
    }
}
