//! An experiment at work: both pipelines run on the same batch, are observed, and each delivers its share.
//!
//! What always holds: the candidate never touches what the baseline makes. A batch on which the candidate fails leaves
//! as the baseline made it.

use std::sync::Arc;
use std::time::Instant;

use observe::{Slicing, Variant};
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep};
use pipelines::processors::Flush;

use super::candidate::{Candidate, CandidateOutcome};
use super::observer::ExperimentObserver;
use super::split::Split;
use super::variant::VariantPipeline;
use super::worker::{BatchOutput, RunError};
use crate::generation::{Experiment, LOCAL};

/// State of an experiment, beside the baseline.
#[derive(Debug)]
pub struct ExperimentState {
    /// The candidate.
    pub candidate: Candidate,
    /// The split, which says by which variant each unit leaves.
    pub split: Split,
    /// The observer of both variants.
    pub observer: ExperimentObserver,
    /// True if all of the candidate's output is wanted besides.
    pub shadow: bool,
}

impl ExperimentState {
    /// State of an experiment that has seen no batch, from `now` on, Unix nanoseconds.
    pub fn build(experiment: &Experiment, agent_uid: &str, now: u64) -> Self {
        let observation =
            observe::Settings { agent_uid: agent_uid.to_owned(), ..(*experiment.observation).clone() };
        // A file's own experiment has no other agents.
        let slicing = (experiment.id != LOCAL).then(|| Slicing::new(&experiment.id, agent_uid));
        Self {
            candidate: Candidate::build(experiment, now),
            split: Split::new(&experiment.split, agent_uid),
            observer: ExperimentObserver::new(Arc::new(observation), slicing, now),
            shadow: false,
        }
    }

    /// Runs both pipelines on `input`, admitted at `now`, and compares them.
    ///
    /// # Errors
    /// [`RunError::Baseline`].
    pub fn run(
        &mut self,
        input: &mut Batch,
        baseline: &mut VariantPipeline,
        now: u64,
    ) -> Result<BatchOutput, RunError> {
        let Self { candidate, split, observer, shadow } = self;
        // No stage asks for a series' identity; only what observes does.
        input.identify();
        let observation = observer.batch(input, [Some(&mut *baseline), candidate.pipeline_mut()], now);
        let mut output = BatchOutput { points: observation.points(), ..BatchOutput::default() };
        let started = Instant::now();
        if let Err(failure) = baseline.process(input, now) {
            observation.fail();
            return Err(RunError::Baseline(failure));
        }
        let spent = started.elapsed();
        // Both run before either is observed, so that each has what it costs measured alike.
        let outcome = candidate.process(input, now);
        let observation = observation.output(baseline, spent).output(candidate, &outcome);
        let assigned = split.assign(input, baseline, candidate.pipeline());
        for variant in Variant::BOTH {
            if let Some((rows, keep)) = assigned.share(variant) {
                output.leave(variant, rows, keep);
            }
        }
        if *shadow {
            output.shadow = candidate.pipeline().map(|pipeline| pipeline.output(input).encode(Keep::All));
        }
        output.unassigned = observation.finish(assigned, &output.leaving);
        if let CandidateOutcome::Failed(failure) = outcome {
            output.cut = Some(failure);
        }
        Ok(output)
    }

    /// Observes what a variant held back and sends now, and returns the part that is delivered.
    pub fn flush(&mut self, variant: Variant, mut flush: Flush) -> Encoded {
        let Flush { input, output, .. } = &mut flush;
        output.identify();
        let observation = self.observer.flush(variant, input, output);
        let encoded = self.split.encode_flush(variant, input, output, self.candidate.pipeline().is_some());
        observation.finish(&encoded);
        encoded
    }

    /// Cuts the candidate out, which failed between batches.
    pub fn cut_candidate(&mut self) {
        self.candidate.cut();
        self.observer.candidate_failed();
    }

    /// Closes the window that has ended by `now`.
    pub fn roll(&mut self, baseline: &mut VariantPipeline, now: u64) {
        self.observer.roll([Some(baseline), self.candidate.pipeline_mut()], now);
    }

    /// Closes the open window early, because the generation ends at `now`.
    pub fn end(&mut self, baseline: &mut VariantPipeline, now: u64) {
        self.observer.end([Some(baseline), self.candidate.pipeline_mut()], now);
    }
}
