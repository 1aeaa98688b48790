//! Rows: how many of many runs gave an answer, how sure that is, and how soon.

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::{Outcome, Scenario};

/// Kind of proof that a scenario gives: the answer that is counted, and if it is a right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// In no block is the clipped mean past the margin: every alarm is a false one.
    #[serde(rename = "A/A")]
    AA,
    /// In every block the clipped mean is at the margin or past it: `met` is said falsely.
    #[serde(rename = "at the margin")]
    AtMargin,
    /// The candidate does harm: an alarm finds it.
    #[serde(rename = "harm")]
    Harm,
    /// The mean is inside the margin: `met` is right.
    #[serde(rename = "harmless")]
    Harmless,
}

impl Kind {
    /// Tells whether the answer that is counted is a wrong one.
    #[must_use]
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::AA | Self::AtMargin)
    }
}

/// The most answers that may be wrong, and the most that the interval may reach.
const WRONG: [f64; 2] = [0.05, 0.06];
/// The least share of right answers.
const RIGHT: f64 = 0.995;
/// With fewer runs an interval is too wide to hold a promise against.
const ENOUGH_RUNS: u64 = 1000;

/// One row of the calibration table. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Simulated scenario.
    pub scenario: String,
    /// Kind of proof.
    pub kind: Kind,
    /// Number of simulated runs.
    pub runs: u64,
    /// Share of runs that gave the answer that the kind counts: an alarm, or `met`.
    pub rate: f64,
    /// The 95 % interval of that share (Clopper & Pearson, Biometrika 26:4, 1934).
    pub interval: [f64; 2],
    /// Median time from the step's start, or from the harm's, to that answer, minutes, over all runs; none where most runs
    /// did not give it.
    pub median_minutes: Option<f64>,
    /// Median length of the mirror step, minutes; none where most never were long enough.
    pub mirror_minutes: Option<f64>,
    /// For how long each run was looked at, minutes.
    pub horizon_minutes: f64,
}

impl Row {
    /// Counts the outcomes of a scenario's runs, in any order.
    #[must_use]
    pub fn of(scenario: &Scenario, outcomes: &[Outcome]) -> Self {
        let runs = outcomes.len() as u64;
        let times = || outcomes.iter().map(|outcome| outcome.time);
        let answered = times().flatten().count() as u64;
        let minutes = |windows: u64| windows as f64 * scenario.window.as_secs_f64() / 60.0;
        Self {
            scenario: scenario.name.clone(),
            kind: scenario.kind,
            runs,
            rate: answered as f64 / runs.max(1) as f64,
            interval: clopper_pearson(answered, runs),
            median_minutes: quantile(times(), 0.5).map(minutes),
            mirror_minutes: quantile(outcomes.iter().map(|outcome| outcome.mirror), 0.5).map(minutes),
            horizon_minutes: minutes(scenario.horizon),
        }
    }

    /// Tells whether it shows what is promised: at most 5 % of wrong answers, an interval that ends below 6 %, 99.5 % of right
    /// ones. None where too few runs say nothing.
    #[must_use]
    pub fn keeps_its_promise(&self) -> Option<bool> {
        let kept = if self.kind.is_wrong() {
            self.rate <= WRONG[0] && self.interval[1] <= WRONG[1]
        } else {
            self.rate >= RIGHT
        };
        (self.runs >= ENOUGH_RUNS).then_some(kept)
    }
}

/// The number of windows after which the share `q` of all runs had come so far, if so many ever did.
pub(crate) fn quantile(times: impl ExactSizeIterator<Item = Option<u64>>, q: f64) -> Option<u64> {
    let rank = (q * times.len() as f64).ceil().max(1.0) as usize;
    let mut found: Vec<u64> = times.flatten().collect();
    found.sort_unstable();
    found.get(rank - 1).copied()
}

/// The exact 95 % interval of a share, of which `hits` of `runs` were seen.
pub(crate) fn clopper_pearson(hits: u64, runs: u64) -> [f64; 2] {
    let beta = |a: u64, b: u64, q: f64| Beta::new(a as f64, b as f64).map(|beta| beta.inverse_cdf(q));
    // Where an end has no distribution, it is the end of the range.
    let low = beta(hits, runs.saturating_sub(hits) + 1, 0.025).unwrap_or(0.0);
    let high = beta(hits + 1, runs.saturating_sub(hits), 0.975).unwrap_or(1.0);
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_printed_tables() {
        let close = |found: [f64; 2], expected: [f64; 2]| {
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 5e-5);
            assert!(near, "{found:?} is not {expected:?}");
        };
        // 1 − 0.025^(1/n) for none of n; 5 of 10 is (0.1871, 0.8129) in every table.
        close(clopper_pearson(0, 10), [0.0, 0.308_50]);
        close(clopper_pearson(10, 10), [0.691_50, 1.0]);
        close(clopper_pearson(5, 10), [0.187_09, 0.812_91]);
        close(clopper_pearson(0, 2000), [0.0, 0.001_843]);
        close(clopper_pearson(0, 0), [0.0, 1.0]);
    }

    #[test]
    fn the_median_is_of_all_runs_not_of_those_that_found() {
        let times = || [Some(30), None, Some(10), None, Some(20)].into_iter();
        assert_eq!(quantile(times(), 0.5), Some(30));
        assert_eq!(quantile(times(), 0.95), None);
        assert_eq!(quantile([].into_iter(), 0.5), None);
    }
}
