//! `metricstransform`: renames, copies, combines and regroups metrics, and changes their labels and values.
//!
//! Transforms run scope by scope, each on what those before made of the scope's metrics.

mod combine;
mod config;
mod labels;
mod values;

use crate::Batch;
use crate::batch::{AttrRow, Cell, MetricRow, Owner, Path, PointRow, ResourceRow, Rows, ScopeRow};
use crate::ottl::{Context, Failure};
use crate::stage::{Effect, StageError, Tallies};

pub use config::MetricsTransform;

use config::{Action, Include, Operation, Transform};

/// The metrics of one scope, as indexes of their arena, while transforms run.
struct Scope<'b> {
    batch: &'b mut Batch,
    tallies: Tallies<'b>,
    at: Path,
    metrics: Vec<usize>,
    changed: bool,
    /// The transform at work.
    rule: usize,
}

impl Scope<'_> {
    /// The transform at work is applied to a metric, or to those of its points that match.
    fn count(&mut self, metric: usize, matches: Option<&[bool]>) {
        let path = Path { metric, ..self.at };
        let Some(matches) = matches.filter(|matches| matches.contains(&false)) else {
            return self.tallies.count(self.rule, Effect::Changed, self.batch, path, Context::Metric);
        };
        let points = self.batch.metric_at(metric).points.range().zip(matches);
        for (point, _) in points.filter(|(_, matches)| **matches) {
            let path = Path { point, ..path };
            self.tallies.count(self.rule, Effect::Changed, self.batch, path, Context::DataPoint);
        }
    }
}

/// A resource that `group` made: from which one, in which scope, with which attributes and metrics.
struct GroupedResource<'c> {
    resource: ResourceRow,
    scope: ScopeRow,
    labels: &'c [(String, String)],
    metrics: Vec<usize>,
}

impl MetricsTransform {
    pub(super) fn run(&self, batch: &mut Batch, mut tallies: Tallies<'_>) -> Result<(), StageError> {
        let mut grouped = Vec::new();
        for resource in 0..batch.resources().len() {
            for scope in batch.resource_at(resource).scopes.range() {
                let at = Path { resource, scope, ..Path::default() };
                let metrics = batch.scope_at(scope).metrics.range().collect();
                let tallies = tallies.from(0);
                let mut scope = Scope { batch, tallies, at, metrics, changed: false, rule: 0 };
                for (rule, transform) in self.transforms.iter().enumerate() {
                    scope.rule = rule;
                    transform.run(&mut scope, &mut grouped)?;
                }
                if scope.changed {
                    let Scope { batch, at, metrics, .. } = scope;
                    batch.set_metrics(at, &metrics);
                }
            }
        }
        batch.drop_empty();
        for GroupedResource { resource, scope, labels, metrics } in grouped {
            let resource = batch.append_resource(resource, scope, &metrics);
            for (key, value) in labels {
                put_text(batch, Owner::Resource(resource), key, value);
            }
        }
        Ok(())
    }
}

/// Sets an attribute to a text.
fn put_text(batch: &mut Batch, owner: Owner, key: &str, value: &str) {
    let (key, value) = (batch.intern(key.as_bytes()), batch.intern(value.as_bytes()));
    batch.set_attribute(owner, AttrRow::bare(key, Cell::Text(value)));
}

/// The text of an attribute; the empty one for what is no text or missing.
fn text_of<'b>(batch: &'b Batch, rows: Rows, key: &str) -> &'b [u8] {
    match batch.attribute(rows, key.as_bytes()) {
        Some(crate::batch::Value::Text(text)) => text,
        _ => &[],
    }
}

impl Transform {
    fn run<'c>(
        &'c self,
        scope: &mut Scope<'_>,
        grouped: &mut Vec<GroupedResource<'c>>,
    ) -> Result<(), StageError> {
        match &self.action {
            Action::Update => self.update(scope),
            Action::Insert => self.insert(scope)?,
            Action::Combine { aggregation, case } => self.combine(scope, *aggregation, *case),
            Action::Group(labels) => {
                let metrics = self.extract_all(scope);
                let resource = *scope.batch.resource_at(scope.at.resource);
                let scope = *scope.batch.scope_at(scope.at.scope);
                grouped.push(GroupedResource { resource, scope, labels, metrics });
            }
        }
        Ok(())
    }

    fn update(&self, scope: &mut Scope<'_>) {
        let (at, mut metrics) = (scope.at, std::mem::take(&mut scope.metrics));
        let before = metrics.len();
        metrics.retain(|metric| {
            if !self.matches_any(scope.batch, *metric) {
                return true;
            }
            scope.count(*metric, None);
            self.apply(scope.batch, Path { metric: *metric, ..at })
        });
        scope.changed |= metrics.len() != before;
        scope.metrics = metrics;
    }

    fn insert(&self, scope: &mut Scope<'_>) -> Result<(), StageError> {
        for place in 0..scope.metrics.len() {
            let metric = scope.metrics[place];
            let Some(keep) = self.matching(scope.batch, metric) else { continue };
            if !scope.batch.has_room(keep.len() + 1) {
                let why = Failure("too many metrics would be added");
                return Err(StageError::new("inserting a metric", why));
            }
            scope.count(metric, Some(&keep));
            let copy = copied(scope.batch, metric, &keep, true);
            if self.apply(scope.batch, Path { metric: copy, ..scope.at }) {
                scope.metrics.push(copy);
                scope.changed = true;
            }
        }
        Ok(())
    }

    /// Takes every metric that matches out of the scope, with the points that do.
    fn extract_all(&self, scope: &mut Scope<'_>) -> Vec<usize> {
        let (mut taken, mut metrics) = (Vec::new(), std::mem::take(&mut scope.metrics));
        metrics.retain(|metric| {
            let Some(keep) = self.matching(scope.batch, *metric) else { return true };
            scope.count(*metric, Some(&keep));
            let whole = keep.iter().all(|keep| *keep);
            taken.push(if whole { *metric } else { copied(scope.batch, *metric, &keep, false) });
            false
        });
        scope.metrics = metrics;
        scope.changed |= !taken.is_empty();
        taken
    }

    fn matches_name(&self, batch: &Batch, metric: &MetricRow) -> bool {
        match &self.include {
            Include::Strict(name) => name.as_bytes() == batch.bytes(metric.name),
            Include::Regexp(pattern) => pattern.is_match(batch.bytes(metric.name)),
        }
    }

    fn matches_point(&self, batch: &Batch, point: &PointRow) -> bool {
        self.labels.iter().all(|(key, matcher)| matcher.matches(text_of(batch, point.attrs, key)))
    }

    /// Returns whether a metric matches by its name and by some point, or has none.
    fn matches_any(&self, batch: &Batch, metric: usize) -> bool {
        let row = batch.metric_at(metric);
        let mut points = batch.points(row).iter();
        self.matches_name(batch, row)
            && (self.labels.is_empty()
                || row.points.is_empty()
                || points.any(|point| self.matches_point(batch, point)))
    }

    /// Points of a metric that match; none if its name or all of its points do not.
    fn matching(&self, batch: &Batch, metric: usize) -> Option<Vec<bool>> {
        let row = batch.metric_at(metric);
        if !self.matches_name(batch, row) {
            return None;
        }
        let keep: Vec<bool> = batch.points(row).iter().map(|p| self.matches_point(batch, p)).collect();
        (keep.is_empty() || keep.contains(&true)).then_some(keep)
    }

    /// Changes a metric. False if it had points and has none any more.
    fn apply(&self, batch: &mut Batch, at: Path) -> bool {
        let row = *batch.metric_at(at.metric);
        let all = self.labels.is_empty() || batch.points(&row).iter().all(|p| self.matches_point(batch, p));
        let whole = all || !matches!(self.action, Action::Update);
        if whole && !self.new_name.is_empty() {
            self.rename(batch, at);
        }
        for operation in &self.operations {
            match operation {
                Operation::UpdateLabel { label, new_label, values } => {
                    self.update_label(batch, at, label, new_label, values);
                }
                Operation::ToggleScalarDataType => self.toggle(batch, at),
                Operation::Scale(by) => self.scale(batch, at, *by),
                Operation::AddLabel { label, value } if whole => labels::add(batch, at, label, value),
                Operation::DeleteLabelValue { label, value } if whole => {
                    labels::delete_value(batch, at, label, value);
                }
                Operation::AggregateLabels { keep, by } if whole => labels::aggregate(batch, at, keep, *by),
                Operation::AggregateLabelValues { label, values, new_value, by } if whole => {
                    labels::aggregate_values(batch, at, (label, values, new_value), *by);
                }
                _ => {}
            }
        }
        row.points.is_empty() || !batch.metric_at(at.metric).points.is_empty()
    }

    fn rename(&self, batch: &mut Batch, at: Path) {
        let mut name = Vec::new();
        if let Include::Regexp(pattern) = &self.include
            && let Some(captures) = pattern.captures(batch.bytes(batch.metric_at(at.metric).name))
        {
            pattern.replacement(self.new_name.as_bytes()).expand(&captures, &mut name);
        }
        if name.is_empty() {
            name.extend_from_slice(self.new_name.as_bytes());
        }
        let name = batch.intern(&name);
        batch.edit_metric(at, |metric| metric.name = name);
    }
}

/// A metric with some points of another, in no scope yet. One that has all of them has its metadata, too; the
/// attributes are copied if the other one stays.
fn copied(batch: &mut Batch, metric: usize, keep: &[bool], stays: bool) -> usize {
    let row = *batch.metric_at(metric);
    let mut points: Vec<PointRow> = batch.points(&row).to_vec();
    let mut kept = keep.iter();
    points.retain(|_| kept.next().copied().unwrap_or(true));
    if stays {
        points.iter_mut().for_each(|point| point.attrs = batch.copy_attributes(point.attrs));
    }
    let mut copy = row;
    if points.len() < keep.len() {
        copy = batch.detached_metric(row);
    }
    copy.points = batch.push_points(&points);
    batch.add_metric(copy)
}
