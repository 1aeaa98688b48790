//! `priority`: writes the class of each process as an attribute of its resource, for other stages to ask about.
//!
//! The first class that holds is written, once: a resource that has the attribute keeps it. A class that is reached by
//! a threshold is kept for `stay` after it was last reached, so that series do not change their names at every scrape.
//!
//! **Scope**: a process. **State**: with thresholds, the last readings and the class of each process. **Bound**:
//! [`MAX_UNITS`] processes; past it the quarter seen longest ago is forgotten and counted. **Hold**: none.
//! **Warm-up**: two scrapes with thresholds, none without. **Restart**: with saved state
//! readings go on, else they begin anew.

mod config;

use crate::Batch;
use crate::batch::{AttrRow, Cell, Owner, Path, Value};
use crate::ottl::Context;
use crate::stage::unit::{UnitLoad, unit_key};
use crate::stage::{Aged, Effect, Pressure, Saved, StageBatch, StageError, State, StateSize, Table};

pub use config::Priority;

use config::MAX_THRESHOLDS;

/// Number of processes whose readings are remembered.
pub const MAX_UNITS: usize = 1 << 16;

/// State of a `priority`. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct PriorityState {
    config: Priority,
    units: Table<Unit>,
}

#[derive(Debug, Clone, Default)]
struct Unit {
    seen: u64,
    busy: [UnitLoad; MAX_THRESHOLDS],
    /// Time at which each threshold was last reached; 0 for never.
    reached: [u64; MAX_THRESHOLDS],
}

impl Aged for Unit {
    fn seen(&self) -> u64 {
        self.seen
    }
}

impl Saved for Unit {
    fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
        (self.busy, self.reached).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let (seen, (busy, reached)) = Saved::restore(from)?;
        Some(Self { seen, busy, reached })
    }
}

impl PriorityState {
    pub(super) fn new(config: Priority) -> Self {
        Self { config, units: Table::new(MAX_UNITS) }
    }

    /// The class of a resource: its place, or the default's.
    fn class(&mut self, batch: &Batch, resource: usize, now: u64) -> Option<usize> {
        let reached = self.read(batch, resource, now);
        let attrs = batch.resource_at(resource).attrs;
        let name = match batch.attribute(attrs, self.config.by.as_bytes()) {
            Some(Value::Text(text)) => text,
            _ => &[],
        };
        self.config.classes.iter().position(|class| {
            class.names.iter().any(|known| known.as_bytes() == name)
                || class.patterns.iter().any(|pattern| pattern.is_match(name))
                || class.above.iter().any(|threshold| reached[*threshold])
        })
    }

    /// Thresholds that a process has reached lately.
    fn read(&mut self, batch: &Batch, resource: usize, now: u64) -> [bool; MAX_THRESHOLDS] {
        let mut reached = [false; MAX_THRESHOLDS];
        let Self { config, units } = self;
        if config.thresholds.is_empty() {
            return reached;
        }
        let Some(key) = unit_key(batch, resource, &config.unit) else { return reached };
        let (unit, _) = units.entry(key, Unit::default);
        unit.seen = now;
        for scope in batch.scopes(batch.resource_at(resource)) {
            for metric in batch.metrics(scope) {
                for (place, threshold) in config.thresholds.iter().enumerate() {
                    if threshold.metric.as_bytes() == batch.bytes(metric.name) {
                        unit.busy[place].read(batch, metric);
                    }
                }
            }
        }
        let stay = u64::try_from(config.stay.as_nanos()).unwrap_or(u64::MAX);
        for (place, threshold) in config.thresholds.iter().enumerate() {
            if unit.busy[place].value >= threshold.value {
                unit.reached[place] = now.max(1);
            }
            let last = unit.reached[place];
            reached[place] = last > 0 && (last == now.max(1) || now.saturating_sub(last) < stay);
        }
        reached
    }
}

impl State for PriorityState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, mut tallies, .. } = turn;
        let key = batch.intern(self.config.attribute.as_bytes());
        let names: Vec<Cell> = self
            .config
            .classes
            .iter()
            .map(|class| &class.name)
            .chain(&self.config.default)
            .map(|name| Cell::Text(batch.intern(name.as_bytes())))
            .collect();
        for resource in 0..batch.resources().len() {
            let attrs = batch.resource_at(resource).attrs;
            if batch.find_attribute(attrs, self.config.attribute.as_bytes()).is_some() {
                continue;
            }
            let class = self.class(batch, resource, now).unwrap_or(self.config.classes.len());
            if let Some(name) = names.get(class) {
                let path = Path { resource, ..Path::default() };
                tallies.count(class, Effect::Changed, batch, path, Context::Resource);
                batch.set_attribute(Owner::Resource(resource), AttrRow::bare(key, *name));
            }
        }
        Ok(())
    }

    fn press(&mut self, pressure: Pressure) {
        self.units.press(pressure);
    }

    fn kept(&self) -> StateSize {
        StateSize { series: self.units.len() as u64, held: 0, evicted: self.units.evicted() }
    }

    fn bytes(&self) -> usize {
        self.units.bytes()
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.units.save(out);
    }

    fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        self.units.restore(from)
    }
}

#[cfg(test)]
mod tests;
