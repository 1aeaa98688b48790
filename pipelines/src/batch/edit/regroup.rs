//! Regrouping: points move to the resource that their attributes name, and what becomes equal is merged.
//!
//! Resources are merged by their attributes, scopes by name and version, metrics by name and kind; the rest is
//! that of the first one met. What has no point is lost, and so are schema URLs and the resource's count of
//! dropped attributes: so it is in the Collector's `groupbyattrs`.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::Batch;
use crate::batch::identity::attribute_set;
use crate::batch::rows::{AttrRow, MIXED, Marks, MetricRow, PointRow, ResourceRow, ScopeRow};
use crate::batch::span::{Rows, Span};

use super::Path;

impl Batch {
    /// Moves the attributes `keys` of every point to its resource, and merges equals. `moves` is told each point that
    /// has some of them, before it moves.
    pub(crate) fn regroup(&mut self, keys: &[Span], moves: &mut dyn FnMut(&Self, Path)) {
        let mut regroup = Regroup {
            groups: Vec::new(),
            scopes: Vec::new(),
            metrics: Vec::new(),
            group_of: HashMap::new(),
            metric_of: HashMap::new(),
            moved: Vec::new(),
        };
        for resource in 0..self.resources.len() {
            let digest = self.resource_digest(resource);
            for scope in self.resources[resource].scopes.range() {
                for metric in self.scopes[scope].metrics.range() {
                    let path = Path { resource, scope, metric, point: 0 };
                    regroup.metric(self, keys, digest, path, moves);
                }
            }
        }
        regroup.rebuild(self);
        self.changed = true;
    }

    fn resource_digest(&mut self, resource: usize) -> u128 {
        let mut buffer = std::mem::take(&mut self.buffer);
        let digest = attribute_set(self, self.resources[resource].attrs, &mut buffer);
        self.buffer = buffer;
        digest
    }
}

struct Regroup {
    groups: Vec<Group>,
    scopes: Vec<(ScopeRow, Vec<usize>)>,
    metrics: Vec<(MetricRow, Vec<PointRow>)>,
    /// Groups by digest of the attributes.
    group_of: HashMap<u128, usize>,
    /// Metrics by scope, and digest of kind and name.
    metric_of: HashMap<(usize, u128), usize>,
    /// The attributes of one point that move.
    moved: Vec<AttrRow>,
}

struct Group {
    row: ResourceRow,
    scopes: Vec<usize>,
}

impl Regroup {
    fn metric(
        &mut self,
        batch: &mut Batch,
        keys: &[Span],
        digest: u128,
        at: Path,
        moves: &mut dyn FnMut(&Batch, Path),
    ) {
        let (scope, metric) = (at.scope, at.metric);
        // Points that stay with the resource all go to the same metric.
        let mut stay = None;
        for index in batch.metrics[metric].points.range() {
            let mut point = batch.points[index];
            let group = self.split(batch, keys, at.resource, &mut point);
            if group.is_some() {
                moves(batch, Path { point: index, ..at });
            }
            let target = match (group, stay) {
                (None, Some(target)) => target,
                (None, None) => {
                    let group = self.group(batch, at.resource, digest, batch.resources[at.resource].attrs);
                    *stay.insert(self.target(batch, group, scope, metric))
                }
                (Some(group), _) => self.target(batch, group, scope, metric),
            };
            point.identity = 0;
            self.metrics[target].1.push(point);
        }
    }

    /// Takes the keys off a point and finds the group that they lead to; none if it has none of them.
    fn split(
        &mut self,
        batch: &mut Batch,
        keys: &[Span],
        resource: usize,
        point: &mut PointRow,
    ) -> Option<usize> {
        self.moved.clear();
        for key in keys {
            let found =
                batch.attributes(point.attrs).iter().find(|attr| batch.bytes(attr.key) == batch.bytes(*key));
            self.moved.extend(found);
        }
        if self.moved.is_empty() {
            return None;
        }
        point.attrs = without(batch, point.attrs, &self.moved);
        point.touched.mark(Marks::OWN);
        let attrs = without(batch, batch.resources[resource].attrs, &self.moved);
        batch.attrs.extend_from_slice(&self.moved);
        let attrs = Rows { start: attrs.start, end: batch.attrs.len() as u32 };
        let mut buffer = std::mem::take(&mut batch.buffer);
        let digest = attribute_set(batch, attrs, &mut buffer);
        batch.buffer = buffer;
        let known = self.group_of.contains_key(&digest);
        let group = self.group(batch, resource, digest, attrs);
        if known {
            batch.attrs.truncate(attrs.start as usize);
        }
        Some(group)
    }

    fn group(&mut self, batch: &Batch, resource: usize, digest: u128, attrs: Rows) -> usize {
        let groups = &mut self.groups;
        *self.group_of.entry(digest).or_insert_with(|| {
            let mut touched = Marks::default();
            touched.mark(Marks::OWN);
            touched.mark(Marks::CHILDREN);
            let made = ResourceRow {
                raw: Span::NONE,
                own: Span::NONE,
                touched,
                digest: 0,
                attrs,
                schema_url: Span::NONE,
                ..batch.resources[resource]
            };
            groups.push(Group { row: made, scopes: Vec::new() });
            groups.len() - 1
        })
    }

    /// The metric of a group that a metric's points go to.
    fn target(&mut self, batch: &Batch, group: usize, scope: usize, metric: usize) -> usize {
        let scope_row = batch.scopes[scope];
        let same = |other: &ScopeRow| {
            batch.bytes(other.name) == batch.bytes(scope_row.name)
                && batch.bytes(other.version) == batch.bytes(scope_row.version)
        };
        let found = self.groups[group].scopes.iter().copied().find(|index| same(&self.scopes[*index].0));
        let scope = found.unwrap_or_else(|| {
            let mut made = ScopeRow { raw: Span::NONE, schema_url: Span::NONE, ..scope_row };
            made.touched.mark(Marks::CHILDREN);
            self.scopes.push((made, Vec::new()));
            self.groups[group].scopes.push(self.scopes.len() - 1);
            self.scopes.len() - 1
        });
        let row = batch.metrics[metric];
        let name = xxh3_128(batch.bytes(row.name)).rotate_left(row.kind as u32);
        *self.metric_of.entry((scope, name)).or_insert_with(|| {
            let mut made = row;
            made.touched.mark(Marks::CHILDREN);
            self.metrics.push((made, Vec::new()));
            self.scopes[scope].1.push(self.metrics.len() - 1);
            self.metrics.len() - 1
        })
    }

    fn rebuild(self, batch: &mut Batch) {
        let (mut resources, mut scopes, mut metrics, mut points) = (vec![], vec![], vec![], vec![]);
        for group in self.groups {
            let first_scope = scopes.len() as u32;
            let mut homes = Homes::default();
            for (row, members) in group.scopes.iter().map(|scope| &self.scopes[*scope]) {
                let first_metric = metrics.len() as u32;
                for (row, members) in members.iter().map(|metric| &self.metrics[*metric]) {
                    let first_point = points.len() as u32;
                    members.iter().for_each(|point| homes.add(point.home));
                    points.extend_from_slice(members);
                    metrics.push(MetricRow {
                        points: Rows { start: first_point, end: points.len() as u32 },
                        ..*row
                    });
                }
                scopes.push(ScopeRow {
                    metrics: Rows { start: first_metric, end: metrics.len() as u32 },
                    ..*row
                });
            }
            let scopes = Rows { start: first_scope, end: scopes.len() as u32 };
            resources.push(ResourceRow { scopes, home: homes.home(), ..group.row });
        }
        (batch.resources, batch.scopes, batch.metrics, batch.points) = (resources, scopes, metrics, points);
    }
}

/// A copy of attributes at the end of the arena, without those of the same keys as some others.
fn without(batch: &mut Batch, rows: Rows, others: &[AttrRow]) -> Rows {
    let start = batch.attrs.len() as u32;
    for row in rows.range() {
        let attr = batch.attrs[row];
        if !others.iter().any(|other| batch.bytes(other.key) == batch.bytes(attr.key)) {
            batch.attrs.push(attr);
        }
    }
    Rows { start, end: batch.attrs.len() as u32 }
}

/// The homes of a group's points: one, or several.
#[derive(Default)]
struct Homes(Option<u32>);

impl Homes {
    fn add(&mut self, home: u32) {
        self.0 = Some(match self.0 {
            None => home,
            Some(other) if other == home => home,
            Some(_) => MIXED,
        });
    }

    fn home(&self) -> u32 {
        self.0.unwrap_or(MIXED)
    }
}
