//! What the baseline's stage holds, on disk: written before a sender is answered, and played again by the next start.
//!
//! Only where all units leave by the baseline and one stage alone holds points. What a start plays leaves at once, as it would
//! have at a clean stop, with the stages behind as they begin.

use std::sync::Arc;
use std::time::{Duration, Instant};

use observe::Variant;
use pipelines::config::Stage;
use tokio::sync::oneshot;

use super::Engine;
use super::experiment::LostHeld;
use super::flush::FlushOutput;
use super::generation::{HeldInputs, ServingState};
use super::variant::VariantPipeline;
use crate::deliver::{HeldLog, Kept, Leaving};

/// The longest that a start waits until what it has played is queued, and the account has it: it goes on later, too.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks whether it is.
const LOOK: Duration = Duration::from_millis(5);

impl Engine {
    /// Serves by `next` from now on, between two batches, and takes up what its log has of a process before.
    pub(super) fn serve(&self, next: ServingState, now: u64) {
        let next = Arc::new(next);
        let mut guard = next.generation.worker();
        let worker = guard.as_mut().and_then(|worker| worker.as_mut());
        let held = next.held.as_ref();
        let before = self.current.load_full();
        let before = before.held.as_ref();
        let goes_on = |log: &Arc<HeldLog>| before.is_some_and(|before| Arc::ptr_eq(&before.log, log));
        let mut played = None;
        if let Some(worker) = worker {
            let baseline = &mut worker.baseline;
            if let Some(HeldInputs { stage, log }) = held {
                played = take_up(stage, log, baseline, now);
                if !goes_on(log) {
                    log.set_whole(baseline.kept().held == 0);
                }
            }
            baseline.keep_inputs(held.is_some());
        }
        self.current.store(Arc::clone(&next));
        if let Some(before) =
            before.filter(|before| held.is_none_or(|held| !Arc::ptr_eq(&held.log, &before.log)))
        {
            before.log.forget();
        }
        let Some(played) = played else { return };
        // Before another batch comes, which is no part of it.
        self.dispatch(&next, played);
        drop(guard);
        let began = Instant::now();
        let has_left = || next.held.as_ref().is_none_or(|held| held.log.has_left());
        while !(self.send_pending() && has_left()) && began.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
        }
    }

    /// Writes what the stage that holds points has taken of a batch, to be called before another one runs. Returns what tells
    /// where that is.
    pub(super) fn log_held(&self, baseline: &mut VariantPipeline) -> Option<oneshot::Receiver<Kept>> {
        let current = self.current.load();
        let HeldInputs { stage, log } = current.held.as_ref()?;
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

    /// Has the inputs on disk say that all that they brought leaves; nothing if there are none.
    pub(super) fn held_leaves(&self) -> Option<Arc<Leaving>> {
        self.current.load().held.as_ref()?.log.leave()
    }
}

/// Plays what a process before has left in a log, and has it leave.
fn take_up(stage: &Stage, log: &HeldLog, baseline: &mut VariantPipeline, now: u64) -> Option<FlushOutput> {
    let mut output = FlushOutput::default();
    let (mut inputs, mut points, mut is_other) = (0, 0, false);
    let is_doubtful = log.begin(|input| {
        is_other |= !input.is_of(stage);
        let played = if input.fits(&stage.id) {
            baseline.play(input.request.clone(), now)
        } else {
            Err(format!(
                "the stage of the pipeline that holds points is {}, which is of another type",
                stage.id
            ))
        };
        match played {
            Ok(()) => (inputs, points) = (inputs + 1, points + input.points),
            Err(why) => {
                tracing::error!(
                    stage = input.stage,
                    points = input.points,
                    why,
                    "what it held cannot be played"
                );
                let (stage, points) = (input.stage.to_owned(), input.points);
                output.lost.push(LostHeld { variant: Variant::Baseline, stage, points });
            }
        }
    })?;
    let config = if is_other { "another" } else { "the same" };
    tracing::info!(stage = %stage.id, config, inputs, points, "what it held when the last process died leaves now");
    let flushes = baseline.release(now, None);
    output.take_baseline_flushes(flushes, None, None);
    output.lost.extend(baseline.take_lost().iter().map(LostHeld::of_baseline));
    (output.has_all, output.is_doubtful) = (true, is_doubtful);
    Some(output)
}
