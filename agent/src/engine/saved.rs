//! State of stages over a stop: saved once all that they held is on its way, and gone on with by the next start.

use std::sync::{Arc, MutexGuard, PoisonError};

use observe::Variant;
use pipelines::config::ComponentId;

use super::generation::ServingState;
use super::variant::VariantPipeline;
use super::worker::GenerationState;
use super::{Engine, Engines};
use crate::deliver::{Destination, StageStates, VariantStates};

impl GenerationState {
    /// Series in the stages of both pipelines.
    fn series(&self) -> u64 {
        let candidate = self.experiment.as_ref().and_then(|experiment| experiment.candidate.pipeline());
        [Some(&self.baseline), candidate].into_iter().flatten().map(|pipeline| pipeline.kept().series).sum()
    }

    /// State of the stages of both pipelines; nothing of a candidate that is cut out.
    pub fn save(&self) -> VariantStates {
        let candidate = self.experiment.as_ref().filter(|_| self.cut.is_none());
        let candidate = candidate.and_then(|experiment| experiment.candidate.pipeline());
        [self.baseline.save(), candidate.and_then(VariantPipeline::save)]
    }

    /// Goes on with saved state at `now`, Unix nanoseconds, and says with whose.
    pub fn restore(&mut self, saved: VariantStates, now: u64) {
        let Self { baseline, experiment, .. } = self;
        let candidate = experiment.as_mut().and_then(|experiment| experiment.candidate.pipeline_mut());
        let pipelines = [Some(baseline), candidate].into_iter().zip(saved).zip(Variant::BOTH);
        for ((pipeline, saved), variant) in pipelines {
            let (Some(pipeline), Some(saved)) = (pipeline, saved) else { continue };
            let stages = pipeline.restore(&saved, now);
            let stages: Vec<&str> = stages.iter().map(ComponentId::as_str).collect();
            if !stages.is_empty() {
                let stages = stages.join(", ");
                tracing::info!(
                    variant = variant.name(),
                    stages,
                    "go on with the state that the last process left"
                );
            }
        }
    }
}

/// Bytes that are set aside for each series of a state that is saved: it grows as it is written, and is copied for the queue.
const SERIES_BYTES: usize = 160;

impl Engine {
    /// Keeps the state of its stages until it is asked for, where a queue on disk will have it and there is memory for it.
    pub(super) fn save_state(&self, current: &ServingState, state: &GenerationState) {
        let mut destinations = current.routes.metrics.iter().flatten();
        if !destinations.any(|destination| destination.storage().is_some()) {
            return;
        }
        let bytes = usize::try_from(state.series()).unwrap_or(usize::MAX).saturating_mul(SERIES_BYTES);
        if bytes > self.budget.room() {
            let pipeline = self.pipeline();
            tracing::error!(
                pipeline,
                "there is no memory to save the state of its stages: they begin without any"
            );
            return;
        }
        *self.saved() = state.save();
    }

    fn saved(&self) -> MutexGuard<'_, VariantStates> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once what a log of it let go is written by the queues.
    async fn held_is_written(&self) {
        let current = self.current.load_full();
        if let Some(held) = &current.held {
            held.log.all_left().await;
        }
    }

    /// State of its stages, and the destinations of the baseline, of which one may keep it.
    fn take_saved(&self, accepted: u64) -> Option<(StageStates, Vec<Arc<Destination>>)> {
        let variants = std::mem::take(&mut *self.saved());
        let routes = self.current.load().routes.metrics.clone()?;
        let has_any = variants.iter().any(Option::is_some);
        has_any.then(|| (StageStates { pipeline: Arc::clone(&self.pipeline), accepted, variants }, routes))
    }
}

impl Engines {
    /// Writes the state of all stages to queues on disk, where there are any; `accepted` tells the number of items that the
    /// account has ever accepted, asked once what they held is written: before that the account does not have it. To be called
    /// once all that they held is queued.
    pub async fn save(&self, accepted: impl Fn() -> u64) {
        let running = self.running();
        for engine in running.running() {
            engine.held_is_written().await;
        }
        let accepted = accepted();
        for engine in running.running() {
            let Some((states, destinations)) = engine.take_saved(accepted) else { continue };
            for destination in destinations {
                match destination.save(&states).await {
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(why) => {
                        let pipeline = engine.pipeline();
                        tracing::error!(
                            pipeline,
                            why,
                            "the state of its stages is not kept: they begin without any"
                        );
                    }
                }
                break;
            }
        }
    }
}
