//! Edits: changes by stages to the rows of an output.
//!
//! Each marks the row and its ancestors as touched and forgets the identities that hang on it.

mod attribute_list;
mod attributes;
mod gather;
mod insert;
mod narrow;
mod origin;
mod regroup;
mod retain;
mod scratch;

pub(crate) use attribute_list::AttributeList;
pub(crate) use insert::{NewMetric, NewPoint};
pub(crate) use scratch::PendingBytes;

use super::Batch;
use super::rows::{Marks, MetricRow, PointRow, ResourceRow, ScopeRow};
use super::span::Rows;

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
    pub(crate) fn touch_resource(&mut self, resource: usize, what: u8) {
        self.resources[resource].touched.mark(what);
        self.changed = true;
        self.edits += 1;
    }

    pub(crate) fn touch_scope(&mut self, resource: usize, scope: usize, what: u8) {
        self.scopes[scope].touched.mark(what);
        self.touch_resource(resource, Marks::CHILDREN);
    }

    pub(crate) fn touch_metric(&mut self, resource: usize, scope: usize, metric: usize, what: u8) {
        self.metrics[metric].touched.mark(what);
        self.touch_scope(resource, scope, Marks::CHILDREN);
    }

    pub(crate) fn touch_point(&mut self, path: Path) {
        self.points[path.point].touched.mark(Marks::OWN);
        self.touch_metric(path.resource, path.scope, path.metric, Marks::CHILDREN);
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
                self.touch_resource(resource, Marks::OWN);
            }
            Owner::Scope(path) => {
                self.scopes[path.scope].attrs = rows;
                self.scopes[path.scope].digest = 0;
                self.touch_scope(path.resource, path.scope, Marks::OWN);
            }
            Owner::Point(path) => {
                self.points[path.point].attrs = rows;
                self.points[path.point].identity = 0;
                self.touch_point(path);
            }
        }
    }

    pub(crate) fn resource_at(&self, index: usize) -> &ResourceRow {
        &self.resources[index]
    }

    pub(crate) fn scope_at(&self, index: usize) -> &ScopeRow {
        &self.scopes[index]
    }

    pub(crate) fn metric_at(&self, index: usize) -> &MetricRow {
        &self.metrics[index]
    }

    pub(crate) fn point_at(&self, index: usize) -> &PointRow {
        &self.points[index]
    }
}
