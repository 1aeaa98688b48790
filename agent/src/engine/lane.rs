//! Lane in which a generation's batches run, one after the other.
//!
//! A lane holds all state of its generation: both pipelines and what observes them. A batch has the
//! lane to itself.

use std::time::Instant;

use bytes::Bytes;
use observe::Variant;
use pipelines::Batch;
use pipelines::batch::{Encoded, Keep, Malformed};
use thiserror::Error;

use super::side::Side;
use super::trial::Trial;

/// Indexes of larger requests are not kept for the next one.
const KEEP_BELOW: usize = 4 << 20;

/// Reason for which a batch did not run.
#[derive(Debug, Error)]
pub enum RunError {
    /// It is no OTLP; nothing has seen it.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The baseline failed on it.
    #[error("the baseline failed: {0}")]
    Baseline(String),
}

/// Output of a batch.
#[derive(Debug, Default)]
pub struct Ran {
    /// Points that came in.
    pub points: u64,
    /// Per variant, what leaves by it.
    pub leaving: [Option<Encoded>; 2],
    /// Per variant, whether that is the received request itself.
    pub untouched: [bool; 2],
    /// Points without a unit.
    pub unassigned: u64,
    /// Reason for which the candidate was cut out, if this batch did it.
    pub cut: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Lane {
    /// Today's pipeline.
    pub baseline: Side,
    /// The candidate, where there is an experiment.
    pub trial: Option<Trial>,
    input: Batch,
}

impl Lane {
    /// A lane for these pipelines.
    pub fn new(baseline: Side, trial: Option<Trial>) -> Self {
        Self { baseline, trial, input: Batch::default() }
    }

    /// Runs one request, admitted at `now`, Unix nanoseconds.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run(&mut self, message: Bytes, now: u64) -> Result<Ran, RunError> {
        let large = message.len() > KEEP_BELOW;
        let Self { baseline, trial, input } = self;
        let ran = match trial {
            None => run_alone(message, now, baseline, input)?,
            Some(trial) => {
                input.reparse(message)?;
                run_beside(input, now, baseline, trial)
            }
        };
        if large {
            self.input = Batch::default();
            self.baseline.shrink();
            if let Some(side) = self.trial.as_mut().and_then(|trial| trial.side.as_mut()) {
                side.shrink();
            }
        }
        ran
    }
}

/// Runs what nobody observes, so that only what leaves need be known.
fn run_alone(
    message: Bytes,
    now: u64,
    baseline: &mut Side,
    input: &mut Batch,
) -> Result<Result<Ran, RunError>, Malformed> {
    let (points, outcome) = baseline.process_alone(message, now, input)?;
    Ok(outcome.map_err(RunError::Baseline).map(|()| {
        let mut ran = Ran { points, ..Ran::default() };
        ran.leave(Variant::Baseline, baseline.output(input), Keep::All);
        ran
    }))
}

/// Runs both pipelines and compares them.
fn run_beside(input: &mut Batch, now: u64, baseline: &mut Side, trial: &mut Trial) -> Result<Ran, RunError> {
    let points = input.point_count() as u64;
    let mut ran = Ran { points, ..Ran::default() };
    // No stage asks for a series' identity; only what observes does.
    input.identify();
    trial.admit(input, baseline, now);
    let started = Instant::now();
    if let Err(failure) = baseline.process(input, now) {
        trial.observer.failed(Variant::Baseline);
        return Err(RunError::Baseline(failure));
    }
    trial.spent(Variant::Baseline, started, points);
    ran.cut = trial.run(input, now, points);
    trial.observe(input, baseline);
    ran.unassigned = trial.settle(input, baseline);
    if let Some(keep) = trial.keep(Variant::Baseline) {
        ran.leave(Variant::Baseline, baseline.output(input), keep);
    }
    if let (Some(side), Some(keep)) = (&trial.side, trial.keep(Variant::Candidate)) {
        ran.leave(Variant::Candidate, side.output(input), keep);
    }
    trial.audit(input, &ran.leaving);
    for variant in Variant::BOTH {
        if let Some(Encoded { bytes, points }) = &ran.leaving[variant.index()] {
            trial.observer.delivered(variant, *points, bytes.len() as u64);
        }
    }
    Ok(ran)
}

impl Ran {
    fn leave(&mut self, variant: Variant, output: &Batch, keep: Keep<'_>) {
        let whole = matches!(keep, Keep::All) && !output.is_changed();
        self.untouched[variant.index()] = whole;
        let encoded = output.encode(keep);
        self.leaving[variant.index()] = (encoded.points > 0).then_some(encoded);
    }
}
