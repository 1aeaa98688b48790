//! Distinct series.

use drift::{BOUND, Count, SeriesSet};

use crate::rows::{Rows, Said};

/// The first [`BOUND`] listed, the rest in a set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Distinct {
    listed: Rows<(), Seen>,
    beyond: SeriesSet,
}

/// Mark of a series: whether it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen(pub bool);

impl Said for Seen {
    fn is_there(&self) -> bool {
        self.0
    }

    fn join(&mut self, other: &Self) {
        self.0 |= other.0;
    }
}

impl Distinct {
    /// Of series that are listed and of others; none stands twice in the list.
    pub fn of(mut listed: impl Iterator<Item = u128>, beyond: SeriesSet) -> Self {
        let within = listed.by_ref().take(BOUND).map(|identity| (identity, (), Seen(true)));
        let mut all = Self { listed: Rows::of(within), beyond };
        listed.for_each(|identity| all.insert(identity));
        all
    }

    /// Lists series, where none were listed before.
    pub fn list(&mut self, listed: Rows<(), Seen>) {
        self.listed = listed;
    }

    /// Adds a series that is not listed.
    pub fn insert(&mut self, identity: u128) {
        self.beyond.insert(identity);
    }

    pub fn merge(&mut self, other: &Self) {
        self.beyond.merge(&other.beyond);
        self.listed.merge(&other.listed, BOUND, |identity, _| self.beyond.insert(identity));
    }

    /// Number of series; one that is listed in one part and not in another counts once.
    pub fn count(&self) -> Count {
        if self.beyond.is_empty() {
            return Count { value: self.listed.len() as u64, exact: true };
        }
        self.all().count()
    }

    /// As one set.
    pub fn all(&self) -> SeriesSet {
        let mut all = self.beyond.clone();
        self.listed.iter().for_each(|(identity, ..)| all.insert(identity));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_part_lists_and_another_does_not_counts_once() {
        let mut some = Distinct::of(0..10, SeriesSet::default());
        let mut others = Distinct::default();
        (5..15).for_each(|identity| others.insert(identity));
        some.merge(&others);
        assert_eq!(some.count(), Count { value: 15, exact: true });
        others.merge(&Distinct::of(0..10, SeriesSet::default()));
        assert_eq!(others.count(), some.count());
    }

    #[test]
    fn past_the_bound_it_is_an_estimate_and_says_so() {
        let bound = BOUND as u64;
        let hashed = |n: u64| u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n);
        let mut half = Distinct::of((0..bound).map(hashed), SeriesSet::default());
        assert_eq!(half.count(), Count { value: bound, exact: true });
        half.merge(&Distinct::of((bound..2 * bound).map(hashed), SeriesSet::default()));
        let Count { value, exact } = half.count();
        // Five standard errors of the sketch.
        assert!(!exact && value.abs_diff(2 * bound) < bound / 6, "{value}");
    }
}
