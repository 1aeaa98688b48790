//! Edits: what stages do to the rows of an output.
//!
//! Each marks the row and its ancestors as touched and forgets the identities that hang on it. Attribute lists
//! are edited as a whole, in `rewrite`.

use super::rows::{Inputs, Origin, PointRow, Touched};
use super::span::{Rows, Span};
use super::{Batch, GROUP};

/// Position of a point: indexes into the four arenas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    pub resource: usize,
    pub scope: usize,
    pub metric: usize,
    pub point: usize,
}

/// Owner of the attributes that are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// `Path::resource`'s.
    Resource(usize),
    /// The scope's.
    Scope(Path),
    /// The data point's.
    Point(Path),
}

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
                self.touch_resource(resource, Touched::CHILDREN);
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
                    self.touch_scope(resource, scope, Touched::CHILDREN);
                }
            }
        }
    }

    /// Keeps the points of which `decide` says so, metric by metric: it adds to a list, empty at first, whether each
    /// point stays, or nothing where all do. A metric may end up without any. `decide` sees the batch as it was.
    pub(crate) fn sift_points(&mut self, mut decide: impl FnMut(&Self, Path, &mut Vec<bool>)) {
        let mut decisions = std::mem::take(&mut self.decisions);
        for resource in 0..self.resources.len() {
            for scope in self.resources[resource].scopes.range() {
                for metric in self.scopes[scope].metrics.range() {
                    decisions.clear();
                    decide(self, Path { resource, scope, metric, point: 0 }, &mut decisions);
                    if decisions.contains(&false) {
                        self.drop_points(metric, &decisions);
                        self.touch_metric(resource, scope, metric, Touched::CHILDREN);
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
        self.touch_metric(at.resource, at.scope, at.metric, Touched::CHILDREN);
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

    pub(crate) fn touch_resource(&mut self, resource: usize, what: u8) {
        self.resources[resource].touched.mark(what);
        self.changed = true;
    }

    pub(crate) fn touch_scope(&mut self, resource: usize, scope: usize, what: u8) {
        self.scopes[scope].touched.mark(what);
        self.touch_resource(resource, Touched::CHILDREN);
    }

    pub(crate) fn touch_metric(&mut self, resource: usize, scope: usize, metric: usize, what: u8) {
        self.metrics[metric].touched.mark(what);
        self.touch_scope(resource, scope, Touched::CHILDREN);
    }

    pub(crate) fn touch_point(&mut self, path: Path) {
        self.points[path.point].touched.mark(Touched::OWN);
        self.touch_metric(path.resource, path.scope, path.metric, Touched::CHILDREN);
    }

    /// Puts text into the scratch buffer. A stage does so once a batch for what its config says.
    pub(crate) fn intern(&mut self, text: &[u8]) -> Span {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(text);
        Span::scratch(start, text.len())
    }

    pub(crate) fn attrs_of(&self, owner: Owner) -> Rows {
        match owner {
            Owner::Resource(resource) => self.resources[resource].attrs,
            Owner::Scope(path) => self.scopes[path.scope].attrs,
            Owner::Point(path) => self.points[path.point].attrs,
        }
    }

    pub(super) fn put_attributes(&mut self, owner: Owner, rows: Rows) {
        match owner {
            Owner::Resource(resource) => {
                self.resources[resource].attrs = rows;
                self.resources[resource].digest = 0;
                self.touch_resource(resource, Touched::OWN);
            }
            Owner::Scope(path) => {
                self.scopes[path.scope].attrs = rows;
                self.scopes[path.scope].digest = 0;
                self.touch_scope(path.resource, path.scope, Touched::OWN);
            }
            Owner::Point(path) => {
                self.points[path.point].attrs = rows;
                self.points[path.point].identity = 0;
                self.touch_point(path);
            }
        }
    }

    /// The provenance of a point that aggregates these input points.
    pub(crate) fn group_origin(&mut self, members: impl IntoIterator<Item = u32>) -> Origin {
        let start = self.group_members.len() as u32;
        self.group_members.extend(members);
        self.groups.push(Rows { start, end: self.group_members.len() as u32 });
        Origin((self.groups.len() as u32 - 1) | GROUP)
    }

    /// The provenance of a point that several become.
    pub(crate) fn merged_origin(&mut self, points: &[PointRow]) -> Origin {
        if let [only] = points {
            return only.origin;
        }
        let mut members = Vec::new();
        for point in points {
            match self.inputs(point) {
                Inputs::One(index) => members.push(index),
                Inputs::Many(indexes) => members.extend_from_slice(indexes),
            }
        }
        self.group_origin(members)
    }
}
