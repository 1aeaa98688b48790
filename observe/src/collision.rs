//! Collisions: one output identity with several writers and no aggregation.
//!
//! Deleting `process.pid` without merging does it: savings look superb, and the backend keeps one of forty.
//! Two points of different input series under one output identity collide if their timestamps are equal, or if
//! their writers take turns (A, B, A): scrapers stamp each process at its own instant, so equal timestamps
//! alone would miss most. A writer that another one replaces for good (A, B, B, …) is a rename, no collision.

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
    /// Two of those that write it.
    pub writers: [String; 2],
}

/// The colliding identities of one variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collisions {
    pub(crate) named: HashMap<u128, Arc<Collision>>,
    /// True if there were more identities than it holds.
    pub(crate) truncated: bool,
}

const MAX_NAMED: usize = 10_000;

impl Collisions {
    pub(crate) fn add(&mut self, identity: u128, collision: &Arc<Collision>) {
        if let Some(known) = self.named.get_mut(&identity) {
            // Any two of the writers prove it; the smallest stands, so that the order of merging does not matter.
            if collision < known {
                *known = collision.clone();
            }
        } else if self.named.len() < MAX_NAMED {
            self.named.insert(identity, collision.clone());
        } else {
            self.truncated = true;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (identity, collision) in &other.named {
            self.add(*identity, collision);
        }
        self.truncated |= other.truncated;
    }
}

/// Writers of one output series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writers {
    first: u32,
    pub current: u32,
    time: u64,
    pub collides: bool,
}

impl Writers {
    pub fn new(writer: u32, time: u64) -> Self {
        Self { first: writer, current: writer, time, collides: false }
    }

    /// Takes a point in if it is of the writer before and nothing collides; whether it is.
    #[inline]
    pub fn goes_on(&mut self, writer: u32, time: u64) -> bool {
        let same = writer == self.current && !self.collides;
        if same {
            self.time = time;
        }
        same
    }

    /// Takes a point in; the other writer if it collides.
    pub fn observe(&mut self, writer: u32, time: u64) -> Option<u32> {
        if writer == self.current {
            self.time = time;
            return self.collides.then_some(self.first).filter(|first| *first != writer);
        }
        let other = self.current;
        self.collides |= time == self.time || writer == self.first;
        (self.current, self.time) = (writer, time);
        self.collides.then_some(other)
    }

    /// Follows the writers to their new places; false if the current one is gone.
    pub fn remap(&mut self, place: impl Fn(u32) -> Option<u32>) -> bool {
        let Some(current) = place(self.current) else { return false };
        self.first = place(self.first).unwrap_or(current);
        self.current = current;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collides(points: &[(u32, u64)]) -> bool {
        let mut writers = Writers::new(points[0].0, points[0].1);
        points[1..].iter().filter(|(writer, time)| writers.observe(*writer, *time).is_some()).count() > 0
    }

    #[test]
    fn two_series_at_one_time_collide() {
        assert!(collides(&[(1, 10), (2, 10)]));
    }

    #[test]
    fn forty_series_that_take_turns_collide_whatever_their_times() {
        let turns: Vec<_> = (0..80).map(|turn| (turn % 40, u64::from(turn))).collect();
        assert!(collides(&turns));
        assert!(!collides(&turns[..40]), "each has written once: they may be replacing one another");
    }

    #[test]
    fn a_series_that_replaces_another_for_good_does_not_collide() {
        assert!(!collides(&[(1, 10), (1, 20), (2, 30), (2, 40), (3, 50), (3, 60)]));
    }
}
