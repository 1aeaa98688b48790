//! Series that a variant made: the first [`BOUND`] by name, with the marks of each; the rest in a set.

use std::sync::Arc;

use drift::{BOUND, Count, SeriesSet};

use crate::label::Label;
use crate::marks::Marks;
use crate::rows::Rows;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct MarkedSeries {
    rows: Rows<Label, Marks>,
    removed: RemovedAttributes,
    beyond: SeriesSet,
}

/// Attributes that series have no more, or with another value, each a bit of [`Marks::removed`]. The last bit is for all that
/// find no room.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RemovedAttributes(Arc<Vec<(Arc<str>, Gone)>>);

/// What became of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It is not there.
    Removed,
    /// It has another value.
    Rewritten,
}

/// Attributes that are told apart.
const NAMED: usize = 31;
/// The bit of the others.
const OTHERS: u32 = 1 << NAMED;

impl RemovedAttributes {
    /// The bit of an attribute of which this became, which is added if there is room.
    pub fn bit(&mut self, name: &str, gone: Gone) -> u32 {
        if let Some(place) = self.0.iter().position(|(known, became)| **known == *name && *became == gone) {
            return 1 << place;
        }
        if self.0.len() >= NAMED {
            return OTHERS;
        }
        Arc::make_mut(&mut self.0).push((name.into(), gone));
        1 << (self.0.len() - 1)
    }

    /// Names of such bits, and what became of each.
    pub fn names(&self, bits: u32) -> impl Iterator<Item = (&str, Gone)> {
        let named = self.0.iter().enumerate().filter(move |(place, _)| bits & (1 << place) != 0);
        let others = (bits & OTHERS != 0).then_some(("(other attributes)", Gone::Removed));
        named.map(|(_, (name, gone))| (&**name, *gone)).chain(others)
    }

    /// Takes in the names of another; nothing if its bits mean the same here, else what each of them means here.
    fn take_in(&mut self, other: &Self) -> Option<Vec<u32>> {
        if other.0.len() <= self.0.len() && self.0[..other.0.len()] == other.0[..] {
            return None;
        }
        if self.0[..] == other.0[..self.0.len().min(other.0.len())] {
            self.0 = Arc::clone(&other.0);
            return None;
        }
        Some(other.0.iter().map(|(name, gone)| self.bit(name, *gone)).collect())
    }
}

fn translated(bits: u32, meanings: &[u32]) -> u32 {
    let named = meanings.iter().enumerate().filter(|(place, _)| bits & (1 << place) != 0);
    named.fold(bits & OTHERS, |sum, (_, meaning)| sum | meaning)
}

/// Adds a series that is not listed. What is not followed is many, and counted once more by name it would take the memory that
/// following it takes.
fn insert_beyond(beyond: &mut SeriesSet, identity: u128) {
    if beyond.is_empty() {
        *beyond = SeriesSet::estimated();
    }
    beyond.insert(identity);
}

impl MarkedSeries {
    /// Of series with their marks, of which none stands twice, and of others.
    pub fn of(rows: Rows<Label, Marks>, removed: RemovedAttributes, beyond: SeriesSet) -> Self {
        Self { rows, removed, beyond }
    }

    /// Lists series, where none were listed before.
    pub fn list(&mut self, rows: Rows<Label, Marks>, removed: RemovedAttributes) {
        (self.rows, self.removed) = (rows, removed);
    }

    /// Adds a series that is not listed.
    pub fn insert(&mut self, identity: u128) {
        insert_beyond(&mut self.beyond, identity);
    }

    pub fn merge(&mut self, other: &Self) {
        self.beyond.merge(&other.beyond);
        let mut beyond = |identity: u128, marks: &Marks| {
            if marks.has(Marks::SEEN) {
                insert_beyond(&mut self.beyond, identity);
            }
        };
        match self.removed.take_in(&other.removed) {
            None => self.rows.merge(&other.rows, BOUND, &mut beyond),
            Some(meanings) => {
                let rows = other.rows.iter().map(|(identity, label, marks)| {
                    let removed = translated(marks.removed, &meanings);
                    (identity, label.clone(), marks.lacking(removed))
                });
                self.rows.merge(&Rows::of(rows), BOUND, &mut beyond);
            }
        }
    }

    /// Series that it put out and that have such marks. Names are fetched of these alone.
    pub fn seen_where(&self, which: impl Fn(Marks) -> bool) -> impl Iterator<Item = (&Label, Marks)> {
        let rows = self.rows.iter_where(move |marks| marks.has(Marks::SEEN) && which(*marks));
        rows.map(|(_, label, marks)| (label, *marks))
    }

    /// Marks of the series that it put out.
    pub fn marks(&self) -> impl Iterator<Item = Marks> {
        self.rows.values().copied().filter(|marks| marks.has(Marks::SEEN))
    }

    /// Names of attributes that went or were rewritten.
    pub fn removed(&self, bits: u32) -> impl Iterator<Item = (&str, Gone)> {
        self.removed.names(bits)
    }

    /// Number of series; one that is listed in one part and not in another counts once.
    pub fn count(&self) -> Count {
        if self.beyond.is_empty() {
            return Count { value: self.marks().count() as u64, exact: true };
        }
        self.all().count()
    }

    /// As one set.
    pub fn all(&self) -> SeriesSet {
        let mut all = self.beyond.clone();
        self.rows.iter_where(|marks| marks.has(Marks::SEEN)).for_each(|(identity, ..)| all.insert(identity));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(identities: impl Iterator<Item = u128>) -> MarkedSeries {
        let rows = identities.map(|identity| (identity, Label::default(), Marks::SEEN));
        MarkedSeries::of(Rows::of(rows), RemovedAttributes::default(), SeriesSet::default())
    }

    #[test]
    fn what_one_part_lists_and_another_does_not_counts_once() {
        let mut some = of(0..10);
        let mut others = MarkedSeries::default();
        (5..15).for_each(|identity| others.insert(identity));
        some.merge(&others);
        assert_eq!(some.count(), Count { value: 15, exact: false }, "and is never called exact");
        others.merge(&of(0..10));
        assert_eq!(others.count(), some.count());
    }

    #[test]
    fn past_the_bound_it_is_an_estimate_and_says_so() {
        let bound = BOUND as u64;
        let hashed = |n: u64| u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n);
        let mut half = of((0..bound).map(hashed));
        assert_eq!(half.count(), Count { value: bound, exact: true });
        half.merge(&of((bound..2 * bound).map(hashed)));
        let Count { value, exact } = half.count();
        // Five standard errors of the sketch.
        assert!(!exact && value.abs_diff(2 * bound) < bound / 6, "{value}");
    }

    /// A series whose removed attributes are these.
    fn without(identity: u128, names: &[&str]) -> MarkedSeries {
        let mut removed = RemovedAttributes::default();
        let bits = names.iter().fold(0, |bits, name| bits | removed.bit(name, Gone::Removed));
        let row = (identity, Label::default(), Marks::SEEN.lacking(bits));
        MarkedSeries::of(Rows::of(std::iter::once(row)), removed, SeriesSet::default())
    }

    #[test]
    fn removed_attributes_keep_their_names_where_observers_met_them_in_another_order() {
        let mut one = without(1, &["b", "a"]);
        one.merge(&without(1, &["a", "c"]));
        let marks: Vec<Marks> = one.marks().collect();
        let mut names: Vec<&str> = one.removed(marks[0].removed).map(|(name, _)| name).collect();
        names.sort_unstable();
        assert_eq!((marks.len(), names), (1, vec!["a", "b", "c"]));
    }

    #[test]
    fn attributes_past_the_bound_are_told_together() {
        let names: Vec<String> = (0..40).map(|n| format!("a{n}")).collect();
        let many = without(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let told: Vec<&str> = many.removed(u32::MAX).map(|(name, _)| name).collect();
        assert_eq!((told.len(), told.last().copied()), (NAMED + 1, Some("(other attributes)")));
    }
}
