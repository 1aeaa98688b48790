//! `combine`: several metrics become one, told apart by labels that groups of the expression give.

use std::collections::BTreeSet;

use crate::Batch;
use crate::aggregate::Aggregation;
use crate::batch::{MetricKind, MetricRow, Owner, Path, PointRow, Span};

use super::config::{Case, Include, Transform};
use super::{Scope, put_text};

impl Transform {
    pub(super) fn combine(&self, scope: &mut Scope<'_>, by: Aggregation, case: Option<Case>) {
        let matched: Vec<usize> =
            scope.metrics.iter().copied().filter(|metric| self.matches_any(scope.batch, *metric)).collect();
        if matched.is_empty() || !can_be_combined(scope.batch, &matched) {
            return;
        }
        let extracted = self.extract_all(scope);
        let Some(first) = extracted.first() else { return };
        for metric in &extracted {
            self.label(scope.batch, Path { metric: *metric, ..scope.at }, case);
        }
        let combined = self.merged(scope.batch, *first, &extracted, by);
        if self.apply(scope.batch, Path { metric: combined, ..scope.at }) {
            scope.metrics.push(combined);
        }
    }

    /// Gives the points of a metric the groups of its name as labels.
    fn label(&self, batch: &mut Batch, at: Path, case: Option<Case>) {
        let Include::Regexp(pattern) = &self.include else { return };
        let name = batch.bytes(batch.metric_at(at.metric).name).to_vec();
        let Some(captures) = pattern.captures(&name) else { return };
        for (place, group) in pattern.group_names().enumerate() {
            let text = captures.get(place + 1).unwrap_or_default();
            let text = String::from_utf8_lossy(text);
            let text = match case {
                None => text.into_owned(),
                Some(Case::Lower) => text.to_lowercase(),
                Some(Case::Upper) => text.to_uppercase(),
            };
            if text.is_empty() {
                continue;
            }
            // An unnamed group makes a label called by its number.
            let key = group.map_or_else(|| format!("${}", place + 1), str::to_owned);
            for point in batch.metric_at(at.metric).points.range() {
                put_text(batch, Owner::Point(Path { point, ..at }), &key, &text);
            }
        }
    }

    /// One metric of all their points, as the first is but for its name.
    fn merged(&self, batch: &mut Batch, first: usize, metrics: &[usize], by: Aggregation) -> usize {
        let row = *batch.metric_at(first);
        let points: Vec<PointRow> = match row.kind {
            MetricKind::Summary | MetricKind::None => Vec::new(),
            _ => metrics.iter().flat_map(|metric| batch.points(batch.metric_at(*metric)).to_vec()).collect(),
        };
        let merged = batch.merge_points(row.kind, row.temporality == 1, points, by);
        let name = if self.new_name.is_empty() { Span::NONE } else { batch.intern(self.new_name.as_bytes()) };
        let points = batch.push_points(&merged);
        let made = MetricRow { name, points, ..batch.detached_metric(row) };
        batch.add_metric(made)
    }
}

/// Returns whether metrics agree on kind, unit, keys of labels, temporality and monotonicity. A single one always does.
fn can_be_combined(batch: &Batch, metrics: &[usize]) -> bool {
    let [first, rest @ ..] = metrics else { return true };
    if rest.is_empty() {
        return true;
    }
    let first = batch.metric_at(*first);
    let keys = label_keys(batch, first);
    first.kind != MetricKind::Summary
        && rest.iter().map(|metric| batch.metric_at(*metric)).all(|metric| {
            metric.kind == first.kind
                && batch.bytes(metric.unit) == batch.bytes(first.unit)
                && label_keys(batch, metric) == keys
                && metric.temporality == first.temporality
                && metric.monotonic == first.monotonic
        })
}

fn label_keys<'b>(batch: &'b Batch, metric: &MetricRow) -> BTreeSet<&'b [u8]> {
    let points = batch.points(metric).iter();
    points.flat_map(|point| batch.attributes(point.attrs)).map(|attr| batch.bytes(attr.key)).collect()
}
