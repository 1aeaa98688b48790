//! The worker of a generation: its batches run here, one after the other.
//!
//! A batch has the baseline to itself. Where there is an experiment, the candidate and what observes both run on a worker
//! of their own, which gets every batch once the baseline's output is on its way.

mod candidate_worker;
mod feed;
mod input;
mod job;
mod late;
mod load;
mod pace;
mod run;
mod share;

use std::time::Duration;

use bytes::Bytes;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, Malformed};
use thiserror::Error;

pub use candidate_worker::CandidateWorker;
pub use feed::CandidateFeed;
pub use job::{BatchJob, Gaps};
pub use pace::{Pace, Turns, thread_time};
pub use share::{OpenShare, PendingShare};

use super::experiment::{ExperimentState, LostHeld};
use super::split::Split;
use super::variant::VariantPipeline;

/// Size of a batch in bytes, from which its memory is not kept for the next one.
const KEEP_BELOW: usize = 4 << 20;

/// Reason for which a batch did not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// The request is no OTLP; nothing has seen it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The baseline failed on it.
    #[error("the baseline failed: {0}")]
    Baseline(String),
}

/// Output of a batch in the baseline.
#[derive(Debug, Default)]
pub struct BatchOutput {
    /// Points that came in.
    pub points: u64,
    /// Points that leave by the baseline at once.
    pub leaving: Option<Encoded>,
    /// True if that is the received request itself.
    pub untouched: bool,
    /// What the baseline made of the units that are the candidate's.
    pub fallback: Option<Encoded>,
    /// What the candidate's worker is to do with it.
    pub job: Option<Box<BatchJob>>,
    /// Reason for which the candidate's units leave by the baseline from now on, if this batch is the first.
    pub cut: Option<String>,
}

/// Worker of a generation.
#[derive(Debug)]
pub struct Worker {
    /// Today's pipeline.
    pub baseline: VariantPipeline,
    /// Data path's end of the candidate's worker, where there is an experiment.
    pub feed: Option<CandidateFeed>,
    input: Batch,
}

/// All state of a generation, without its threads: what is handed over to the next one.
#[derive(Debug)]
pub struct GenerationState {
    /// Today's pipeline.
    pub baseline: VariantPipeline,
    /// The candidate and what compares it, where there is an experiment.
    pub experiment: Option<ExperimentState>,
    /// Cut of the candidate out of delivery that the baseline's stages have not followed yet.
    pub cut: Option<DeliveryCut>,
}

/// Cut of the candidate out of delivery: what the baseline's stages hold of batches before it leaves under the split still,
/// because the candidate has sent its share of them.
#[derive(Debug)]
pub struct DeliveryCut {
    /// Number of the first batch whose units all leave by the baseline.
    pub first: u64,
    /// The split until then.
    pub split: Split,
    /// What the baseline held of the candidate's units of batches from then on, and has given up since.
    pub late: Vec<Encoded>,
}

impl Worker {
    /// A worker for these.
    pub fn new(baseline: VariantPipeline, feed: Option<CandidateFeed>) -> Self {
        Self { baseline, feed, input: Batch::default() }
    }

    /// Stops it. Past `patience` the state of an experiment is lost.
    pub fn stop(self, patience: Duration) -> GenerationState {
        let Self { mut baseline, feed, .. } = self;
        let stopped = feed.map(|feed| feed.stop(&mut baseline, patience));
        let (experiment, cut) = stopped.unwrap_or_default();
        GenerationState { baseline, experiment, cut }
    }

    /// Points that the baseline's stages held, that it would have delivered, and that nothing sends any more, since this was
    /// last asked.
    pub fn take_lost(&mut self) -> Vec<LostHeld> {
        let Self { baseline, feed, .. } = self;
        let lost = baseline.take_lost().into_iter().map(|held| match feed {
            Some(feed) => feed.lose(&held),
            None => LostHeld::of_baseline(&held),
        });
        lost.filter(|lost| lost.points > 0).collect()
    }

    /// Runs one request, admitted at `now`, Unix nanoseconds.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&mut self, message: Bytes, now: u64) -> Result<BatchOutput, RunError> {
        let Self { baseline, feed, input } = self;
        if let Some(feed) = feed {
            return feed.run(message, now, baseline);
        }
        let large = message.len() > KEEP_BELOW;
        let (points, outcome) = baseline.process_alone(message, now, input)?;
        let output = outcome.map_err(RunError::Baseline).map(|()| {
            let mut output = BatchOutput { points, ..BatchOutput::default() };
            output.leave(baseline.output(input), Keep::All);
            output
        });
        if large {
            *input = Batch::default();
            baseline.shrink();
        }
        output
    }
}

impl BatchOutput {
    /// Writes the rows of `output` that leave by the baseline.
    fn leave(&mut self, output: &Batch, keep: Keep<'_>) {
        self.untouched = matches!(keep, Keep::All) && !output.is_changed();
        let encoded = output.encode(keep);
        self.leaving = (encoded.points > 0).then_some(encoded);
    }
}
