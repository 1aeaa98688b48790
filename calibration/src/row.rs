//! Rows: how many of many runs alarmed, how sure that is, and how soon.

use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::{Outcome, Scenario};

/// Kind of proof that a scenario gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Nothing is wrong: every alarm is a false one.
    #[serde(rename = "A/A")]
    AA,
    /// Something is wrong from the step's start on.
    #[serde(rename = "shift")]
    Shift,
}

/// The most that may alarm where nothing is wrong, and the most that the interval may reach.
const FALSE_ALARMS: [f64; 2] = [0.05, 0.06];
/// The least that must be found.
const FOUND: f64 = 0.995;
/// With fewer runs an interval is too wide to hold a promise against.
const ENOUGH_RUNS: u64 = 1000;

/// One row of the calibration table. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Simulated scenario.
    pub scenario: String,
    /// Kind of proof: whether something was wrong in it.
    pub kind: Kind,
    /// Number of simulated runs.
    pub runs: u64,
    /// Share of runs that alarmed though nothing was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_alarm_rate: Option<f64>,
    /// Share of runs that found what was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_rate: Option<f64>,
    /// The 95 % interval of that share (Clopper & Pearson, Biometrika 26:4, 1934).
    pub interval: [f64; 2],
    /// Median time from the step's start to the alarm, minutes, over all runs; none where most runs had no alarm.
    pub median_minutes: Option<f64>,
    /// For how long each run was looked at, minutes.
    pub horizon_minutes: f64,
}

impl Row {
    /// Counts the outcomes of a scenario's runs, in any order.
    #[must_use]
    pub fn of(scenario: &Scenario, outcomes: &[Outcome]) -> Self {
        let runs = outcomes.len() as u64;
        let alarmed = outcomes.iter().flatten().count() as u64;
        let share = alarmed as f64 / runs.max(1) as f64;
        let kind = scenario.kind();
        let minutes = scenario.window.as_secs_f64() / 60.0;
        Self {
            scenario: scenario.name.clone(),
            kind,
            runs,
            false_alarm_rate: (kind == Kind::AA).then_some(share),
            found_rate: (kind == Kind::Shift).then_some(share),
            interval: clopper_pearson(alarmed, runs),
            median_minutes: quantile(outcomes, 0.5).map(|windows| windows as f64 * minutes),
            horizon_minutes: scenario.horizon as f64 * minutes,
        }
    }

    /// Tells whether it shows what is promised: at most 5 % of false alarms, an interval that ends below 6 %, 99.5 % found.
    /// None where too few runs say nothing.
    #[must_use]
    pub fn keeps_its_promise(&self) -> Option<bool> {
        let kept = self
            .false_alarm_rate
            .is_none_or(|rate| rate <= FALSE_ALARMS[0] && self.interval[1] <= FALSE_ALARMS[1])
            && self.found_rate.is_none_or(|rate| rate >= FOUND);
        (self.runs >= ENOUGH_RUNS).then_some(kept)
    }
}

/// The number of windows by which the share `q` of all runs had alarmed, if so many ever did.
pub(crate) fn quantile(outcomes: &[Outcome], q: f64) -> Option<u64> {
    let mut found: Vec<u64> = outcomes.iter().copied().flatten().collect();
    found.sort_unstable();
    let rank = (q * outcomes.len() as f64).ceil().max(1.0) as usize;
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
        let outcomes = [Some(30), None, Some(10), None, Some(20)];
        assert_eq!(quantile(&outcomes, 0.5), Some(30));
        assert_eq!(quantile(&outcomes, 0.95), None);
        assert_eq!(quantile(&[], 0.5), None);
    }
}
