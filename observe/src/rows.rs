//! Tables of series that are made in one order again and again, and then merged.
//!
//! A host's scrapes repeat their order, and so does what its windows hold of them. Merging two is walking two lists side
//! by side: nothing is hashed, and memory is read in the order in which it lies. Lists in other orders merge to the same,
//! only slower.

use drift::IdentityHasher;
use hashbrown::HashMap;
use std::hash::BuildHasherDefault;

/// Rows by identity, each identity once, in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T>(Vec<(u128, T)>);

/// For each row of a list that is merged, how many rows of the other are looked at in search of where the two go on
/// together; past that, the rest is found by hashing.
const LOOK_AHEAD: usize = 8;

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Rows<T> {
    /// Of rows of which each identity stands once.
    pub fn of(rows: Vec<(u128, T)>) -> Self {
        Self(rows)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn identities(&self) -> impl Iterator<Item = u128> {
        self.0.iter().map(|(identity, _)| *identity)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// In ascending order of identities.
    pub fn sorted(&self) -> Vec<(u128, &T)> {
        let mut rows: Vec<_> = self.0.iter().map(|(identity, row)| (*identity, row)).collect();
        rows.sort_unstable_by_key(|(identity, _)| *identity);
        rows
    }
}

/// Whatever the order.
impl<T: PartialEq> PartialEq for Rows<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl<T: Clone> Rows<T> {
    /// Adds the rows of `other`: `join` puts two of one identity together. At most `bound` rows are kept, those that are
    /// here already first; `beyond` is told of each row that finds no room.
    pub fn merge(
        &mut self,
        other: &Self,
        bound: usize,
        mut join: impl FnMut(&mut T, &T),
        beyond: impl FnMut(&(u128, T)),
    ) {
        if self.0.is_empty() && other.0.len() <= bound {
            self.0.clone_from(&other.0);
            return;
        }
        let mut new = self.side_by_side(other, &mut join);
        if !new.is_empty() {
            self.by_identity(&mut new, join);
        }
        let room = bound.saturating_sub(self.0.len()).min(new.len());
        self.0.extend(new[..room].iter().copied().cloned());
        new[room..].iter().copied().for_each(beyond);
    }

    /// Joins what comes in the same order in both; the rows of `other` that were not found.
    fn side_by_side<'a>(&mut self, other: &'a Self, join: &mut impl FnMut(&mut T, &T)) -> Vec<&'a (u128, T)> {
        let mut place = 0;
        let mut looks = LOOK_AHEAD * other.0.len();
        let mut rest = Vec::new();
        for row in &other.0 {
            let ahead = self.0[place..].iter().take(looks + 1).position(|mine| mine.0 == row.0);
            if let Some(mine) = ahead.and_then(|skipped| self.0.get_mut(place + skipped)) {
                join(&mut mine.1, &row.1);
            } else {
                rest.push(row);
            }
            looks = looks.saturating_sub(ahead.unwrap_or(self.0.len() - place));
            place += ahead.map_or(0, |skipped| skipped + 1);
        }
        rest
    }

    /// Joins those of `rest` that are here, wherever; leaves the others in it.
    fn by_identity(&mut self, rest: &mut Vec<&(u128, T)>, mut join: impl FnMut(&mut T, &T)) {
        let mut places: HashMap<u128, usize, BuildHasherDefault<IdentityHasher>> =
            rest.iter().enumerate().map(|(place, row)| (row.0, place)).collect();
        for mine in &mut self.0 {
            if let Some(place) = places.remove(&mine.0) {
                join(&mut mine.1, &rest[place].1);
            }
        }
        if places.len() < rest.len() {
            rest.retain(|row| places.contains_key(&row.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// In an order that hashes tell: those of equal `seed` come in the same.
    fn table(rows: &BTreeMap<u128, u64>, seed: u128) -> Rows<u64> {
        let mut rows: Vec<_> = rows.iter().map(|(identity, value)| (*identity, *value)).collect();
        rows.sort_by_key(|(identity, _)| (identity + seed * 7).wrapping_mul(0x9E37_79B9) % 41);
        Rows::of(rows)
    }

    proptest! {
        #[test]
        fn merging_is_adding_up_by_identity(
            a in proptest::collection::btree_map(0_u128..40, 0_u64..9, 0..30),
            b in proptest::collection::btree_map(0_u128..40, 0_u64..9, 0..30),
            order in 0_u128..3,
        ) {
            let mut merged = table(&a, 0);
            merged.merge(&table(&b, order), usize::MAX, |mine, theirs| *mine += theirs, |_| panic!("there is room"));
            let mut expected = a;
            b.into_iter().for_each(|(identity, value)| *expected.entry(identity).or_default() += value);
            prop_assert_eq!(merged, table(&expected, 0));
        }

        #[test]
        fn past_the_bound_what_is_known_goes_on_and_what_is_new_is_told(
            a in proptest::collection::btree_map(0_u128..40, 0_u64..9, 0..30),
            b in proptest::collection::btree_map(0_u128..40, 0_u64..9, 0..30),
            more in 0_usize..10,
            order in 0_u128..3,
        ) {
            let (mut merged, mut beyond) = (table(&a, 0), Vec::new());
            let other = table(&b, order);
            merged.merge(&other, a.len() + more, |mine, theirs| *mine += theirs, |row| beyond.push(row.0));
            let new: Vec<u128> = other.0.iter().map(|row| row.0).filter(|identity| !a.contains_key(identity)).collect();
            prop_assert_eq!(merged.len(), a.len() + more.min(new.len()));
            prop_assert_eq!(&beyond, &new[more.min(new.len())..]);
            let known: Vec<_> = merged.0.iter().filter(|(identity, _)| a.contains_key(identity)).collect();
            prop_assert!(known.iter().all(|(id, value)| *value == a[id] + b.get(id).copied().unwrap_or(0)));
            prop_assert_eq!(known.len(), a.len());
        }
    }
}
