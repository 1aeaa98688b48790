//! Every output series of one variant that is being watched.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::{BOUND, IdentityHasher};
use hashbrown::HashMap;

use pipelines::Batch;
use pipelines::batch::Rows;

use crate::collision::{Collision, Writers};
use crate::label::{Process, value_text};
use crate::lens::LensState;
use crate::series::NONE;

/// What of its process an output series still names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub executable: bool,
    pub pid: bool,
}

impl Names {
    pub fn of(output: &Batch, resource: Rows, point: Rows, process: Option<&Process>) -> Self {
        let Some(process) = process else { return Self::default() };
        let shows = |key: &str, value: &str| {
            let found = [point, resource].into_iter().find_map(|rows| output.attribute(rows, key.as_bytes()));
            !value.is_empty() && found.is_some_and(|found| value_text(found) == value)
        };
        Self {
            executable: shows("process.executable.name", &process.executable),
            pid: shows("process.pid", &process.pid),
        }
    }
}

/// What each point touches of its output series: kept small, the rest stands apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputSeries {
    pub identity: u128,
    /// The window in which it was last seen.
    pub epoch: u32,
    /// Row of its lens state.
    pub lens: u32,
    pub writers: Writers,
}

/// The rest of an output series.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub names: Names,
    pub billed: Billed,
    /// Once it was found to collide, and the window in which it last did.
    pub collision: Option<(u32, Arc<Collision>)>,
}

/// What a backend bills of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Billed {
    /// As which series: those of one number are one to it.
    pub as_one: u64,
    /// How many of its own series it makes of it: more than one of a histogram.
    pub series: u32,
}

#[derive(Debug, Default)]
pub(crate) struct OutputTable {
    pub rows: Vec<OutputSeries>,
    pub asides: Vec<Aside>,
    pub lenses: Vec<LensState>,
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

    pub fn is_full(&self) -> bool {
        self.rows.len() >= BOUND
    }

    /// Adds a series that [`OutputTable::find`] did not find; the table must not be full.
    pub fn insert(
        &mut self,
        identity: u128,
        (names, billed): (Names, Billed),
        writers: Writers,
        lens: Option<LensState>,
    ) -> u32 {
        let place = self.rows.len() as u32;
        let lens = lens.map_or(NONE, |state| {
            self.lenses.push(state);
            self.lenses.len() as u32 - 1
        });
        self.rows.push(OutputSeries { identity, epoch: 0, lens, writers });
        self.asides.push(Aside { names, billed, collision: None });
        self.places.insert(identity, place);
        place
    }

    /// How many series a backend bills of those seen since `epoch`; where not every attribute tells series apart,
    /// `fewer` of them than were seen.
    pub fn active_since(&self, epoch: u32, fewer: bool) -> u64 {
        let all = self.rows.iter().zip(&self.asides);
        let seen = all.filter(|(row, _)| row.epoch >= epoch).map(|(_, aside)| aside.billed);
        if !fewer {
            return seen.map(|billed| u64::from(billed.series)).sum();
        }
        let distinct: HashMap<u64, u32> = seen.map(|billed| (billed.as_one, billed.series)).collect();
        distinct.into_values().map(u64::from).sum()
    }

    /// Keeps the series seen since `epoch`; `moved` says where the input series went.
    pub fn retain_since(&mut self, epoch: u32, moved: &[u32]) {
        let place = |writer: u32| moved.get(writer as usize).copied().filter(|place| *place != NONE);
        let mut kept = Vec::with_capacity(self.rows.len());
        self.rows.retain_mut(|row| {
            kept.push(row.epoch >= epoch && row.writers.remap(place));
            kept.last() == Some(&true)
        });
        let mut kept = kept.into_iter();
        self.asides.retain(|_| kept.next() == Some(true));
        let mut old: Vec<Option<LensState>> = self.lenses.drain(..).map(Some).collect();
        for row in &mut self.rows {
            if let Some(state) = old.get_mut(row.lens as usize).and_then(Option::take) {
                row.lens = self.lenses.len() as u32;
                self.lenses.push(state);
            }
        }
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.identity, place as u32)).collect();
    }
}
