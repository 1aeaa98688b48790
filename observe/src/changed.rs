//! Changed values: points of one ancestor in both variants that do not measure the same.
//!
//! Both outputs of one input point are compared, whatever their identities: number, buckets, sum, count, flags and times,
//! to the last bit (0 and −0, and an integer and a double of one value, are the same). What is not compared, and is said:
//! series whose unit, type or temporality the candidate changes, because their values mean something else; and points that
//! stages of either variant hold back, which come when the other's are gone. Aggregates are compared where both variants make
//! them of the same input points; the others are judged by lenses.

use std::sync::Arc;

use hashbrown::HashMap;
use pipelines::batch::{Measured, Number};
use serde::{Deserialize, Serialize};

use crate::compare::count_by_name;
use crate::label::Label;
use crate::marks::Marks;
use crate::{NamedCount, SeriesSample, Summary};

/// Metrics that are told apart.
const MAX_METRICS: usize = 512;
/// Rows of a comparison.
const MAX_ROWS: usize = 50;
const OTHERS: &str = "(other metrics)";

/// Values that the candidate changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValueChanges {
    /// Points that do not measure the same in both variants.
    pub points: u64,
    /// Series of the baseline that they belong to.
    pub series: u64,
    /// Those by metric, most points first, at most 50 rows.
    pub by_metric: Vec<ChangedMetric>,
    /// Series whose unit, type or temporality the candidate changes, by metric: their values are not compared.
    pub not_compared: Vec<NamedCount>,
    /// Series of which a variant held points back, by metric: those points are not compared.
    pub held: Vec<NamedCount>,
    /// Series of `not_compared`, those of metrics without a row among them.
    pub not_compared_series: u64,
    /// Series of `held`, those of metrics without a row among them.
    pub held_series: u64,
}

/// Changed values of a metric, by the baseline's name of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangedMetric {
    /// Name of the metric.
    pub metric: String,
    /// Points that differ.
    pub points: u64,
    /// Series of the baseline that they belong to.
    pub series: u64,
    /// The fields that differ, in any of them.
    pub fields: ChangedFields,
    /// The largest difference of a value, a sum or a count, in the metric's unit; 0 where none of them differs.
    pub largest_absolute: f64,
    /// The largest such difference as a share of the baseline's; none where the baseline's was always 0.
    pub largest_relative: Option<f64>,
    /// A series of the largest difference.
    pub sample: Option<SeriesSample>,
}

/// Fields of a point that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangedFields {
    /// The number, or count and sum of a distribution.
    pub value: bool,
    /// Buckets, quantiles, scale, least or largest value of a distribution.
    pub distribution: bool,
    /// The time.
    pub time: bool,
    /// The start time.
    pub start: bool,
    /// The flags.
    pub flags: bool,
}

impl ChangedFields {
    /// Fields in which two measurements differ.
    fn between(baseline: &Measured, candidate: &Measured) -> Self {
        let [mine, theirs] = [baseline, candidate].map(|of| of.distribution.unwrap_or_default());
        let value = !same(baseline.value, candidate.value)
            || mine.count != theirs.count
            || mine.sum.to_bits() != theirs.sum.to_bits();
        Self {
            value,
            distribution: !value && mine.rest != theirs.rest,
            time: baseline.time != candidate.time,
            start: baseline.start != candidate.start,
            flags: baseline.flags != candidate.flags,
        }
    }

    fn any(self) -> bool {
        self != Self::default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            value: self.value | other.value,
            distribution: self.distribution | other.distribution,
            time: self.time | other.time,
            start: self.start | other.start,
            flags: self.flags | other.flags,
        }
    }
}

fn same(one: Number, other: Number) -> bool {
    match (one, other) {
        (Number::Int(one), Number::Int(other)) => one == other,
        _ => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one == other || one.to_bits() == other.to_bits(),
            (one, other) => one.is_none() && other.is_none(),
        },
    }
}

/// Difference of two points that do not measure the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    fields: ChangedFields,
    /// Of the value, sum or count that differs most; 0 where none is a number.
    absolute: f64,
    relative: Option<f64>,
}

impl Difference {
    /// None where both measure the same.
    pub fn between(baseline: &Measured, candidate: &Measured) -> Option<Self> {
        let fields = ChangedFields::between(baseline, candidate);
        if !fields.any() {
            return None;
        }
        let mut found = Self { fields, ..Self::default() };
        if let (Some(mine), Some(theirs)) = (baseline.value.as_f64(), candidate.value.as_f64()) {
            found.add(mine, theirs);
        }
        if let (Some(mine), Some(theirs)) = (baseline.distribution, candidate.distribution) {
            found.add(mine.count as f64, theirs.count as f64);
            found.add(mine.sum, theirs.sum);
        }
        Some(found)
    }

    fn add(&mut self, baseline: f64, candidate: f64) {
        let absolute = (candidate - baseline).abs();
        if !absolute.is_finite() {
            return;
        }
        self.absolute = self.absolute.max(absolute);
        let relative = Some(absolute / baseline.abs()).filter(|share| share.is_finite());
        self.relative = largest(self.relative, relative);
    }
}

fn largest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}

/// Changed points of a stretch, by metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChangedPoints(HashMap<Arc<str>, Row>);

#[derive(Clone, Debug)]
struct Row {
    points: u64,
    largest: Difference,
    /// The series of the largest difference; of several the first by name, so that the order of merging does not matter.
    sample: Label,
}

impl ChangedPoints {
    /// Adds a point of a series of the baseline.
    pub fn add(&mut self, label: &Label, difference: Difference) {
        let row = Row { points: 1, largest: difference, sample: label.clone() };
        self.add_row(&label.metric, &row);
    }

    fn add_row(&mut self, metric: &Arc<str>, row: &Row) {
        if let Some(known) = self.0.get_mut(metric) {
            known.merge(row);
        } else if self.0.len() < MAX_METRICS {
            self.0.insert(Arc::clone(metric), row.clone());
        } else {
            self.0.entry(OTHERS.into()).and_modify(|known| known.merge(row)).or_insert_with(|| row.clone());
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let mut rows: Vec<_> = other.0.iter().collect();
        rows.sort_unstable_by_key(|(metric, _)| *metric);
        rows.into_iter().for_each(|(metric, row)| self.add_row(metric, row));
    }
}

impl Row {
    fn merge(&mut self, other: &Self) {
        self.points += other.points;
        let (mine, theirs) = (self.largest.absolute, other.largest.absolute);
        if theirs > mine || (theirs == mine && other.name() < self.name()) {
            self.sample = other.sample.clone();
        }
        self.largest = Difference {
            fields: self.largest.fields.or(other.largest.fields),
            absolute: mine.max(theirs),
            relative: largest(self.largest.relative, other.largest.relative),
        };
    }

    fn name(&self) -> impl Ord + '_ {
        let Label { metric, process, attributes } = &self.sample;
        (metric, &process.host, &process.executable, &process.pid, attributes)
    }
}

impl ValueChanges {
    pub(crate) fn of(summary: &Summary) -> Self {
        let with = |mark: Marks| {
            let labels = summary.made[0].seen_where(move |marks| marks.has(mark)).map(|(label, _)| label);
            count_by_name(labels, false)
        };
        let series: HashMap<String, u64> = count_all(summary, Marks::CHANGED)
            .into_iter()
            .map(|(metric, n)| (metric.to_string(), n))
            .collect();
        let all_with = |mark: Marks| summary.made[0].seen_where(move |marks| marks.has(mark)).count() as u64;
        let row = |(metric, row): (&Arc<str>, &Row)| ChangedMetric {
            metric: metric.to_string(),
            points: row.points,
            series: series.get(&**metric).copied().unwrap_or(0),
            fields: row.largest.fields,
            largest_absolute: row.largest.absolute,
            largest_relative: row.largest.relative,
            sample: Some(SeriesSample::of(&row.sample)),
        };
        let mut by_metric: Vec<ChangedMetric> = summary.changed.0.iter().map(row).collect();
        let all: u64 = series.values().sum();
        let named: u64 = by_metric.iter().map(|row| row.series).sum();
        by_metric.iter_mut().filter(|row| row.metric == OTHERS).for_each(|row| row.series = all - named);
        by_metric.sort_unstable_by(|a, b| (b.points, &a.metric).cmp(&(a.points, &b.metric)));
        let points = by_metric.iter().map(|row| row.points).sum();
        by_metric.truncate(MAX_ROWS);
        Self {
            points,
            series: all,
            by_metric,
            not_compared: with(Marks::OTHER_MEANING),
            held: with(Marks::HELD),
            not_compared_series: all_with(Marks::OTHER_MEANING),
            held_series: all_with(Marks::HELD),
        }
    }
}

/// Series with a mark by metric, all of them.
fn count_all(summary: &Summary, mark: Marks) -> HashMap<Arc<str>, u64> {
    let mut counts: HashMap<Arc<str>, u64> = HashMap::new();
    for (label, _) in summary.made[0].seen_where(|marks| marks.has(mark)) {
        *counts.entry_ref(&label.metric).or_default() += 1;
    }
    counts
}
