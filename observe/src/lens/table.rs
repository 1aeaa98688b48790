//! Sums over instants, by lens and group: what is kept of a stretch. They merge by adding, in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::LensInstant;
use super::group_rows::GroupRows;
use super::groups::bucket;
use super::spreads::Spreads;
use super::sum::Sum;
use super::unwatched::UnwatchedNames;

/// A metric's series have a value at an instant.
pub(crate) const KIND_VALUE: u8 = 1;
/// They have an increase over a stretch.
pub(crate) const KIND_INCREASE: u8 = 2;
/// They are distributions.
pub(crate) const KIND_DISTRIBUTION: u8 = 4;

/// The most groups that a merged table holds: those that one observer tells apart, with their buckets.
const MAX_GROUPS: usize = 1_024 + 256;

/// The most lenses of what arrived, of observers one after the other.
const MAX_KEPT: usize = 256;

/// The lenses of a stretch, in the order of the settings, and those of what arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LensTable {
    /// Begin and end of the stretch, Unix nanoseconds.
    pub start: u64,
    pub end: u64,
    pub lenses: Vec<Figures>,
    /// Those of what arrived, by metric.
    pub arrivals: BTreeMap<Arc<str>, Figures>,
    /// Metrics that none of them looks at.
    pub unwatched: UnwatchedNames,
    /// True if there were more series than are tracked.
    pub truncated: bool,
}

/// One lens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub groups: GroupRows,
    /// All groups together.
    pub total: Group,
    pub entry: Entry,
    /// True if series with an increase entered it, baseline and candidate.
    pub increases: [bool; 2],
    /// Values that were no number, baseline and candidate.
    pub no_value: [u64; 2],
}

/// What came in of a lens's metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// True if the metric came in.
    pub came: bool,
    /// Kinds of the series that either variant put out, a bit each.
    pub kinds: u8,
    /// True if a series had the attribute.
    pub named: bool,
    /// True if there were more groups than are kept apart.
    pub bucketed: bool,
    /// Names like that of a metric that did not come in.
    pub near: BTreeSet<Arc<str>>,
    /// Attributes of series that do not have the one of the lens.
    pub attributes: BTreeSet<Arc<str>>,
}

/// One group, over the instants that count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    pub sides: [Side; 2],
    /// Instants at which either variant shows it.
    pub instants: u64,
    /// Those at which the baseline does and the candidate does not.
    pub gaps: u64,
    /// Instants that did not count, because it had just come up or ended and a stage holds points.
    pub young: u64,
    pub worst: Option<LensInstant>,
    /// The baseline's increase in the last hold before the stretch and before its end.
    pub edges: [f64; 2],
    /// The baseline's increase while the group was young.
    pub newborn: Sum,
    /// Spreads over entities, where a sample of them was followed.
    pub spreads: Option<Box<Spreads>>,
}

/// A variant's part in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Side {
    /// The function's figure at each instant; of a mean the sum of the values.
    pub values: Sum,
    /// Increases.
    pub increase: Sum,
    /// Absolute values of all terms of either.
    pub size: Sum,
    /// Instants at which it shows the group.
    pub shown: u64,
    /// Series at each instant.
    pub members: u64,
    /// The most series at one instant.
    pub most: u64,
}

impl LensTable {
    pub fn merge(&mut self, other: &Self) {
        if other.lenses.is_empty() {
            return;
        }
        if self.lenses.is_empty() {
            self.clone_from(other);
            return;
        }
        let earlier = other.start < self.start;
        let later = other.end > self.end;
        self.truncated |= other.truncated;
        self.unwatched.merge(&other.unwatched);
        for (mine, theirs) in self.lenses.iter_mut().zip(&other.lenses) {
            mine.merge(theirs, [earlier, later]);
        }
        self.merge_arrivals(&other.arrivals, [earlier, later]);
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
    }
}

impl LensTable {
    /// One of which a stretch has nothing had nothing at its edges either. Past the bound the first names stay, so that the
    /// order of merging does not matter.
    fn merge_arrivals(&mut self, others: &BTreeMap<Arc<str>, Figures>, edges: [bool; 2]) {
        let nothing = Figures::default();
        for (metric, mine) in &mut self.arrivals {
            mine.merge(others.get(metric).unwrap_or(&nothing), edges);
        }
        for (metric, theirs) in others {
            if !self.arrivals.contains_key(metric) {
                self.arrivals.entry(metric.clone()).or_default().merge(theirs, edges);
            }
        }
        while self.arrivals.len() > MAX_KEPT {
            self.arrivals.pop_last();
        }
    }
}

impl Figures {
    /// Adds another stretch, of which `edges` tells whether it begins earlier and ends later.
    fn merge(&mut self, other: &Self, edges: [bool; 2]) {
        self.entry.merge(&other.entry);
        for at in [0, 1] {
            self.increases[at] |= other.increases[at];
            self.no_value[at] += other.no_value[at];
        }
        self.total.merge(&other.total, edges);
        // The other stretch has nothing of those that it does not name, at its edges too.
        let nothing = |mine: &mut Group| mine.take_edges([0.0; 2], edges);
        let both = |mine: &mut Group, theirs: &Group| mine.merge(theirs, edges);
        if self.groups.join(&other.groups, MAX_GROUPS, both, nothing) {
            return;
        }
        for (name, theirs) in other.groups.iter() {
            self.group(name).merge(theirs, edges);
        }
        self.groups.iter_alone_mut(&other.groups).for_each(nothing);
    }

    /// Tells whether figures are increases rather than means: by the baseline's series, where it has any.
    pub fn are_increases(&self) -> bool {
        let [baseline, candidate] = self.increases;
        baseline || (candidate && self.total.sides[0].members == 0)
    }

    /// The accumulators of a group. Past the bound it is one of a bucket.
    pub fn group(&mut self, name: &Arc<str>) -> &mut Group {
        let (group, beyond) = self.groups.entry(name, MAX_GROUPS, || bucket(name).into());
        self.entry.bucketed |= beyond;
        group
    }
}

impl Entry {
    fn merge(&mut self, other: &Self) {
        self.came |= other.came;
        self.kinds |= other.kinds;
        self.named |= other.named;
        self.bucketed |= other.bucketed;
        self.near.extend(other.near.iter().cloned());
        self.attributes.extend(other.attributes.iter().cloned());
    }
}

impl Group {
    fn merge(&mut self, other: &Self, edges: [bool; 2]) {
        self.merge_spreads(other);
        for (mine, theirs) in self.sides.iter_mut().zip(&other.sides) {
            mine.merge(theirs);
        }
        self.instants += other.instants;
        self.gaps += other.gaps;
        self.young += other.young;
        self.newborn.merge(other.newborn);
        self.worst = LensInstant::worse(self.worst, other.worst);
        self.take_edges(other.edges, edges);
    }

    fn merge_spreads(&mut self, other: &Self) {
        if self.spreads.is_none() && other.spreads.is_none() {
            return;
        }
        let mut mine = self.spreads();
        mine.merge(&other.spreads());
        self.spreads = Some(Box::new(mine));
    }

    /// Its spreads: what was followed whole has its sums and no more.
    pub fn spreads(&self) -> Spreads {
        self.spreads.as_deref().copied().unwrap_or_else(|| Spreads::of_all(self))
    }

    fn take_edges(&mut self, theirs: [f64; 2], outer: [bool; 2]) {
        for at in [0, 1] {
            if outer[at] {
                self.edges[at] = theirs[at];
            }
        }
    }
}

impl Side {
    pub fn merge(&mut self, other: &Self) {
        self.values.merge(other.values);
        self.increase.merge(other.increase);
        self.size.merge(other.size);
        self.shown += other.shown;
        self.members += other.members;
        self.most = self.most.max(other.most);
    }
}
