//! Samples: past the bound on series, a share of the entities is followed, chosen by a hash.
//!
//! All series of a followed entity are followed, and those of critical entities always. An output identity is followed,
//! too, if a hash of its own says so, with all that write it: of two entities that write over each other one would be
//! followed and the other not. What is not followed is counted in sketches.
//!
//! Where the candidate does not keep up with what comes in, a sample of the same kind is all that it gets, see
//! [`Observer::takes_part_of`](crate::Observer::takes_part_of). Nothing is known of the rest then: counts are those of the
//! sample times its share, and collisions are not found.

use drift::Count;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::Summary;
use crate::fate::Record;
use crate::label::Label;
use crate::lens::Share;
use crate::rows::Said as _;

/// The most entities for each one that is followed.
const MOST: u32 = 1 << 20;

/// Share of the entities, and of the output identities, that an observer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sampling {
    /// One of so many is followed: a power of two.
    one_in: u32,
    /// True if critical entities alone were too many.
    critical_cut: bool,
    /// True if nothing else was seen, because the candidate did not keep up.
    overloaded: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { one_in: 1, critical_cut: false, overloaded: false }
    }
}

impl Sampling {
    /// Entities for each one that is followed.
    pub fn one_in(self) -> u64 {
        u64::from(self.one_in)
    }

    /// Share that lenses are of; nothing where all is followed.
    pub fn share(self) -> Option<Share> {
        (!self.is_of_all()).then_some(Share { one_in: self.one_in })
    }

    pub fn is_of_all(self) -> bool {
        self.one_in == 1
    }

    /// Follows half of what it did; false if it is as little as can be.
    pub fn halve(&mut self) -> bool {
        let less = !self.is_least();
        self.one_in = if less { self.one_in * 2 } else { self.one_in };
        less
    }

    /// Tells whether it cannot follow fewer.
    pub fn is_least(self) -> bool {
        self.one_in >= MOST
    }

    /// Nothing but the sample is seen.
    pub fn sees_no_more(&mut self) {
        self.overloaded = true;
    }

    /// Tells whether nothing but the sample was seen.
    pub fn is_overloaded(self) -> bool {
        self.overloaded
    }

    /// Estimate of a number of all, of which these labels are those that were seen.
    pub fn count_all<'a>(self, seen: impl Iterator<Item = &'a Label>) -> Count {
        let of_sample = seen.filter(|label| self.follows_entity(label.process.entity)).count() as u64;
        Count { value: of_sample * self.one_in(), exact: false }
    }

    pub fn cuts_critical(&mut self) {
        self.critical_cut = true;
    }

    pub fn follows_entity(self, key: u64) -> bool {
        key & u64::from(self.one_in - 1) == 0
    }

    pub fn follows_identity(self, identity: u128) -> bool {
        // Other bits than those that place it in tables.
        (identity >> 64) as u64 & u64::from(self.one_in - 1) == 0
    }

    pub fn join(&mut self, other: Self) {
        self.one_in = self.one_in.max(other.one_in);
        self.critical_cut |= other.critical_cut;
        self.overloaded |= other.overloaded;
    }
}

/// Sample that figures rest on: what series became, and what they cost, is told of these entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// One of so many entities, and of so many output identities, was followed.
    pub one_in: u32,
    /// Entities as good as which the sample is: their number, or fewer where some have many more series than others
    /// (Kish: the square of the sum of their series over the sum of the squares).
    pub entities: f64,
    /// True if critical entities alone were more than are followed: of them nothing can be said.
    pub critical_cut: bool,
    /// True if no more was given to the candidate, because it did not keep up: collisions were not looked for,
    /// its time cannot be compared with the baseline's, and what its rules did is told of the sample alone.
    pub overloaded: bool,
}

impl Sample {
    /// Sample of a summary; nothing where all was followed.
    #[must_use]
    pub(crate) fn of(summary: &Summary) -> Option<Self> {
        let Sampling { one_in, critical_cut, overloaded } = summary.sampling;
        if summary.sampling.is_of_all() {
            return None;
        }
        let mut series: HashMap<u64, f64> = HashMap::new();
        // Critical entities are followed whether they are in the sample or not.
        let all =
            summary.fates.records.iter_where(Record::is_there).map(|(_, label, _)| label.process.entity);
        for entity in all.filter(|entity| summary.sampling.follows_entity(*entity)) {
            *series.entry(entity).or_default() += 1.0;
        }
        let (sum, squares) =
            series.values().fold((0.0, 0.0), |(sum, squares), of| (sum + of, squares + of * of));
        let entities = if squares > 0.0 { sum * sum / squares } else { 0.0 };
        Some(Self { one_in, entities, critical_cut, overloaded })
    }

    /// How far a share of the series may be from what the sample shows, at 95 %: 1.96 standard errors of the share that
    /// has the largest, a half.
    #[must_use]
    pub fn margin(&self) -> f64 {
        if self.entities > 0.0 { (0.98 / self.entities.sqrt()).min(1.0) } else { 1.0 }
    }

    /// Share of the series that may have what none in the sample has, at 95 %.
    #[must_use]
    pub fn most_of_none(&self) -> f64 {
        self.unseen(0.05)
    }

    /// The same beside an interval of a figure ([`Sampled::interval`](crate::Sampled::interval)): both hold together at 95 %.
    #[must_use]
    pub fn most_beside(&self) -> f64 {
        self.unseen(0.025)
    }

    fn unseen(&self, missed: f64) -> f64 {
        if self.entities > 0.0 { 1.0 - missed.powf(1.0 / self.entities) } else { 1.0 }
    }

    /// Number of identities that collide at most, at 95 %, where so many were found: by a Poisson count (Wilson and
    /// Hilferty's approximation to its upper limit).
    #[must_use]
    pub fn most_collisions(&self, found: u64) -> u64 {
        let next = found as f64 + 1.0;
        let root = 1.0 - 1.0 / (9.0 * next) + 1.644_854 / (3.0 * next.sqrt());
        (next * root.powi(3) * f64::from(self.one_in)).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sample_does_not_show_may_still_be_there() {
        let sample = Sample { one_in: 8, entities: 300.0, ..Sample::default() };
        assert_eq!([0, 1, 10].map(|found| sample.most_collisions(found)), [24, 38, 136]);
        assert!((sample.margin() - 0.0566).abs() < 1e-3, "{}", sample.margin());
        assert!((sample.most_of_none() - 0.00994).abs() < 1e-4, "{}", sample.most_of_none());
        let nobody = Sample::default();
        assert_eq!((nobody.margin(), nobody.most_of_none()), (1.0, 1.0));
    }

    #[test]
    fn half_of_a_sample_lies_within_it() {
        let (mut one, mut other) = (Sampling::default(), Sampling::default());
        assert!(one.halve() && one.halve() && other.halve());
        assert!((0..64).all(|key| !one.follows_entity(key) || other.follows_entity(key)));
        assert_eq!((0..64).filter(|key| one.follows_entity(*key)).count(), 16);
        assert_eq!((0..64).filter(|key| one.follows_identity(u128::from(*key as u64) << 64)).count(), 16);
        other.join(one);
        assert_eq!(other, one);
    }
}
