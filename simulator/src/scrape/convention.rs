//! Semantic conventions of process metrics: the names that the scraper speaks today, those of version 1, and both at once.
//!
//! Behind the Collector's gates a metric of another name comes beside the old one or in its place, and an attribute of
//! another name stands beside the old one, on the same point, or in its place.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric::Data};

/// Names that metrics and their attributes have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Convention {
    /// Those of today.
    #[default]
    V0,
    /// Those of version 1.
    V1,
    /// Both at once: points have both attributes, and a metric of two names comes twice.
    Both,
}

/// Metrics of two names.
const METRICS: [(&str, &str); 2] = [
    ("process.open_file_descriptors", "process.unix.file_descriptor.count"),
    ("process.threads", "process.thread.count"),
];

/// Metrics of which an attribute has two names.
const ATTRIBUTES: [(&str, &str, &str); 6] = [
    ("process.context_switches", "type", "process.context_switch.type"),
    ("process.cpu.time", "state", "cpu.mode"),
    ("process.cpu.utilization", "state", "cpu.mode"),
    ("process.disk.io", "direction", "disk.io.direction"),
    ("process.disk.operations", "direction", "disk.io.direction"),
    ("process.paging.faults", "type", "system.paging.fault.type"),
];

impl Convention {
    /// The same metrics, of version 0, under its names; in alphabetical order.
    pub(crate) fn apply(self, mut metrics: Vec<Metric>) -> Vec<Metric> {
        if self == Self::V0 {
            return metrics;
        }
        for metric in &mut metrics {
            if let Some((_, old, new)) = ATTRIBUTES.iter().find(|(name, ..)| *name == metric.name) {
                self.rename_attribute(metric, old, new);
            }
        }
        let mut renamed = Vec::new();
        metrics.retain_mut(|metric| {
            let Some((_, new)) = METRICS.iter().find(|(old, _)| *old == metric.name) else { return true };
            renamed.push(Metric { name: (*new).to_owned(), ..metric.clone() });
            self == Self::Both
        });
        metrics.extend(renamed);
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        metrics
    }

    /// Points that a process has besides those of one convention, if all metrics are on.
    pub(crate) fn more_points(self) -> usize {
        if self == Self::Both { METRICS.len() } else { 0 }
    }

    fn rename_attribute(self, metric: &mut Metric, old: &str, new: &str) {
        for point in points(metric) {
            let Some(at) = point.attributes.iter().position(|attribute| attribute.key == old) else {
                continue;
            };
            let renamed = KeyValue { key: new.to_owned(), ..point.attributes[at].clone() };
            match self {
                Self::Both => point.attributes.push(renamed),
                Self::V0 | Self::V1 => point.attributes[at] = renamed,
            }
        }
    }
}

fn points(metric: &mut Metric) -> &mut [NumberDataPoint] {
    match &mut metric.data {
        Some(Data::Sum(sum)) => &mut sum.data_points,
        Some(Data::Gauge(gauge)) => &mut gauge.data_points,
        _ => &mut [],
    }
}
