//! L0 on values: of a series that both captures have, are the values of equal times equal to the last bit?

use serde::{Deserialize, Serialize};

use super::capture::{Capture, CapturedSeries};
use crate::SeriesSample;

/// Number of changed values that are shown.
const SAMPLES: usize = 10;

/// Points of both captures, compared one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValueDiff {
    /// Points of a matched series that both captures have at the same time.
    pub compared: u64,
    /// Those with another value.
    pub changed: u64,
    /// Points of matched series that only one capture has at their time.
    pub without_partner: u64,
    /// Points that have no single value, or are too many to be kept.
    pub not_compared: u64,
    /// Up to ten of the changed ones, by series.
    pub samples: Vec<ChangedValue>,
}

/// A value that is another one in the candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangedValue {
    /// Series of the value.
    pub series: SeriesSample,
    /// Time, Unix nanoseconds.
    pub time: u64,
    /// The baseline's, in the metric's unit.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
}

impl ValueDiff {
    pub(super) fn new(captures: &[Capture; 2]) -> Self {
        Self { not_compared: captures[0].not_kept + captures[1].not_kept, ..Self::default() }
    }

    pub(super) fn compare(&mut self, baseline: &CapturedSeries, candidate: &CapturedSeries) {
        let [mine, theirs] = [baseline, candidate].map(in_order);
        let (mut left, mut right) = (mine.iter().peekable(), theirs.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.0 != b.0 {
                self.without_partner += 1;
                if a.0 < b.0 {
                    left.next()
                } else {
                    right.next()
                };
                continue;
            }
            self.compared += 1;
            if a.1.to_bits() != b.1.to_bits() {
                self.changed += 1;
                self.show(baseline, a.0, a.1, b.1);
            }
            left.next();
            right.next();
        }
        self.without_partner += (left.count() + right.count()) as u64;
    }

    fn show(&mut self, seen: &CapturedSeries, time: u64, baseline: f64, candidate: f64) {
        self.samples.push(ChangedValue { series: SeriesSample::of(&seen.label), time, baseline, candidate });
        // Of all the first ones by name, in memory for a few.
        if self.samples.len() >= 8 * SAMPLES {
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        self.samples.sort_by(|a, b| (&a.series, a.time).cmp(&(&b.series, b.time)));
        self.samples.truncate(SAMPLES);
    }
}

fn in_order(seen: &CapturedSeries) -> Vec<(u64, f64)> {
    let mut values = seen.values.clone();
    values.sort_by_key(|(time, _)| *time);
    values
}
