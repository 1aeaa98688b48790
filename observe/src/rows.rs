//! Tables of series that share what never changes of them.
//!
//! An observer meets a series once and sees it in window after window. What tells series apart and names them is put down
//! once, in the order in which they were met ([`Keys`]), and shared by all that is said of them: a window's table is one
//! short value a series. Merging two tables of one observer is walking two lists side by side; those of different
//! observers merge to the same, by identity, only slower.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::IdentityHasher;
use hashbrown::HashMap;

/// Number of series that lie together. The last lot is copied when a series is added after it was shared.
const CHUNK: usize = 256;

/// Series, each once, with what names them; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keys<K> {
    /// All full but the last.
    chunks: Vec<Arc<Chunk<K>>>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunk<K> {
    identities: Vec<u128>,
    names: Vec<K>,
}

impl<K> Default for Keys<K> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K> Keys<K> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn name(&self, place: usize) -> Option<&K> {
        self.chunks.get(place / CHUNK)?.names.get(place % CHUNK)
    }

    fn identities(&self) -> impl Iterator<Item = u128> {
        self.chunks.iter().flat_map(|chunk| chunk.identities.iter().copied())
    }

    fn iter(&self) -> impl Iterator<Item = (u128, &K)> {
        self.chunks.iter().flat_map(|chunk| chunk.identities.iter().copied().zip(&chunk.names))
    }

    /// Tells whether one of the two is how the other begins.
    fn goes_like(&self, other: &Self) -> bool {
        self.chunks.iter().zip(&other.chunks).all(|(mine, theirs)| {
            let common = mine.identities.len().min(theirs.identities.len());
            Arc::ptr_eq(mine, theirs) || mine.identities[..common] == theirs.identities[..common]
        })
    }
}

impl<K: Clone> Keys<K> {
    /// Adds a series that is not there.
    pub fn push(&mut self, identity: u128, name: K) {
        if self.len.is_multiple_of(CHUNK) {
            let (identities, names) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
            self.chunks.push(Arc::new(Chunk { identities, names }));
        }
        if let Some(last) = self.chunks.last_mut() {
            let last = Arc::make_mut(last);
            last.identities.push(identity);
            last.names.push(name);
            self.len += 1;
        }
    }

    /// Those for which `kept` says so, in order.
    pub fn of_kept(&self, kept: &[bool]) -> Self {
        let mut all = Self::default();
        let those = self.iter().zip(kept).filter(|(_, kept)| **kept);
        those.for_each(|((identity, name), _)| all.push(identity, name.clone()));
        all
    }
}

/// Value kept of one series; by default that it was not there.
pub(crate) trait Said: Clone + Default {
    fn is_there(&self) -> bool;
    /// Takes in what was said of the same series elsewhere.
    fn join(&mut self, other: &Self);
}

/// Series, and what is said of each of those that were there.
#[derive(Clone, Debug)]
pub(crate) struct Rows<K, T> {
    keys: Keys<K>,
    /// One for each key.
    values: Vec<T>,
}

impl<K, T> Default for Rows<K, T> {
    fn default() -> Self {
        Self { keys: Keys::default(), values: Vec::new() }
    }
}

impl<K: Clone, T: Said> Rows<K, T> {
    /// Values of keys, one for each.
    pub fn new(keys: Keys<K>, mut values: Vec<T>) -> Self {
        values.resize(keys.len(), T::default());
        Self { keys, values }
    }

    /// Of rows of which each identity stands once.
    pub fn of(rows: impl Iterator<Item = (u128, K, T)>) -> Self {
        let mut all = Self::default();
        rows.for_each(|(identity, name, value)| all.push(identity, name, value));
        all
    }

    fn push(&mut self, identity: u128, name: K, value: T) {
        self.keys.push(identity, name);
        self.values.push(value);
    }

    /// Number of series that were there.
    pub fn len(&self) -> usize {
        self.values().count()
    }

    /// Values of those that were there.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().filter(|value| value.is_there())
    }

    /// Those that were there.
    pub fn iter(&self) -> impl Iterator<Item = (u128, &K, &T)> {
        self.iter_where(T::is_there)
    }

    /// Those of which such a thing is said.
    pub fn iter_where(&self, mut which: impl FnMut(&T) -> bool) -> impl Iterator<Item = (u128, &K, &T)> {
        // Values lie close together, names do not: only those of interest are fetched.
        let places = self.values.iter().enumerate().filter(move |(_, value)| which(value));
        places.filter_map(|(place, value)| {
            let chunk = self.keys.chunks.get(place / CHUNK)?;
            Some((*chunk.identities.get(place % CHUNK)?, chunk.names.get(place % CHUNK)?, value))
        })
    }

    /// Those that were there, in ascending order of identities.
    pub fn sorted(&self) -> Vec<(u128, &K, &T)> {
        let rows: Vec<_> = self.iter().collect();
        // Short rows are sorted faster. Half an identity is nearly always enough.
        let mut order: Vec<(u64, u32)> =
            rows.iter().zip(0..).map(|((identity, ..), place)| ((identity >> 64) as u64, place)).collect();
        order.sort_unstable_by_key(|(half, _)| *half);
        for same in order.chunk_by_mut(|one, other| one.0 == other.0).filter(|same| same.len() > 1) {
            same.sort_unstable_by_key(|(_, place)| rows[*place as usize].0);
        }
        order.into_iter().map(|(_, place)| rows[place as usize]).collect()
    }

    /// Adds what `other` says. At most `bound` series are there afterward, those that were there before first; `beyond` is
    /// told of each that finds no room.
    pub fn merge(&mut self, other: &Self, bound: usize, beyond: impl FnMut(u128, &T)) {
        if self.keys.len() == 0 && other.keys.len() <= bound {
            self.clone_from(other);
        } else if self.keys.len().max(other.keys.len()) <= bound && self.keys.goes_like(&other.keys) {
            self.side_by_side(other);
        } else {
            self.by_identity(other, bound, beyond);
        }
    }

    fn side_by_side(&mut self, other: &Self) {
        if self.keys.len() <= other.keys.len() {
            self.keys = other.keys.clone();
            self.values.resize(self.keys.len(), T::default());
        }
        for (mine, theirs) in self.values.iter_mut().zip(&other.values) {
            mine.join(theirs);
        }
    }

    fn by_identity(&mut self, other: &Self, bound: usize, mut beyond: impl FnMut(u128, &T)) {
        let places: HashMap<u128, usize, BuildHasherDefault<IdentityHasher>> =
            self.keys.identities().enumerate().map(|(place, identity)| (identity, place)).collect();
        let mut room = bound.saturating_sub(self.len());
        for (identity, name, theirs) in other.iter() {
            let mine = places.get(&identity).map(|place| &mut self.values[*place]);
            match mine {
                Some(mine) if mine.is_there() => mine.join(theirs),
                _ if room == 0 => beyond(identity, theirs),
                Some(mine) => {
                    *mine = theirs.clone();
                    room -= 1;
                }
                None => {
                    self.push(identity, name.clone(), theirs.clone());
                    room -= 1;
                }
            }
        }
    }
}

/// Whatever the order.
impl<K: Clone + PartialEq, T: Said + PartialEq> PartialEq for Rows<K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Said for u64 {
        fn is_there(&self) -> bool {
            *self > 0
        }

        fn join(&mut self, other: &Self) {
            *self += other;
        }
    }

    type Table = BTreeMap<u128, u64>;

    fn tables() -> impl Strategy<Value = Table> {
        proptest::collection::btree_map(0_u128..1_000, 1_u64..9, 0..600)
    }

    /// In an order that hashes tell: those of equal `seed` come in the same.
    fn rows(table: &Table, seed: u128) -> Rows<u128, u64> {
        let mut rows: Vec<_> =
            table.iter().map(|(identity, value)| (*identity, identity + 1, *value)).collect();
        rows.sort_by_key(|(identity, ..)| (identity + seed * 7).wrapping_mul(0x9E37_79B9) % 41);
        Rows::of(rows.into_iter())
    }

    /// As an observer makes them: all that it has met so far, of which some were there.
    fn windows(met: &[u128], there: &[Vec<bool>]) -> Vec<(Rows<u128, u64>, Table)> {
        let mut keys = Keys::default();
        let share = met.len().div_ceil(there.len());
        let windows = there.iter().zip(1..).map(|(there, number)| {
            for identity in met.iter().skip(keys.len()).take(share) {
                keys.push(*identity, identity + 1);
            }
            let values: Vec<u64> = there.iter().map(|there| if *there { number } else { 0 }).collect();
            let values = values.into_iter().cycle().take(keys.len()).collect::<Vec<_>>();
            let table = keys.identities().zip(values.clone()).filter(|(_, value)| *value > 0).collect();
            (Rows::new(keys.clone(), values), table)
        });
        windows.collect()
    }

    fn add(to: &mut Table, more: &Table) {
        more.iter().for_each(|(identity, value)| *to.entry(*identity).or_default() += value);
    }

    proptest! {
        #[test]
        fn merging_is_adding_up_by_identity(a in tables(), b in tables(), order in 0_u128..3) {
            let mut merged = rows(&a, 0);
            merged.merge(&rows(&b, order), usize::MAX, |_, _| panic!("there is room"));
            let mut expected = a;
            add(&mut expected, &b);
            prop_assert_eq!(merged, rows(&expected, 0));
        }

        #[test]
        fn windows_of_one_observer_merge_in_any_order_to_the_same(
            met in proptest::collection::hash_set(0_u128..100_000, 1..900),
            there in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 1..7), 3),
            first in 0_usize..3,
        ) {
            let met: Vec<u128> = met.into_iter().collect();
            let windows = windows(&met, &there);
            let (mut merged, mut expected) = (Rows::default(), Table::new());
            for (window, table) in windows.iter().cycle().skip(first).take(3) {
                merged.merge(window, usize::MAX, |_, _| panic!("there is room"));
                add(&mut expected, table);
            }
            prop_assert_eq!(merged, rows(&expected, 0));
        }

        #[test]
        fn past_the_bound_what_is_known_goes_on_and_what_is_new_is_told(
            a in tables(),
            b in tables(),
            more in 0_usize..10,
            order in 0_u128..3,
        ) {
            let (mut merged, mut beyond) = (rows(&a, 0), Vec::new());
            let other = rows(&b, order);
            merged.merge(&other, a.len() + more, |identity, _| beyond.push(identity));
            let new: Vec<u128> =
                other.iter().map(|(identity, ..)| identity).filter(|id| !a.contains_key(id)).collect();
            prop_assert_eq!(merged.len(), a.len() + more.min(new.len()));
            prop_assert_eq!(&beyond, &new[more.min(new.len())..]);
            let known: Vec<_> = merged.iter().filter(|(identity, ..)| a.contains_key(identity)).collect();
            prop_assert!(known.iter().all(|(id, _, value)| **value == a[id] + b.get(id).copied().unwrap_or(0)));
            prop_assert_eq!(known.len(), a.len());
        }
    }
}
