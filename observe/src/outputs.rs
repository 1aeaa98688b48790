//! Every output series of one variant that is being watched.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::IdentityHasher;
use hashbrown::{HashMap, HashSet};

use pipelines::Batch;
use pipelines::batch::{Rows as Attributes, Value};

use crate::collision::Collision;
use crate::label::{Label, Process, value_text};
use crate::lens::{LensSeries, SeriesTrack, Under};
use crate::marks::Marks;
use crate::rows::{Keys, Rows, Said as _};
use crate::series::{NONE, PENDING, keep_rows, note_seen, place_of};
use crate::shape::Shape;
use crate::writers::{Last, Past};

/// Parts of its process that an output series still names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub executable: bool,
    pub pid: bool,
}

impl Names {
    pub fn of(output: &Batch, resource: Attributes, point: Attributes, process: Option<&Process>) -> Self {
        let Some(process) = process else { return Self::default() };
        let shows = |key: &str, value: &str| {
            let found = [point, resource].into_iter().find_map(|rows| output.attribute(rows, key.as_bytes()));
            let is_same = |found: Value<'_>| {
                matches!(found, Value::Text(text) if text == value.as_bytes()) || value_text(found) == value
            };
            !value.is_empty() && found.is_some_and(is_same)
        };
        Self {
            executable: shows("process.executable.name", &process.executable),
            pid: shows("process.pid", &process.pid),
        }
    }
}

/// Row that each point touches of its output series: kept small, the rest stands apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputSeries {
    pub identity: u128,
    /// Its place among those under lenses.
    pub lens: u32,
    pub last: Last,
}

/// Facts about an output series that are seldom asked for.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub names: Names,
    /// Once several have written it.
    pub past: Option<Box<Past>>,
    /// Once it was found to collide.
    pub collision: Option<Collides>,
    /// True once a point of it was made of several.
    pub aggregate: bool,
    /// True once that was of several resources.
    pub mixed: bool,
    /// Key of the entity that last wrote it, where that has no row.
    pub stranger: u64,
}

impl Aside {
    fn remap(&mut self, place: impl Fn(u32) -> Option<u32>) {
        if let Some(past) = &mut self.past {
            past.remap(&place);
        }
        if let Some(Collides { writers, .. }) = &mut self.collision {
            *writers = writers.map(|writer| place(writer).unwrap_or(NONE));
        }
    }
}

/// Two writers of an output series that collide.
#[derive(Clone, Debug)]
pub(crate) struct Collides {
    /// The window in which it last did.
    pub epoch: u32,
    /// Rows of the two input series.
    pub writers: [u32; 2],
    /// True if they collide in the baseline's output, too.
    pub shared: bool,
    pub named: Arc<Collision>,
}

/// Part of a series that a backend bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Billed {
    /// As which series: those of one number are one to it.
    pub as_one: u64,
    /// Number of the backend's own series for it: more than one for a histogram.
    pub series: u32,
}

impl Billed {
    /// Number of series that a backend bills of these; where not every attribute tells series apart, `fewer` than there are.
    pub fn together(all: impl Iterator<Item = Self>, fewer: bool) -> u64 {
        if !fewer {
            return all.map(|billed| u64::from(billed.series)).sum();
        }
        let distinct: HashMap<u64, u32> = all.map(|billed| (billed.as_one, billed.series)).collect();
        distinct.into_values().map(u64::from).sum()
    }
}

/// Facts of an output series that its first point tells.
#[derive(Debug)]
pub(crate) struct OutputFacts {
    pub label: Label,
    pub shape: Shape,
    pub names: Names,
    pub billed: Billed,
}

/// No window: the series was not seen yet.
const UNSEEN: u32 = NONE - 1;

#[derive(Debug, Default)]
pub(crate) struct OutputTable {
    pub rows: Vec<OutputSeries>,
    pub asides: Vec<Aside>,
    /// Marks of each in the open window.
    pub open: Vec<Marks>,
    /// Parts that name each.
    pub shapes: Vec<Shape>,
    /// The first of the candidate's series that each became, where it became another.
    pub becomes: Vec<u32>,
    pub lenses: LensSeries,
    /// Those that were found to collide.
    pub colliding: Vec<u32>,
    billed: Vec<Billed>,
    keys: Keys<Label>,
    /// The window in which each was last seen.
    seen: Vec<u32>,
    /// The window in which the entity that writes each began to, the last time that it was not the one before.
    pub began: Vec<u32>,
    /// The window from which on each has been seen without a gap that is as long as points may be held back.
    since: Vec<u32>,
    /// The first window in which each was seen since the other variant last made something of it; [`NONE`] if in none, and
    /// [`UNSEEN`] before it was seen at all.
    unmade: Vec<u32>,
    places: HashMap<u128, u32, BuildHasherDefault<IdentityHasher>>,
}

impl OutputTable {
    /// The row of a known series; `guess` is the row that its writer became last time.
    #[inline]
    pub fn find(&self, identity: u128, guess: u32) -> Option<u32> {
        match self.rows.get(guess as usize) {
            Some(row) if row.identity == identity => Some(guess),
            _ => self.places.get(&identity).copied(),
        }
    }

    /// Names of a series.
    pub fn label(&self, place: u32) -> Option<&Label> {
        self.keys.name(place as usize)
    }

    /// Adds a series that [`OutputTable::find`] did not find, in window `epoch`; there must be room.
    pub fn insert(
        &mut self,
        identity: u128,
        epoch: u32,
        known: OutputFacts,
        last: Last,
        lens: Option<(Under, SeriesTrack)>,
    ) -> u32 {
        let OutputFacts { label, shape, names, billed } = known;
        let place = self.rows.len() as u32;
        let lens = lens.map_or(NONE, |(under, tracked)| self.lenses.insert(under, tracked));
        self.rows.push(OutputSeries { identity, lens, last });
        self.asides.push(Aside {
            names,
            past: None,
            collision: None,
            aggregate: false,
            mixed: false,
            stranger: 0,
        });
        self.open.push(Marks::default());
        self.shapes.push(shape);
        self.becomes.push(NONE);
        self.billed.push(billed);
        self.keys.push(identity, label);
        self.seen.push(0);
        self.began.push(epoch);
        self.since.push(0);
        self.unmade.push(UNSEEN);
        self.places.insert(identity, place);
        place
    }

    /// Marks what was seen for the first time `hold` windows before `epoch`, which ends, or earlier: by now something of it
    /// would have come. One that has gone since is marked, too.
    pub fn mark_due(&mut self, epoch: u32, hold: u32) {
        let rows = self.open.iter_mut().zip(&self.seen).zip(&mut self.since);
        for ((marks, seen), since) in rows {
            let is_here = marks.has(Marks::SEEN);
            if is_here && seen.saturating_add(hold) < epoch {
                *since = epoch;
            }
            let lately = is_here || seen.saturating_add(hold.saturating_mul(2)) >= epoch;
            if lately && since.saturating_add(hold) <= epoch {
                marks.join(&Marks::DUE);
            }
        }
    }

    /// Marks those of which the other variant has made nothing for so long that `hold` windows do not explain it. What comes
    /// once in `hold` windows may come at the end of one of them, and at the begin of another. The window in which a series is
    /// first seen does not count: of a counter, stages that make differences pass on no first point.
    pub fn mark_interrupted(&mut self, epoch: u32, hold: u32) {
        let late = hold.saturating_add(u32::from(hold > 0));
        for (marks, unmade) in self.open.iter_mut().zip(&mut self.unmade) {
            if marks.has(Marks::MADE) {
                *unmade = NONE;
                continue;
            }
            let is_seen = marks.has(Marks::SEEN);
            match *unmade {
                UNSEEN if is_seen => *unmade = NONE,
                NONE if is_seen => *unmade = epoch,
                _ => {}
            }
            // Without a stage that holds points back, each window answers for itself.
            if *unmade < UNSEEN && unmade.saturating_add(late) <= epoch && (is_seen || hold > 0) {
                marks.join(&Marks::INTERRUPTED);
            }
        }
    }

    /// Series that were seen in window `epoch`, which ends.
    pub fn close(&mut self, epoch: u32) -> Rows<Label, Marks> {
        let closed = std::mem::replace(&mut self.open, vec![Marks::default(); self.rows.len()]);
        note_seen(&mut self.seen, closed.iter().map(|marks| marks.has(Marks::SEEN)), epoch);
        Rows::new(self.keys.clone(), closed)
    }

    /// Places of the series that were seen since `epoch`.
    pub fn seen_since(&self, epoch: u32) -> impl Iterator<Item = (u32, u32)> {
        let seen = self.seen.iter().copied();
        (0..).zip(seen).filter(move |(_, seen)| *seen >= epoch)
    }

    /// Number of series that a backend bills of those seen since `epoch` whose writer is one of `which`; where not every
    /// attribute tells series apart, `fewer` of them than were seen.
    pub fn active_since(&self, epoch: u32, fewer: bool, which: impl Fn(u32) -> bool) -> u64 {
        let all = self.seen.iter().zip(&self.billed).zip(&self.rows);
        let active = all.filter(|((seen, _), row)| **seen >= epoch && which(row.last.writer()));
        Billed::together(active.map(|((_, billed), _)| *billed), fewer)
    }

    /// Keeps the series seen since `epoch`; `moved` says where the input series went.
    pub fn retain_since(&mut self, epoch: u32, moved: &[u32]) {
        let all = self.rows.iter().zip(&self.seen);
        let is_known = |row: &OutputSeries| place_of(row.last.writer(), moved).is_some();
        let kept: Vec<bool> = all.map(|(row, seen)| *seen >= epoch && is_known(row)).collect();
        self.retain(&kept, moved);
    }

    /// Keeps the series for which `kept` says so; `moved` says where the input series went.
    pub fn retain(&mut self, kept: &[bool], moved: &[u32]) {
        let place = |writer: u32| place_of(writer, moved);
        self.rows.iter_mut().for_each(|row| row.last.remap(place));
        keep_rows(&mut self.rows, kept);
        keep_rows(&mut self.asides, kept);
        self.asides.iter_mut().for_each(|aside| aside.remap(place));
        keep_rows(&mut self.open, kept);
        keep_rows(&mut self.shapes, kept);
        keep_rows(&mut self.becomes, kept);
        self.becomes.fill(NONE);
        keep_rows(&mut self.billed, kept);
        keep_rows(&mut self.seen, kept);
        keep_rows(&mut self.began, kept);
        keep_rows(&mut self.since, kept);
        keep_rows(&mut self.unmade, kept);
        self.keys = self.keys.of_kept(kept);
        self.retain_lenses();
        let collides = |(place, aside): (usize, &Aside)| aside.collision.as_ref().map(|_| place as u32);
        self.colliding = self.asides.iter().enumerate().filter_map(collides).collect();
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.identity, place as u32)).collect();
    }

    /// Keeps of those under lenses the ones that a row leads to.
    fn retain_lenses(&mut self) {
        let mut kept = vec![false; self.lenses.len()];
        for row in &self.rows {
            if let Some(kept) = kept.get_mut(row.lens as usize) {
                *kept = true;
            }
        }
        let places: Vec<u32> = kept
            .iter()
            .scan(0, |next, kept| {
                *next += u32::from(*kept);
                Some(*next - u32::from(*kept))
            })
            .collect();
        for row in &mut self.rows {
            row.lens = places.get(row.lens as usize).copied().unwrap_or(row.lens);
        }
        self.lenses.keep(&kept);
    }

    /// Series of these metrics that are under no lens enter lenses with their next points.
    pub fn enter_lenses(&mut self, metrics: &HashSet<&str>) {
        for place in 0..self.rows.len() {
            let of = self.keys.name(place).is_some_and(|label| metrics.contains(&*label.metric));
            if of && self.rows[place].lens == NONE {
                self.rows[place].lens = PENDING;
            }
        }
    }
}
