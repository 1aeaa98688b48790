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

/// One series: what an instant needs of it, and what only its points do, which lie apart where there are many.
#[derive(Clone, Debug)]
pub(crate) struct SeriesTrack {
    look: Look,
    past: Past,
}

/// What a series shows at an instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Time at which its newest point was admitted; 0 where it is not shown.
    admitted: u64,
    /// Its value, of a series that has one at an instant; of others the increase in the open window: of a histogram or a
    /// summary that of the number of its observations.
    number: f64,
    kind: Kind,
    /// True if it had a value in the open window.
    came: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Value,
    Rising,
    Distribution,
}

/// What the next point of a series is held against.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    form: Form,
    /// The newest point's own time.
    time: u64,
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
        let (kind, form) = match metric.kind {
            MetricKind::Gauge | MetricKind::Sum if !increases(metric) => (Kind::Value, Form::Value),
            MetricKind::Sum => (Kind::Rising, Form::Rising(Rising::new(metric))),
            _ => {
                let of = Distribution {
                    kind: metric.kind,
                    count: Rising::new(metric),
                    sum: Rising::new(metric),
                    increase: 0.0,
                };
                (Kind::Distribution, Form::Distribution(Box::new(of)))
            }
        };
        let look = Look { admitted: 0, number: 0.0, kind, came: false };
        Self { look, past: Past { form, time: 0 } }
    }

    /// See [`Look::observe`].
    pub fn observe(&mut self, batch: &Batch, point: &PointRow, times: [u64; 2]) -> Option<Part> {
        self.look.observe(&mut self.past, (batch, point), times)
    }

    /// Tells whether it is a counter, cumulative or of deltas.
    pub fn counts(&self) -> bool {
        self.look.kind == Kind::Rising
    }

    /// See [`Look::number`].
    pub fn number(&self) -> f64 {
        self.look.number
    }
}

impl Look {
    /// Takes a point in that was admitted at `now`; watching began at `since`, Unix nanoseconds. Returns the part of which
    /// its value is no number, if there is one.
    #[inline]
    fn observe(
        &mut self,
        past: &mut Past,
        (batch, point): (&Batch, &PointRow),
        [now, since]: [u64; 2],
    ) -> Option<Part> {
        let time = if point.time == 0 { now } else { point.time };
        let value = point.value.as_f64().filter(|value| value.is_finite());
        match (&mut past.form, value) {
            (_, Some(_)) if point.flags & NO_RECORDED_VALUE != 0 => {}
            (Form::Value, Some(value)) => {
                self.number = if time > past.time { value } else { self.number };
                self.takes(past, time, now);
                return None;
            }
            (Form::Rising(Rising::Cumulative(counter)), Some(value)) => {
                self.number += counter.observe(point.start, time, value, since);
                self.takes(past, time, now);
                return None;
            }
            _ => {}
        }
        self.observe_other(past, (batch, point), time, [now, since])
    }

    /// The same of all but a number of a gauge or of a cumulative counter, which nearly every point is: apart from those, so
    /// that their way is short.
    #[inline(never)]
    fn observe_other(
        &mut self,
        past: &mut Past,
        (batch, point): (&Batch, &PointRow),
        time: u64,
        [now, since]: [u64; 2],
    ) -> Option<Part> {
        if point.flags & NO_RECORDED_VALUE != 0 {
            if time >= past.time {
                (self.admitted, past.time) = (0, time);
            }
            return None;
        }
        let mut no_number = None;
        match (&mut past.form, point.value.as_f64()) {
            (Form::Distribution(of), _) => {
                let increase;
                (increase, no_number) = of.observe(batch, (point, time), since);
                self.number += increase;
            }
            (Form::Rising(deltas), Some(value)) if value.is_finite() => {
                self.number += deltas.observe((point.start, time), value, since);
            }
            (_, value) => return value.map(|_| Part::Value),
        }
        self.takes(past, time, now);
        no_number
    }

    /// Takes note of a point that was admitted at `now`, if none came of its time or of a later one.
    #[inline]
    fn takes(&mut self, past: &mut Past, time: u64, now: u64) {
        if time > past.time {
            past.time = time;
            (self.admitted, self.came) = (now, true);
        }
    }

    /// Tells whether it is shown at an instant, for so long after its last point.
    #[inline]
    pub fn is_shown(&self, instant: u64, lookback: u64) -> bool {
        self.admitted > instant.saturating_sub(lookback)
    }

    /// The number that describes it in the open window: its value, of a series that has one at an instant, else its increase.
    pub fn number(&self) -> f64 {
        self.number
    }

    /// Tells whether it had a value in the open window, which ends.
    #[inline]
    pub fn take_came(&mut self) -> bool {
        std::mem::take(&mut self.came)
    }

    /// Takes the increases in the open window, of the value or the observations and of their sum.
    #[inline]
    pub fn take_increases<'a>(&mut self, past: impl FnOnce() -> &'a mut Past) -> [f64; 2] {
        match self.kind {
            Kind::Value => [0.0; 2],
            Kind::Rising => [std::mem::take(&mut self.number), 0.0],
            Kind::Distribution => {
                let sum = match &mut past().form {
                    Form::Distribution(of) => std::mem::take(&mut of.increase),
                    _ => 0.0,
                };
                [std::mem::take(&mut self.number), sum]
            }
        }
    }
}

impl Distribution {
    /// Takes a point of this time in. Returns the increase of the number of its observations, and the part of which it has no
    /// number.
    fn observe(&mut self, batch: &Batch, (point, time): (&PointRow, u64), since: u64) -> (f64, Option<Part>) {
        let Observations { count, sum } = batch.observations(self.kind, point);
        let increase = self.count.observe((point.start, time), count as f64, since);
        let sum = sum.filter(|sum| sum.is_finite());
        self.increase += sum.map_or(0.0, |sum| self.sum.observe((point.start, time), sum, since));
        (increase, sum.is_none().then_some(Part::SumIncrease))
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

/// Entity that a series is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Member {
    /// The lower half of its key, as the input names it.
    pub entity: u32,
    /// True of a process whose output names it as its input does.
    pub is_itself: bool,
}

/// The output series of one variant that enter lenses.
#[derive(Debug, Default)]
pub(crate) struct LensSeries {
    pub classes: Vec<ClassRange>,
    /// The process of each, as its output names it.
    pub processes: Vec<u64>,
    /// The entity of each.
    pub members: Vec<Member>,
    pub looks: Vec<Look>,
    pub pasts: Vec<Past>,
    /// Values that were no number in the open window, by the classes of the series and the part.
    pub no_numbers: HashMap<(ClassRange, Part), u64>,
}

impl LensSeries {
    pub fn insert(&mut self, under: Under, tracked: SeriesTrack) -> u32 {
        self.classes.push(under.classes);
        self.processes.push(under.process);
        self.members.push(under.member);
        self.looks.push(tracked.look);
        self.pasts.push(tracked.past);
        self.looks.len() as u32 - 1
    }

    /// Number of them.
    pub fn len(&self) -> usize {
        self.looks.len()
    }

    /// Takes a point of the one at a place in, if there is one.
    #[inline]
    pub fn observe(&mut self, place: u32, batch: &Batch, point: &PointRow, times: [u64; 2]) {
        if let Some(look) = self.looks.get_mut(place as usize)
            && let Some(past) = self.pasts.get_mut(place as usize)
            && let Some(part) = look.observe(past, (batch, point), times)
        {
            self.had_no_number(place, part);
        }
    }

    #[cold]
    fn had_no_number(&mut self, place: u32, part: Part) {
        *self.no_numbers.entry((self.classes[place as usize], part)).or_default() += 1;
    }

    /// Keeps the rows for which `kept` says so.
    pub fn keep(&mut self, kept: &[bool]) {
        keep_rows(&mut self.classes, kept);
        keep_rows(&mut self.processes, kept);
        keep_rows(&mut self.members, kept);
        keep_rows(&mut self.looks, kept);
        keep_rows(&mut self.pasts, kept);
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
