//! Slices: shares of the output identities of which all agents tell in the same turn who writes them.
//!
//! Series of two agents that reach one destination under one identity write over each other, and neither agent can see
//! it. So agents tell which identities they put out and for whom, a share at a time, and whoever has the slices of all of
//! them compares ([`Slice::meets`]).
//!
//! - **Key** of an identity: XXH3-64 of its 16 bytes, little-endian, seeded with XXH3-64 of the experiment's id. The
//!   identity is version 1 of the output series as it is delivered; the host key, by which fleet-wide counts set equal
//!   identities of two agents apart, is no part of it, because a destination does not see it.
//! - **Turn**: Unix time divided by a minute, or by the time between two reports if that is longer. In turn *t* an agent
//!   tells the keys with key ≡ t (mod K). The experiment salts the keys, and the time picks the slice: a salt that changed
//!   with the time would draw slices that never make up a whole.
//! - **K** is a power of two, of each agent so large that about [`ENTRIES`] go in a report. So the slice of an agent lies
//!   within that of every smaller one, the largest agent's K is the fleet's without anybody being told, and K turns
//!   cover all identities.
//! - **Writer**: the lowest 32 bits of the key of the entity that the series comes from, with its host
//!   ([`pipelines::entity`]); of an aggregate those of the agent's uid, hashed.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Number of entries of a report that K is chosen for.
pub const ENTRIES: u64 = 64;
/// The most slices that identities are divided into.
pub const MAX_SLICES: u32 = 1 << 16;
/// The most entries of a slice that are kept.
const MAX_ENTRIES: usize = 512;
/// Length of a turn, nanoseconds, where reports are not further apart.
const TURN: u64 = 60 * 1_000_000_000;

/// Rule by which an agent's slices are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slicing {
    salt: u64,
    agent: u32,
}

impl Slicing {
    /// The rule of an experiment, by its id, on an agent, by its uid.
    #[must_use]
    pub fn new(experiment: &str, agent: &str) -> Self {
        Self { salt: xxh3_64(experiment.as_bytes()), agent: xxh3_64(agent.as_bytes()) as u32 }
    }

    /// Key of an identity.
    #[must_use]
    pub fn key(&self, identity: u128) -> u64 {
        xxh3_64_with_seed(&identity.to_le_bytes(), self.salt)
    }

    /// The agent as a writer.
    pub(crate) fn agent(&self) -> u32 {
        self.agent
    }
}

/// Length of a turn, nanoseconds, where reports are so far apart.
#[must_use]
pub fn turn_nanos(report_nanos: u64) -> u64 {
    TURN.max(report_nanos)
}

/// Number of slices for so many series, where a report has slices of so many turns.
pub(crate) fn slices_of(series: u64, turns: u64) -> u32 {
    let slices = series.saturating_mul(turns.max(1)).div_ceil(ENTRIES).max(1);
    u32::try_from(slices).map_or(MAX_SLICES, |slices| slices.min(MAX_SLICES).next_power_of_two())
}

/// An output identity and who writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SliceEntry {
    /// Key of the identity in the candidate's output.
    pub key: u64,
    /// Writer.
    pub writer: u32,
    /// The lowest 32 bits of the key that the baseline's output of the same series has; 0 where there is none, or where
    /// only the candidate makes one series of several.
    pub baseline: u32,
    /// Begin of the first window in which the writer wrote it, without another between, Unix seconds.
    pub began: u64,
    /// Begin of the last one.
    pub last: u64,
}

/// Entries of one turn, as one agent has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Number of slices that identities are divided into: a power of two.
    pub slices: u32,
    /// Entries, by key and writer.
    pub entries: BTreeMap<(u64, u32), SliceEntry>,
    /// True if not all entries are there: the slice covers nothing.
    pub truncated: bool,
}

/// Meeting of two agents at one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Both put out the series of one writer: it comes through both.
    OneSeries,
    /// Their writers write over each other; `shared` if they do so in the baseline's output, too.
    Collision {
        /// See above.
        shared: bool,
    },
}

impl Slice {
    /// An empty slice of so many.
    #[must_use]
    pub fn of(slices: u32) -> Self {
        Self { slices, ..Self::default() }
    }

    /// Tells whether a key lies in the slice of this turn.
    #[must_use]
    pub fn covers(slices: u32, turn: u64, key: u64) -> bool {
        let mask = u64::from(slices.max(1) - 1);
        key & mask == turn & mask
    }

    /// Adds an entry; of one that is known, the stretches are put together.
    pub fn insert(&mut self, entry: SliceEntry) {
        let full = self.entries.len() >= MAX_ENTRIES;
        match self.entries.get_mut(&(entry.key, entry.writer)) {
            Some(known) => {
                known.baseline = known.baseline.max(entry.baseline);
                (known.began, known.last) = (known.began.min(entry.began), known.last.max(entry.last));
            }
            None if full => self.truncated = true,
            None => {
                self.entries.insert((entry.key, entry.writer), entry);
            }
        }
    }

    /// Adds what the same agent tells of the same turn elsewhere.
    pub fn merge(&mut self, turn: u64, other: &Self) {
        self.slices = self.slices.max(other.slices);
        let slices = self.slices;
        self.truncated |= other.truncated;
        self.entries.retain(|(key, _), _| Self::covers(slices, turn, *key));
        let those = other.entries.values().filter(|entry| Self::covers(slices, turn, entry.key));
        those.for_each(|entry| self.insert(*entry));
    }

    /// The same by a clock of which the agent's is ahead by so many seconds.
    #[must_use]
    pub fn by_a_clock_ahead(&self, seconds: i64) -> Self {
        let mut slice = self.clone();
        for entry in slice.entries.values_mut() {
            let moved = |time: u64| time.saturating_add_signed(seconds.saturating_neg());
            (entry.began, entry.last) = (moved(entry.began), moved(entry.last));
        }
        slice
    }

    /// Meetings of two agents in one turn, by key. Two writers write over each other if the stretches in which they write
    /// overlap by more than a window, `window` seconds: one that takes the place of another does not, nor do clocks that
    /// differ by less make it so.
    pub fn meets<'a>(&'a self, other: &'a Self, window: u64) -> impl Iterator<Item = (u64, Meeting)> + 'a {
        self.entries.values().flat_map(move |mine| {
            let theirs = other.entries.range((mine.key, 0)..=(mine.key, u32::MAX)).map(|(_, theirs)| theirs);
            theirs.filter_map(move |theirs| Some((mine.key, mine.meets(theirs, window)?)))
        })
    }
}

impl SliceEntry {
    fn meets(&self, other: &Self, window: u64) -> Option<Meeting> {
        if self.writer == other.writer {
            return Some(Meeting::OneSeries);
        }
        let overlap = self.last.min(other.last).saturating_sub(self.began.max(other.began));
        let shared = self.baseline != 0 && self.baseline == other.baseline;
        (overlap > window).then_some(Meeting::Collision { shared })
    }
}

/// Slices of several turns, as one agent has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slices(pub BTreeMap<u64, Slice>);

impl Slices {
    /// Adds what the same agent tells elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (turn, slice) in &other.0 {
            self.0.entry(*turn).or_insert_with(|| Slice::of(slice.slices)).merge(*turn, slice);
        }
    }
}

/// Names of a series whose identity several agents write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceName {
    /// Key of the identity.
    pub key: u64,
    /// Metric name of the output.
    pub metric: String,
    /// The point's attributes.
    pub series: String,
    /// The entity that writes it through this agent.
    pub writer: String,
}

#[cfg(test)]
mod tests;
