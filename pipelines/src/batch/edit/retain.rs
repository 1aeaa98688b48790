//! Rows that stages drop or rework, level by level.

use crate::Batch;
use crate::batch::rows::{Marks, PointRow};

use super::Path;

impl Batch {
    /// Keeps the resources for which `keep` holds.
    pub(crate) fn retain_resources(&mut self, mut keep: impl FnMut(&Self, usize) -> bool) {
        let mut kept = 0;
        for resource in 0..self.resources.len() {
            if keep(self, resource) {
                self.resources[kept] = self.resources[resource];
                kept += 1;
            }
        }
        self.changed |= kept != self.resources.len();
        self.resources.truncate(kept);
    }

    /// Keeps the scopes for which `keep` holds; a resource may end up without any.
    pub(crate) fn retain_scopes(&mut self, mut keep: impl FnMut(&Self, Path) -> bool) {
        for resource in 0..self.resources.len() {
            let rows = self.resources[resource].scopes;
            let mut kept = rows.start as usize;
            for scope in rows.range() {
                if keep(self, Path { resource, scope, ..Path::default() }) {
                    self.scopes[kept] = self.scopes[scope];
                    kept += 1;
                }
            }
            if kept != rows.end as usize {
                self.resources[resource].scopes.end = kept as u32;
                self.touch_resource(resource, Marks::CHILDREN);
            }
        }
    }

    /// Keeps the metrics for which `keep` holds; a scope may end up without any.
    pub(crate) fn retain_metrics(&mut self, mut keep: impl FnMut(&Self, Path) -> bool) {
        for resource in 0..self.resources.len() {
            for scope in self.resources[resource].scopes.range() {
                let rows = self.scopes[scope].metrics;
                let mut kept = rows.start as usize;
                for metric in rows.range() {
                    if keep(self, Path { resource, scope, metric, point: 0 }) {
                        self.metrics[kept] = self.metrics[metric];
                        kept += 1;
                    }
                }
                if kept != rows.end as usize {
                    self.scopes[scope].metrics.end = kept as u32;
                    self.touch_scope(resource, scope, Marks::CHILDREN);
                }
            }
        }
    }

    /// Keeps the points of which `decide` says so, metric by metric: it adds to a list, empty at first, whether each
    /// point stays, or nothing where all do. A metric may end up without any. `decide` sees the batch as it was.
    pub(crate) fn retain_points(&mut self, mut decide: impl FnMut(&Self, Path, &mut Vec<bool>)) {
        let mut decisions = std::mem::take(&mut self.decisions);
        for resource in 0..self.resources.len() {
            for scope in self.resources[resource].scopes.range() {
                for metric in self.scopes[scope].metrics.range() {
                    decisions.clear();
                    decide(self, Path { resource, scope, metric, point: 0 }, &mut decisions);
                    if decisions.contains(&false) {
                        self.drop_points(metric, &decisions);
                        self.touch_metric(resource, scope, metric, Marks::CHILDREN);
                    }
                }
            }
        }
        self.decisions = decisions;
    }

    /// Gives every point of a metric, with its index, to `rework`: what it returns stands in the point's place. It
    /// must mark what it changes ([`Batch::touched_point`]).
    pub(crate) fn rework_points(
        &mut self,
        at: Path,
        mut rework: impl FnMut(&mut Self, usize, PointRow) -> Option<PointRow>,
    ) {
        let rows = self.metrics[at.metric].points;
        let mut kept = rows.start as usize;
        for point in rows.range() {
            if let Some(row) = rework(self, point, self.points[point]) {
                self.points[kept] = row;
                kept += 1;
            }
        }
        self.metrics[at.metric].points.end = kept as u32;
        self.touch_metric(at.resource, at.scope, at.metric, Marks::CHILDREN);
    }

    /// Drops scopes without metrics, then resources without scopes.
    pub(crate) fn drop_empty(&mut self) {
        self.retain_scopes(|batch, path| !batch.scopes[path.scope].metrics.is_empty());
        self.retain_resources(|batch, resource| !batch.resources[resource].scopes.is_empty());
    }

    fn drop_points(&mut self, metric: usize, keep: &[bool]) {
        let rows = self.metrics[metric].points;
        let mut kept = rows.start as usize;
        for (point, keep) in rows.range().zip(keep) {
            if *keep {
                self.points[kept] = self.points[point];
                kept += 1;
            }
        }
        self.metrics[metric].points.end = kept as u32;
    }
}
