//! Every input series that is being watched, in a dense table.
//!
//! Scrapes repeat their order, so the row after the last one found is tried before the hash map is asked. The
//! table is bounded: what does not fit is [`UNTRACKED`] and only counted.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::{BOUND, IdentityHasher};
use hashbrown::HashMap;

use crate::fate::Fate;
use crate::label::Label;

pub(crate) const UNTRACKED: u32 = u32::MAX;
pub(crate) const NONE: u32 = u32::MAX;

/// What each point touches of its series: kept small, the names stand apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub identity: u128,
    /// The window in which it was last seen.
    pub epoch: u32,
    /// Its fate in that window.
    pub fates: [Fate; 2],
    /// Row of the output series it was last seen to become, per variant.
    pub outputs: [u32; 2],
    /// Row of the critical process whose required metric it is, and the metric's bit.
    pub critical: u32,
    pub bit: u32,
    /// When its resource last came, Unix nanoseconds; kept in the resource's first series only.
    pub arrived: u64,
}

#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    pub rows: Vec<Series>,
    pub labels: Vec<Arc<Label>>,
    places: HashMap<u128, u32, BuildHasherDefault<IdentityHasher>>,
    next: usize,
}

impl SeriesTable {
    /// The row of a known series.
    #[inline]
    pub fn find(&mut self, identity: u128) -> Option<u32> {
        let place = match self.rows.get(self.next) {
            Some(row) if row.identity == identity => self.next as u32,
            _ => *self.places.get(&identity)?,
        };
        self.next = place as usize + 1;
        Some(place)
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= BOUND
    }

    /// Adds a series that [`SeriesTable::find`] did not find; the table must not be full.
    pub fn insert(&mut self, identity: u128, label: Label, critical: Option<(u32, u32)>) -> u32 {
        let place = self.rows.len() as u32;
        let (critical, bit) = critical.unwrap_or((NONE, 0));
        let outputs = [NONE; 2];
        let fates = [Fate::default(); 2];
        self.rows.push(Series { identity, epoch: 0, fates, outputs, critical, bit, arrived: 0 });
        self.labels.push(Arc::new(label));
        self.places.insert(identity, place);
        self.next = self.rows.len();
        place
    }

    /// Keeps the series seen since `epoch`; returns where each row went.
    pub fn retain_since(&mut self, epoch: u32) -> Vec<u32> {
        let mut moved = vec![NONE; self.rows.len()];
        let mut kept = 0;
        for (from, place) in moved.iter_mut().enumerate() {
            if self.rows[from].epoch >= epoch {
                *place = kept as u32;
                self.rows.swap(kept, from);
                self.labels.swap(kept, from);
                self.rows[kept].outputs = [NONE; 2];
                kept += 1;
            }
        }
        self.rows.truncate(kept);
        self.labels.truncate(kept);
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.identity, place as u32)).collect();
        self.next = 0;
        moved
    }
}
