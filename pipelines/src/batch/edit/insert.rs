//! Rows that stages make: metrics added to a scope, points in place of others, and what of a row only its
//! received encoding held.

use crate::batch::rows::{Marks, MetricKind, MetricRow, Number, Origin, PointRow, ResourceRow, ScopeRow};
use crate::batch::span::{Rows, Span};
use crate::batch::wire::Wire;
use crate::batch::{Batch, data};

use super::Path;

/// Number of metrics and points stages may add to a batch: a statement that copies what it just copied never
/// ends by itself.
const MAX_ADDED: usize = 1 << 20;

/// A data point to be made. What `raw` holds besides attributes, times and number is taken as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPoint {
    pub raw: Span,
    pub origin: Origin,
    pub attrs: Rows,
    pub time: u64,
    pub start: u64,
    pub value: Number,
    pub flags: u32,
    pub home: u32,
}

impl NewPoint {
    /// A point with the attributes, times and provenance of another; its attributes are to be copied.
    pub(crate) fn like(point: &PointRow) -> Self {
        Self {
            raw: Span::NONE,
            origin: point.origin,
            attrs: point.attrs,
            time: point.time,
            start: point.start,
            value: Number::None,
            flags: 0,
            home: point.home,
        }
    }
}

/// A metric to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMetric {
    pub raw: Span,
    pub name: Span,
    pub description: Span,
    pub unit: Span,
    pub kind: MetricKind,
    pub temporality: u8,
    pub monotonic: bool,
    pub points: Rows,
}

impl Batch {
    /// Appends a metric to a scope; its index.
    pub(crate) fn push_metric(&mut self, path: Path, metric: MetricRow) -> usize {
        let rows = self.scopes[path.scope].metrics;
        if rows.end as usize != self.metrics.len() {
            let start = self.metrics.len() as u32;
            self.metrics.extend_from_within(rows.range());
            self.scopes[path.scope].metrics = Rows { start, end: self.metrics.len() as u32 };
        }
        self.metrics.push(metric);
        self.scopes[path.scope].metrics.end += 1;
        self.touch_scope(path.resource, path.scope, Marks::CHILDREN);
        self.metrics.len() - 1
    }

    /// Returns whether another `points` may be added.
    pub(crate) fn has_room(&self, points: usize) -> bool {
        self.points.len() + points + self.metrics.len() < MAX_ADDED + 2 * self.source.len()
    }

    /// A metric that nobody received.
    pub(crate) fn new_metric(&self, made: NewMetric) -> MetricRow {
        let mut touched = Marks::default();
        touched.mark(Marks::OWN);
        MetricRow {
            raw: made.raw,
            data: Span::NONE,
            touched,
            digest: 0,
            name: made.name,
            description: made.description,
            unit: made.unit,
            kind: made.kind,
            temporality: made.temporality,
            monotonic: made.monotonic,
            points: made.points,
        }
    }

    /// A point that nobody received.
    pub(crate) fn new_point(&self, made: NewPoint) -> PointRow {
        let mut touched = Marks::default();
        touched.mark(Marks::OWN);
        PointRow {
            raw: made.raw,
            touched,
            origin: made.origin,
            identity: 0,
            attrs: made.attrs,
            time: made.time,
            start: made.start,
            value: made.value,
            flags: made.flags,
            home: made.home,
        }
    }

    /// Appends points to the arena, for a metric that is to own them.
    pub(crate) fn push_points(&mut self, points: &[PointRow]) -> Rows {
        let start = self.points.len() as u32;
        self.points.extend_from_slice(points);
        Rows { start, end: self.points.len() as u32 }
    }

    /// A copy of a metric with points and attributes of its own, in no scope yet.
    pub(crate) fn copy_metric(&mut self, metric: usize) -> MetricRow {
        let mut copy = self.metrics[metric];
        let start = self.points.len() as u32;
        for index in copy.points.range() {
            let mut point = self.points[index];
            point.attrs = self.copy_attributes(point.attrs);
            self.points.push(point);
        }
        copy.points = Rows { start, end: self.points.len() as u32 };
        copy
    }

    /// Puts a metric into the arena, in no scope yet; its index.
    pub(crate) fn add_metric(&mut self, metric: MetricRow) -> usize {
        self.metrics.push(metric);
        self.metrics.len() - 1
    }

    /// A metric like another, to be encoded anew: what only its received encoding holds is not taken along.
    pub(crate) fn detached_metric(&self, mut metric: MetricRow) -> MetricRow {
        metric.touched.mark(Marks::OWN);
        (metric.raw, metric.data, metric.digest) = (Span::NONE, Span::NONE, 0);
        metric
    }

    /// Gives a scope these metrics, by their indexes.
    pub(crate) fn set_metrics(&mut self, at: Path, metrics: &[usize]) {
        let start = self.metrics.len() as u32;
        for metric in metrics {
            self.metrics.push(self.metrics[*metric]);
        }
        self.scopes[at.scope].metrics = Rows { start, end: self.metrics.len() as u32 };
        self.touch_scope(at.resource, at.scope, Marks::CHILDREN);
    }

    /// Appends a copy of a resource without its schema URL, with a copy of one of its scopes that has these metrics;
    /// its index. The resource need not be in the batch any more.
    pub(crate) fn append_resource(
        &mut self,
        mut resource: ResourceRow,
        mut scope: ScopeRow,
        metrics: &[usize],
    ) -> usize {
        resource.attrs = self.copy_attributes(resource.attrs);
        scope.attrs = self.copy_attributes(scope.attrs);
        resource.touched.mark(Marks::CHILDREN);
        scope.touched.mark(Marks::CHILDREN);
        (resource.raw, resource.schema_url) = (Span::NONE, Span::NONE);
        (scope.raw, scope.schema_url) = (Span::NONE, Span::NONE);
        let start = self.scopes.len() as u32;
        self.scopes.push(scope);
        resource.scopes = Rows { start, end: start + 1 };
        self.resources.push(resource);
        let resource = self.resources.len() - 1;
        self.set_metrics(Path { resource, scope: start as usize, ..Path::default() }, metrics);
        resource
    }

    /// Edits a metric's own fields: name, unit, description, kind, temporality.
    pub(crate) fn edit_metric(&mut self, path: Path, edit: impl FnOnce(&mut MetricRow)) {
        edit(&mut self.metrics[path.metric]);
        self.metrics[path.metric].digest = 0;
        self.touch_metric(path.resource, path.scope, path.metric, Marks::OWN);
    }

    /// Edits a point's times, value, or the encoding that the rest of it is spliced from.
    pub(crate) fn edit_point(&mut self, path: Path, edit: impl FnOnce(&mut PointRow)) {
        edit(&mut self.points[path.point]);
        self.touch_point(path);
    }

    /// Edits a scope's own fields.
    pub(crate) fn edit_scope(&mut self, path: Path, edit: impl FnOnce(&mut ScopeRow)) {
        edit(&mut self.scopes[path.scope]);
        self.scopes[path.scope].digest = 0;
        self.touch_scope(path.resource, path.scope, Marks::OWN);
    }

    /// Edits a resource's own fields.
    pub(crate) fn edit_resource(&mut self, resource: usize, edit: impl FnOnce(&mut ResourceRow)) {
        edit(&mut self.resources[resource]);
        self.resources[resource].digest = 0;
        self.touch_resource(resource, Marks::OWN);
    }

    /// A point that differs from what was received.
    pub(crate) fn touched_point(&self, mut point: PointRow) -> PointRow {
        point.touched.mark(Marks::OWN);
        point.identity = 0;
        point
    }

    /// The encoded exemplars of a point, which stand in this field.
    pub(crate) fn exemplars(&self, point: usize, field: u32) -> Vec<Vec<u8>> {
        let raw = self.bytes(self.points[point].raw);
        let mut found = Vec::new();
        data::fields(raw, |number, value| {
            if let (true, Wire::Len(span)) = (number == field, value) {
                found.push(data::inner(raw, span).to_vec());
            }
        });
        found
    }

    /// Gives a point other exemplars.
    pub(crate) fn replace_exemplars(&mut self, at: Path, field: u32, exemplars: &[Vec<u8>]) {
        let mut raw = Vec::new();
        data::without(self.bytes(self.points[at.point].raw), field, &mut raw);
        exemplars.iter().for_each(|exemplar| data::write::message(&mut raw, field, exemplar));
        let span = self.intern(&raw);
        self.edit_point(at, |point| point.raw = span);
    }
}
