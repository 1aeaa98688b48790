//! Points that agree on their attributes and time, made into one.
//!
//! The first point of a group gives what cannot be added: attributes, exemplars of numbers, flags. Start times
//! become the earliest. Points of delta metrics with other start times, and histograms with other bounds or
//! scales, flags, or with and without a minimum stay apart.

mod buckets;
mod numbers;

use std::collections::HashMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::Batch;
use crate::batch::data::{Exponential, Histogram};
use crate::batch::{MetricKind, Path, PointRow, Value};
use crate::ottl::{Val, json_text};

/// Function that makes one number of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Sum,
    Mean,
    Min,
    Max,
    Median,
    Count,
    /// The first one is taken.
    First,
}

/// The names by which aggregations are called.
pub(crate) const AGGREGATIONS: [(&str, Aggregation); 6] = [
    ("sum", Aggregation::Sum),
    ("mean", Aggregation::Mean),
    ("min", Aggregation::Min),
    ("max", Aggregation::Max),
    ("median", Aggregation::Median),
    ("count", Aggregation::Count),
];

impl Aggregation {
    /// Name by which it is called.
    pub(crate) fn name(self) -> &'static str {
        AGGREGATIONS.iter().find(|(_, one)| *one == self).map_or("first", |(name, _)| name)
    }
}

impl Batch {
    /// Aggregates a metric's points in place. A summary's stay as they are.
    pub(crate) fn aggregate(&mut self, at: Path, by: Aggregation) {
        let metric = *self.metric_at(at.metric);
        let points: Vec<PointRow> = self.points(&metric).to_vec();
        let merged = self.merge_points(metric.kind, metric.temporality == 1, points, by);
        let rows = self.push_points(&merged);
        // The metric is a new one: metadata is not taken along.
        self.edit_metric(at, |metric| {
            metric.points = rows;
            metric.raw = crate::batch::Span::NONE;
            metric.data = crate::batch::Span::NONE;
        });
    }

    /// Merges points of one kind.
    pub(crate) fn merge_points(
        &mut self,
        kind: MetricKind,
        delta: bool,
        points: Vec<PointRow>,
        by: Aggregation,
    ) -> Vec<PointRow> {
        let (mut groups, mut group_of) = (Vec::<Vec<PointRow>>::new(), HashMap::new());
        for point in points {
            let key = self.group_key(kind, delta, &point);
            let group = *group_of.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[group].push(point);
        }
        groups.into_iter().map(|group| self.merge(kind, &group, by)).collect()
    }

    fn group_key(&self, kind: MetricKind, delta: bool, point: &PointRow) -> u128 {
        let mut hasher = Xxh3::new();
        hasher.update(&self.attributes_key(point).to_le_bytes());
        hasher.update(&point.time.to_le_bytes());
        if delta && kind != MetricKind::Gauge {
            hasher.update(&point.start.to_le_bytes());
        }
        match kind {
            MetricKind::Histogram => {
                let read = Histogram::read(self.bytes(point.raw));
                read.bounds.iter().for_each(|bound| hasher.update(&bound.to_bits().to_le_bytes()));
                hasher.update(&[u8::from(read.min.is_some()), u8::from(read.max.is_some())]);
                hasher.update(&point.flags.to_le_bytes());
            }
            MetricKind::ExponentialHistogram => {
                let read = Exponential::read(self.bytes(point.raw));
                hasher.update(&read.scale.to_le_bytes());
                hasher.update(&[u8::from(read.min.is_some()), u8::from(read.max.is_some())]);
                hasher.update(&point.flags.to_le_bytes());
            }
            _ => {}
        }
        hasher.digest128()
    }

    /// Attributes are compared as JSON, so that 1 and 1.0 are one value; texts need no detour.
    fn attributes_key(&self, point: &PointRow) -> u128 {
        let attributes = self.attributes(point.attrs);
        let plain = attributes.iter().all(|attr| matches!(self.value(attr.value), Value::Text(_)));
        if !plain {
            let map = Val::Map(crate::ottl::Map::Rows(self, point.attrs));
            return xxh3_128(json_text(&map).unwrap_or_default().as_bytes());
        }
        let mut sum = 1_u128;
        for attr in attributes {
            let mut hasher = Xxh3::new();
            hasher.update(&(attr.key.len() as u64).to_le_bytes());
            hasher.update(self.bytes(attr.key));
            if let Value::Text(text) = self.value(attr.value) {
                hasher.update(text);
            }
            sum = sum.wrapping_add(hasher.digest128());
        }
        sum
    }

    fn merge(&mut self, kind: MetricKind, group: &[PointRow], by: Aggregation) -> PointRow {
        let mut merged = group[0];
        match kind {
            MetricKind::Gauge | MetricKind::Sum => {
                merged.value = numbers::merged(group, by);
                // Without a value there is nothing to aggregate, and the rest stays the first point's.
                if merged.value != crate::batch::Number::None {
                    merged.start = group.iter().map(|point| point.start).min().unwrap_or(merged.start);
                }
            }
            MetricKind::Histogram if group.len() > 1 => {
                let (point, start) = buckets::histogram(self, group);
                merged.raw = self.intern_with(|out| point.write(out));
                merged.start = start;
            }
            MetricKind::ExponentialHistogram if group.len() > 1 => {
                let (point, start) = buckets::exponential(self, group);
                merged.raw = self.intern_with(|out| point.write(out));
                merged.start = start;
            }
            _ => {}
        }
        if group.len() > 1 {
            // It leaves where its first point does: one that belonged nowhere would leave by neither variant.
            merged.origin = self.merged_origin(group);
        }
        self.touched_point(merged)
    }
}
