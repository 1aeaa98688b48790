//! Every input series that is being watched, in a dense table.
//!
//! Scrapes repeat their order, so the row after the last one found is tried before the hash map is asked. The
//! table is bounded: what does not fit is [`UNTRACKED`] and only counted.

use std::hash::BuildHasherDefault;

use drift::IdentityHasher;
use hashbrown::HashMap;

use crate::fate::Record;
use crate::label::Label;
use crate::marks::Marks;
use crate::rows::{Keys, Rows, Said};

pub(crate) const UNTRACKED: u32 = u32::MAX;
/// The bit of writers that have no row.
const STRANGER: u32 = 1 << 31;
pub(crate) const NONE: u32 = u32::MAX;
/// Place among those under lenses of a series that enters them with its next point.
pub(crate) const PENDING: u32 = u32::MAX - 1;

/// Row that each point touches of its series: kept small, the rest stands apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub identity: u128,
    /// Row of the output series it was last seen to become, per variant.
    pub outputs: [u32; 2],
    /// Row of the critical process whose required metric it is, and the metric's bit.
    pub critical: u32,
    pub bit: u32,
}

/// A number for an input series that has no row, as a writer: it tells it from others, and no row has it.
pub(crate) fn stranger(identity: u128) -> u32 {
    STRANGER | (identity as u32 & 0x3FFF_FFFF)
}

/// The place of a writer, where rows went to `moved`; a stranger has none and stays what it is.
pub(crate) fn place_of(writer: u32, moved: &[u32]) -> Option<u32> {
    if writer & STRANGER != 0 {
        return Some(writer);
    }
    moved.get(writer as usize).copied().filter(|place| *place != NONE)
}

#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    pub rows: Vec<Series>,
    /// Fate of each in the open window.
    pub open: Vec<Record>,
    /// Marks that the baseline's series of each gets by the candidate's: a cache, empty where it is to be made anew.
    pub links: Vec<Marks>,
    /// Time at which the resource of each last came, Unix nanoseconds; kept in the resource's first series only.
    pub arrived: Vec<u64>,
    keys: Keys<Label>,
    /// The window in which each was last seen.
    seen: Vec<u32>,
    places: HashMap<u128, u32, BuildHasherDefault<IdentityHasher>>,
    next: usize,
}

impl SeriesTable {
    /// The row after the last one found, if it is of this series and of no critical process: it came, and nothing else is
    /// to be noted.
    #[inline]
    pub fn comes_next(&mut self, identity: u128) -> Option<u32> {
        let (row, open) = (self.rows.get(self.next)?, self.open.get_mut(self.next)?);
        if row.identity != identity || row.critical != NONE {
            return None;
        }
        open.join(&Record::CAME);
        self.next += 1;
        Some(self.next as u32 - 1)
    }

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

    pub fn label(&self, place: u32) -> Option<&Label> {
        self.keys.name(place as usize)
    }

    /// Adds a series that [`SeriesTable::find`] did not find; there must be room.
    pub fn insert(&mut self, identity: u128, label: Label, critical: Option<(u32, u32)>) -> u32 {
        let place = self.rows.len() as u32;
        let (critical, bit) = critical.unwrap_or((NONE, 0));
        self.rows.push(Series { identity, outputs: [NONE; 2], critical, bit });
        self.open.push(Record::default());
        self.links.push(Marks::default());
        self.arrived.push(0);
        self.keys.push(identity, label);
        self.seen.push(0);
        self.places.insert(identity, place);
        self.next = self.rows.len();
        place
    }

    /// Fate of each in window `epoch`, which ends.
    pub fn close(&mut self, epoch: u32) -> Rows<Label, Record> {
        let closed = std::mem::replace(&mut self.open, vec![Record::default(); self.rows.len()]);
        note_seen(&mut self.seen, closed.iter().map(Said::is_there), epoch);
        Rows::new(self.keys.clone(), closed)
    }

    /// Tells of each series whether it was seen since `epoch`.
    pub fn seen_since(&self, epoch: u32) -> Vec<bool> {
        self.seen.iter().map(|seen| *seen >= epoch).collect()
    }

    /// Keeps the series for which `kept` says so; returns where each row went.
    pub fn retain(&mut self, kept: &[bool]) -> Vec<u32> {
        keep_rows(&mut self.rows, kept);
        keep_rows(&mut self.open, kept);
        keep_rows(&mut self.links, kept);
        keep_rows(&mut self.arrived, kept);
        keep_rows(&mut self.seen, kept);
        self.keys = self.keys.of_kept(kept);
        self.rows.iter_mut().for_each(|row| row.outputs = [NONE; 2]);
        self.links.fill(Marks::default());
        self.places = self.rows.iter().enumerate().map(|(place, row)| (row.identity, place as u32)).collect();
        self.next = 0;
        let mut next = 0;
        let mut place = |kept: bool| {
            next += u32::from(kept);
            if kept { next - 1 } else { NONE }
        };
        kept.iter().map(|kept| place(*kept)).collect()
    }
}

/// Those that were there were last seen in window `epoch`.
pub(crate) fn note_seen(seen: &mut [u32], there: impl Iterator<Item = bool>, epoch: u32) {
    for (seen, there) in seen.iter_mut().zip(there) {
        *seen = if there { epoch } else { *seen };
    }
}

/// Keeps the rows for which `kept` says so.
pub(crate) fn keep_rows<T>(rows: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    rows.retain(|_| kept.next() == Some(&true));
}
