//! Writers of one output series: which of them write over each other.
//!
//! - At one timestamp the writer is the input series: two of them under one identity collide, even of one entity.
//! - Across timestamps the writer is the entity. Entities take turns; two of them collide if each has come back after
//!   the other and the stretches of time that they wrote overlap. Stretches that do not overlap may be those of a late
//!   request, or of clocks that differ: those collide when each has come back twice. A point that is no later than what
//!   its entity wrote before brings nothing back, so that a request sent again collides with nothing.
//! - The same series, time and value again is a duplicate; another value is a conflict. Neither is a collision.
//!
//! A series that one input series writes keeps only the last point. The rest is kept from the second writer on, bounded:
//! where entities were forgotten that might come back, it says so.

use pipelines::batch::PointRow;

/// Points by which equal timestamps are recognized, once there are several writers.
const MAX_POINTS: usize = 16;
/// Entities that are remembered of one output series. Half of them stay, so that any number of entities that take turns
/// is found; the others are the latest, so that two that overlap are found after any number that came and went.
const MAX_LIVES: usize = 64;

/// One point, and who wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastWrite {
    /// Row of the input series.
    pub writer: u32,
    /// Timestamp, Unix nanoseconds.
    pub time: u64,
    /// See [`pipelines::Batch::value_digest`].
    pub value: u64,
}

/// Finding about a point: both may hold of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The same series and time came before.
    pub again: Option<Again>,
    /// Row of another writer that writes the same output series.
    pub other: Option<u32>,
}

/// Point of a series and time that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// With the same value.
    Duplicate,
    /// With another value.
    Conflict,
}

/// Last point of an output series, and whether several have written it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    time: u64,
    value: u64,
    writer: u32,
    several: bool,
}

impl Last {
    pub fn new(point: LastWrite) -> Self {
        Self { time: point.time, value: point.value, writer: point.writer, several: false }
    }

    /// Row of the input series that wrote it.
    pub fn writer(&self) -> u32 {
        self.writer
    }

    /// Takes a point in if it is the next of the only writer there was; returns whether it is.
    #[inline]
    pub fn goes_on(&mut self, writer: u32, point: &PointRow, value: u64) -> bool {
        let plain = writer == self.writer && !self.several && point.time != self.time;
        if plain {
            (self.time, self.value) = (point.time, value);
        }
        plain
    }

    /// Takes a point in that does not just go on; `entity` tells the entity of a writer.
    pub fn observe(
        &mut self,
        past: &mut Option<Box<Past>>,
        point: LastWrite,
        entity: impl Fn(u32) -> u64,
    ) -> Finding {
        let before = LastWrite { writer: self.writer, time: self.time, value: self.value };
        (self.time, self.value) = (point.time, point.value);
        if !self.several && point.writer == self.writer {
            return Finding { again: before.again(point), other: None };
        }
        let past = past.get_or_insert_with(|| Box::new(Past::beginning_with(before, entity(before.writer))));
        (self.several, self.writer) = (true, point.writer);
        past.observe(point, entity(point.writer))
    }

    /// Follows the writer to its new place, if it is not gone.
    pub fn remap(&mut self, place: impl Fn(u32) -> Option<u32>) {
        self.writer = place(self.writer).unwrap_or(self.writer);
    }
}

impl LastWrite {
    /// Finding about a later point, if it is of the same time and series.
    fn again(self, later: Self) -> Option<Again> {
        let same = self.writer == later.writer && self.time == later.time;
        same.then_some(if self.value == later.value { Again::Duplicate } else { Again::Conflict })
    }
}

/// Stretch in which an entity wrote an output series.
#[derive(Clone, Copy, Debug)]
struct Life {
    entity: u64,
    /// Input series that it last wrote with.
    writer: u32,
    first: u64,
    last: u64,
    /// Number of times that it began to write, or came back.
    turns: u32,
    /// The turn, of all entities', that is its latest.
    latest: u64,
}

impl Life {
    fn collides_with(&self, other: &Self) -> bool {
        let overlap = self.first.max(other.first) <= self.last.min(other.last);
        self.turns.min(other.turns) >= if overlap { 2 } else { 3 }
    }
}

/// History of an output series with several writers.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    points: Vec<LastWrite>,
    next_point: usize,
    lives: Vec<Life>,
    next_life: usize,
    /// The entity whose turn it is.
    current: u64,
    turn: u64,
    /// True if an entity was forgotten that may come back.
    pub forgot: bool,
}

impl Past {
    fn beginning_with(first: LastWrite, entity: u64) -> Self {
        let LastWrite { writer, time, .. } = first;
        let life = Life { entity, writer, first: time, last: time, turns: 1, latest: 0 };
        Self {
            points: vec![first],
            next_point: 0,
            lives: vec![life],
            next_life: 0,
            current: entity,
            turn: 0,
            forgot: false,
        }
    }

    fn observe(&mut self, point: LastWrite, entity: u64) -> Finding {
        let found = self.at_one_time(point);
        let over_time = self.takes_turn(point, entity);
        // What came again brings nobody back.
        let other = found.other.or(over_time.filter(|_| found.again.is_none()));
        Finding { other, ..found }
    }

    fn at_one_time(&mut self, point: LastWrite) -> Finding {
        let mut found = Finding::default();
        for known in self.points.iter().filter(|known| known.time == point.time) {
            match known.again(point) {
                Some(again) => found.again = Some(again),
                None => found.other = Some(known.writer),
            }
        }
        if found.again.is_none() {
            self.keep(point);
        }
        found
    }

    fn keep(&mut self, point: LastWrite) {
        if self.points.len() < MAX_POINTS {
            self.points.push(point);
        } else {
            self.points[self.next_point % MAX_POINTS] = point;
            self.next_point += 1;
        }
    }

    /// Row of another entity's writer, if both collide over time.
    fn takes_turn(&mut self, point: LastWrite, entity: u64) -> Option<u32> {
        let LastWrite { writer, time, .. } = point;
        let turns = entity != self.current;
        let Some(at) = self.lives.iter().position(|life| life.entity == entity) else {
            self.turn += 1;
            self.current = entity;
            self.begin(Life { entity, writer, first: time, last: time, turns: 1, latest: self.turn });
            return None;
        };
        let life = &mut self.lives[at];
        if turns && time <= life.last {
            life.first = life.first.min(time);
            return None;
        }
        (life.first, life.last, life.writer) = (life.first.min(time), life.last.max(time), writer);
        if !turns {
            return None;
        }
        self.turn += 1;
        self.current = entity;
        let since = std::mem::replace(&mut life.latest, self.turn);
        life.turns += 1;
        let mine = *life;
        // Only those seen since its last turn: what is gone for good collides with nothing any more.
        let seen_since = self.lives.iter().filter(|other| other.entity != entity && other.latest > since);
        seen_since.filter(|other| mine.collides_with(other)).map(|other| other.writer).next()
    }

    fn begin(&mut self, life: Life) {
        if self.lives.len() < MAX_LIVES {
            self.lives.push(life);
            return;
        }
        let half = MAX_LIVES / 2;
        self.lives[half + self.next_life % half] = life;
        self.next_life += 1;
        self.forgot = true;
    }

    /// Follows the writers to their new places, and forgets those that are gone.
    pub fn remap(&mut self, place: impl Fn(u32) -> Option<u32>) {
        let moved = |writer: &mut u32| place(*writer).map(|to| *writer = to).is_some();
        self.points.retain_mut(|point| moved(&mut point.writer));
        self.lives.retain_mut(|life| moved(&mut life.writer));
    }
}

#[cfg(test)]
mod tests;
