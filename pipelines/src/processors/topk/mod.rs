//! `topk`: keeps the K busiest units, such as processes, and drops or rolls up the rest.
//!
//! A unit is told by resource attributes; one that lacks any of them is kept. It is ranked by the greatest of its
//! shares: of each metric, its value by the greatest value of any unit. A cumulative monotonic sum counts by its rate
//! a second, a delta by its own; of several points the values are added. Units met in other batches take part as
//! long as they are not older than `stale_after`, so that a scrape may come in pieces.
//!
//! A member that is not the busiest any more stays for `stay`, and is taken to be busier by `margin` than it is, so
//! that members do not flap. What `always` holds for is kept besides the K. With `other`, the rest becomes one
//! process `_other_` for each set of the other resource attributes, in which counters count what units did while they
//! were not members, and all else adds up. A member that was part of it is told without what it counted there, so that
//! nothing is told twice, and totals stay right.
//!
//! **Scope**: a host. **State**: the last values of each unit, with `other` also those of each series. **Bound**:
//! [`MAX_UNITS`] units in about 180 bytes each, and `rollup`'s; past it the quarter seen longest ago is forgotten and
//! counted. **Hold**: none. **Warm-up**: two scrapes, for rates. **Restart**: with saved
//! state all goes on; else rates begin anew, `_other_` too.

mod config;
mod rank;

use std::time::Duration;

use crate::Batch;
use crate::batch::Path;
use crate::ottl::Context;
use crate::stage::unit::unit_key;
use crate::stage::{Effect, Flush, Pressure, StageBatch, StageError, State, StateSize, Table};

use super::rollup::{Choice, Rollup, RollupState};

pub use config::TopK;

use rank::Unit;

/// Number of units that are ranked.
pub const MAX_UNITS: usize = 1 << 16;
/// Name of the rest.
pub const OTHER: &str = "_other_";

/// State of a `topk`. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct TopKState {
    config: TopK,
    units: Table<Unit>,
    rest: Option<RollupState>,
    /// Keys of the units of the batch at hand, by resource; none for what is kept anyhow.
    keys: Vec<Option<u128>>,
    order: Vec<(bool, f64, u32)>,
}

impl TopKState {
    pub(super) fn new(config: TopK, start: u64) -> Self {
        let rest =
            config.other.then(|| RollupState::new(Rollup::of_the_rest(OTHER, config.stale_after), start));
        Self { config, units: Table::new(MAX_UNITS), rest, keys: Vec::new(), order: Vec::new() }
    }

    /// Reads what units are ranked by.
    fn read(&mut self, batch: &Batch, now: u64) {
        self.keys.clear();
        for resource in 0..batch.resources().len() {
            let key = unit_key(batch, resource, &self.config.unit);
            let always = key.is_some() && self.config.always.holds(batch, resource, now);
            self.keys.push(key.filter(|_| !always));
            if let Some(key) = key.filter(|_| !always) {
                let (unit, _) = self.units.entry(key, Unit::default);
                unit.seen = now;
                for scope in batch.resource_at(resource).scopes.range() {
                    for metric in batch.scope_at(scope).metrics.range() {
                        let row = batch.metric_at(metric);
                        let name = batch.bytes(row.name);
                        let by = self.config.by.iter().position(|known| known.as_bytes() == name);
                        if let Some(by) = by {
                            unit.read(by, batch, row);
                        }
                    }
                }
            }
        }
    }

    fn is_member(&mut self, resource: usize) -> bool {
        match self.keys.get(resource).copied().flatten() {
            None => true,
            Some(key) => self.units.locate(key).is_some_and(|place| self.units.at(place).member),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl State for TopKState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, mut tallies, .. } = turn;
        self.read(batch, now);
        self.rank(now);
        if let Some(mut rest) = self.rest.take() {
            rest.roll(batch, now, &mut tallies, |_, resource| {
                let ranked = matches!(self.keys.get(resource), Some(Some(_)));
                match ranked.then(|| self.is_member(resource)) {
                    None => Choice::Leave,
                    Some(true) => Choice::Watch,
                    Some(false) => Choice::Roll,
                }
            });
            self.rest = Some(rest);
        } else {
            batch.retain_resources(|batch, resource| {
                let stays = self.is_member(resource);
                if !stays {
                    let path = Path { resource, ..Path::default() };
                    tallies.count(0, Effect::Dropped, batch, path, Context::Resource);
                }
                stays
            });
        }
        Ok(())
    }

    fn due(&self) -> Option<u64> {
        self.rest.as_ref().and_then(State::due)
    }

    fn fire(&mut self, at: u64, until: u64) -> Option<Flush> {
        self.rest.as_mut().and_then(|rest| rest.fire(at, until))
    }

    fn press(&mut self, pressure: Pressure) {
        self.units.press(pressure);
        if let Some(rest) = &mut self.rest {
            rest.press(pressure);
        }
    }

    fn kept(&self) -> StateSize {
        let rest = self.rest.as_ref().map(State::kept).unwrap_or_default();
        let (series, evicted) = (self.units.len() as u64, self.units.evicted());
        StateSize { series: series + rest.series, held: 0, evicted: evicted + rest.evicted }
    }

    fn bytes(&self) -> usize {
        self.units.bytes() + self.rest.as_ref().map_or(0, State::bytes)
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.units.save(out);
        if let Some(rest) = &self.rest {
            rest.save(out);
        }
    }

    fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        self.units.restore(from)?;
        self.rest.as_mut().map_or(Some(()), |rest| rest.restore(from))
    }
}

#[cfg(test)]
mod tests;
