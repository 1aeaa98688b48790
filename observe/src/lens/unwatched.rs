//! Metrics that came in and that no lens looks at, although one stands for all others: past the bound of these, or too late.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most names that are remembered.
const MAX_KEPT: usize = 1_024;
/// The most names that a comparison tells.
const MAX_TOLD: usize = 20;

/// Names of a stretch. Past the bound the first stay, so that the order of merging does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnwatchedNames {
    names: BTreeSet<Arc<str>>,
    /// True if there were more.
    cut: bool,
}

/// Metrics that came in and that no lens looks at: nothing is said of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnwatchedMetrics {
    /// Number of them.
    pub count: u64,
    /// True if there may be more than were counted.
    pub at_least: bool,
    /// The first of them in order of name, at most twenty.
    pub names: Vec<String>,
}

impl UnwatchedNames {
    pub fn of(names: impl Iterator<Item = Arc<str>>, cut: bool) -> Self {
        let mut all = Self { names: names.collect(), cut };
        all.bound();
        all
    }

    pub fn merge(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.cut |= other.cut;
        self.bound();
    }

    fn bound(&mut self) {
        while self.names.len() > MAX_KEPT {
            self.names.pop_last();
            self.cut = true;
        }
    }

    /// Those of them, and of the metrics of lenses, of which no lens is told: `told` says of which one is.
    pub fn told<'a>(
        &'a self,
        of_lenses: impl Iterator<Item = &'a Arc<str>>,
        told: impl Fn(&str) -> bool,
    ) -> UnwatchedMetrics {
        let names: BTreeSet<&Arc<str>> =
            self.names.iter().chain(of_lenses).filter(|name| !told(name)).collect();
        UnwatchedMetrics {
            count: names.len() as u64,
            at_least: self.cut,
            names: names.iter().take(MAX_TOLD).map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> UnwatchedNames {
        UnwatchedNames::of(range.map(|at| format!("metric.{at:04}").into()), false)
    }

    #[test]
    fn past_the_bound_the_first_names_stay_whatever_the_order_and_it_is_said() {
        let parts = [names(0..800), names(700..1_100), names(1_090..1_200)];
        let merged = |order: [usize; 3]| {
            let mut all = UnwatchedNames::default();
            order.into_iter().for_each(|at| all.merge(&parts[at]));
            all
        };
        let all = merged([0, 1, 2]);
        assert!([[0, 2, 1], [2, 1, 0], [1, 0, 2]].into_iter().all(|order| merged(order) == all));
        let told = all.told(std::iter::empty(), |name| name == "metric.0001");
        assert_eq!((told.count, told.at_least, told.names.len()), (1_023, true, 20));
        assert_eq!(told.names[1], "metric.0002");
        assert!(!names(0..9).told(std::iter::empty(), |_| false).at_least);
    }
}
