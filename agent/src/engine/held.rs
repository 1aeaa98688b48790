//! What the baseline's stage holds, on disk: written before a sender is answered, and played again by the next start.
//!
//! Only where all units leave by the baseline and one stage alone holds points. What a start plays leaves at once, as it would
//! have at a clean stop, with the stages behind as they begin. Inputs of a stage that is gone go through the stages behind those that
//! had run before it, and so do those of a pipeline that is gone, by the one that there is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use observe::Variant;
use pipelines::config::Plan;
use tokio::sync::oneshot;

use super::Engine;
use super::experiment::LostHeld;
use super::flush::{FlushOutput, PendingPayload};
use super::generation::{HeldInputs, ServingState};
use super::variant::VariantPipeline;
use crate::deliver::{HeldLog, Kept, Leaving};

/// The longest that a start waits until what it has played is queued, and the account has it: it goes on later, too.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks whether it is.
const LOOK: Duration = Duration::from_millis(5);

impl Engine {
    /// Serves by `next` from now on, between two batches, and takes up what its log has of a process before, and what `left`
    /// has, logs of which no pipeline writes any. `plan` is that of the baseline.
    pub(super) fn serve(&self, next: ServingState, (plan, left): (Option<&Plan>, &[Arc<HeldLog>]), now: u64) {
        let next = Arc::new(next);
        let mut guard = next.generation.worker();
        let mut worker = guard.as_mut().and_then(|worker| worker.as_mut());
        let held = next.held.as_ref();
        let before = self.current.load_full();
        let before = before.held.as_ref();
        let goes_on = |log: &Arc<HeldLog>| before.is_some_and(|before| Arc::ptr_eq(&before.log, log));
        let mut played = None;
        if let Some(worker) = &mut worker {
            let baseline = &mut worker.baseline;
            if let Some(HeldInputs { log, .. }) = held {
                played = play(log, baseline, now).map(|output| FlushOutput { has_all: true, ..output });
                if !goes_on(log) {
                    log.set_whole(baseline.kept().held == 0);
                }
            }
            baseline.keep_inputs(held.is_some());
        }
        self.current.store(Arc::clone(&next));
        // What the generation before held has left, or is the next one's, which tells of it below.
        let variants = if next.generation.splits { &Variant::BOTH[..1] } else { &Variant::BOTH };
        variants.iter().for_each(|variant| self.held[variant.index()].store(0, Ordering::Relaxed));
        if let Some(before) =
            before.filter(|before| held.is_none_or(|held| !Arc::ptr_eq(&held.log, &before.log)))
        {
            before.log.forget();
        }
        let plays = played.is_some() || !left.is_empty();
        // Before another batch comes, which is no part of it.
        played.into_iter().for_each(|played| self.dispatch(&next, played));
        for log in left {
            let baseline = worker.as_mut().map(|worker| &mut worker.baseline);
            match baseline.filter(|_| !next.generation.splits) {
                Some(baseline) => self.play_left(&next, log, baseline, now),
                // Under a split the stages in charge have seen what both variants have, and nothing else.
                None => plan.into_iter().for_each(|plan| {
                    self.play_left(&next, log, &mut VariantPipeline::build(plan, now), now);
                }),
            }
        }
        if let Some(worker) = &worker {
            self.account_baseline(&worker.baseline);
        }
        drop(guard);
        let began = Instant::now();
        let logs = || next.held.iter().map(|held| &held.log).chain(left);
        let is_done = || self.send_pending() && logs().all(|log| log.has_left());
        while plays && !is_done() && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
        }
    }

    /// Plays what a log has that no pipeline writes any more, and has it leave.
    fn play_left(&self, next: &ServingState, log: &Arc<HeldLog>, baseline: &mut VariantPipeline, now: u64) {
        if baseline.kept().held > 0 {
            // So that what its stages hold by now, which may be in a log of its own, is told apart.
            let mut output = FlushOutput { has_all: true, ..FlushOutput::default() };
            output.take_baseline_flushes(baseline.release(now, None), None, None);
            self.dispatch(next, output);
        }
        let Some(mut output) = play(log, baseline, now) else { return };
        baseline.take_inputs();
        output.of = log.leave();
        self.dispatch(next, output);
    }

    /// Writes what the stage that holds points has taken of a batch, to be called before another one runs. Returns what tells
    /// where that is.
    pub(super) fn log_held(&self, baseline: &mut VariantPipeline) -> Option<oneshot::Receiver<Kept>> {
        let current = self.current.load();
        let HeldInputs { stage, before, log } = current.held.as_ref()?;
        let stage = (stage, before.as_str());
        let inputs = baseline.take_inputs();
        if inputs.is_empty() {
            return None;
        }
        if log.wants_all()
            && let Some(held) = baseline.held_as_input()
        {
            return Some(log.append_all(stage, held));
        }
        inputs.into_iter().map(|input| log.append(stage, input)).last()
    }

    /// Tells the account what the baseline's stages hold in memory alone, before the sender of it is answered.
    pub(super) fn account_baseline(&self, baseline: &VariantPipeline) {
        let current = self.current.load();
        let is_on_disk = current.held.as_ref().is_some_and(|held| held.log.has_all());
        self.account_held(Variant::Baseline, if is_on_disk { 0 } else { baseline.kept().held });
    }

    /// Tells the account that so many points that leave by a variant are held in memory alone.
    pub(super) fn account_held(&self, variant: Variant, points: u64) {
        self.held[variant.index()].store(points, Ordering::Relaxed);
        self.account_pending(&self.pending());
    }

    /// Tells the account what is in no queue: what stages hold, and what waits for room in one.
    pub(super) fn account_pending(&self, pending: &[PendingPayload]) {
        let held: u64 = self.held.iter().map(|held| held.load(Ordering::Relaxed)).sum();
        let waits: u64 = pending.iter().map(PendingPayload::in_memory).sum();
        self.delivery_ledger.held(&self.pipeline, held + waits, &self.holding.load());
    }

    /// Has the inputs on disk say that all that they brought leaves; nothing if there are none.
    pub(super) fn held_leaves(&self) -> Option<Arc<Leaving>> {
        self.current.load().held.as_ref()?.log.leave()
    }
}

/// Plays what a process before has left in a log. Returns what leaves of it: all.
fn play(log: &HeldLog, baseline: &mut VariantPipeline, now: u64) -> Option<FlushOutput> {
    let mut output = FlushOutput::default();
    let (mut inputs, mut points, mut config) = (0, 0, "the same");
    let is_doubtful = log.begin(|input| {
        match baseline.holder(input.kind()) {
            None => config = "none: its stage is gone",
            Some(stage) if !input.is_of(stage) && config == "the same" => config = "another",
            Some(_) => {}
        }
        let kind = input.kind();
        match baseline.play(input.request.clone(), (kind, &input.before()), now) {
            Ok(leaving) => {
                (inputs, points) = (inputs + 1, points + input.points);
                output.leave(Variant::Baseline, leaving);
            }
            Err(why) => {
                let (stage, points) = (input.stage.to_owned(), input.points);
                tracing::error!(stage, points, why, "what it held cannot be played");
                output.lost.push(LostHeld { variant: Variant::Baseline, stage, points });
            }
        }
    })?;
    let flushes = baseline.release(now, None);
    output.take_baseline_flushes(flushes, None, None);
    output.lost.extend(baseline.take_lost().iter().map(LostHeld::of_baseline));
    output.is_doubtful = is_doubtful;
    let (pipeline, leaves) =
        (log.pipeline(), output.leaving.iter().map(|(_, left)| left.points).sum::<u64>());
    tracing::info!(
        pipeline,
        config,
        inputs,
        points_of_inputs = points,
        points_that_leave = leaves,
        "what its stages held when the last process died leaves now"
    );
    Some(output)
}
