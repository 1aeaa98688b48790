//! `adaptive`: keeps a share of the units, which falls as the load rises.
//!
//! The load of a window is its points a second or its series. At its end a level is chosen: the first whose `up_to` it
//! does not pass or, with a `budget`, the first whose share of the series fits into it. A harder level holds at once;
//! an easier one when the load is `margin` below what it asks for and the level has held for `stay`. Which units are
//! kept is told by a hash of their attributes: always the same, and those kept by a harder level are among those
//! kept by an easier one. What `always` holds for is kept at every level, and so is what has no unit.
//!
//! The level in force stands in an attribute of each resource that leaves. Its change renames their series: the price
//! of a sample that says so. An empty `attribute` writes none.
//!
//! **Scope**: a process. **State**: the window's load; with series, one row each. **Bound**: [`MAX_SERIES`] series;
//! past it the quarter seen longest ago is forgotten and counted, and the load reads lower. **Hold**: none.
//! **Warm-up**: two scrapes. **Restart**: with saved state it goes on, else at the first level.

mod config;

use crate::Batch;
use crate::batch::{AttrRow, Cell, Owner, Path};
use crate::ottl::Context;
use crate::stage::unit::unit_key;
use crate::stage::{Aged, Effect, Pressure, Saved, StageBatch, StageError, State, StateSize, Table};

pub use config::Adaptive;

use config::Measure;

/// Number of series that are told apart.
pub const MAX_SERIES: usize = 1 << 18;

/// State of an `adaptive`. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct AdaptiveState {
    config: Adaptive,
    /// Begin of the window.
    window: u64,
    points: u64,
    series: Table<LastSeen>,
    level: usize,
    since: u64,
}

#[derive(Debug, Clone, Copy)]
struct LastSeen(u64);

impl Aged for LastSeen {
    fn seen(&self) -> u64 {
        self.0
    }
}

impl Saved for LastSeen {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        Saved::restore(from).map(Self)
    }
}

impl AdaptiveState {
    pub(super) fn new(config: Adaptive, start: u64) -> Self {
        Self { config, window: start, points: 0, series: Table::new(MAX_SERIES), level: 0, since: start }
    }

    /// Measures a batch, after the window before it was judged.
    fn measure(&mut self, batch: &mut Batch, now: u64) {
        let window = nanos(self.config.window);
        let passed = now.saturating_sub(self.window);
        if passed >= window {
            let begins = now - passed % window;
            // A longer pause is a load of nothing since.
            let whole = begins.saturating_sub(self.window).max(window);
            let since = begins.saturating_sub(window.saturating_mul(2));
            self.series.retain(|seen| seen.0 >= since);
            let load = match self.config.measure {
                Measure::Points => self.points as f64 / (whole as f64 / 1e9),
                Measure::Series => self.series.len() as f64,
            };
            self.judge(load, now);
            (self.window, self.points) = (begins, 0);
        }
        self.points += batch.point_count() as u64;
        if self.config.measure == Measure::Series {
            batch.identify();
            for resource in batch.resources() {
                for metric in batch.scopes(resource).iter().flat_map(|scope| batch.metrics(scope)) {
                    for point in batch.points(metric) {
                        self.series.entry(batch.identity(point), || LastSeen(now)).0.0 = now;
                    }
                }
            }
        }
    }

    fn judge(&mut self, load: f64, now: u64) {
        let wanted = self.config.level(load);
        let eased = self.config.level(load * (1.0 + self.config.margin));
        let stays = now.saturating_sub(self.since) < nanos(self.config.stay);
        let level = if wanted > self.level {
            wanted
        } else if eased < self.level && !stays {
            eased
        } else {
            self.level
        };
        if level != self.level {
            (self.level, self.since) = (level, now);
        }
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl State for AdaptiveState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, mut tallies, .. } = turn;
        self.measure(batch, now);
        let Self { config, level: place, .. } = self;
        let Some(level) = config.levels.get(*place) else { return Ok(()) };
        // A unit's key is a hash already; the upper half of it decides.
        let bound = (level.keep * u64::MAX as f64) as u64;
        if level.keep < 1.0 {
            batch.retain_resources(|batch, resource| {
                let key = unit_key(batch, resource, &config.unit);
                let kept = key.is_none_or(|key| ((key >> 64) as u64) < bound)
                    || config.always.holds(batch, resource, now);
                if !kept {
                    let path = Path { resource, ..Path::default() };
                    tallies.count(*place, Effect::Dropped, batch, path, Context::Resource);
                }
                kept
            });
        }
        if !config.attribute.is_empty() {
            let key = batch.intern(config.attribute.as_bytes());
            let name = batch.intern(level.name.as_bytes());
            for resource in 0..batch.resources().len() {
                batch.set_attribute(Owner::Resource(resource), AttrRow::bare(key, Cell::Text(name)));
            }
        }
        Ok(())
    }

    fn press(&mut self, pressure: Pressure) {
        self.series.press(pressure);
    }

    fn kept(&self) -> StateSize {
        StateSize { series: self.series.len() as u64, held: 0, evicted: self.series.evicted() }
    }

    fn bytes(&self) -> usize {
        self.series.bytes()
    }

    fn level(&self) -> Option<&str> {
        self.config.levels.get(self.level).map(|level| level.name.as_str())
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        ((self.window, self.points), (self.level as u64, self.since)).save(out);
        self.series.save(out);
    }

    fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        let level: u64;
        ((self.window, self.points), (level, self.since)) = Saved::restore(from)?;
        self.level = usize::try_from(level).ok().filter(|level| *level < self.config.levels.len())?;
        self.series.restore(from)
    }
}

#[cfg(test)]
mod tests;
