//! The config of `rollup`.
//!
//! ```yaml
//! rollup:
//!   drop: [process.pid, process.command_line]   # or keep: [process.executable.name]
//!   where: ['attributes["class"] == "low"']     # all resources, without
//!   gauge: avg                                  # sum, avg, max, min or last
//!   sum: sum                                    # of sums that are not monotonic
//!   functions: { process.threads: max }         # by name of the metric
//!   stale_after: 15s
//!   forget_after: 15m
//! ```

use std::time::Duration;

use crate::Batch;
use crate::batch::{AttrRow, MetricKind, MetricRow};
use crate::cost::Inspection;
use crate::stage::config::ResourceConditions;
use crate::yaml::{Fields, Node, Problem, keep};

/// The config of a `rollup` processor.
#[derive(Debug, Clone)]
pub struct Rollup {
    keys: Keys,
    pub(super) which: ResourceConditions,
    gauge: Function,
    sum: Function,
    functions: Vec<(String, Function)>,
    pub(super) stale_after: Duration,
    pub(super) forget_after: Duration,
    /// Description of what is collapsed, as the one rule that is counted.
    rule: [String; 1],
}

/// Resource attributes that stay.
#[derive(Debug, Clone)]
enum Keys {
    Drop(Vec<String>),
    Keep(Vec<String>),
    /// Those that say nothing of a process; the executable is called so instead.
    Host(&'static str),
}

/// Aggregation of values that are not counted up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Sum,
    Avg,
    Max,
    Min,
    Last,
}

const FUNCTIONS: [(&str, Function); 5] = [
    ("sum", Function::Sum),
    ("avg", Function::Avg),
    ("max", Function::Max),
    ("min", Function::Min),
    ("last", Function::Last),
];

/// Attribute that tells one process of an executable from another.
const PROCESS: [&str; 5] =
    ["process.pid", "process.parent_pid", "process.command", "process.command_line", "process.cgroup"];

impl Rollup {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let keys = keys(&mut fields, config, problems);
        let which = ResourceConditions::decode(&mut fields, "where", problems);
        let mut function =
            |key| fields.take(key).and_then(|node| keep(node.one_of("function", &FUNCTIONS), problems));
        let gauge = function("gauge").unwrap_or(Function::Avg);
        let sum = function("sum").unwrap_or(Function::Sum);
        let functions = fields.take("functions").map(|node| by_name(node, problems)).unwrap_or_default();
        let stale_after = duration(&mut fields, "stale_after", 15, problems);
        let forget_after = duration(&mut fields, "forget_after", 15 * 60, problems);
        if forget_after < stale_after {
            let problem = Problem::new(config.location, "forget_after is less than stale_after");
            problems.push(problem.expected("a member to be remembered at least as long as it counts"));
        }
        fields.finish(problems);
        let rule = match &keys {
            Keys::Keep(names) => format!("keep: [{}]", names.join(", ")),
            Keys::Drop(names) => format!("drop: [{}]", names.join(", ")),
            Keys::Host(name) => (*name).to_owned(),
        };
        Some(Self { keys, which, gauge, sum, functions, stale_after, forget_after, rule: [rule] })
    }

    /// Names of the functions by which it merges values that are not counted up; counters are added up.
    pub(in super::super) fn functions(&self) -> impl Iterator<Item = &'static str> {
        let used =
            [self.gauge, self.sum].into_iter().chain(self.functions.iter().map(|(_, function)| *function));
        let name =
            |used: Function| FUNCTIONS.iter().find(|(_, one)| *one == used).map_or("sum", |(name, _)| name);
        used.map(name).chain(["sum"])
    }

    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rule
    }

    /// Returns whether an attribute of a resource stays.
    pub(super) fn keeps(&self, batch: &Batch, attr: &AttrRow) -> bool {
        let key = batch.bytes(attr.key);
        match &self.keys {
            Keys::Drop(keys) => !keys.iter().any(|known| known.as_bytes() == key),
            Keys::Keep(keys) => keys.iter().any(|known| known.as_bytes() == key),
            Keys::Host(_) => !key.starts_with(b"process."),
        }
    }

    /// A roll-up of processes into one that is called so; what their values become is the default.
    pub(in super::super) fn of_the_rest(name: &'static str, stale_after: Duration) -> Self {
        Self {
            keys: Keys::Host(name),
            which: ResourceConditions::default(),
            gauge: Function::Sum,
            sum: Function::Sum,
            functions: Vec::new(),
            stale_after,
            forget_after: Duration::from_secs(15 * 60).max(stale_after),
            rule: [name.to_owned()],
        }
    }

    /// The attribute that what is rolled up gets.
    pub(super) fn label(&self) -> Option<(&'static str, &'static str)> {
        match self.keys {
            Keys::Host(name) => Some(("process.executable.name", name)),
            _ => None,
        }
    }

    /// Returns whether a metric can be rolled up.
    pub(super) fn rolls(metric: &MetricRow) -> bool {
        match metric.kind {
            MetricKind::Gauge => true,
            MetricKind::Sum => metric.temporality != 0,
            _ => false,
        }
    }

    /// Treatment of the values of a metric.
    pub(super) fn function(&self, batch: &Batch, metric: &MetricRow) -> Function {
        let name = batch.bytes(metric.name);
        let own = self.functions.iter().find(|(known, _)| known.as_bytes() == name);
        own.map_or(if metric.kind == MetricKind::Gauge { self.gauge } else { self.sum }, |(_, own)| *own)
    }
}

fn keys(fields: &mut Fields<'_>, at: &Node, problems: &mut Inspection) -> Keys {
    let (drop, stay) = (fields.take("drop"), fields.take("keep"));
    match (drop, stay) {
        (None, None) => Keys::Drop(PROCESS.map(str::to_owned).to_vec()),
        (Some(drop), None) => Keys::Drop(names(drop, problems)),
        (None, Some(stay)) => Keys::Keep(names(stay, problems)),
        (Some(_), Some(_)) => {
            problems.push(Problem::new(at.location, "both \"drop\" and \"keep\"").expected("one of them"));
            Keys::Drop(Vec::new())
        }
    }
}

fn names(node: &Node, problems: &mut Inspection) -> Vec<String> {
    let names = node.texts(problems);
    if names.is_empty() {
        problems.push(Problem::new(node.location, "no attribute is named"));
    }
    names
}

fn by_name(node: &Node, problems: &mut Inspection) -> Vec<(String, Function)> {
    let entries = keep(node.entries(), problems).unwrap_or_default();
    let function = |entry: &crate::yaml::Entry| {
        let function = keep(entry.value.one_of("function", &FUNCTIONS), problems)?;
        Some((entry.key.text.clone(), function))
    };
    entries.iter().filter_map(function).collect()
}

fn duration(fields: &mut Fields<'_>, key: &'static str, default: u64, problems: &mut Inspection) -> Duration {
    let Some(node) = fields.take(key) else { return Duration::from_secs(default) };
    let duration = keep(node.duration(), problems).unwrap_or_default();
    if duration < Duration::from_secs(1) {
        problems.push(Problem::new(node.location, format!("{key} is too short")).expected("1s or more"));
    }
    duration
}
