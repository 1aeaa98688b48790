//! Sets of series, exact up to a bound, estimates past it.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Number of series that are told one by one, per rule.
pub(super) const BOUND: usize = 1 << 16;

/// A set of series that becomes a sample of itself past a bound. Merging is associative and commutative.
#[derive(Debug, Clone)]
pub struct SeriesSet {
    /// Hashes up to this are kept.
    limit: u64,
    kept: HashSet<u64, BuildHasherDefault<IdentityHasher>>,
}

impl Default for SeriesSet {
    fn default() -> Self {
        Self { limit: u64::MAX, kept: HashSet::default() }
    }
}

impl SeriesSet {
    /// Returns whether the series is new, as far as can be told.
    pub(super) fn insert(&mut self, hash: u64) -> bool {
        let new = hash <= self.limit && self.kept.insert(hash);
        self.bound();
        new
    }

    /// Whatever the order, the limit ends as the greatest power of two at which the bound holds.
    fn bound(&mut self) {
        while self.kept.len() > BOUND {
            self.shrink(self.limit / 2);
        }
    }

    fn shrink(&mut self, limit: u64) {
        if limit < self.limit {
            self.limit = limit;
            self.kept.retain(|hash| *hash <= limit);
        }
    }

    /// Adds what another set has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.kept.is_empty() && self.limit == u64::MAX {
            self.clone_from(other);
            return;
        }
        self.shrink(other.limit);
        let limit = self.limit;
        // Both are bounded, and so is what they are together until it is cut.
        self.kept.extend(other.kept.iter().filter(|hash| **hash <= limit));
        self.bound();
    }

    /// Number of series, and whether each was told.
    pub fn count(&self) -> (u64, bool) {
        let exact = self.limit == u64::MAX;
        let share = self.limit as f64 / u64::MAX as f64;
        let estimate = (self.kept.len() as f64 / share).round() as u64;
        (if exact { self.kept.len() as u64 } else { estimate }, exact)
    }
}

/// Identities are hashes already.
#[derive(Debug, Default)]
pub struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that lie evenly.
    fn hash(n: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())
    }

    fn seen(range: std::ops::Range<u64>) -> SeriesSet {
        let mut seen = SeriesSet::default();
        range.for_each(|n| {
            seen.insert(hash(n));
        });
        seen
    }

    #[test]
    fn a_set_is_exact_up_to_its_bound_and_an_estimate_within_two_percent_beyond() {
        assert_eq!(seen(0..BOUND as u64).count(), (BOUND as u64, true));
        let (count, exact) = seen(0..1_000_000).count();
        assert!(!exact && count.abs_diff(1_000_000) < 20_000, "{count}");
    }

    #[test]
    fn merging_in_any_order_is_seeing_it_all() {
        let parts = [seen(0..50_000), seen(40_000..120_000), seen(110_000..300_000)];
        let merged = |order: [usize; 3]| {
            let mut all = SeriesSet::default();
            order.iter().for_each(|part| all.merge(&parts[*part]));
            all.count().0
        };
        let whole = seen(0..300_000).count().0;
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            assert!(merged(order).abs_diff(whole) * 50 < whole, "{} {whole}", merged(order));
        }
    }
}
