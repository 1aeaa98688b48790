//! Flush of points without a request: stages that hold points back send them when their time has come, before they are
//! replaced, and at the end.
//!
//! A flush is assigned by the resources that its points came from, is observed in the window in which it is sent, and
//! leaves by the destinations of its own generation. It was acknowledged long ago, so it is not lost to a full queue:
//! it waits, and until it has left no further flush is asked for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use observe::Variant;
use pipelines::batch::{Encoded, Keep};
use pipelines::processors::{Flush, Pipeline};
use tokio::time::Instant;

use super::Engine;
use super::experiment::{ExperimentState, LostHeld};
use super::generation::{Generation, ServingState};
use super::split::Split;
use super::variant::VariantPipeline;
use super::worker::{CandidateFeed, DeliveryCut, GenerationState, Worker};
use crate::deliver::{BatchRule, Destination, Leaving};
use crate::request::Payload;
use crate::signal::Signal;

/// The longest that the end waits until inputs on disk say that a flush leaves.
const HELD_PATIENCE: Duration = Duration::from_secs(1);

/// A share of a flush on its way to one destination.
#[derive(Debug)]
pub struct PendingPayload {
    payload: Payload,
    rule: Option<BatchRule>,
    destination: Arc<Destination>,
    /// Flush whose inputs are on disk until it is queued.
    of: Option<Arc<Leaving>>,
}

impl PendingPayload {
    /// Its points, if nothing else than memory has them.
    pub fn in_memory(&self) -> u64 {
        if self.of.is_some() { 0 } else { self.payload.items }
    }
}

/// Points that pipelines sent without a batch.
#[derive(Debug, Default)]
pub struct FlushOutput {
    /// Points that leave, each by a variant.
    pub leaving: Vec<(Variant, Encoded)>,
    /// All that the candidate sent, for a shadow.
    pub shadow: Vec<Encoded>,
    /// Variants that failed, and the reason; a candidate that did is cut out.
    pub failures: Vec<(Variant, String)>,
    /// Points that stages held and that nothing sends any more.
    pub lost: Vec<LostHeld>,
    /// True if nothing waits any more in the baseline's stages.
    pub has_all: bool,
    /// True if a process before may have sent some of it.
    pub is_doubtful: bool,
    /// Flush of a log that it is, where that is not the one in force.
    pub of: Option<Arc<Leaving>>,
}

impl Worker {
    /// Lets time pass in the baseline until `now`, and returns what leaves of it.
    fn advance(&mut self, now: u64) -> FlushOutput {
        let Self { baseline, feed, .. } = self;
        let mut output = FlushOutput::default();
        let Some(feed) = feed else {
            output.take_baseline_flushes(baseline.advance(now), None, None);
            output.has_all = baseline.kept().held == 0;
            output.lost = self.take_lost();
            return output;
        };
        for late in feed.take_late() {
            output.leave(Variant::Baseline, late);
        }
        if let Some(first) = feed.take_first_apart() {
            let held = baseline.release(now, Some(first));
            output.take_flushes(feed, held, |feed, flush| feed.flush(flush, true));
        }
        let last = baseline.last_batch().unwrap_or_default();
        let waiting = feed.claimed().filter(|_| baseline.is_due(now)).map(|claimed| claimed + 1..=last);
        for (at, batch) in waiting.into_iter().flatten().enumerate() {
            // First what came before all that wait, then of one after the other.
            let flushes = baseline.release_due(now, batch);
            output.take_flushes(feed, flushes, |feed, flush| {
                if at > 0 {
                    feed.put_aside(&flush, batch - 1);
                }
                feed.flush(flush, true)
            });
        }
        let delivers = feed.claimed();
        let flushes = baseline.advance(now);
        output.take_flushes(feed, flushes, |feed, flush| {
            if delivers.is_some_and(|claimed| last > claimed) {
                feed.put_aside(&flush, last);
            }
            feed.flush(flush, delivers.is_some())
        });
        output.has_all = baseline.kept().held == 0;
        output.lost = self.take_lost();
        output
    }
}

impl GenerationState {
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
        let Self { baseline, experiment, cut } = self;
        let mut output = FlushOutput::default();
        if let Some(experiment) = experiment {
            experiment.observer.account(baseline.take_rule_stats());
            experiment.observer.roll(experiment.candidate.pipeline_mut(), now);
        }
        let delivers = cut.is_none() && experiment.as_ref().is_some_and(|experiment| experiment.delivers);
        if let Some(DeliveryCut { first, mut split, late }) = cut.take() {
            late.into_iter().for_each(|late| output.leave(Variant::Baseline, late));
            let flushes = baseline.release(now, Some(first));
            output.take_baseline_flushes(flushes, experiment.as_mut(), Some(&mut split));
            output.lose(baseline, experiment.as_mut(), Some(&mut split));
        }
        let flushes = baseline.flush(now, |pipeline| ask(pipeline, Variant::Baseline));
        let mut delivering =
            experiment.as_ref().filter(|_| delivers).map(|experiment| experiment.split.clone());
        output.take_baseline_flushes(flushes, experiment.as_mut(), delivering.as_mut());
        output.lose(baseline, experiment.as_mut(), delivering.as_mut());
        output.has_all = baseline.kept().held == 0;
        let Some(experiment) = experiment else { return output };
        let Some(candidate) = experiment.candidate.pipeline_mut() else { return output };
        let flushes = candidate.flush(now, |pipeline| ask(pipeline, Variant::Candidate));
        let lost = candidate.take_lost();
        if let Err(failure) = &flushes {
            experiment.cut_candidate();
            output.failures.push((Variant::Candidate, failure.clone()));
        }
        output.lost.extend(experiment.lose(Variant::Candidate, lost));
        output.take_candidate(flushes.unwrap_or_default(), experiment);
        output
    }
}

impl FlushOutput {
    /// Adds what leaves by a variant.
    pub fn leave(&mut self, variant: Variant, encoded: Encoded) {
        if encoded.points > 0 {
            self.leaving.push((variant, encoded));
        }
    }

    /// Takes in what the baseline in charge sent, or its failure: of each flush, what `share` says leaves by it.
    fn take_flushes(
        &mut self,
        feed: &mut CandidateFeed,
        flushes: Result<Vec<Flush>, String>,
        mut share: impl FnMut(&mut CandidateFeed, Flush) -> Encoded,
    ) {
        match flushes {
            Ok(flushes) => {
                for flush in flushes {
                    let encoded = share(feed, flush);
                    self.leave(Variant::Baseline, encoded);
                }
            }
            Err(failure) => {
                feed.baseline_failed();
                self.failures.push((Variant::Baseline, failure));
            }
        }
    }

    /// Takes in what the baseline sent, or its failure. An experiment observes it. Under a split it delivers its own units.
    pub fn take_baseline_flushes(
        &mut self,
        flushes: Result<Vec<Flush>, String>,
        mut experiment: Option<&mut ExperimentState>,
        mut split: Option<&mut Split>,
    ) {
        let flushes = flushes.unwrap_or_else(|failure| {
            self.failures.push((Variant::Baseline, failure));
            Vec::new()
        });
        for mut flush in flushes {
            let encoded = match &mut split {
                None => flush.output.encode(Keep::All),
                Some(split) => split.encode(Variant::Baseline, &flush.input, &flush.output, true),
            };
            if let Some(experiment) = &mut experiment {
                experiment.observer.narrow(&mut flush);
                let Flush { input, output, .. } = &mut flush;
                output.identify();
                experiment.observer.flush(Variant::Baseline, input, output).finish(&encoded);
            }
            self.leave(Variant::Baseline, encoded);
        }
    }

    /// Counts points that the baseline's stages have lost since they were last asked: under a split, those of its own units.
    fn lose(
        &mut self,
        baseline: &mut VariantPipeline,
        mut experiment: Option<&mut ExperimentState>,
        mut split: Option<&mut Split>,
    ) {
        for held in baseline.take_lost() {
            let points = match &mut split {
                None => held.points(),
                Some(split) => split.count(Variant::Baseline, &held, true),
            };
            let lost = LostHeld { points, ..LostHeld::of_baseline(&held) };
            if points > 0 {
                if let Some(experiment) = &mut experiment {
                    experiment.observer.lost_held(lost.variant, &lost.stage, points);
                }
                self.lost.push(lost);
            }
        }
    }

    /// Takes in what the candidate sent, which is observed, and of which its share is delivered.
    pub fn take_candidate(&mut self, flushes: Vec<Flush>, experiment: &mut ExperimentState) {
        for flush in flushes {
            self.shadow.push(flush.output.encode(Keep::All));
            self.leave(Variant::Candidate, experiment.flush(flush));
        }
    }
}

impl Engine {
    /// Lets time pass in the baseline in charge, and sends what is due. Nothing is asked for while something waits for room
    /// in a queue; returns false then.
    pub(super) fn advance(&self, current: &ServingState, worker: &mut Worker, now: u64) -> bool {
        let flushes = self.send_pending();
        if flushes {
            self.dispatch(current, worker.advance(now));
            self.account_baseline(&worker.baseline);
        }
        flushes
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
        self.count_lost(&output.lost);
        for encoded in output.shadow {
            self.shadow(Some(encoded));
        }
        let held = || if output.has_all { self.held_leaves() } else { None };
        let leaving = output.of.or_else(held);
        let mut pending = self.pending();
        for (variant, encoded) in output.leaving {
            self.metrics.flushed(variant, encoded.points);
            let payload = self.payload(&current.generation, variant, encoded);
            let destinations = match variant {
                Variant::Baseline => current.routes.metrics.as_deref().unwrap_or_default(),
                Variant::Candidate => &current.routes.candidate,
            };
            let of_baseline = leaving.as_ref().filter(|_| variant == Variant::Baseline);
            for destination in destinations {
                if output.is_doubtful {
                    destination.may_double(&payload);
                }
                pending.push(PendingPayload {
                    payload: payload.clone(),
                    rule: current.routes.rules.of(Signal::Metrics, variant),
                    destination: Arc::clone(destination),
                    of: of_baseline.cloned(),
                });
            }
        }
        drop(pending);
        drop(leaving);
        self.send_pending();
    }

    /// Counts points that stages held and that nothing sends any more.
    pub(super) fn count_lost(&self, lost: &[LostHeld]) {
        for LostHeld { variant, stage, points } in lost {
            self.metrics.lost_held(*variant, *points);
            tracing::error!(variant = variant.name(), stage, points, "points that a stage held are lost");
        }
    }

    /// Counts points that a worker held which nobody waits for, to be told in a window of the experiment `id`.
    pub(super) fn count_orphaned(&self, id: &str, lost: Vec<LostHeld>) {
        self.count_lost(&lost);
        let mut orphaned = self.orphaned();
        // Those of an experiment before are told by nobody.
        orphaned.retain(|(of, _)| of == id);
        orphaned.extend(lost.into_iter().map(|lost| (id.to_owned(), lost)));
    }

    /// Points that earlier workers of the experiment `id` held and that are in no window yet; others are of no use any more.
    pub(super) fn take_orphaned(&self, id: &str) -> Vec<LostHeld> {
        let orphaned = std::mem::take(&mut *self.orphaned());
        orphaned.into_iter().filter(|(of, _)| of == id).map(|(_, lost)| lost).collect()
    }

    fn orphaned(&self) -> MutexGuard<'_, Vec<(String, LostHeld)>> {
        self.orphaned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn payload(&self, generation: &Generation, variant: Variant, encoded: Encoded) -> Payload {
        Payload {
            signal: Signal::Metrics,
            permit: Arc::new(self.budget.hold(encoded.bytes.len())),
            message: encoded.bytes,
            wire: None,
            items: encoded.points,
            pipeline: Arc::clone(&self.pipeline),
            variant,
            generation: generation.number,
            meter: generation.meter.clone(),
        }
    }

    /// Queues what waits, as far as there is room. Returns true if nothing waits any more.
    pub(super) fn send_pending(&self) -> bool {
        let mut pending = self.pending();
        pending.retain_mut(|PendingPayload { payload, rule, destination, of }| {
            if of.as_ref().is_some_and(|of| !of.is_marked()) {
                return true;
            }
            match destination.reserve(payload.message.len()) {
                Ok(slot) => {
                    let awaited = of.take().map(|of| of.awaits(destination, payload)).unwrap_or_default();
                    destination.enqueue((payload.clone(), *rule), slot, awaited);
                    false
                }
                Err(_) => true,
            }
        });
        self.account_pending(&pending);
        pending.is_empty()
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Vec<PendingPayload>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing any more and sends all that stages hold, because the pipeline or the agent ends. A request that has not
    /// run by then is refused. What finds no room waits.
    /// The candidate's worker is waited for until `patience` is over.
    pub fn finish(&self, now: u64, patience: Duration) {
        self.stop();
        let current = self.current.load_full();
        let worker = current.generation.worker().as_mut().and_then(|worker| worker.take());
        if let Some(worker) = worker {
            let mut state = worker.stop(patience);
            self.dispatch(&current, state.shutdown(now));
            self.save_state(&current, &state);
            self.close(&mut state, now);
            Variant::BOTH.iter().for_each(|variant| self.account_held(*variant, 0));
        }
        self.finished.store(true, Ordering::Release);
    }

    /// Waits for room for what waits; what finds none until `deadline` is counted as lost.
    pub async fn place_pending(&self, deadline: Instant) {
        let pending = std::mem::take(&mut *self.pending());
        let mut waits: u64 = pending.iter().map(PendingPayload::in_memory).sum();
        self.account_held(Variant::Baseline, waits);
        for pending in pending {
            let in_memory = pending.in_memory();
            let PendingPayload { payload, rule, destination, of } = pending;
            if let Some(of) = &of {
                // An attempt waits no longer for a disk, either.
                let _doubtful_then = tokio::time::timeout(HELD_PATIENCE, of.marked()).await;
            }
            match tokio::time::timeout_at(deadline, destination.place()).await {
                Ok(Some(slot)) => {
                    let awaited = of.map(|of| of.awaits(&destination, &payload)).unwrap_or_default();
                    destination.enqueue((payload, rule), slot, awaited);
                }
                Ok(None) | Err(_) => destination.lose(&payload),
            }
            waits -= in_memory;
            self.account_held(Variant::Baseline, waits);
        }
    }
}

#[cfg(test)]
pub mod tests;
