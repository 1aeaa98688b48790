//! Collisions: one output identity with several writers and no aggregation.
//!
//! Deleting `process.pid` without merging does it: savings look superb, and the backend keeps one of forty. When two
//! writers collide is said in [`writers`](crate::writers). What the baseline does to the same input series is no fault
//! of the candidate: its collisions of such writers are counted, and are not among those that only it has.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// One output identity that several series write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Collision {
    /// Metric name of the output.
    pub metric: String,
    /// The output series' attributes.
    pub series: String,
    /// The entities of two of those that write it; the same one twice if they are series of one entity.
    pub writers: [String; 2],
}

/// The colliding identities of one variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collisions {
    named: HashMap<u128, RankedCollision>,
    /// True if there were more identities than it holds, or more writers of one than are remembered.
    pub(crate) truncated: bool,
}

/// A collision; in ascending order, those that the baseline has not come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RankedCollision {
    /// True if the baseline's output has the writers collide, too.
    pub shared: bool,
    pub collision: Arc<Collision>,
}

const MAX_NAMED: usize = 10_000;

impl Collisions {
    pub(crate) fn add(&mut self, identity: u128, found: RankedCollision) {
        if let Some(known) = self.named.get_mut(&identity) {
            // Any two of the writers prove it; the least stands, so that the order of merging does not matter.
            if found < *known {
                *known = found;
            }
        } else if self.named.len() < MAX_NAMED {
            self.named.insert(identity, found);
        } else {
            self.truncated = true;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (identity, found) in &other.named {
            self.add(*identity, found.clone());
        }
        self.truncated |= other.truncated;
    }

    /// Number of colliding identities.
    pub(crate) fn count(&self) -> drift::Count {
        drift::Count { value: self.named.len() as u64, exact: !self.truncated }
    }

    /// Number of those whose writers do not collide in the baseline's output.
    pub(crate) fn count_own(&self) -> drift::Count {
        let own = self.named.values().filter(|found| !found.shared).count();
        drift::Count { value: own as u64, exact: !self.truncated }
    }

    /// The first `most` by name, those that the baseline has not before all others.
    pub(crate) fn first(&self, most: usize) -> Vec<Collision> {
        let mut found: Vec<&RankedCollision> = self.named.values().collect();
        found.sort_unstable();
        found.into_iter().take(most).map(|found| (*found.collision).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, shared: bool) -> RankedCollision {
        let writers = [name.to_owned(), String::new()];
        let collision = Collision { metric: String::new(), series: String::new(), writers };
        RankedCollision { shared, collision: Arc::new(collision) }
    }

    #[test]
    fn writers_that_the_baseline_does_not_have_collide_stand_for_an_identity_in_any_order() {
        let (mut one, mut other) = (Collisions::default(), Collisions::default());
        one.add(7, found("a", true));
        other.add(7, found("b", false));
        other.add(8, found("c", true));
        let mut merged = one.clone();
        merged.merge(&other);
        other.merge(&one);
        assert_eq!(merged, other);
        assert_eq!((merged.count().value, merged.count_own().value), (2, 1));
        assert_eq!(merged.first(1)[0].writers[0], "b");
    }

    #[test]
    fn past_the_bound_the_count_is_not_exact() {
        let mut all = Collisions::default();
        (0..=MAX_NAMED as u128).for_each(|identity| all.add(identity, found("a", false)));
        assert_eq!(all.count(), drift::Count { value: MAX_NAMED as u64, exact: false });
    }
}
