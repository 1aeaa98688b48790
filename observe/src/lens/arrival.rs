//! Lenses of what arrives: the totals, by owner, of metrics that no lens was asked for.
//!
//! A lens on [`EVERY`] metric stands for them. While the set is open, a window's end takes in the metrics with most series,
//! at most fifty; it closes with the first step that has a weight. They describe: none has a limit. Metrics of processes are
//! among them, but for those that the process set looks at. Which metrics are in no lens is told ([`super::unwatched`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pipelines::Batch;
use pipelines::batch::{Rows, Value};

use super::Lens;
use crate::label::value_text;

/// Metric of the lens that stands for all others.
pub const EVERY: &str = "*";
/// Attribute of a lens that groups by the owner of a series: the first of [`OWNERS`] that it has.
pub const OWNER: &str = "(owner)";
/// Attributes that name an owner, with the word for it: service, workload, namespace, host.
pub const OWNERS: [(&str, &str); 10] = [
    ("service.name", "service"),
    ("k8s.deployment.name", "deployment"),
    ("k8s.statefulset.name", "statefulset"),
    ("k8s.daemonset.name", "daemonset"),
    ("k8s.cronjob.name", "cronjob"),
    ("k8s.job.name", "job"),
    ("k8s.namespace.name", "namespace"),
    ("host.name", "host"),
    ("host.id", "host"),
    ("k8s.node.name", "host"),
];
/// The most lenses of what arrives.
pub(crate) const MAX_ARRIVALS: usize = 50;
/// The most metrics that wait to be chosen from.
const MAX_WAITING: usize = 1_024;

/// Metrics that may get a lens, and those that have one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    template: Option<Lens>,
    /// Series of each metric that waits.
    waiting: BTreeMap<Arc<str>, u64>,
    chosen: BTreeSet<Arc<str>>,
    /// True if the next choice is the last.
    settles: bool,
    closed: bool,
}

impl Arrivals {
    pub fn new(lenses: &[Lens]) -> Self {
        let template = lenses.iter().find(|lens| lens.is_every()).cloned();
        Self { closed: template.is_none(), template, ..Self::default() }
    }

    /// A series of this metric came in, which no lens looks at.
    pub fn came_in(&mut self, metric: &Arc<str>) {
        let full = self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(metric);
        if !self.closed && !full && !self.chosen.contains(metric) {
            *self.waiting.entry(metric.clone()).or_default() += 1;
        }
    }

    /// Lenses of the metrics with most series of those that wait.
    pub fn choose(&mut self) -> Vec<Lens> {
        let Some(template) = &self.template else { return Vec::new() };
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.sort_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
        waiting.truncate(MAX_ARRIVALS - self.chosen.len());
        self.chosen.extend(waiting.iter().map(|(metric, _)| metric.clone()));
        let lenses = waiting.iter().map(|(metric, _)| template.of_metric(metric)).collect();
        self.close();
        lenses
    }

    /// The set is closed once something is in it.
    pub fn settle(&mut self) {
        self.settles = true;
        self.close();
    }

    fn close(&mut self) {
        self.closed |= self.chosen.len() >= MAX_ARRIVALS || (self.settles && !self.chosen.is_empty());
    }
}

impl Lens {
    /// Tells whether it stands for all metrics that no other lens looks at.
    #[must_use]
    pub fn is_every(&self) -> bool {
        self.metric == EVERY
    }

    /// The lens on one metric that this one, on every metric, stands for.
    #[must_use]
    pub fn of_metric(&self, metric: &str) -> Self {
        let by = if self.group_by == OWNER { "owner" } else { &self.group_by };
        Self { name: format!("{metric} by {by}"), metric: metric.to_owned(), ..self.clone() }
    }
}

/// Owner of a series: `service cart`, `namespace payments`; none where no attribute names one.
pub(crate) fn owner(batch: &Batch, rows: [Rows; 2]) -> Option<String> {
    OWNERS.iter().find_map(|(attribute, word)| {
        let of = |rows| batch.attribute(rows, attribute.as_bytes());
        let value = rows.into_iter().find_map(of)?;
        let text = value_text(value);
        let names = !text.is_empty() && !matches!(value, Value::List(_) | Value::Map(_));
        names.then(|| format!("{word} {text}"))
    })
}
