//! A series over time, as a backend keeps it: by admission what is known at an instant, by timestamp what is newest.

use std::collections::BTreeSet;

use super::history::Made;
use super::plan::Figure;
use super::point::{Measure, NO_RECORDED_VALUE, Point};
use super::series::Form;

/// Points of one series of one variant, in order of admission.
#[derive(Clone, Debug)]
pub struct Track<'a> {
    /// The points.
    pub points: Vec<&'a Made>,
    /// Figure that is looked at of distributions.
    pub figure: Figure,
    /// True if the series was there before anybody looked: nothing of its first value has risen since.
    pub before: bool,
}

impl Track<'_> {
    fn known(&self, at: u64) -> impl Iterator<Item = &Made> {
        self.points.iter().copied().filter(move |made| made.admitted < at)
    }

    /// The newest point that shows the series at an instant, with a look-back.
    #[must_use]
    pub fn shown(&self, at: u64, lookback: u64) -> Option<&Point> {
        let mut newest: Option<&Made> = None;
        for made in self.known(at).filter(|made| is_end(&made.point) || has_value(&made.point)) {
            let later = |than: &Made| {
                // Of one time the first stands, but for a point that says that there is no value.
                let (time, other) = (time_of(made), time_of(than));
                time > other || (time == other && is_end(&made.point))
            };
            newest = if newest.is_none_or(later) { Some(made) } else { newest };
        }
        newest.filter(|made| !is_end(&made.point) && made.admitted + lookback > at).map(|made| &made.point)
    }

    /// Increase from the beginning until an instant; `since` is when watching began.
    #[must_use]
    pub fn increase(&self, at: u64, since: u64) -> f64 {
        self.rises(since).into_iter().filter(|(admitted, _)| *admitted < at).map(|(_, rise)| rise).sum()
    }

    /// Increase by each point, with the time of its admission.
    fn rises(&self, since: u64) -> Vec<(u64, f64)> {
        let all = self.points.iter().copied();
        let known: Vec<&Made> = all.filter(|made| !is_end(&made.point) && has_value(&made.point)).collect();
        let delta = known.first().is_some_and(|made| made.point.series.kind.temporality == 1);
        let since = if self.before { u64::MAX } else { since };
        if delta { added(&known, self.figure) } else { risen(&known, self.figure, since) }
    }

    /// The number that describes it in a window: its value at the end, or its increase in it; nothing where no point with a
    /// value, newer than all before, came in the window.
    #[must_use]
    pub fn described(&self, [from, to]: [u64; 2], since: u64) -> Option<f64> {
        let within = |admitted: u64| from <= admitted && admitted < to;
        let (mut newest, mut came, mut value) = (0, false, None);
        for made in self.known(to) {
            let time = time_of(made);
            if is_end(&made.point) {
                newest = newest.max(time);
            } else if has_value(&made.point) && time > newest {
                (newest, value) = (time, made.point.measure.number());
                came |= within(made.admitted);
            }
        }
        let rises = self.points.first().is_some_and(|made| made.point.series.kind.increases());
        let rise = || self.rises(since).into_iter().filter(|(at, _)| within(*at)).map(|(_, rise)| rise).sum();
        if rises { came.then(rise) } else { value.filter(|_| came) }
    }

    /// Values that were no number, of points admitted from `from` until before `to`.
    #[must_use]
    pub fn no_value(&self, [from, to]: [u64; 2]) -> u64 {
        let within = self.points.iter().filter(|made| from <= made.admitted && made.admitted < to);
        let no_number = |made: &&&Made| {
            !is_end(&made.point) && made.point.measure.number().is_some_and(|number| !number.is_finite())
        };
        within.filter(no_number).count() as u64
    }
}

/// Deltas add up, each (start, time) once.
fn added(known: &[&Made], figure: Figure) -> Vec<(u64, f64)> {
    let mut seen = BTreeSet::new();
    let new = known.iter().filter(|made| seen.insert((made.point.start, made.point.time)));
    new.filter_map(|made| Some((made.admitted, made.point.measure.rising(figure)?))).collect()
}

/// Rise of a counter with its resets. A point older than one that is known comes too late, as with most backends.
fn risen(known: &[&Made], figure: Figure, since: u64) -> Vec<(u64, f64)> {
    let mut rises = Vec::new();
    let mut last: Option<(u64, u64, f64)> = None;
    for made in known {
        let Some(value) = made.point.measure.rising(figure) else { continue };
        let (start, time) = (made.point.start, time_of(made));
        let rise = match last {
            None if start != 0 && start >= since => value,
            None => 0.0,
            Some((_, newest, _)) if time <= newest => continue,
            Some((began, _, before)) if began != start || value < before => value,
            Some((_, _, before)) => value - before,
        };
        rises.push((made.admitted, rise));
        last = Some((start, time, value));
    }
    rises
}

fn time_of(made: &Made) -> u64 {
    if made.point.time == 0 { made.admitted } else { made.point.time }
}

fn is_end(point: &Point) -> bool {
    point.flags & NO_RECORDED_VALUE != 0
}

fn has_value(point: &Point) -> bool {
    match (&point.measure, point.series.kind.form) {
        (Measure::Distribution { .. }, _) => true,
        (measure, Form::Gauge | Form::Sum) => measure.number().is_some_and(f64::is_finite),
        _ => false,
    }
}
