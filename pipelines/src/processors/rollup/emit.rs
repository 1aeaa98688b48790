//! Points that a roll-up sends of a batch: one of each series that one of its points belongs to.
//!
//! Texts are taken from the batch: the first point of a series stands for what its resource, scope and metric say.

use crate::Batch;
use crate::batch::{AttrRow, Cell, MetricKind, MetricRow, Number, Owner, PointRow, ResourceRow, ScopeRow};

use super::RollupState;
use super::config::Function;
use super::memory::{Group, NONE, sum};

impl RollupState {
    /// Puts the rolled-up resources behind those that stayed.
    pub(super) fn emit(&mut self, batch: &mut Batch, now: u64) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable_by_key(|group| (self.groups.at(*group as usize).order, *group));
        // The new rows are made while those that they are like still stand where they did.
        let made: Vec<ResourceRow> = touched
            .chunk_by(|a, b| self.group(*a).order.0 == self.group(*b).order.0)
            .map(|groups| self.resource(batch, groups, now))
            .collect();
        self.touched = touched;
        if !self.emptied.is_empty() {
            // Scopes that stages gave other metrics do not stand in the order of the arena.
            self.emptied.sort_unstable();
            batch.retain_metrics(|_, path| self.emptied.binary_search(&path.metric).is_err());
            batch.drop_empty();
        }
        for resource in made {
            let resource = batch.add_resource(resource);
            if let Some((key, value)) = self.config.label() {
                let (key, value) = (batch.intern(key.as_bytes()), batch.intern(value.as_bytes()));
                batch.set_attribute(Owner::Resource(resource), AttrRow::bare(key, Cell::Text(value)));
            }
        }
    }

    fn group(&self, place: u32) -> &Group {
        self.groups.at(place as usize)
    }

    fn resource(&self, batch: &mut Batch, groups: &[u32], now: u64) -> ResourceRow {
        let scopes: Vec<ScopeRow> = groups
            .chunk_by(|a, b| self.group(*a).order.1 == self.group(*b).order.1)
            .map(|groups| {
                let metrics: Vec<MetricRow> = groups
                    .chunk_by(|a, b| self.group(*a).order == self.group(*b).order)
                    .map(|groups| self.metric_of(batch, groups, now))
                    .collect();
                batch.gather_scope(self.group(groups[0]).at.scope, &metrics)
            })
            .collect();
        let like = self.group(groups[0]).at.resource;
        batch.gather_resource(like, &scopes, |batch, attr| self.config.keeps(batch, attr))
    }

    fn metric_of(&self, batch: &mut Batch, groups: &[u32], now: u64) -> MetricRow {
        let like = *batch.metric_at(self.group(groups[0]).at.metric);
        let function = self.config.function(batch, &like);
        let first = batch.all_points().len();
        for group in groups.iter().map(|place| self.group(*place)) {
            let (value, start) = match like.kind {
                MetricKind::Gauge => (self.value(group, function, now), 0),
                _ if like.temporality == 1 => (group.total, group.point.start),
                _ if like.monotonic => (group.total, group.start),
                _ => (self.value(group, function, now), group.start),
            };
            batch.gather_point(PointRow { value, start, ..group.point }, &group.inputs);
        }
        batch.gather_metric(&like, first)
    }

    /// Aggregate of the last values of a series' living members.
    fn value(&self, group: &Group, function: Function, now: u64) -> Number {
        let stale = u64::try_from(self.config.stale_after.as_nanos()).unwrap_or(u64::MAX);
        let (mut place, mut value, mut count, mut latest) = (group.head, Number::None, 0_u64, 0);
        while place != NONE {
            let member = self.members.at(place as usize);
            place = member.next;
            if !member.counts || now.saturating_sub(member.seen) >= stale {
                continue;
            }
            count += 1;
            let order = member.value.as_f64().partial_cmp(&value.as_f64());
            let replaces = match function {
                Function::Max => order.is_some_and(std::cmp::Ordering::is_gt),
                Function::Min => order.is_some_and(std::cmp::Ordering::is_lt),
                Function::Last => member.seen > latest,
                Function::Sum | Function::Avg => false,
            };
            value = match function {
                _ if replaces || value == Number::None => member.value,
                Function::Sum | Function::Avg => sum(value, member.value),
                _ => value,
            };
            latest = latest.max(member.seen);
        }
        match (function, value.as_f64()) {
            (Function::Avg, Some(sum)) => Number::Double(sum / count.max(1) as f64),
            _ => value,
        }
    }
}
