//! Members and the series that they are rolled up into.

use crate::batch::{Number, Path, PointRow};
use crate::stage::{Aged, Saved};

/// No place in a table.
pub(super) const NONE: u32 = u32::MAX;

/// One input series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub value: Number,
    /// Part of it that a counter has counted in the roll-up.
    pub given: Number,
    pub start: u64,
    /// Time at which it last came, by our clock.
    pub seen: u64,
    /// True if its value counts; false if it is only kept in mind.
    pub counts: bool,
    /// The series it belongs to, and the next member of that.
    pub group: u32,
    pub next: u32,
}

impl Aged for Member {
    fn seen(&self) -> u64 {
        self.seen
    }
}

/// Without the next member, which is known once all are there.
impl Saved for Member {
    fn save(&self, out: &mut Vec<u8>) {
        ((self.value, self.given), (self.start, self.seen)).save(out);
        (self.counts, self.group).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let ((value, given), (start, seen)) = Saved::restore(from)?;
        let (counts, group) = Saved::restore(from)?;
        Some(Self { value, given, start, seen, counts, group, next: NONE })
    }
}

/// One output series.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Numbers of its resource, scope and metric: what is sent stands in this order.
    pub order: (u32, u32, u32),
    /// Sum that its members have counted since `start`.
    pub total: Number,
    pub start: u64,
    pub seen: u64,
    /// Its first member.
    pub head: u32,
    /// The batch in which it was last touched, its first point there, and where that stood: its texts are of that
    /// batch. The time is the latest of its points.
    pub round: u64,
    pub point: PointRow,
    pub at: Path,
    /// The provenance of its points there.
    pub inputs: Vec<u32>,
}

impl Aged for Group {
    fn seen(&self) -> u64 {
        self.seen
    }
}

/// Without its members, and as no batch has touched it yet.
impl Saved for Group {
    fn save(&self, out: &mut Vec<u8>) {
        (self.order.0, (self.order.1, self.order.2)).save(out);
        (self.total, (self.start, self.seen)).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let (first, (second, third)) = Saved::restore(from)?;
        let (total, (start, seen)) = Saved::restore(from)?;
        Some(Self {
            order: (first, second, third),
            total,
            start,
            seen,
            head: NONE,
            round: 0,
            point: PointRow::NOTHING,
            at: Path::default(),
            inputs: Vec::new(),
        })
    }
}

/// The sum of two numbers; an integer if both are.
pub(super) fn sum(a: Number, b: Number) -> Number {
    match (a, b) {
        (Number::None, other) | (other, Number::None) => other,
        (Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_add(b)),
        (a, b) => Number::Double(a.as_f64().unwrap_or(0.0) + b.as_f64().unwrap_or(0.0)),
    }
}

/// Difference of two numbers.
pub(super) fn less(value: Number, given: Number) -> Number {
    match (value, given) {
        (value, Number::None) => value,
        (Number::Int(value), Number::Int(given)) => Number::Int(value.wrapping_sub(given)),
        (value, given) => Number::Double(value.as_f64().unwrap_or(0.0) - given.as_f64().unwrap_or(0.0)),
    }
}

/// Increase of a counter from `last` to `now`; none if it fell, which is a reset.
pub(super) fn increase(last: Number, now: Number) -> Option<Number> {
    match (last, now) {
        (Number::Int(last), Number::Int(now)) => (now >= last).then(|| Number::Int(now.wrapping_sub(last))),
        (last, now) => {
            let (last, now) = (last.as_f64()?, now.as_f64()?);
            (now >= last).then_some(Number::Double(now - last))
        }
    }
}
