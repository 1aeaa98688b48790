//! Rows gathered from several resources: made like one of those that they stand for, while it still stands.

use crate::Batch;
use crate::batch::rows::{AttrRow, MIXED, Marks, MetricRow, Origin, PointRow, ResourceRow, ScopeRow};
use crate::batch::span::{Rows, Span};

impl Batch {
    /// Appends a point like another, of these input points; the metric that is to own it comes later.
    pub(crate) fn gather_point(&mut self, like: PointRow, inputs: &[u32]) {
        let origin = match inputs {
            [only] => Origin::one(*only),
            several => self.group_origin(several.iter().copied()),
        };
        let point = self.touched_point(PointRow { origin, raw: Span::NONE, flags: 0, ..like });
        self.points.push(point);
    }

    /// A metric like another that owns the points appended since `start`.
    pub(crate) fn gather_metric(&self, like: &MetricRow, start: usize) -> MetricRow {
        let mut metric = *like;
        metric.touched.mark(Marks::OWN);
        metric.points = Rows { start: start as u32, end: self.points.len() as u32 };
        metric
    }

    /// A scope like another with these metrics.
    pub(crate) fn gather_scope(&mut self, like: usize, metrics: &[MetricRow]) -> ScopeRow {
        let mut scope = self.scopes[like];
        scope.raw = Span::NONE;
        scope.touched.mark(Marks::CHILDREN);
        scope.attrs = self.copy_attributes(scope.attrs);
        let start = self.metrics.len() as u32;
        self.metrics.extend_from_slice(metrics);
        scope.metrics = Rows { start, end: self.metrics.len() as u32 };
        scope
    }

    /// A resource like another with these scopes, and with the attributes for which `keep` holds.
    pub(crate) fn gather_resource(
        &mut self,
        like: usize,
        scopes: &[ScopeRow],
        keep: impl Fn(&Self, &AttrRow) -> bool,
    ) -> ResourceRow {
        let mut resource = self.resources[like];
        resource.raw = Span::NONE;
        resource.digest = 0;
        resource.touched.mark(Marks::OWN);
        let start = self.attrs.len() as u32;
        for row in resource.attrs.range() {
            let attr = self.attrs[row];
            if keep(self, &attr) {
                self.attrs.push(attr);
            }
        }
        resource.attrs = Rows { start, end: self.attrs.len() as u32 };
        let start = self.scopes.len() as u32;
        self.scopes.extend_from_slice(scopes);
        resource.scopes = Rows { start, end: self.scopes.len() as u32 };
        resource.home = self.home_of(&resource);
        resource
    }

    /// The home of all points of a resource, or [`MIXED`].
    pub(in crate::batch) fn home_of(&self, resource: &ResourceRow) -> u32 {
        let metrics = self.scopes(resource).iter().flat_map(|scope| self.metrics(scope));
        let mut homes = metrics.flat_map(|metric| self.points(metric)).map(|point| point.home);
        let first = homes.next().unwrap_or(MIXED);
        if homes.all(|home| home == first) { first } else { MIXED }
    }

    /// Appends a resource that was gathered; its index.
    pub(crate) fn add_resource(&mut self, resource: ResourceRow) -> usize {
        self.resources.push(resource);
        self.changed = true;
        self.resources.len() - 1
    }
}
