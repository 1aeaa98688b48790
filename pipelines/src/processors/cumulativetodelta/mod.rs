//! `cumulativetodelta`: turns cumulative monotonic sums and histograms into deltas.
//!
//! **Scope**: a data point. **State**: the last point of each series, which is its resource, scope without
//! attributes, metric, point attributes, start time and kind of number. **Bound**: [`MAX_SERIES`] sums in about
//! 45 bytes each and [`MAX_HISTOGRAMS`] histograms of either kind; past it, and where memory is short, the quarter seen longest ago
//! is forgotten and counted, and its next points are first points. **Hold**: none. **Warm-up**: one scrape. **Restart**: with saved
//! state every series goes on, but for stale ones; else each begins anew, as `initial_value` says.

mod config;
mod exponential;
mod histogram;

use crate::Batch;
use crate::batch::{MetricKind, Number, Path, PointRow};
use crate::ottl::Context;
use crate::stage::{
    Aged, Effect, Flush, Pressure, Saved, StageBatch, StageError, State, StateSize, Table, Tallies, Ticks,
};

pub use config::CumulativeToDelta;

use config::Initial;

/// Number of series of sums that are remembered.
pub const MAX_SERIES: usize = 1 << 20;
/// Number of series of histograms that are remembered, and as many of exponential ones.
pub const MAX_HISTOGRAMS: usize = 1 << 16;

/// State of a `cumulativetodelta`. Times are Unix nanoseconds.
#[derive(Debug, Clone)]
pub(super) struct DeltaState {
    config: CumulativeToDelta,
    start: u64,
    /// Time of the next look for stale series; never, without a `max_staleness`.
    sweeps: Option<Ticks>,
    sums: Table<LastPoint<Value>>,
    histograms: Table<LastPoint<histogram::Value>>,
    exponentials: Table<LastPoint<exponential::Value>>,
    /// Metrics of the batch at hand that are to go.
    emptied: Vec<usize>,
}

/// The last point of a series.
#[derive(Debug, Clone, Copy)]
struct LastPoint<T> {
    time: u64,
    value: T,
}

/// The bits of a number; whether they are a double's is part of the series.
type Value = u64;

impl<T> Aged for LastPoint<T> {
    fn seen(&self) -> u64 {
        self.time
    }
}

impl<T: Saved> Saved for LastPoint<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.time.save(out);
        self.value.save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let (time, value) = Saved::restore(from)?;
        Some(Self { time, value })
    }
}

/// Treatment of a point's value.
enum Conversion<T> {
    /// Sent with this value instead.
    Delta(T),
    /// Not sent; the next point counts from it.
    Reference,
    /// Not sent; the next point counts from where this one did.
    Nothing,
}

impl DeltaState {
    pub(super) fn new(config: CumulativeToDelta, start: u64) -> Self {
        let sweeps = Ticks::new(start, config.max_staleness);
        let (histograms, exponentials) = (Table::new(MAX_HISTOGRAMS), Table::new(MAX_HISTOGRAMS));
        let sums = Table::new(MAX_SERIES);
        Self { config, start, sweeps, sums, histograms, exponentials, emptied: Vec::new() }
    }

    /// Forgets series that are stale at the last look.
    fn forget(&mut self, sweeps: Ticks) {
        let before = sweeps.last().saturating_sub(sweeps.period());
        self.sums.retain(|last| last.time >= before);
        self.histograms.retain(|last| last.time >= before);
        self.exponentials.retain(|last| last.time >= before);
    }

    /// The start time with which a first point is sent, if it is.
    fn first(&self, point: &PointRow) -> Option<u64> {
        match self.config.initial {
            Initial::Auto => (point.start >= self.start && point.time != point.start).then_some(point.start),
            Initial::Keep => Some(0),
            Initial::Drop => None,
        }
    }

    fn convert(
        &mut self,
        batch: &mut Batch,
        kind: MetricKind,
        series: u128,
        mut point: PointRow,
    ) -> Option<PointRow> {
        // One that says that it was not recorded.
        if point.flags & 1 != 0 {
            return None;
        }
        let key = key(series, &point);
        let first = self.first(&point);
        match kind {
            MetricKind::Sum => {
                if let Number::Double(value) = point.value
                    && value.is_nan()
                {
                    return Some(point);
                }
                let double = matches!(point.value, Number::Double(_));
                let value = bits(point.value);
                let (value, start) = since(
                    &mut self.sums,
                    key,
                    LastPoint { time: point.time, value },
                    first,
                    |last, value| difference(double, *last, *value),
                )?;
                point.value =
                    if double { Number::Double(f64::from_bits(value)) } else { Number::Int(value as i64) };
                point.start = start;
            }
            MetricKind::Histogram => {
                let mut read = crate::batch::data::Histogram::read(batch.bytes(point.raw));
                let value = histogram::Value::of(&read);
                let last = LastPoint { time: point.time, value };
                let (value, start) = since(&mut self.histograms, key, last, first, histogram::difference)?;
                value.put(&mut read);
                point.raw = batch.intern_with(|out| read.write(out));
                point.start = start;
            }
            _ => {
                let mut read = crate::batch::data::Exponential::read(batch.bytes(point.raw));
                let value = exponential::Value::of(&read);
                let last = LastPoint { time: point.time, value };
                let (value, start) =
                    since(&mut self.exponentials, key, last, first, exponential::difference)?;
                value.put(&mut read);
                point.raw = batch.intern_with(|out| read.write(out));
                point.start = start;
            }
        }
        Some(batch.touched_point(point))
    }

    fn metric(&mut self, batch: &mut Batch, at: Path, tallies: &mut Tallies<'_>) {
        let kind = batch.metric_at(at.metric).kind;
        let plain = batch.scope_at(at.scope).attrs.is_empty();
        batch.rework_points(at, |batch, index, point| {
            let at = Path { point: index, ..at };
            let series = if plain { point.identity } else { batch.identity_without_scope_attributes(at) };
            let converted = self.convert(batch, kind, series, point);
            let effect = if converted.is_some() { Effect::Changed } else { Effect::Dropped };
            tallies.count(0, effect, batch, at, Context::DataPoint);
            converted
        });
        batch.edit_metric(at, |metric| metric.temporality = 1);
        if batch.metric_at(at.metric).points.is_empty() {
            self.emptied.push(at.metric);
        }
    }
}

/// A series is also its start time and its kind of number.
fn key(series: u128, point: &PointRow) -> u128 {
    let start = u128::from(point.start).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    series.wrapping_add(start).rotate_left(u32::from(matches!(point.value, Number::Double(_))))
}

/// Difference of a point to the last one of its series, and the start time that goes with it; none if it is not sent.
fn since<T: Clone>(
    table: &mut Table<LastPoint<T>>,
    key: u128,
    now: LastPoint<T>,
    first: Option<u64>,
    difference: impl FnOnce(&mut T, &mut T) -> Conversion<T>,
) -> Option<(T, u64)> {
    let (last, fresh) = table.entry(key, || now.clone());
    if fresh {
        return first.map(|start| (now.value, start));
    }
    let mut now = now;
    let became = difference(&mut last.value, &mut now.value);
    let start = last.time;
    match became {
        Conversion::Nothing => None,
        Conversion::Reference => {
            *last = now;
            None
        }
        Conversion::Delta(value) => {
            *last = now;
            Some((value, start))
        }
    }
}

fn bits(value: Number) -> u64 {
    match value {
        Number::None => 0,
        Number::Int(value) => value as u64,
        Number::Double(value) => value.to_bits(),
    }
}

fn difference(double: bool, last: Value, value: Value) -> Conversion<Value> {
    if double {
        let (last, value) = (f64::from_bits(last), f64::from_bits(value));
        return if value < last {
            Conversion::Reference
        } else {
            Conversion::Delta((value - last).to_bits())
        };
    }
    let (last, value) = (last as i64, value as i64);
    if value < last { Conversion::Reference } else { Conversion::Delta(value.wrapping_sub(last) as u64) }
}

impl State for DeltaState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, mut tallies, .. } = turn;
        batch.identify();
        // A sweep that something waits for is not over before it was asked for.
        let idle = self.kept().series == 0;
        if let Some(sweeps) = self.sweeps.as_mut().filter(|_| idle) {
            sweeps.pass(now);
        }
        self.emptied.clear();
        for resource in 0..batch.resources().len() {
            for scope in batch.resource_at(resource).scopes.range() {
                for metric in batch.scope_at(scope).metrics.range() {
                    if self.config.converts(batch, batch.metric_at(metric)) {
                        self.metric(batch, Path { resource, scope, metric, point: 0 }, &mut tallies);
                    }
                }
            }
        }
        if !self.emptied.is_empty() {
            // Scopes that stages gave other metrics do not stand in the order of the arena.
            self.emptied.sort_unstable();
            batch.retain_metrics(|_, path| self.emptied.binary_search(&path.metric).is_err());
        }
        batch.drop_empty();
        Ok(())
    }

    fn due(&self) -> Option<u64> {
        self.sweeps.filter(|_| self.kept().series > 0).map(Ticks::next)
    }

    fn fire(&mut self, _at: u64, until: u64) -> Option<Flush> {
        let sweeps = self.sweeps.as_mut()?;
        sweeps.pass(until);
        let sweeps = *sweeps;
        self.forget(sweeps);
        None
    }

    fn press(&mut self, pressure: Pressure) {
        self.sums.press(pressure);
        self.histograms.press(pressure);
        self.exponentials.press(pressure);
    }

    fn kept(&self) -> StateSize {
        let series = self.sums.len() + self.histograms.len() + self.exponentials.len();
        let evicted = self.sums.evicted() + self.histograms.evicted() + self.exponentials.evicted();
        StateSize { series: series as u64, held: 0, evicted }
    }

    fn bytes(&self) -> usize {
        self.sums.bytes()
            + self.histograms.bytes_with(|last| last.value.bytes())
            + self.exponentials.bytes_with(|last| last.value.bytes())
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.start.save(out);
        self.sums.save(out);
        self.histograms.save(out);
        self.exponentials.save(out);
    }

    fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        // A series that began while no process ran is new to this one as well, and counts from its start.
        self.start = Saved::restore(from)?;
        self.sums.restore(from)?;
        self.histograms.restore(from)?;
        self.exponentials.restore(from)?;
        if let Some(sweeps) = self.sweeps {
            self.forget(sweeps);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_series_take_less_than_120_megabytes() {
        let mut sums = Table::new(MAX_SERIES);
        for key in 0..1_000_000_u128 {
            sums.entry(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), || LastPoint { time: 1, value: 1_u64 });
        }
        assert_eq!((sums.len(), sums.evicted()), (1_000_000, 0));
        // While a table grows, the old one stands beside the new one.
        assert!(sums.bytes() * 3 / 2 < 120_000_000, "{}", sums.bytes());
    }
}
