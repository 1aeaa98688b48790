//! The worker of a generation: its batches run here, one after the other.
//!
//! A worker holds all state of its generation: both pipelines and what observes them. A batch has the
//! worker to itself.

use bytes::Bytes;
use observe::Variant;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, Malformed};
use thiserror::Error;

use super::experiment::ExperimentState;
use super::variant::VariantPipeline;

/// Size of a request in bytes, above which its index is not kept for the next one.
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

/// Output of a batch.
#[derive(Debug, Default)]
pub struct BatchOutput {
    /// Points that came in.
    pub points: u64,
    /// Points that leave, by variant.
    pub leaving: [Option<Encoded>; 2],
    /// True, by variant, if that is the received request itself.
    pub untouched: [bool; 2],
    /// All of the candidate's output, where a shadow is wanted.
    pub shadow: Option<Encoded>,
    /// Points without a unit.
    pub unassigned: u64,
    /// Reason for which the candidate was cut out, if this batch did it.
    pub cut: Option<String>,
}

/// Worker of a generation.
#[derive(Debug)]
pub struct Worker {
    /// Today's pipeline.
    pub baseline: VariantPipeline,
    /// The candidate and what compares it, where there is an experiment.
    pub experiment: Option<ExperimentState>,
    input: Batch,
}

impl Worker {
    /// A worker for these pipelines.
    pub fn new(baseline: VariantPipeline, experiment: Option<ExperimentState>) -> Self {
        Self { baseline, experiment, input: Batch::default() }
    }

    /// Makes all of the candidate's output besides, or not.
    pub fn want_shadow(&mut self, wanted: bool) {
        if let Some(experiment) = &mut self.experiment {
            experiment.shadow = wanted;
        }
    }

    /// Runs one request, admitted at `now`, Unix nanoseconds.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&mut self, message: Bytes, now: u64) -> Result<BatchOutput, RunError> {
        let large = message.len() > KEEP_BELOW;
        let Self { baseline, experiment, input } = self;
        let output = match experiment {
            None => run_alone(message, now, baseline, input)?,
            Some(experiment) => {
                input.reparse(message)?;
                experiment.run(input, baseline, now)
            }
        };
        if large {
            self.input = Batch::default();
            self.baseline.shrink();
            if let Some(pipeline) =
                self.experiment.as_mut().and_then(|experiment| experiment.candidate.pipeline_mut())
            {
                pipeline.shrink();
            }
        }
        output
    }
}

/// Runs a batch that nobody observes, of which only what leaves need be known.
fn run_alone(
    message: Bytes,
    now: u64,
    baseline: &mut VariantPipeline,
    input: &mut Batch,
) -> Result<Result<BatchOutput, RunError>, Malformed> {
    let (points, outcome) = baseline.process_alone(message, now, input)?;
    Ok(outcome.map_err(RunError::Baseline).map(|()| {
        let mut output = BatchOutput { points, ..BatchOutput::default() };
        output.leave(Variant::Baseline, baseline.output(input), Keep::All);
        output
    }))
}

impl BatchOutput {
    /// Writes the rows of `output` that leave by the variant.
    pub fn leave(&mut self, variant: Variant, output: &Batch, keep: Keep<'_>) {
        let whole = matches!(keep, Keep::All) && !output.is_changed();
        self.untouched[variant.index()] = whole;
        let encoded = output.encode(keep);
        self.leaving[variant.index()] = (encoded.points > 0).then_some(encoded);
    }
}
