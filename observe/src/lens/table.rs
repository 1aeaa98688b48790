//! What every series contributed to each lens, and what the groups of a lens come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{LensFunction, Reduced};
use crate::rows::Rows;

/// A series of one variant under a lens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub group: Arc<str>,
    pub value: Reduced,
}

/// A variant's series under each lens, as they are found, each once.
#[derive(Debug, Default)]
pub(crate) struct Found(Vec<Vec<(u128, Entry)>>);

impl Found {
    /// Nothing yet, with room for so many under each lens.
    pub fn with_room_of(entries: &[usize]) -> Self {
        Self(entries.iter().map(|entries| Vec::with_capacity(*entries)).collect())
    }

    /// A series, and what it is under the lens at a place.
    pub fn add(&mut self, lens: u16, identity: u128, group: &Arc<str>, value: Reduced) {
        let lens = usize::from(lens);
        if self.0.len() <= lens {
            self.0.resize_with(lens + 1, Vec::new);
        }
        self.0[lens].push((identity, Entry { group: group.clone(), value }));
    }

    /// How many series there are under each lens.
    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }
}

/// What every series contributed to each lens, by variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LensTable {
    variants: [Vec<Rows<Entry>>; 2],
    /// Whether there were more series than it holds.
    pub truncated: bool,
    /// The lenses that had more groups than they keep apart.
    pub beyond: BTreeSet<u16>,
}

/// Series of a variant under one lens that a summary holds.
const MAX_ENTRIES: usize = drift::BOUND;

impl LensTable {
    /// Puts what was found of a variant in the place of what it has.
    pub fn set(&mut self, variant: usize, found: Found) {
        self.variants[variant] = found.0.into_iter().map(Rows::of).collect();
    }

    pub fn merge(&mut self, other: &Self) {
        self.beyond.extend(&other.beyond);
        let mut truncated = self.truncated || other.truncated;
        for (mine, theirs) in self.variants.iter_mut().zip(&other.variants) {
            if mine.len() < theirs.len() {
                mine.resize_with(theirs.len(), Rows::default);
            }
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                let join = |mine: &mut Entry, theirs: &Entry| mine.value.merge(theirs.value);
                mine.merge(theirs, MAX_ENTRIES, join, |_| truncated = true);
            }
        }
        self.truncated = truncated;
    }

    /// What the groups of one lens come to, baseline and candidate. Added up in the order of identities, so that equal
    /// series give equal figures to the last bit.
    pub fn totals(&self, lens: u16) -> Totals {
        let mut all = <[Members; 2]>::default();
        let mut groups: Vec<(&Arc<str>, [Members; 2])> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        // Names are shared: a group is told by where its name lies, and its text is asked for once.
        let mut shared: HashMap<*const u8, usize> = HashMap::new();
        for (at, lenses) in self.variants.iter().enumerate() {
            let rows = lenses.get(usize::from(lens)).into_iter().flat_map(Rows::sorted);
            for (_, Entry { group, value }) in rows {
                let place = *shared.entry(group.as_ptr()).or_insert_with(|| {
                    *places.entry(group).or_insert_with(|| {
                        groups.push((group, Default::default()));
                        groups.len() - 1
                    })
                });
                groups[place].1[at].add(*value);
                all[at].add(*value);
            }
        }
        Totals { groups: groups.into_iter().map(|(group, of)| (group.clone(), of)).collect(), all }
    }
}

/// The groups of a lens, and all of them together.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub groups: BTreeMap<Arc<str>, [Members; 2]>,
    pub all: [Members; 2],
}

/// The series of a group.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub count: u64,
    sum: f64,
    max: Option<f64>,
    processes: HashSet<u64>,
}

impl Members {
    fn add(&mut self, value: Reduced) {
        self.count += 1;
        if let Reduced::Present(process) = value {
            self.processes.insert(process);
        }
        let value = value.value();
        self.sum += value;
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    /// What they come to, over so many seconds.
    pub fn come_to(&self, function: LensFunction, seconds: f64) -> f64 {
        match function {
            LensFunction::Sum => self.sum,
            LensFunction::Avg if self.count > 0 => self.sum / self.count as f64,
            LensFunction::Avg => 0.0,
            LensFunction::Max => self.max.unwrap_or(0.0),
            LensFunction::Count => self.processes.len() as f64,
            LensFunction::Rate if seconds > 0.0 => self.sum / seconds,
            LensFunction::Rate => 0.0,
        }
    }
}
