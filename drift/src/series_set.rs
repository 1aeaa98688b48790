//! Sets of series identities: exact up to a bound, a Theta sketch beyond it.
//!
//! Theta rather than HyperLogLog because it answers A-not-B, which is the question "which series were lost".
//! A set knows whether it is exact, and so does every count taken from it: no report says "exactly" of an
//! estimate. Relative standard error of the sketch: 1/√(k−1), 1.6 % at k = 4096.
//! (Dasgupta, Lang, Rhodes, Thaler: A framework for estimating stream expression cardinalities, ICDT 2016.)

use std::hash::{BuildHasherDefault, Hasher};

use datasketches::theta::{
    CompactThetaSketch, ThetaANotB, ThetaSketch, ThetaSketchBuilder, ThetaSketchView, ThetaUnionBuilder,
};
use hashbrown::HashSet;
use serde::{Deserialize, Serialize};

/// Number of series that a set holds exactly.
pub const BOUND: usize = 131_072;
const LG_K: u8 = 12;

/// Identities are hashes already: their low half places them.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }

    fn write_u128(&mut self, identity: u128) {
        self.0 = identity as u64;
    }
}

type Exact = HashSet<u128, BuildHasherDefault<IdentityHasher>>;

/// A number of series, and whether it was counted or estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Number of series; rounded where estimated.
    pub value: u64,
    /// True if they were counted one by one.
    pub exact: bool,
}

impl Count {
    /// The count of two disjoint sets together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, exact: self.exact && other.exact }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct SeriesSet(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Exact(Exact),
    Sketch(Box<Sketch>),
}

/// Series inserted one by one, and those that came from merges: only the union of both is the set.
#[derive(Debug)]
struct Sketch {
    inserted: ThetaSketch,
    merged: Option<CompactThetaSketch>,
}

impl Default for SeriesSet {
    fn default() -> Self {
        Self(Inner::Exact(Exact::default()))
    }
}

impl Clone for Sketch {
    fn clone(&self) -> Self {
        Self { inserted: new_sketch(), merged: Some(self.union(None)) }
    }
}

impl Sketch {
    fn of(identities: impl IntoIterator<Item = u128>) -> Self {
        let mut inserted = new_sketch();
        identities.into_iter().for_each(|identity| inserted.update(identity));
        Self { inserted, merged: None }
    }

    fn union(&self, other: Option<&Self>) -> CompactThetaSketch {
        let sketches = [Some(self), other];
        let mut parts: Vec<ThetaSketchView<'_>> = Vec::with_capacity(4);
        for sketch in sketches.into_iter().flatten() {
            parts.push(sketch.inserted.as_view());
            parts.extend(sketch.merged.as_ref().map(CompactThetaSketch::as_view));
        }
        union(&parts)
    }
}

#[expect(clippy::expect_used, reason = "the constants are in range and every sketch here has the same seed")]
fn new_sketch() -> ThetaSketch {
    ThetaSketchBuilder::default().lg_k(LG_K).build().expect("2^12 entries")
}

#[expect(clippy::expect_used, reason = "the constants are in range and every sketch here has the same seed")]
fn union(parts: &[ThetaSketchView<'_>]) -> CompactThetaSketch {
    let mut union = ThetaUnionBuilder::default().lg_k(LG_K).build().expect("2^12 entries");
    parts.iter().for_each(|part| union.update(*part).expect("the same seed"));
    union.to_sketch(true)
}

impl SeriesSet {
    /// A set that is never exact, and so takes as much memory as a sketch: for what is counted beside others that are known.
    #[must_use]
    pub fn estimated() -> Self {
        Self(Inner::Sketch(Box::new(Sketch::of([]))))
    }

    /// An empty set with room for as many series as another has.
    #[must_use]
    pub fn with_room_of(other: &Self) -> Self {
        let room = if let Inner::Exact(exact) = &other.0 { exact.len() } else { 0 };
        Self(Inner::Exact(Exact::with_capacity_and_hasher(room, BuildHasherDefault::default())))
    }

    /// Adds a series.
    pub fn insert(&mut self, identity: u128) {
        match &mut self.0 {
            Inner::Exact(exact) => {
                exact.insert(identity);
                if exact.len() > BOUND {
                    self.0 = Inner::Sketch(Box::new(Sketch::of(exact.iter().copied())));
                }
            }
            Inner::Sketch(sketch) => sketch.inserted.update(identity),
        }
    }

    /// Adds every series of `other`: associative, commutative, idempotent, with the empty set as identity;
    /// exactly while exact, within the sketch's error beyond.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Inner::Exact(mine), Inner::Exact(theirs)) if mine.is_empty() => mine.clone_from(theirs),
            (Inner::Exact(mine), Inner::Exact(theirs)) if mine.len() + theirs.len() <= BOUND => {
                mine.extend(theirs);
            }
            (_, Inner::Exact(exact)) => exact.iter().for_each(|identity| self.insert(*identity)),
            (Inner::Exact(mine), Inner::Sketch(theirs)) => {
                let mut sketch = theirs.clone();
                mine.iter().for_each(|identity| sketch.inserted.update(*identity));
                self.0 = Inner::Sketch(sketch);
            }
            (Inner::Sketch(mine), Inner::Sketch(theirs)) => {
                let merged = mine.union(Some(theirs));
                **mine = Sketch { inserted: new_sketch(), merged: Some(merged) };
            }
        }
    }

    /// Number of series.
    #[must_use]
    pub fn count(&self) -> Count {
        match &self.0 {
            Inner::Exact(exact) => Count { value: exact.len() as u64, exact: true },
            Inner::Sketch(sketch) => estimate(&sketch.union(None)),
        }
    }

    /// Number of series of this set that are not in `other`.
    #[must_use]
    pub fn count_without(&self, other: &Self) -> Count {
        if let (Inner::Exact(mine), Inner::Exact(theirs)) = (&self.0, &other.0) {
            return Count { value: mine.difference(theirs).count() as u64, exact: true };
        }
        #[expect(clippy::expect_used, reason = "every sketch here has the same seed")]
        let difference =
            ThetaANotB::default().compute(&self.compact(), &other.compact(), false).expect("the same seed");
        estimate(&difference)
    }

    fn compact(&self) -> CompactThetaSketch {
        match &self.0 {
            Inner::Exact(exact) => Sketch::of(exact.iter().copied()).union(None),
            Inner::Sketch(sketch) => sketch.union(None),
        }
    }

    /// Tells whether nothing was ever added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Inner::Exact(exact) if exact.is_empty())
    }

    /// Tells whether counts of this set are exact.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Inner::Exact(_))
    }
}

fn estimate(sketch: &CompactThetaSketch) -> Count {
    Count { value: sketch.estimate().round() as u64, exact: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(n: u64) -> u128 {
        // Any injective spreading will do.
        u128::from(n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) << 64 | u128::from(n)
    }

    fn range(range: std::ops::Range<u64>) -> SeriesSet {
        let mut set = SeriesSet::default();
        range.for_each(|n| set.insert(identity(n)));
        set
    }

    fn merged(a: &SeriesSet, b: &SeriesSet) -> SeriesSet {
        let mut merged = a.clone();
        merged.merge(b);
        merged
    }

    fn within(count: Count, expected: u64, share: f64) {
        let error = (count.value as f64 - expected as f64).abs() / expected as f64;
        assert!(!count.exact && error <= share, "{count:?} is {error} from {expected}");
    }

    #[test]
    fn up_to_the_bound_it_counts_exactly_and_beyond_it_says_that_it_estimates() {
        let at_bound = range(0..BOUND as u64);
        assert_eq!(at_bound.count(), Count { value: BOUND as u64, exact: true });
        // Four standard errors of 1.56 %.
        within(range(0..200_000).count(), 200_000, 0.0625);
    }

    /// Root mean square of a sketch's relative errors, over as many sets of 80,000 as `rounds` says.
    fn scatter(lg_k: u8, rounds: u64) -> f64 {
        let error = |round: u64| {
            let mut sketch = ThetaSketchBuilder::default().lg_k(lg_k).build().unwrap();
            (round * 80_000..(round + 1) * 80_000).for_each(|n| sketch.update(identity(n)));
            let mut union = ThetaUnionBuilder::default().lg_k(lg_k).build().unwrap();
            union.update(sketch.as_view()).unwrap();
            union.to_sketch(true).estimate() / 80_000.0 - 1.0
        };
        ((0..rounds).map(|round| error(round).powi(2)).sum::<f64>() / rounds as f64).sqrt()
    }

    #[test]
    fn the_error_of_a_sketch_is_one_by_the_root_of_its_size() {
        // 1/√(k−1); a root mean square of 200 scatters by a twentieth of itself.
        for (lg_k, expected) in [(10, 0.03127), (LG_K, 0.01563)] {
            let found = scatter(lg_k, 200);
            assert!((found / expected - 1.0).abs() < 0.2, "2^{lg_k}: {found}, expected {expected}");
        }
    }

    #[test]
    fn what_was_lost_is_found_exactly_and_beyond_the_bound_within_the_error() {
        assert_eq!(range(0..1000).count_without(&range(10..2000)), Count { value: 10, exact: true });
        within(range(0..400_000).count_without(&range(100_000..400_000)), 100_000, 0.15);
        within(range(0..200_000).count_without(&range(0..100_000)), 100_000, 0.15);
    }

    #[test]
    fn merging_sketches_and_exact_sets_in_any_order_counts_the_union() {
        let (a, b, c) = (range(0..150_000), range(100_000..300_000), range(290_000..310_000));
        for set in [
            merged(&merged(&a, &b), &c),
            merged(&a, &merged(&b, &c)),
            merged(&c, &merged(&b, &a)),
            merged(&merged(&c, &a), &b),
        ] {
            within(set.count(), 310_000, 0.0625);
        }
    }

    proptest! {
        #[test]
        fn exact_sets_merge_by_the_laws_of_sets(a in 0_u64..50, b in 0_u64..50, c in 0_u64..50, w in 1_u64..40) {
            let (a, b, c) = (range(a..a + w), range(b..b + w), range(c..c + w));
            let left = merged(&merged(&a, &b), &c);
            let right = merged(&a, &merged(&b, &c));
            prop_assert_eq!(left.count_without(&right).value, 0);
            prop_assert_eq!(right.count_without(&left).value, 0);
            prop_assert_eq!(merged(&a, &b).count(), merged(&b, &a).count());
            prop_assert_eq!(merged(&a, &a).count(), a.count());
            prop_assert_eq!(merged(&a, &SeriesSet::default()).count(), a.count());
        }
    }
}
