//! State of a stage between batches.
//!
//! A [`Processor`](crate::processors::Processor) is a checked config and never changes; a [`State`] is what one
//! pipeline has gathered by it. A state's time is the caller's: it says when it is next due and is called then.

use std::fmt::Debug;

use crate::Batch;

use super::{StageError, Stop, Tallies};

/// One batch in front of a stage.
pub(crate) struct StageBatch<'a> {
    /// The pipeline's input, in which the points' provenance counts. Empty where nobody asks about it, unless the stage
    /// [remembers](crate::processors::Processor::remembers_input) it.
    pub input: &'a Batch,
    /// Output of the stages before.
    pub batch: &'a mut Batch,
    /// Unix nanoseconds.
    pub now: u64,
    /// Counters of the stage's rules.
    pub tallies: Tallies<'a>,
    /// Wish of the caller that no more is done.
    pub stop: &'a Stop<'a>,
}

/// Flush: points that left a pipeline without a batch that came in.
#[derive(Debug, Default)]
pub struct Flush {
    /// Time, Unix nanoseconds.
    pub at: u64,
    /// Input that it came from, as far as it is remembered: the resources with their attributes, and for every
    /// input series a point that has its identity and nothing else. It was counted when it came in.
    pub input: Batch,
    /// Output that left; its homes and provenance count in `input`.
    pub output: Batch,
}

/// Series that a stage keeps, and what its bound cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Series it keeps now.
    pub series: u64,
    /// Points that wait in it to be sent.
    pub held: u64,
    /// Series that it forgot, since it began, because there were more than its bound.
    pub evicted: u64,
}

/// State of a stage, and the work that it does by it.
pub(crate) trait State: Debug + Send {
    /// Processes a batch.
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError>;

    /// Time at which it has something to do without a batch, Unix nanoseconds.
    fn due(&self) -> Option<u64> {
        None
    }

    /// Does what was due `at`; nothing else happens before `until`. Afterward it is due later, or not at all.
    fn fire(&mut self, _at: u64, _until: u64) -> Option<Flush> {
        None
    }

    /// Flushes all that waits in it.
    fn finish(&mut self, _at: u64) -> Option<Flush> {
        None
    }

    /// Size of the state.
    fn kept(&self) -> StateSize;

    /// The level that is in force, where there are levels.
    fn level(&self) -> Option<&str> {
        None
    }

    /// The same state once more, for the other variant.
    fn copy(&self) -> Box<dyn State>;
}
