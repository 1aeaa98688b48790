//! The audit of the split: a unit that something was made of leaves by the variant that it is assigned to. One that does
//! not makes everything measured in its window void, by name.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most units that are named.
const NAMED: usize = 20;

/// Units that went missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Missing {
    /// Number of times that one did.
    pub count: u64,
    /// Some of them.
    pub names: BTreeSet<String>,
}

impl Missing {
    /// Adds one.
    pub fn add(&mut self, unit: String) {
        self.count += 1;
        self.name(unit);
    }

    fn name(&mut self, unit: String) {
        if self.names.len() < NAMED {
            self.names.insert(unit);
        }
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        // Of both, the first in order, so that the order of merging does not matter.
        self.names.extend(other.names.iter().cloned());
        while self.names.len() > NAMED {
            self.names.pop_last();
        }
    }
}
