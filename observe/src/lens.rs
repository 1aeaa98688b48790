//! Lenses: the aggregates that people look at, e.g. memory by executable.
//!
//! A lens reduces in time first, per series (a gauge or a non-monotonic sum to its last value, a monotonic sum
//! or a delta to its increase), then sums over the series of a group. Groups are bounded; what comes after the
//! bound is counted in `_other_`.

use std::collections::BTreeMap;
use std::sync::Arc;

use drift::Counter;
use hashbrown::{HashMap, HashSet};
use pipelines::Batch;
use pipelines::batch::{MetricKind, MetricRow, PointRow, Rows};
use pipelines::yaml::{Node, Problem, keep};
use serde::{Deserialize, Serialize};

use crate::label::{Labels, value_text};

/// One aggregate: the sum of a metric by an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lens {
    /// What reports call it.
    pub name: String,
    /// Metric name.
    pub metric: String,
    /// Attribute of the point or else of its resource.
    pub group_by: String,
}

impl Lens {
    /// Of a map with `name`, `metric` and `group_by`; what is wrong goes to `problems`.
    pub fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let mut text = |key| keep(fields.required(key).and_then(Node::text), problems).map(str::to_owned);
        let (name, metric, group_by) = (text("name"), text("metric"), text("group_by"));
        fields.finish(problems);
        Some(Self { name: name?, metric: metric?, group_by: group_by? })
    }

    /// Memory and CPU, by executable and by host.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let lens = |name: &str, metric: &str, group_by: &str| Self {
            name: name.to_owned(),
            metric: metric.to_owned(),
            group_by: group_by.to_owned(),
        };
        vec![
            lens("memory by executable", "process.memory.usage", "process.executable.name"),
            lens("memory by host", "process.memory.usage", "host.name"),
            lens("cpu by executable", "process.cpu.time", "process.executable.name"),
            lens("cpu by host", "process.cpu.time", "host.name"),
        ]
    }
}

const MAX_GROUPS: usize = 1024;
pub(crate) const OTHER: &str = "_other_";

/// The groups of each lens, bounded.
#[derive(Debug)]
pub(crate) struct Groups {
    lenses: Vec<(Lens, HashSet<Arc<str>>)>,
}

impl Groups {
    pub fn new(lenses: &[Lens]) -> Self {
        Self { lenses: lenses.iter().map(|lens| (lens.clone(), HashSet::new())).collect() }
    }

    /// The lenses that a series enters, each with its group there.
    pub fn of(
        &mut self,
        labels: &mut Labels,
        batch: &Batch,
        resource: Rows,
        metric: &MetricRow,
        point: &PointRow,
    ) -> Vec<(u16, Arc<str>)> {
        let name = batch.text(metric.name);
        let mut entered = Vec::new();
        for (place, (lens, known)) in self.lenses.iter_mut().enumerate() {
            if lens.metric != name {
                continue;
            }
            let key = lens.group_by.as_bytes();
            let value = batch.attribute(point.attrs, key).or_else(|| batch.attribute(resource, key));
            let text = value.map_or_else(|| "(none)".to_owned(), value_text);
            let group = labels.text(&text);
            let room = known.contains(&group) || known.len() < MAX_GROUPS;
            let group = if room { group } else { labels.text(OTHER) };
            known.insert(group.clone());
            entered.push((place as u16, group));
        }
        entered
    }
}

/// One output series under its lenses.
#[derive(Debug)]
pub(crate) struct LensState {
    pub groups: Vec<(u16, Arc<str>)>,
    counter: Option<Counter>,
    delta: bool,
    pub value: Reduced,
}

/// A series reduced in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reduced {
    /// The latest value and its time.
    Last { time: u64, value: f64 },
    /// By how much it rose.
    Increase(f64),
}

impl Reduced {
    pub fn value(self) -> f64 {
        match self {
            Self::Last { value, .. } | Self::Increase(value) => value,
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Increase(mine), Self::Increase(theirs)) => *mine += theirs,
            (Self::Last { time, value }, Self::Last { time: other_time, value: other_value }) => {
                // Of two values at one time the larger stands, so that the order of merging does not matter.
                if (other_time, other_value) > (*time, *value) {
                    (*time, *value) = (other_time, other_value);
                }
            }
            // One series has one kind.
            (Self::Last { .. }, Self::Increase(_)) => *self = other,
            (Self::Increase(_), Self::Last { .. }) => {}
        }
    }
}

impl LensState {
    pub fn new(groups: Vec<(u16, Arc<str>)>, metric: &MetricRow) -> Self {
        let delta = metric.temporality == 1;
        let cumulative = metric.kind == MetricKind::Sum && metric.monotonic && !delta;
        let value =
            if cumulative || delta { Reduced::Increase(0.0) } else { Reduced::Last { time: 0, value: 0.0 } };
        Self { groups, counter: cumulative.then(Counter::default), delta, value }
    }

    /// Forgets the window before.
    pub fn restart(&mut self) {
        if let Reduced::Increase(increase) = &mut self.value {
            *increase = 0.0;
        }
    }

    /// Takes a point in. `since` is when watching began, Unix nanoseconds.
    pub fn observe(&mut self, point: &PointRow, since: u64) {
        let Some(value) = point.value.as_f64() else { return };
        match (&mut self.value, &mut self.counter) {
            (Reduced::Increase(sum), Some(counter)) => {
                *sum += counter.observe(point.start, point.time, value, since);
            }
            (Reduced::Increase(sum), None) if self.delta && value.is_finite() => *sum += value,
            (last @ Reduced::Last { .. }, _) => last.merge(Reduced::Last { time: point.time, value }),
            (Reduced::Increase(_), None) => {}
        }
    }
}

/// What every series contributed to a lens, per variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LensTable {
    pub entries: HashMap<(u8, u16, u128), (Arc<str>, Reduced)>,
    /// Whether there were more series than it holds.
    pub truncated: bool,
}

/// Series under lenses that a summary holds: both variants of a host of 30,000 processes.
const MAX_ENTRIES: usize = 4 * drift::BOUND;

impl LensTable {
    pub fn add(&mut self, key: (u8, u16, u128), group: &Arc<str>, value: Reduced) {
        if let Some((_, known)) = self.entries.get_mut(&key) {
            known.merge(value);
        } else if self.entries.len() < MAX_ENTRIES {
            self.entries.insert(key, (group.clone(), value));
        } else {
            self.truncated = true;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (key, (group, value)) in &other.entries {
            self.add(*key, group, *value);
        }
        self.truncated |= other.truncated;
    }

    /// Sums by group, baseline and candidate, of one lens. Summed in the order of identities, so that equal
    /// series give equal sums to the last bit.
    pub fn totals(&self, lens: u16) -> BTreeMap<Arc<str>, [f64; 2]> {
        let mut entries: Vec<_> = self.entries.iter().filter(|((_, of, _), _)| *of == lens).collect();
        entries.sort_unstable_by_key(|(key, _)| **key);
        let mut totals: BTreeMap<Arc<str>, [f64; 2]> = BTreeMap::new();
        for ((variant, _, _), (group, value)) in entries {
            totals.entry(group.clone()).or_default()[usize::from(*variant)] += value.value();
        }
        totals
    }
}
