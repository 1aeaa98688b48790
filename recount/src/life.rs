//! Life of a group of a panel: instants count from its birth, a hold and a scrape on, where stages gather state.

use std::collections::BTreeMap;

use super::attributes::Attributes;
use super::history::{History, Window};
use super::plan::Plan;

/// Time for which a group does not count.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    hold: u64,
    length: u64,
}

impl Grace {
    /// Grace at an instant, by the scrape interval seen so far.
    #[must_use]
    pub fn of(history: &History, plan: &Plan, instant: u64) -> Self {
        let gathers = plan.hold > 0 || plan.warm_up > 0;
        let scrape = || interval(history, instant).unwrap_or_else(|| longest_window(history));
        let length = if gathers { plan.hold + scrape() } else { 0 };
        Self { hold: plan.hold, length }
    }
}

fn longest_window(history: &History) -> u64 {
    history.windows.iter().map(|window| window.end - window.start).max().unwrap_or_default()
}

/// Median time between two points of a resource until an instant, once one came twice.
#[must_use]
pub fn interval(history: &History, instant: u64) -> Option<u64> {
    let mut last: BTreeMap<&Attributes, u64> = BTreeMap::new();
    let mut gaps = Vec::new();
    for batch in history.batches.iter().filter(|batch| batch.between[0] < instant) {
        let mut resources: Vec<_> = batch.points.iter().map(|point| &point.series.resource).collect();
        resources.dedup();
        for resource in resources {
            let now = batch.between[0];
            gaps.extend(last.insert(resource, now).map(|before| now - before));
        }
    }
    gaps.sort_unstable();
    gaps.get(gaps.len().saturating_sub(1) / 2).copied()
}

/// See the module. Times are Unix nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Life {
    born: Option<u64>,
    /// Instant at which the baseline last showed it.
    last: Option<u64>,
    /// The baseline's increases, each with the end of its window.
    increases: Vec<(u64, f64)>,
}

impl Life {
    /// Takes in what is shown at an instant, baseline and candidate; true if the instant counts for the group.
    pub fn counts(&mut self, [baseline, candidate]: [bool; 2], instant: u64, grace: Grace) -> bool {
        if baseline {
            self.last = Some(instant);
        }
        if !baseline && !candidate {
            self.born = None;
            return false;
        }
        let born = *self.born.get_or_insert(instant);
        let since = |time: u64| instant - time < grace.length;
        let young = since(born);
        // What the baseline has just ceased to show, the candidate shows a hold longer.
        let fading = !baseline && self.last.is_some_and(since);
        !young && !fading
    }

    /// The baseline's increase in the last hold before a window and before its end; `increase` is that of the window.
    pub fn edges(&mut self, increase: f64, window: Window, grace: Grace) -> [f64; 2] {
        let within = |increases: &[(u64, f64)], end: u64| {
            let late = increases.iter().filter(|(at, _)| *at > end.saturating_sub(grace.hold) && *at <= end);
            late.map(|(_, increase)| increase).sum::<f64>()
        };
        if grace.hold == 0 {
            return [0.0; 2];
        }
        let before = within(&self.increases, window.start);
        self.increases.push((window.end, increase));
        [before, within(&self.increases, window.end)]
    }
}
