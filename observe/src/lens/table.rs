//! Table of every series' value and of the groups of a lens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Lens, LensFunction, Reduced, Under};
use crate::rows::Rows;

/// Values of every series under lenses, by variant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LensTable {
    pub variants: [Rows<Under, Reduced>; 2],
    /// True if there were more series than it holds.
    pub truncated: bool,
    /// The lenses that had more groups than they keep apart.
    pub beyond: BTreeSet<u16>,
}

/// Series of a variant that a summary holds.
const MAX_SERIES: usize = drift::BOUND;

impl LensTable {
    pub fn merge(&mut self, other: &Self) {
        self.beyond.extend(&other.beyond);
        let mut truncated = self.truncated || other.truncated;
        for (mine, theirs) in self.variants.iter_mut().zip(&other.variants) {
            mine.merge(theirs, MAX_SERIES, |_, _| truncated = true);
        }
        self.truncated = truncated;
    }

    /// Values of the groups of each lens, baseline and candidate. Added up in the order of identities, so that equal
    /// series give equal figures to the last bit.
    pub fn totals<'a>(&'a self, lenses: &[Lens]) -> Vec<Totals> {
        let mut gathered: Vec<Gathered<'_>> = lenses.iter().map(Gathered::of).collect();
        // Shared ones are told by where they lie, and asked about once.
        let mut known: HashMap<*const (u16, Arc<str>), Vec<[usize; 2]>> = HashMap::new();
        for (at, rows) in self.variants.iter().enumerate() {
            for (_, under, value) in rows.sorted() {
                let entered = known.entry(under.groups.as_ptr()).or_insert_with(|| {
                    let place = |(lens, group): &'a (u16, Arc<str>)| {
                        let lens = usize::from(*lens);
                        Some([lens, gathered.get_mut(lens)?.place(group)])
                    };
                    under.groups.iter().filter_map(place).collect()
                });
                for [lens, group] in entered {
                    gathered[*lens].add(at, *group, under.process, value.value());
                }
            }
        }
        gathered.into_iter().map(Gathered::totals).collect()
    }
}

/// The groups of a lens as they are found.
struct Gathered<'a> {
    counts: bool,
    groups: Vec<(&'a Arc<str>, [Members; 2])>,
    places: HashMap<&'a str, usize>,
    all: [Members; 2],
}

impl<'a> Gathered<'a> {
    fn of(lens: &Lens) -> Self {
        let counts = lens.function == LensFunction::Count;
        Self { counts, groups: Vec::new(), places: HashMap::new(), all: Default::default() }
    }

    fn place(&mut self, group: &'a Arc<str>) -> usize {
        *self.places.entry(group).or_insert_with(|| {
            self.groups.push((group, Default::default()));
            self.groups.len() - 1
        })
    }

    fn add(&mut self, variant: usize, group: usize, process: u64, value: f64) {
        for members in [&mut self.groups[group].1[variant], &mut self.all[variant]] {
            members.add(value);
            if self.counts {
                members.processes.insert(process);
            }
        }
    }

    fn totals(self) -> Totals {
        let groups = self.groups.into_iter().map(|(group, of)| (group.clone(), of)).collect();
        Totals { groups, all: self.all }
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
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    /// Their values, over so many seconds.
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
