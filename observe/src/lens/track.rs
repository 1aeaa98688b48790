//! The output series under lenses, as a backend would keep them.
//!
//! A point is placed by the time at which it was admitted and ordered by its own time. Of a gauge the newest value stands
//! until its look-back is over or a point says that no value was recorded. A counter's first point counts from zero only if
//! it started after watching began; a value that falls or a start that moves is a reset; deltas add up, each (start, time)
//! once.

use drift::Counter;
use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{MetricKind, MetricRow, Observations, PointRow};

use super::Under;
use super::class::ClassRange;
use super::groups::{Groups, Part, increases};
use crate::series::keep_rows;

/// OTLP's flag of a point that holds no recorded value.
const NO_RECORDED_VALUE: u32 = 1;
/// Number of a delta series' points that are remembered, to know them again.
const RECENT: usize = 8;

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct SeriesTrack {
    form: Form,
    /// Time at which its newest point was admitted; 0 where it is not shown.
    pub admitted: u64,
    /// The newest point's own time.
    time: u64,
    /// Its value, of a series that has one at an instant.
    pub value: f64,
    /// Increase in the open window: of a histogram or a summary that of the number of its observations.
    pub increase: f64,
    /// True if it had a value in the open window.
    pub came: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Value,
    Rising(Rising),
    /// A histogram or a summary.
    Distribution(Box<Distribution>),
}

/// Counter.
#[derive(Clone, Debug)]
enum Rising {
    Cumulative(Counter),
    /// Start and time of the last deltas.
    Delta(Vec<(u64, u64)>),
}

/// Observations of a histogram or a summary.
#[derive(Clone, Debug)]
struct Distribution {
    kind: MetricKind,
    count: Rising,
    sum: Rising,
    /// Increase of the sum in the open window.
    increase: f64,
}

impl SeriesTrack {
    pub fn new(metric: &MetricRow) -> Self {
        let form = match metric.kind {
            MetricKind::Gauge | MetricKind::Sum if !increases(metric) => Form::Value,
            MetricKind::Sum => Form::Rising(Rising::new(metric)),
            _ => Form::Distribution(Box::new(Distribution {
                kind: metric.kind,
                count: Rising::new(metric),
                sum: Rising::new(metric),
                increase: 0.0,
            })),
        };
        Self { form, admitted: 0, time: 0, value: 0.0, increase: 0.0, came: false }
    }

    /// Takes a point in that was admitted at `now`; watching began at `since`, Unix nanoseconds. Returns the part of which
    /// its value is no number, if there is one.
    #[inline]
    pub fn observe(&mut self, batch: &Batch, point: &PointRow, [now, since]: [u64; 2]) -> Option<Part> {
        let time = if point.time == 0 { now } else { point.time };
        let newest = time > self.time;
        if point.flags & NO_RECORDED_VALUE != 0 {
            if time >= self.time {
                (self.admitted, self.time) = (0, time);
            }
            return None;
        }
        let mut no_number = None;
        let value = point.value.as_f64();
        match (&mut self.form, value.filter(|value| value.is_finite())) {
            (Form::Distribution(of), _) => {
                let Observations { count, sum } = batch.observations(of.kind, point);
                self.increase += of.count.observe((point.start, time), count as f64, since);
                match sum.filter(|sum| sum.is_finite()) {
                    Some(sum) => of.increase += of.sum.observe((point.start, time), sum, since),
                    None => no_number = Some(Part::SumIncrease),
                }
            }
            (_, None) => return value.map(|_| Part::Value),
            (Form::Value, Some(value)) if newest => self.value = value,
            (Form::Value, Some(_)) => {}
            (Form::Rising(of), Some(value)) => {
                self.increase += of.observe((point.start, time), value, since);
            }
        }
        if newest {
            (self.admitted, self.time, self.came) = (now, time, true);
        }
        no_number
    }

    /// Tells whether it is a counter, cumulative or of deltas.
    pub fn counts(&self) -> bool {
        matches!(self.form, Form::Rising(_))
    }

    /// The number that describes it in the open window.
    pub fn described(&self) -> f64 {
        if matches!(self.form, Form::Value) { self.value } else { self.increase }
    }

    /// Takes the increases in the open window, of the value or the observations and of their sum.
    pub fn take_increases(&mut self) -> [f64; 2] {
        let of_sum = match &mut self.form {
            Form::Distribution(of) => std::mem::take(&mut of.increase),
            Form::Value | Form::Rising(_) => 0.0,
        };
        [std::mem::take(&mut self.increase), of_sum]
    }
}

impl Rising {
    fn new(metric: &MetricRow) -> Self {
        if metric.temporality == 1 { Self::Delta(Vec::new()) } else { Self::Cumulative(Counter::default()) }
    }

    /// Increase by a value of this start and time, nanoseconds.
    fn observe(&mut self, (start, time): (u64, u64), value: f64, since: u64) -> f64 {
        match self {
            Self::Cumulative(counter) => counter.observe(start, time, value, since),
            Self::Delta(recent) => {
                let new = is_new(recent, (start, time));
                if new { value } else { 0.0 }
            }
        }
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
pub(crate) struct LensSeries {
    pub under: Vec<Under>,
    pub series: Vec<SeriesTrack>,
    /// Values that were no number in the open window, by the classes of the series and the part.
    pub no_numbers: HashMap<(ClassRange, Part), u64>,
}

impl LensSeries {
    pub fn insert(&mut self, under: Under, tracked: SeriesTrack) -> u32 {
        self.under.push(under);
        self.series.push(tracked);
        self.series.len() as u32 - 1
    }

    /// Takes a point of the one at a place in, if there is one.
    #[inline]
    pub fn observe(&mut self, place: u32, batch: &Batch, point: &PointRow, times: [u64; 2]) {
        if let Some(tracked) = self.series.get_mut(place as usize)
            && let Some(part) = tracked.observe(batch, point, times)
        {
            *self.no_numbers.entry((self.under[place as usize].classes, part)).or_default() += 1;
        }
    }

    /// Keeps the rows for which `kept` says so.
    pub fn keep(&mut self, kept: &[bool]) {
        keep_rows(&mut self.under, kept);
        keep_rows(&mut self.series, kept);
    }

    /// Takes the number of values that were none in the open window, by lens: for all lenses, but where only the sum of a
    /// distribution is none for those that look at it.
    pub fn take_no_values(&mut self, groups: &Groups) -> Vec<u64> {
        let mut by_lens = vec![0; groups.lenses.len()];
        for ((classes, of), count) in self.no_numbers.drain() {
            let ways = groups.classes.all[classes.places()].iter().flat_map(|class| &class.ways);
            for (lens, ..) in ways.filter(|way| of != Part::SumIncrease || way.2 == of) {
                by_lens[usize::from(*lens)] += count;
            }
        }
        by_lens
    }
}
