//! State of a stage between batches.
//!
//! A [`Processor`](super::Processor) is a checked config and never changes; a [`State`] is what one pipeline has
//! gathered by it. A state's time is the caller's: it says when it is next due and is called then.

use std::fmt::Debug;
use std::time::Duration;

use crate::Batch;

use super::account::Tallies;
use super::failed::Failed;

/// One batch in front of a stage.
pub(super) struct Turn<'a> {
    /// The pipeline's input, in which the points' provenance counts. Empty where nobody asks about it, unless the stage
    /// [remembers](super::Processor::remembers_input) it.
    pub input: &'a Batch,
    /// Output of the stages before.
    pub batch: &'a mut Batch,
    /// Unix nanoseconds.
    pub now: u64,
    /// Counters of the stage's rules.
    pub tallies: Tallies<'a>,
}

/// Flush: points that left a pipeline without a batch that came in.
#[derive(Debug, Default)]
pub struct Flush {
    /// Time, Unix nanoseconds.
    pub at: u64,
    /// What it came from, as far as it is remembered: the input resources with their attributes, and for every
    /// input series a point that has its identity and nothing else. It was counted when it came in.
    pub input: Batch,
    /// What left; its homes and provenance count in `input`.
    pub output: Batch,
}

/// Series that a stage keeps, and what its bound cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Series it keeps now.
    pub series: u64,
    /// Points that wait in it to be sent.
    pub held: u64,
    /// Series that it forgot, since it began, because there were more than its bound.
    pub evicted: u64,
}

/// See the module.
pub(super) trait State: Debug + Send {
    /// Processes a batch.
    fn run(&mut self, turn: Turn<'_>) -> Result<(), Failed>;

    /// Time at which it has something to do without a batch, Unix nanoseconds.
    fn due(&self) -> Option<u64> {
        None
    }

    /// It was due `at`, and nothing else happens before `until`. Afterwards it is due later, or not at all.
    fn fire(&mut self, _at: u64, _until: u64) -> Option<Flush> {
        None
    }

    /// Gives away all that waits in it.
    fn finish(&mut self, _at: u64) -> Option<Flush> {
        None
    }

    /// What it keeps.
    fn kept(&self) -> Kept;

    /// The level that is in force, where there are levels.
    fn level(&self) -> Option<&str> {
        None
    }

    /// The same state once more, for the other variant.
    fn copy(&self) -> Box<dyn State>;
}

/// A clock that ticks every so often from a start; all Unix nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    period: u64,
    next: u64,
}

impl Ticks {
    /// None for a period of nothing, which never ticks.
    pub(super) fn new(start: u64, period: Duration) -> Option<Self> {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        (period > 0).then(|| Self { period, next: start.saturating_add(period) })
    }

    /// The next tick.
    pub(super) fn next(self) -> u64 {
        self.next
    }

    /// The tick before the next.
    pub(super) fn last(self) -> u64 {
        self.next.saturating_sub(self.period)
    }

    /// From tick to tick.
    pub(super) fn period(self) -> u64 {
        self.period
    }

    /// It is `now`: ticks up to it are over.
    pub(super) fn pass(&mut self, now: u64) {
        if let Some(late) = now.checked_sub(self.next) {
            self.next = self.next.saturating_add((late / self.period + 1).saturating_mul(self.period));
        }
    }
}
