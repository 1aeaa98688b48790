//! Lenses: the aggregates that people look at, e.g. memory by executable.
//!
//! A lens reduces in time first, per series (a gauge or a non-monotonic sum to its last value, a monotonic sum
//! or a delta to its increase), then over the series of a group, by its function. Groups are bounded; what comes
//! after the bound is counted in `_other_`, and the lens says so.

mod table;

use std::sync::Arc;

use drift::Counter;
use hashbrown::HashSet;
use pipelines::Batch;
use pipelines::batch::{MetricKind, MetricRow, PointRow, Rows};
use pipelines::yaml::{Node, Problem, keep};
use serde::{Deserialize, Serialize};

use crate::label::{Labels, value_text};
use crate::rows::Said;

pub(crate) use table::{LensTable, Members, Totals};

/// One aggregate: what a metric comes to by an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lens {
    /// Name in reports.
    pub name: String,
    /// Metric name.
    pub metric: String,
    /// Attribute of the point or else of its resource.
    pub group_by: String,
    /// Aggregate of the series of a group.
    #[serde(default)]
    pub function: LensFunction,
}

/// Aggregate of the series of a group, after each was reduced in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensFunction {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Avg,
    /// The largest of them.
    Max,
    /// Number of processes that they are of.
    Count,
    /// Their sum a second.
    Rate,
}

impl LensFunction {
    /// Words and what they mean.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("max", Self::Max),
        ("count", Self::Count),
        ("rate", Self::Rate),
    ];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, function)| *function == self).map_or("sum", |(word, _)| word)
    }

    /// Tells whether figures of different hosts add up.
    #[must_use]
    pub fn adds_up(self) -> bool {
        matches!(self, Self::Sum | Self::Count | Self::Rate)
    }
}

impl Lens {
    /// Of a map with `name`, `metric`, `group_by` and perhaps `function`; what is wrong goes to `problems`.
    pub fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let mut text = |key| keep(fields.required(key).and_then(Node::text), problems).map(str::to_owned);
        let (name, metric, group_by) = (text("name"), text("metric"), text("group_by"));
        let function = fields.take("function").map(|node| node.one_of("function", &LensFunction::WORDS));
        let function = function.map_or(Some(LensFunction::Sum), |read| keep(read, problems));
        fields.finish(problems);
        Some(Self { name: name?, metric: metric?, group_by: group_by?, function: function? })
    }

    /// Aggregates that people look at: memory, CPU, disk I/O and the number of processes, with threads and descriptors.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        const EXECUTABLE: (&str, &str) = ("by executable", "process.executable.name");
        const HOST: (&str, &str) = ("by host", "host.name");
        const OWNER: (&str, &str) = ("by owner", "process.owner");
        let lens = |what: &str, metric: &str, (by, attribute): (&str, &str), function| Self {
            name: format!("{what} {by}"),
            metric: metric.to_owned(),
            group_by: attribute.to_owned(),
            function,
        };
        let sum = LensFunction::Sum;
        vec![
            lens("memory", "process.memory.usage", EXECUTABLE, sum),
            lens("memory", "process.memory.usage", HOST, sum),
            lens("memory", "process.memory.usage", OWNER, sum),
            lens("cpu", "process.cpu.time", EXECUTABLE, sum),
            lens("cpu", "process.cpu.time", HOST, sum),
            lens("disk I/O", "process.disk.io", HOST, sum),
            lens("processes", "process.cpu.time", EXECUTABLE, LensFunction::Count),
            lens("threads", "process.threads", EXECUTABLE, sum),
            lens("descriptors", "process.open_file_descriptors", EXECUTABLE, sum),
        ]
    }
}

const MAX_GROUPS: usize = 1024;
/// Beyond this what series enter is no longer shared.
const MAX_SHARED: usize = 65_536;
pub(crate) const OTHER: &str = "_other_";

/// The groups of each lens, bounded.
#[derive(Debug)]
pub(crate) struct Groups {
    lenses: Vec<Known>,
    shared: HashSet<Entered>,
}

/// A lens and its groups so far.
#[derive(Debug)]
struct Known {
    lens: Lens,
    groups: HashSet<Arc<str>>,
    /// True if there were more.
    beyond: bool,
}

impl Groups {
    pub fn new(lenses: &[Lens]) -> Self {
        let known = |lens: &Lens| Known { lens: lens.clone(), groups: HashSet::new(), beyond: false };
        Self { lenses: lenses.iter().map(known).collect(), shared: HashSet::new() }
    }

    /// The places of the lenses that had more groups than they keep apart.
    pub fn beyond(&self) -> impl Iterator<Item = u16> {
        let beyond = self.lenses.iter().enumerate().filter(|(_, known)| known.beyond);
        beyond.map(|(place, _)| place as u16)
    }

    /// Part of a series in the lenses, if it enters any.
    pub fn of(
        &mut self,
        labels: &mut Labels,
        batch: &Batch,
        resource: Rows,
        metric: &MetricRow,
        point: &PointRow,
        process: impl FnOnce() -> u64,
    ) -> Option<Under> {
        let name = batch.text(metric.name);
        let mut entered = Vec::new();
        for (place, Known { lens, groups, beyond }) in self.lenses.iter_mut().enumerate() {
            if lens.metric != name {
                continue;
            }
            let key = lens.group_by.as_bytes();
            let value = batch.attribute(point.attrs, key).or_else(|| batch.attribute(resource, key));
            let text = value.map_or_else(|| "(none)".to_owned(), value_text);
            let group = labels.text(&text);
            if groups.contains(&group) || groups.len() < MAX_GROUPS {
                groups.insert(group.clone());
                entered.push((place as u16, group));
            } else {
                *beyond = true;
                entered.push((place as u16, labels.text(OTHER)));
            }
        }
        (!entered.is_empty()).then(|| Under { groups: self.share(entered), process: process() })
    }

    fn share(&mut self, entered: Vec<(u16, Arc<str>)>) -> Entered {
        if let Some(shared) = self.shared.get(entered.as_slice()) {
            return shared.clone();
        }
        let made: Entered = entered.into();
        if self.shared.len() < MAX_SHARED {
            self.shared.insert(made.clone());
        }
        made
    }

    /// Forgets what nobody but this holds any more.
    pub fn sweep(&mut self) {
        self.shared.retain(|entered| Arc::strong_count(entered) > 1);
    }
}

/// The lenses that a series enters, each with its group there; those of equal ones are shared.
pub(crate) type Entered = Arc<[(u16, Arc<str>)]>;

/// Facts about a series under lenses that never change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Under {
    pub groups: Entered,
    /// The process that it is of, as its output names it.
    pub process: u64,
}

/// Function that reduces a series in time.
#[derive(Debug)]
pub(crate) struct Reduction {
    counter: Option<Counter>,
    delta: bool,
}

/// A series reduced in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Reduced {
    /// It had no value.
    #[default]
    Nothing,
    /// The latest value and its time.
    Last { time: u64, value: f64 },
    /// By how much it rose.
    Increase(f64),
}

impl Reduced {
    /// The number.
    pub fn value(self) -> f64 {
        match self {
            Self::Last { value, .. } | Self::Increase(value) => value,
            Self::Nothing => 0.0,
        }
    }
}

impl Said for Reduced {
    fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    fn join(&mut self, other: &Self) {
        match (&mut *self, *other) {
            (Self::Increase(mine), Self::Increase(theirs)) => *mine += theirs,
            (Self::Last { time, value }, Self::Last { time: other_time, value: other_value }) => {
                // Of two values at one time the larger stands, so that the order of merging does not matter.
                if (other_time, other_value) > (*time, *value) {
                    (*time, *value) = (other_time, other_value);
                }
            }
            // One series has one kind.
            (Self::Nothing, _) | (Self::Last { .. }, Self::Increase(_)) => *self = *other,
            (_, Self::Nothing) | (Self::Increase(_), Self::Last { .. }) => {}
        }
    }
}

impl Reduction {
    pub fn new(metric: &MetricRow) -> Self {
        let delta = metric.temporality == 1;
        let cumulative = metric.kind == MetricKind::Sum && metric.monotonic && !delta;
        Self { counter: cumulative.then(Counter::default), delta }
    }

    /// Takes a point into what the series comes to. `since` is when watching began, Unix nanoseconds.
    pub fn observe(&mut self, point: &PointRow, since: u64, into: &mut Reduced) {
        // What is no number would make one of every sum that it enters.
        let value = point.value.as_f64().filter(|value| value.is_finite());
        let reduced = match (&mut self.counter, value) {
            (Some(counter), Some(value)) => {
                Reduced::Increase(counter.observe(point.start, point.time, value, since))
            }
            (None, Some(value)) if self.delta => Reduced::Increase(value),
            (None, Some(value)) => Reduced::Last { time: point.time, value },
            (Some(_), None) => Reduced::Increase(0.0),
            (None, None) => Reduced::Nothing,
        };
        into.join(&reduced);
    }
}
