//! L0 on values: of a series that both captures have, are the values of equal times equal to the last bit?

use serde::{Deserialize, Serialize};

use super::capture::{Capture, CapturedSeries};
use super::content::Content;
use crate::SeriesSample;

/// Share of an increase by which sums of differences may round.
const ROUNDING: f64 = 1e-9;
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
    /// Those of the candidate: at a time at which the baseline's series has none.
    #[serde(default)]
    pub at_other_times: u64,
    /// Points that are too many to be kept, or of series whose unit or type is another one.
    pub not_compared: u64,
    /// Series of another temporality in the candidate: their increases within the captures are compared.
    pub compared_as_increases: u64,
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

    /// Compares a series of the baseline with the candidate's of the same meaning, point by point.
    pub(super) fn compare(&mut self, baseline: &CapturedSeries, candidate: &CapturedSeries) {
        let [mine, theirs] = [baseline, candidate].map(in_order);
        let (mut left, mut right) = (mine.iter().peekable(), theirs.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            if a.time != b.time {
                self.without_partner += 1;
                if a.time < b.time {
                    left.next()
                } else {
                    self.at_other_times += 1;
                    right.next()
                };
                continue;
            }
            self.compared += 1;
            if a.hash != b.hash {
                self.changed += 1;
                self.show(baseline, a.time, [a.shown, b.shown]);
            }
            left.next();
            right.next();
        }
        let [gone, new] = [left.count() as u64, right.count() as u64];
        self.without_partner += gone + new;
        self.at_other_times += new;
    }

    /// Compares a counter with one of another temporality, by their increases within the captures.
    pub(super) fn compare_increases(&mut self, baseline: &CapturedSeries, candidate: &CapturedSeries) {
        self.compared_as_increases += 1;
        let [mine, theirs] = [baseline, candidate].map(|seen| seen.tracked.number());
        if (mine - theirs).abs() > ROUNDING * mine.abs().max(theirs.abs()) {
            self.changed += 1;
            self.show(baseline, baseline.points.last().map_or(0, |last| last.time), [mine, theirs]);
        }
    }

    /// Leaves a series out whose values mean something else in the candidate.
    pub(super) fn leave_out(&mut self, baseline: &CapturedSeries) {
        self.not_compared += baseline.points.len() as u64;
    }

    fn show(&mut self, seen: &CapturedSeries, time: u64, [baseline, candidate]: [f64; 2]) {
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

fn in_order(seen: &CapturedSeries) -> Vec<Content> {
    let mut points = seen.points.clone();
    points.sort_by_key(|point| (point.time, point.hash));
    points
}
