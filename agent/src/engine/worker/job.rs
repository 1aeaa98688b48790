//! Jobs of the candidate's worker, in the order of the data path.

use std::sync::Arc;
use std::time::Duration;

use pipelines::Batch;
use pipelines::batch::Encoded;
use pipelines::processors::{Flush, RuleStats};

use super::input::BatchInput;
use super::share::PendingShare;
use crate::admission::Permit;
use crate::engine::experiment::LostHeld;

/// One job.
#[derive(Debug)]
pub enum Job {
    /// A batch that the baseline has run.
    Batch(Box<BatchJob>),
    /// What the baseline held back and has sent, as far as it left by the baseline.
    Flush(Box<(Flush, Encoded)>),
    /// Time that has passed.
    Tick(Tick),
    /// Reason for which the candidate is cut out: it needs more than its budget.
    CutOut(String),
}

/// A batch that the baseline has run.
#[derive(Debug)]
pub struct BatchJob {
    /// Time at which it was admitted, Unix nanoseconds.
    pub now: u64,
    /// Number of the batch in the baseline's pipeline.
    pub number: u64,
    /// The request.
    pub input: BatchInput,
    /// What the baseline made of it.
    pub baseline: BaselineRun,
    /// What left of it by the baseline at once.
    pub left: Option<Encoded>,
    /// Share of the candidate; nothing where all has left by the baseline.
    pub share: Option<Arc<PendingShare>>,
    /// What the baseline's rules did before, where a window has ended since they were last asked.
    pub rules: Option<Vec<RuleStats>>,
    /// Events before it.
    pub gaps: Gaps,
    /// Budgets of its bytes.
    pub permits: [Permit; 2],
}

/// Outcome of a batch in the baseline's pipeline.
#[derive(Debug)]
pub enum BaselineRun {
    /// It has an output (nothing where that is the input), and took so much time of the CPU.
    Done(Option<Box<Batch>>, Duration),
    /// It failed.
    Failed,
}

/// Time that has passed.
#[derive(Debug)]
pub struct Tick {
    /// Time, Unix nanoseconds.
    pub now: u64,
    /// What the baseline's rules did since they were last asked.
    pub rules: Vec<RuleStats>,
    /// True if stages may send what is due: nothing waits for room in a queue.
    pub flushes: bool,
    /// Events before it.
    pub gaps: Gaps,
}

/// What has happened on the data path since the job before, and is told by no job of its own.
#[derive(Debug, Default)]
pub struct Gaps {
    /// Batches that found no room.
    pub left_out: u64,
    /// Failures of the baseline between batches, or on those.
    pub failures: u64,
    /// Points that the baseline's stages held and that nothing sends any more.
    pub lost: Vec<LostHeld>,
    /// Points and bytes that the baseline's stages had held and that left by it when a share was found not to be sent.
    pub late: Vec<(u64, u64)>,
}

impl Gaps {
    /// Adds points that a stage of the baseline held.
    pub fn lose(&mut self, lost: &LostHeld) {
        match self.lost.iter_mut().find(|known| known.stage == lost.stage) {
            Some(known) => known.points += lost.points,
            None => self.lost.push(lost.clone()),
        }
    }
}
