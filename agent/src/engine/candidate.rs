//! The candidate's pipeline: it runs on every batch and touches nothing of the baseline. If it fails it is cut out for
//! the rest of its generation.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pipelines::Batch;

use super::deadline::{Deadline, Stopwatch};
use super::variant::VariantPipeline;
use super::worker::Turns;
use crate::generation::Experiment;

/// Outcome of a batch in the candidate's pipeline.
#[derive(Debug)]
pub enum CandidateOutcome {
    /// It has an output, and took so much time of the CPU.
    Done(Duration),
    /// It failed on this batch and is cut out; the reason, for a person.
    Failed(String),
    /// It was cut out before.
    Absent,
}

/// The candidate's pipeline, until it is cut out.
#[derive(Debug)]
pub struct Candidate {
    pipeline: Option<VariantPipeline>,
    /// Pipeline that failed in the last batch, with what its stages hold.
    failed: Option<VariantPipeline>,
    max_batch_latency: Option<Duration>,
    turns: Turns,
}

impl Candidate {
    /// A pipeline without any state yet, from `now` on, Unix nanoseconds.
    pub fn build(experiment: &Experiment, now: u64) -> Self {
        let pipeline = Some(VariantPipeline::build(&experiment.candidate, now));
        let turns = Turns::new(Instant::now());
        Self { pipeline, failed: None, max_batch_latency: experiment.max_batch_latency, turns }
    }

    /// Its pipeline; nothing once it was cut out.
    pub fn pipeline(&self) -> Option<&VariantPipeline> {
        self.pipeline.as_ref()
    }

    /// Its pipeline, to run it or to take from it; nothing once it was cut out.
    pub fn pipeline_mut(&mut self) -> Option<&mut VariantPipeline> {
        self.pipeline.as_mut()
    }

    /// Runs the pipeline over `input` at `now`, Unix nanoseconds, until `deadline`, and cuts it out if it fails or takes too
    /// long. Where nothing waits for it, it gives way to whatever else is to run.
    pub fn process(&mut self, input: &Batch, now: u64, deadline: Deadline<'_>) -> CandidateOutcome {
        let Some(pipeline) = &mut self.pipeline else { return CandidateOutcome::Absent };
        let (taken, latency) = (Stopwatch::start(), self.max_batch_latency);
        let overrun = Cell::new(None);
        let stop = || {
            if !deadline.is_awaited() {
                self.turns.give_way();
            }
            overrun.set(deadline.passed(&taken, latency));
            overrun.get().is_some()
        };
        let outcome = pipeline.process_until(input, now, &stop);
        let spent = taken.cpu();
        let stopped = overrun.get().map(|overrun| overrun.to_string());
        match stopped.or(outcome.err()).or_else(|| self.too_slow(taken.elapsed())) {
            Some(failure) => {
                self.failed = self.cut();
                CandidateOutcome::Failed(failure)
            }
            None => CandidateOutcome::Done(spent),
        }
    }

    fn too_slow(&self, spent: Duration) -> Option<String> {
        let limit = self.max_batch_latency?;
        (spent > limit).then(|| format!("a batch took {spent:?} in it, at most {limit:?} is allowed"))
    }

    /// Cuts the pipeline out for the rest of the generation, and returns it with what its stages hold.
    pub fn cut(&mut self) -> Option<VariantPipeline> {
        self.pipeline.take()
    }

    /// Pipeline that failed in the last batch, for what its stages hold; nothing if it did not fail.
    pub fn take_failed(&mut self) -> Option<VariantPipeline> {
        self.failed.take()
    }
}
