//! State of a stage between batches.
//!
//! A [`Processor`](crate::processors::Processor) is a checked config and never changes; a [`State`] is what one
//! pipeline has gathered by it. A state's time is the caller's: it says when it is next due and is called then.

use std::fmt::Debug;

use crate::Batch;
use crate::config::ComponentId;

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
    /// Number of the batch in its pipeline, from 1; 0 for what a stage before has flushed.
    pub number: u64,
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

impl Flush {
    /// Points of the output by index of their resource in the input, and those of which no one resource is known.
    pub(crate) fn points_by_resource(&self) -> (Vec<u64>, u64) {
        by_resource(self.input.resources().len(), self.output.all_points().iter().map(|point| point.home))
    }
}

/// Points by index of their resource, of so many, and those of which no one resource is known.
pub(crate) fn by_resource(resources: usize, homes: impl Iterator<Item = u32>) -> (Vec<u64>, u64) {
    let (mut points, mut mixed) = (vec![0; resources], 0);
    for home in homes {
        *points.get_mut(home as usize).unwrap_or(&mut mixed) += 1;
    }
    (points, mixed)
}

/// Shortness of memory, as far as stages have to do with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is room.
    #[default]
    None,
    /// About half is taken: what takes as much again once it is sent grows no more.
    Half,
    /// Nothing grows any more.
    Full,
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

/// Points that wait in a stage, by the input resources that they came from.
#[derive(Debug, Clone)]
pub struct HeldPoints {
    /// The stage.
    pub stage: ComponentId,
    /// Input resources, without any point.
    pub input: Batch,
    /// Points by index of their resource in `input`.
    pub by_resource: Vec<u64>,
    /// Points of which no one resource is known.
    pub mixed: u64,
}

impl HeldPoints {
    /// Points of which only their number is known.
    pub(crate) fn of_unknown(stage: ComponentId, points: u64) -> Self {
        Self { stage, input: Batch::default(), by_resource: Vec::new(), mixed: points }
    }

    /// Number of all of them.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.by_resource.iter().sum::<u64>() + self.mixed
    }
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

    /// Flushes what waits in it; what batches of the number `from` and later ones brought goes on waiting.
    fn finish(&mut self, _at: u64, _from: Option<u64>) -> Option<Flush> {
        None
    }

    /// Input resources of what waits in it, the points of each, and the points of several; without those that batches of the
    /// number `from` and later ones brought.
    fn held(&self, _from: Option<u64>) -> Option<(Batch, Vec<u64>, u64)> {
        None
    }

    /// Takes note of how short memory is. Where it may not grow, it treats a new series as it does past its bound.
    fn press(&mut self, _pressure: Pressure) {}

    /// Size of the state.
    fn kept(&self) -> StateSize;

    /// Bytes of memory that the state takes, without what the allocator adds.
    fn bytes(&self) -> usize;

    /// The level that is in force, where there are levels.
    fn level(&self) -> Option<&str> {
        None
    }

    /// The same state once more, for the other variant.
    fn copy(&self) -> Box<dyn State>;

    /// Appends what a later process goes on with. What waits to be sent is no part of it: that was sent before.
    fn save(&self, _out: &mut Vec<u8>) {}

    /// Takes over what was saved. Returns nothing, and is of no use any more, if the bytes do not begin with such a state.
    fn restore(&mut self, _from: &mut &[u8]) -> Option<()> {
        Some(())
    }
}
