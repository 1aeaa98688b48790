//! A merge: each of its horizons without its figures, and figures of them together.

use std::collections::BTreeMap;

use crate::clock::UnixMillis;
use crate::experiment::Horizons;

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Time that a merge is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// Five minutes.
    Minutes,
    /// An hour.
    Hour,
    /// All of the step.
    Step,
}

/// Process and generation of horizons.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Id of the process.
    pub boot_id: String,
    /// Number of the generation.
    pub generation: i64,
    /// Name of the two plans that are compared.
    pub plans: String,
    /// Digest of the first of them.
    pub baseline: String,
    /// Time by which the agent's clock is ahead of ours, or behind (negative), nanoseconds.
    pub clock_offset: i64,
}

/// Horizon without its figures, Unix nanoseconds by the agent's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Horizon {
    /// Its begin.
    pub start: i64,
    /// Its end.
    pub end: i64,
    /// True if something came in.
    pub came_in: bool,
    /// Time at which its report came.
    pub received_at: UnixMillis,
    /// Time by which the agent's clock was ahead of ours when it was sent, milliseconds.
    pub clock_ahead: Option<i64>,
    /// Relative errors of the time for a point, and of what 99 of 100 batches wait.
    pub varied: [Option<f64>; 2],
    /// Digest of its report, in hexadecimal.
    pub digest: String,
    /// Number of the fingerprint that covers it; 0 if none does.
    pub fingerprint: i64,
}

/// Horizons that were put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merge {
    /// All of them, of each process the earliest first.
    pub horizons: BTreeMap<Process, BTreeMap<i64, Horizon>>,
    /// Figures of those whose reports were still kept in full, and that count.
    pub figures: Horizons,
}

impl Grain {
    /// Seconds; 0 of a step.
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Minutes => 300,
            Self::Hour => 3_600,
            Self::Step => 0,
        }
    }

    /// Begin of the time in which a horizon ends, Unix nanoseconds by our clock.
    #[must_use]
    pub fn start(self, end: i64) -> i64 {
        match self.seconds() {
            0 => 0,
            seconds => end.saturating_sub(1).div_euclid(seconds * SECOND) * seconds * SECOND,
        }
    }

    pub(super) fn of(seconds: i64) -> Self {
        match seconds {
            300 => Self::Minutes,
            3_600 => Self::Hour,
            _ => Self::Step,
        }
    }
}

impl Merge {
    /// Adds a horizon, each once.
    pub fn add(&mut self, process: &Process, horizon: Horizon) {
        self.horizons.entry(process.clone()).or_default().insert(horizon.start, horizon);
    }

    /// Adds the horizons of another merge.
    pub fn and(&mut self, other: Self) {
        for (process, horizons) in other.horizons {
            self.horizons.entry(process).or_default().extend(horizons);
        }
        self.figures.merge(other.figures);
    }

    /// Begin of the first horizon and end of the last one, Unix nanoseconds by our clock; nothing without any.
    #[must_use]
    pub fn ends(&self) -> Option<[i64; 2]> {
        let by_us = |process: &Process, at: i64| at.saturating_sub(process.clock_offset);
        let all =
            || self.horizons.iter().flat_map(|(process, own)| own.values().map(move |one| (process, one)));
        let from = all().map(|(process, one)| by_us(process, one.start)).min()?;
        let to = all().map(|(process, one)| by_us(process, one.end)).max()?;
        Some([from, to])
    }

    /// Number of horizons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.horizons.values().map(BTreeMap::len).sum()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
