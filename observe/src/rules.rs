//! Counts of each rule of a variant's pipeline, dropped and changed: the account of its stages, merged over windows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use drift::Count;
use pipelines::processors::{RuleStats, SeriesSet};
use serde::{Deserialize, Serialize};

/// Number of series that are shown of a rule.
const SAMPLES: usize = 10;

/// One rule and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The stage that has the rule.
    pub stage: String,
    /// The rule, as it is written in the config.
    pub rule: String,
    /// Points that it dropped.
    pub dropped: u64,
    /// Points that it was applied to and that went on.
    pub changed: u64,
    /// The series of those points, as they came in.
    pub series: Count,
    /// Up to ten of them, in words.
    pub samples: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Did {
    dropped: u64,
    changed: u64,
    series: SeriesSet,
    /// In order, so that merging in any order shows the same ones.
    samples: Vec<String>,
}

/// The rules of one variant, in the order of their pipeline. Plans are bounded, and so are these.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(BTreeMap<(usize, String, String), Did>);

impl Rules {
    pub fn add(&mut self, account: Vec<RuleStats>) {
        for (place, rule) in account.into_iter().enumerate() {
            let did = Did {
                dropped: rule.dropped,
                changed: rule.changed,
                series: rule.series,
                samples: rule.samples,
            };
            match self.0.entry((place, rule.stage.to_string(), rule.rule)) {
                Entry::Occupied(mut mine) => mine.get_mut().merge(&did),
                Entry::Vacant(none) => drop(none.insert(did.in_order())),
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (key, did) in &other.0 {
            match self.0.get_mut(key) {
                Some(mine) => mine.merge(did),
                None => drop(self.0.insert(key.clone(), did.clone())),
            }
        }
    }

    /// Reads them. `in_part` tells that not all points came to them.
    pub fn report(&self, in_part: bool) -> Vec<RuleReport> {
        let report = |((_, stage, rule), did): (&(usize, String, String), &Did)| {
            let (value, exact) = did.series.count();
            RuleReport {
                stage: stage.clone(),
                rule: rule.clone(),
                dropped: did.dropped,
                changed: did.changed,
                series: Count { value, exact: exact && !in_part },
                samples: did.samples.clone(),
            }
        };
        self.0.iter().map(report).collect()
    }
}

impl Did {
    fn merge(&mut self, other: &Self) {
        self.dropped += other.dropped;
        self.changed += other.changed;
        self.series.merge(&other.series);
        self.samples.extend(other.samples.iter().cloned());
        self.order();
    }

    fn in_order(mut self) -> Self {
        self.order();
        self
    }

    fn order(&mut self) {
        self.samples.sort_unstable();
        self.samples.dedup();
        self.samples.truncate(SAMPLES);
    }
}
