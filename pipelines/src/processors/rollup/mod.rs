//! `rollup`: collapses resources that differ in some attributes only, such as the processes of an executable, into
//! one, correctly across batches and processes that start and die.
//!
//! Resources that agree on the attributes that stay become one; of each metric and set of point attributes there is
//! one series below it.
//!
//! - A **cumulative monotonic sum** adds up what its members have counted. A member that falls or starts anew counts
//!   from zero; one that is first seen counts from zero if it did not start before this pipeline, else from its first
//!   value. The start time is that of the accumulation.
//! - A **delta** is the sum of the batch's points.
//! - A **gauge**, and a sum that is not monotonic, is a function of its members' last values. A member that has not
//!   come for `stale_after` does not count any more.
//! - Histograms, summaries and sums of no temporality stay with their own resources.
//!
//! What of a scrape comes in several batches gives a point a batch; put `interval` behind to send one.
//!
//! **Scope**: a host. **State**: the last value of each member, the total of each series. **Bound**: [`MAX_MEMBERS`]
//! members in about 110 bytes each and [`MAX_GROUPS`] series; a series past it passes as it came, and is counted as
//! evicted. Members that have not come for `forget_after` are forgotten. **Hold**: none. **Warm-up**: two scrapes, for
//! a counter to be seen to rise. **Restart**: with saved state totals go on; else they begin anew with a new start time,
//! which is a reset.

mod config;
mod emit;
mod memory;

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::Batch;
use crate::batch::identity::set_digest;
use crate::batch::{Number, Path, PointRow};
use crate::ottl::Context;
use crate::stage::{
    Effect, Flush, Pressure, Saved, StageBatch, StageError, State, StateSize, Table, Tallies, Ticks,
};

pub use config::Rollup;

use memory::{Group, Member, NONE, increase, less, sum};

/// Number of members that are remembered.
pub const MAX_MEMBERS: usize = 1 << 18;
/// Number of series that members are rolled up into.
pub const MAX_GROUPS: usize = 1 << 16;

/// State of a `rollup`. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct RollupState {
    config: Rollup,
    /// Totals count from here: the pipeline's start, or when something was last forgotten.
    since: u64,
    sweeps: Option<Ticks>,
    members: Table<Member>,
    groups: Table<Group>,
    /// Numbers of resources, scopes and metrics by what they are.
    orders: HashMap<u128, u32>,
    /// Series that did not fit.
    passed: u64,
    round: u64,
    /// Series touched by the batch at hand.
    touched: Vec<u32>,
    emptied: Vec<usize>,
}

/// Action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Rolled up.
    Roll,
    /// Left as it is; its values are remembered for the time when it is rolled up.
    Watch,
    /// Left as it is.
    Leave,
}

/// Place of a metric, and what holds for its points.
struct MetricContext {
    rolls: bool,
    /// Digest of the resource without what is dropped.
    resource: u128,
    at: Path,
    counts: bool,
    now: u64,
}

impl RollupState {
    pub(super) fn new(config: Rollup, start: u64) -> Self {
        let sweeps = Ticks::new(start, config.forget_after);
        let (members, groups) = (Table::new(MAX_MEMBERS), Table::new(MAX_GROUPS));
        Self {
            config,
            since: start,
            sweeps,
            members,
            groups,
            orders: HashMap::new(),
            passed: 0,
            round: 0,
            touched: Vec::new(),
            emptied: Vec::new(),
        }
    }

    fn metric(&mut self, batch: &mut Batch, above: &MetricContext, tallies: &mut Tallies<'_>) {
        let at = above.at;
        if !above.rolls {
            return self.watch(batch, above);
        }
        batch.rework_points(at, |batch, index, point| {
            // Without a value it is of a member that is gone.
            let told = point.flags & 1 == 0 && point.value != Number::None;
            if told && self.point(batch, above, &point).is_none() {
                return Some(point);
            }
            let effect = if told { Effect::Changed } else { Effect::Dropped };
            tallies.count(0, effect, batch, Path { point: index, ..at }, Context::DataPoint);
            None
        });
        if batch.metric_at(at.metric).points.is_empty() {
            self.emptied.push(at.metric);
        }
    }

    /// Keeps the values of a metric in mind that is not rolled up. A counter that has been is told without what it
    /// counted there: nothing is told twice, and it goes on from where it left.
    fn watch(&mut self, batch: &mut Batch, above: &MetricContext) {
        let points = batch.metric_at(above.at.metric).points;
        for place in points.range() {
            let point = *batch.point_at(place);
            if point.value == Number::None || point.flags & 1 != 0 {
                continue;
            }
            if let Some(given) = self.point(batch, above, &point).filter(|_| above.counts)
                && given != Number::None
            {
                let path = Path { point: place, ..above.at };
                batch.edit_point(path, |row| row.value = less(row.value, given));
            }
        }
    }

    /// Takes a point: what its member has counted in the roll-up, or none if there is no room for its series.
    fn point(&mut self, batch: &Batch, above: &MetricContext, point: &PointRow) -> Option<Number> {
        let (value, start, now) = (point.value, point.start, above.now);
        let known = self.members.locate(batch.identity(point));
        // What a counter counted on its way out of the roll-up still belongs there: where it goes, it only begins.
        let mut leaves = false;
        let (place, counted) = match known {
            Some(place) => {
                let member = self.members.at_mut(place);
                let again = member.start != start && start > member.start;
                let more = if again { None } else { increase(member.value, value) };
                (member.value, member.start, member.seen) = (value, start, now);
                if more.is_none() {
                    member.given = Number::None;
                }
                leaves = above.counts && member.counts && !above.rolls;
                member.counts = above.rolls;
                (place, more.unwrap_or(value))
            }
            None => {
                let Some(place) = self.meet(batch, above, point) else {
                    self.passed += 1;
                    return None;
                };
                let from_zero = start >= self.since && start != 0;
                (place, if from_zero { value } else { zero(value) })
            }
        };
        let member = self.members.at_mut(place);
        if !above.rolls && !leaves {
            return Some(member.given);
        }
        if above.counts {
            member.given = sum(member.given, counted);
        }
        let (group, given) = (member.group, member.given);
        let row = self.groups.at_mut(group as usize);
        if row.round != self.round {
            (row.round, row.seen, row.at, row.point) = (self.round, now, above.at, *point);
            row.inputs.clear();
            if !above.counts {
                row.total = Number::None;
            }
            self.touched.push(group);
        }
        row.point.time = row.point.time.max(point.time);
        row.inputs.extend(batch.input_indexes(point));
        // A delta counts by itself; a gauge's value is its members'.
        row.total = sum(row.total, if above.counts { counted } else { value });
        Some(given)
    }

    /// Makes a member of a series that is first seen; its place.
    #[cold]
    fn meet(&mut self, batch: &Batch, above: &MetricContext, point: &PointRow) -> Option<usize> {
        if self.members.is_full() {
            return None;
        }
        let (scope, metric) =
            (batch.scope_at(above.at.scope).digest, batch.metric_at(above.at.metric).digest);
        let attributes = set_digest(batch, point.attrs);
        let scope_key = mix(above.resource, scope);
        let metric_key = mix(scope_key, metric);
        let key = mix(metric_key, attributes);
        let group = match self.groups.locate(key) {
            Some(group) => group,
            None if self.groups.is_full() => return None,
            None => {
                let order = [above.resource, scope_key, metric_key].map(|key| {
                    let next = self.orders.len() as u32;
                    *self.orders.entry(key).or_insert(next)
                });
                self.groups.add(
                    key,
                    Group {
                        order: order.into(),
                        total: Number::None,
                        start: self.since,
                        seen: above.now,
                        head: NONE,
                        round: 0,
                        point: *point,
                        at: above.at,
                        inputs: Vec::new(),
                    },
                )
            }
        };
        let head = &mut self.groups.at_mut(group).head;
        let member = Member {
            value: point.value,
            given: Number::None,
            start: point.start,
            seen: above.now,
            counts: above.rolls,
            group: group as u32,
            next: *head,
        };
        let place = self.members.add(batch.identity(point), member);
        *head = place as u32;
        Some(place)
    }

    /// Forgets members that have not come since `before`, and series without members.
    fn forget(&mut self, before: u64) {
        let known = self.members.len();
        self.members.retain(|member| member.seen >= before);
        if self.members.len() == known {
            return;
        }
        // What was forgotten came last before then, and so did all that it counted.
        self.since = self.since.max(before);
        let mut place = 0;
        let mut moved = Vec::with_capacity(self.groups.len());
        self.groups.retain(|group| {
            let stays = group.seen >= before;
            moved.push(if stays { place } else { NONE });
            place += u32::from(stays);
            group.head = NONE;
            stays
        });
        for place in 0..self.members.len() {
            let member = self.members.at_mut(place);
            member.group = moved.get(member.group as usize).copied().unwrap_or(NONE);
            if member.group != NONE {
                self.link(place);
            }
        }
        if self.groups.len() == 0 {
            self.orders.clear();
        }
    }

    /// Puts a member before those of its group.
    fn link(&mut self, place: usize) {
        let member = self.members.at_mut(place);
        let head = &mut self.groups.at_mut(member.group as usize).head;
        member.next = std::mem::replace(head, place as u32);
    }
}

fn zero(value: Number) -> Number {
    if let Number::Int(_) = value { Number::Int(0) } else { Number::Double(0.0) }
}

fn mix(above: u128, own: u128) -> u128 {
    let mut key = [0_u8; 32];
    key[..16].copy_from_slice(&above.to_le_bytes());
    key[16..].copy_from_slice(&own.to_le_bytes());
    xxh3_128(&key)
}

impl RollupState {
    /// Rolls up what is chosen, which counts as changed by the first rule.
    pub(super) fn roll(
        &mut self,
        batch: &mut Batch,
        now: u64,
        tallies: &mut Tallies<'_>,
        mut choose: impl FnMut(&Batch, usize) -> Choice,
    ) {
        batch.identify();
        // A sweep that something waits for is not over before it was asked for.
        let idle = self.members.len() == 0;
        if let Some(sweeps) = self.sweeps.as_mut().filter(|_| idle) {
            sweeps.pass(now);
        }
        self.round += 1;
        self.touched.clear();
        self.emptied.clear();
        for resource in 0..batch.resources().len() {
            let choice = choose(batch, resource);
            if choice == Choice::Leave {
                continue;
            }
            let attrs = batch.resource_at(resource).attrs;
            let digest = batch.set_digest_of(attrs, |batch, attr| self.config.keeps(batch, attr));
            for scope in batch.resource_at(resource).scopes.range() {
                for metric in batch.scope_at(scope).metrics.range() {
                    let row = *batch.metric_at(metric);
                    if Rollup::rolls(&row) {
                        let counts = row.monotonic && row.temporality == 2;
                        let at = Path { resource, scope, metric, point: 0 };
                        let rolls = choice == Choice::Roll;
                        self.metric(
                            batch,
                            &MetricContext { rolls, resource: digest, at, counts, now },
                            tallies,
                        );
                    }
                }
            }
        }
        self.emit(batch, now);
    }
}

impl State for RollupState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, mut tallies, .. } = turn;
        let which = std::mem::take(&mut self.config.which);
        self.roll(batch, now, &mut tallies, |batch, resource| {
            let rolls = which.is_empty() || which.holds(batch, resource, now);
            if rolls { Choice::Roll } else { Choice::Leave }
        });
        self.config.which = which;
        Ok(())
    }

    fn due(&self) -> Option<u64> {
        self.sweeps.filter(|_| self.members.len() > 0).map(Ticks::next)
    }

    fn fire(&mut self, _at: u64, until: u64) -> Option<Flush> {
        let sweeps = self.sweeps.as_mut()?;
        sweeps.pass(until);
        let before = sweeps.last().saturating_sub(sweeps.period());
        self.forget(before);
        None
    }

    fn press(&mut self, pressure: Pressure) {
        self.members.press(pressure);
        self.groups.press(pressure);
    }

    fn kept(&self) -> StateSize {
        StateSize { series: (self.members.len() + self.groups.len()) as u64, held: 0, evicted: self.passed }
    }

    fn bytes(&self) -> usize {
        self.members.bytes() + self.groups.bytes_with(|group| size_of_val(&*group.inputs))
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.since.save(out);
        self.members.save(out);
        self.groups.save(out);
        let mut orders: Vec<_> = self.orders.iter().map(|(key, order)| (*key, *order)).collect();
        orders.sort_unstable_by_key(|(_, order)| *order);
        orders.save(out);
    }

    fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        // Totals go on, and so does the time from which they count.
        self.since = Saved::restore(from)?;
        self.members.restore(from)?;
        self.groups.restore(from)?;
        self.orders = <Vec<_> as Saved>::restore(from)?.into_iter().collect();
        for place in 0..self.members.len() {
            if self.members.at(place).group as usize >= self.groups.len() {
                return None;
            }
            self.link(place);
        }
        if let Some(sweeps) = self.sweeps {
            self.forget(sweeps.last().saturating_sub(sweeps.period()));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
