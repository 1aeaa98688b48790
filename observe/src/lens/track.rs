//! The output series under lenses, as a backend would keep them.
//!
//! A point is placed by the time at which it was admitted and ordered by its own time. Of a gauge the newest value stands
//! until its look-back is over or a point says that no value was recorded. A counter's first point counts from zero only if
//! it started after watching began; a value that falls or a start that moves is a reset; deltas add up, each (start, time)
//! once.

use drift::Counter;
use pipelines::batch::{MetricKind, MetricRow, PointRow};

use super::Under;
use super::groups::increases;
use crate::series::keep_rows;

/// OTLP's flag of a point that holds no recorded value.
const NO_RECORDED_VALUE: u32 = 1;
/// Number of a delta series' points that are remembered, to know them again.
const RECENT: usize = 8;

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    form: Form,
    /// Time at which its newest point was admitted; 0 where it is not shown.
    pub admitted: u64,
    /// The newest point's own time.
    time: u64,
    /// Its value, of a series that has one at an instant.
    pub value: f64,
    /// Increase in the open window.
    pub increase: f64,
    /// True if it had a value in the open window.
    pub came: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Value,
    Counter(Counter),
    /// Start and time of the last points.
    Delta(Vec<(u64, u64)>),
    /// A histogram or a summary: it is there.
    Presence,
}

impl Tracked {
    pub fn new(metric: &MetricRow) -> Self {
        let form = match metric.kind {
            MetricKind::Gauge | MetricKind::Sum if !increases(metric) => Form::Value,
            MetricKind::Sum if metric.temporality == 1 => Form::Delta(Vec::new()),
            MetricKind::Sum => Form::Counter(Counter::default()),
            _ => Form::Presence,
        };
        Self { form, admitted: 0, time: 0, value: 0.0, increase: 0.0, came: false }
    }

    /// Takes a point in that was admitted at `now`; watching began at `since`, Unix nanoseconds. Returns false for a value
    /// that is no number.
    #[inline]
    pub fn observe(&mut self, point: &PointRow, now: u64, since: u64) -> bool {
        let time = if point.time == 0 { now } else { point.time };
        let newest = time > self.time;
        if point.flags & NO_RECORDED_VALUE != 0 {
            if time >= self.time {
                (self.admitted, self.time) = (0, time);
            }
            return true;
        }
        let value = point.value.as_f64();
        let Some(value) = value.filter(|value| value.is_finite()) else {
            if matches!(self.form, Form::Presence) && newest {
                (self.admitted, self.time, self.came) = (now, time, true);
            }
            return value.is_none();
        };
        match &mut self.form {
            Form::Value if newest => self.value = value,
            Form::Value | Form::Presence => {}
            Form::Counter(counter) => self.increase += counter.observe(point.start, time, value, since),
            Form::Delta(recent) => {
                let new = is_new(recent, (point.start, time));
                self.increase += if new { value } else { 0.0 };
            }
        }
        if newest {
            (self.admitted, self.time, self.came) = (now, time, true);
        }
        true
    }

    /// Tells whether it is a counter, cumulative or of deltas.
    pub fn counts(&self) -> bool {
        matches!(self.form, Form::Counter(_) | Form::Delta(_))
    }

    /// The number that describes it in the open window.
    pub fn described(&self) -> f64 {
        if matches!(self.form, Form::Value) { self.value } else { self.increase }
    }
}

/// Tells whether a delta was not seen before, and remembers it. One older than all that are remembered may have been.
fn is_new(recent: &mut Vec<(u64, u64)>, delta: (u64, u64)) -> bool {
    if recent.contains(&delta) {
        return false;
    }
    if recent.len() >= RECENT {
        let oldest = recent.iter().enumerate().min_by_key(|(_, (_, time))| *time);
        let Some((oldest, (_, time))) = oldest else { return false };
        if delta.1 < *time {
            return false;
        }
        recent.swap_remove(oldest);
    }
    recent.push(delta);
    true
}

/// The output series of one variant that enter lenses.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    pub under: Vec<Under>,
    pub series: Vec<Tracked>,
    /// Values that were no number in the open window, by lens.
    pub no_value: Vec<u64>,
}

impl Looked {
    pub fn insert(&mut self, under: Under, tracked: Tracked) -> u32 {
        self.under.push(under);
        self.series.push(tracked);
        self.series.len() as u32 - 1
    }

    /// Takes a point of the one at a place in, if there is one.
    #[inline]
    pub fn observe(&mut self, place: u32, point: &PointRow, now: u64, since: u64) {
        if let Some(tracked) = self.series.get_mut(place as usize)
            && !tracked.observe(point, now, since)
        {
            self.note_no_value(place);
        }
    }

    #[cold]
    fn note_no_value(&mut self, place: u32) {
        for (lens, ..) in self.under[place as usize].groups.iter() {
            let lens = usize::from(*lens);
            self.no_value.resize(self.no_value.len().max(lens + 1), 0);
            self.no_value[lens] += 1;
        }
    }

    /// Keeps the rows for which `kept` says so.
    pub fn keep(&mut self, kept: &[bool]) {
        keep_rows(&mut self.under, kept);
        keep_rows(&mut self.series, kept);
    }
}
