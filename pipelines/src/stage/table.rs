//! Dense table of what is remembered of each series.
//!
//! Scrapes repeat their order, so the row after the last one found is tried before the index is asked. A row takes
//! its own size and about five bytes of index. The table is bounded: when it is full, or may not grow because memory is short, the
//! quarter of the rows that was seen longest ago is forgotten and counted. It grows by a quarter, because while it does the rows may
//! stand in memory twice, and by a thirty-second part where memory is not far from short: what it has room for then comes without
//! another look at that.

use hashbrown::HashTable;

use super::Pressure;
use super::saved::Saved;

/// Rows that it may have however short memory is.
const LEAST: usize = 1_024;
/// Bytes of an index that does not grow where memory is not far from short: it would take thrice as much for a moment.
const LARGE: usize = 4 << 20;

/// Age of a row, by which it is forgotten.
pub(crate) trait Aged {
    /// Time at which it was last seen; only compared with others of its table.
    fn seen(&self) -> u64;
}

/// Bounded table of rows by series.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    rows: Vec<Row<T>>,
    places: HashTable<u32>,
    next: usize,
    bound: usize,
    evicted: u64,
    pressure: Pressure,
}

#[derive(Debug, Clone)]
struct Row<T> {
    /// A hash of what makes the series, in which every bit counts.
    key: u128,
    value: T,
}

/// The index's hash of a key, which is one already.
fn hash(key: u128) -> u64 {
    key as u64
}

impl<T: Aged> Table<T> {
    /// A table of at most so many rows.
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            rows: Vec::new(),
            places: HashTable::new(),
            next: 0,
            bound: bound.max(4),
            evicted: 0,
            pressure: Pressure::None,
        }
    }

    /// Takes note of how short memory is.
    pub(crate) fn press(&mut self, pressure: Pressure) {
        self.pressure = pressure;
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Number of rows that were forgotten for want of room.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns whether it has as many rows as it may.
    pub(crate) fn is_full(&self) -> bool {
        let rows = self.rows.len();
        let index_grows = rows == self.places.capacity();
        let grows = match self.pressure {
            Pressure::None => false,
            Pressure::Half => index_grows && self.places.allocation_size() > LARGE,
            Pressure::Full => index_grows || rows == self.rows.capacity(),
        };
        rows >= self.bound || grows && rows >= LEAST
    }

    /// The place of a series' row. Places hold until rows are forgotten.
    #[inline]
    pub(crate) fn locate(&mut self, key: u128) -> Option<usize> {
        let place = match self.rows.get(self.next) {
            Some(row) if row.key == key => self.next,
            _ => self.find(key)?,
        };
        self.next = place + 1;
        Some(place)
    }

    /// Makes a row for a series that has none; its place. Forgets nothing if the table is not full.
    pub(crate) fn add(&mut self, key: u128, value: T) -> usize {
        let place = self.insert(key, value);
        self.next = place + 1;
        place
    }

    /// The row at a place.
    pub(crate) fn at(&self, place: usize) -> &T {
        &self.rows[place].value
    }

    /// The row at a place.
    pub(crate) fn at_mut(&mut self, place: usize) -> &mut T {
        &mut self.rows[place].value
    }

    /// The row of a series; made by `new` if there is none, which the second value tells.
    #[inline]
    pub(crate) fn entry(&mut self, key: u128, new: impl FnOnce() -> T) -> (&mut T, bool) {
        let place = self.locate(key);
        let fresh = place.is_none();
        let place = place.unwrap_or_else(|| self.insert(key, new()));
        self.next = place + 1;
        (&mut self.rows[place].value, fresh)
    }

    fn find(&self, key: u128) -> Option<usize> {
        let found = self.places.find(hash(key), |place| self.rows[*place as usize].key == key);
        found.map(|place| *place as usize)
    }

    #[cold]
    fn insert(&mut self, key: u128, value: T) -> usize {
        if self.is_full() {
            self.evict();
        }
        if self.rows.len() == self.rows.capacity() {
            let part = if self.pressure == Pressure::None { 4 } else { 32 };
            self.rows.reserve_exact((self.rows.len() / part).max(64));
        }
        let place = self.rows.len();
        self.rows.push(Row { key, value });
        let rows = &self.rows;
        self.places.insert_unique(hash(key), place as u32, |place| hash(rows[*place as usize].key));
        place
    }

    fn evict(&mut self) {
        let mut ages: Vec<u64> = self.rows.iter().map(|row| row.value.seen()).collect();
        let quarter = (ages.len() / 4).max(1);
        let (_, oldest, _) = ages.select_nth_unstable(quarter - 1);
        let (oldest, mut left) = (*oldest, quarter);
        let before = self.rows.len();
        self.retain(|value| {
            let goes = value.seen() <= oldest && left > 0;
            left -= usize::from(goes);
            !goes
        });
        self.evicted += (before - self.rows.len()) as u64;
    }

    /// Keeps the rows for which `keep` holds, in order.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let before = self.rows.len();
        self.rows.retain_mut(|row| keep(&mut row.value));
        if self.rows.len() == before {
            return;
        }
        self.next = 0;
        self.places.clear();
        let rows = &self.rows;
        for (place, row) in rows.iter().enumerate() {
            self.places.insert_unique(hash(row.key), place as u32, |place| hash(rows[*place as usize].key));
        }
    }
}

impl<T: Aged + Saved> Table<T> {
    /// Appends its rows.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        (self.rows.len() as u64).save(out);
        for Row { key, value } in &self.rows {
            key.save(out);
            value.save(out);
        }
    }

    /// Takes over rows that were saved, in a table without any; nothing if the bytes do not begin with such rows.
    pub(crate) fn restore(&mut self, from: &mut &[u8]) -> Option<()> {
        for _ in 0..u64::restore(from)? {
            let (key, value) = Saved::restore(from)?;
            if self.is_full() || self.find(key).is_some() {
                return None;
            }
            self.insert(key, value);
        }
        Some(())
    }
}

impl<T> Table<T> {
    /// Bytes of memory that it takes, without what its values point to.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row<T>>() + self.places.allocation_size()
    }

    /// Bytes of memory that it takes, with those that `more` tells of each value.
    pub(crate) fn bytes_with(&self, more: impl Fn(&T) -> usize) -> usize {
        self.bytes() + self.rows.iter().map(|row| more(&row.value)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Aged for u64 {
        fn seen(&self) -> u64 {
            *self
        }
    }

    #[test]
    fn past_the_bound_the_quarter_seen_longest_ago_is_forgotten_and_counted() {
        let mut table = Table::new(8);
        for key in 1..=8_u64 {
            assert!(table.entry(u128::from(key), || 100 - key).1, "new");
        }
        assert_eq!(table.evicted(), 0);
        table.entry(9, || 1_000);
        assert_eq!((table.len(), table.evicted()), (7, 2));
        for key in 1..=6 {
            assert_eq!(table.entry(key, || 0), (&mut (100 - key as u64), false), "those seen later stay");
        }
        assert!(table.entry(8, || 2_000).1, "forgotten");
    }

    #[test]
    fn where_memory_is_short_it_forgets_instead_of_growing_and_grows_again_afterward() {
        let mut table = Table::new(1 << 22);
        table.press(Pressure::Full);
        for key in 1..=LEAST as u64 {
            table.entry(u128::from(key), || key);
        }
        assert_eq!((table.len(), table.evicted()), (LEAST, 0), "some are kept in any case");
        let most = |table: &mut Table<u64>, keys: std::ops::Range<u64>| {
            keys.map(|key| {
                table.entry(u128::from(key), || key);
                table.bytes()
            })
            .max()
        };
        most(&mut table, 2_000..3_000);
        let bytes = table.bytes();
        assert_eq!(most(&mut table, 3_000..20_000), Some(bytes));
        assert_eq!(table.evicted() + table.len() as u64, LEAST as u64 + 18_000);
        table.press(Pressure::Half);
        let evicted = table.evicted();
        most(&mut table, 20_000..30_000);
        assert_eq!((table.evicted(), table.len() > 10_000), (evicted, true));
        let spare = |table: &Table<u64>| table.rows.capacity() - table.len();
        assert!(spare(&table) <= table.len() / 32, "it takes room for few more: {}", spare(&table));
        most(&mut table, 30_000..1_000_000);
        let evicted_then = table.evicted() - evicted;
        assert!(evicted_then > 0, "its index grows to {} bytes and no more", table.places.allocation_size());
        table.press(Pressure::None);
        most(&mut table, 1_000_000..1_200_000);
        assert_eq!(table.evicted() - evicted, evicted_then);
    }
}
