//! Fate of each input series in each variant.

use drift::{BOUND, Count, SeriesSet};

use crate::Variant;
use crate::label::Label;
use crate::rows::{Rows, Said};

/// Fate of one series, as bits: several can hold within a window. No bit: lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate(pub u8);

impl Fate {
    /// One descendant of the same identity.
    pub const KEPT: u8 = 1;
    /// One descendant of another identity.
    pub const RENAMED: u8 = 2;
    /// An ancestor of an aggregate.
    pub const MERGED: u8 = 4;
    /// Several descendants of one point.
    pub const SPLIT: u8 = 8;
    /// Nothing that became of it: it came in.
    const CAME: u8 = 16;

    pub fn is_lost(self) -> bool {
        self.0 & !Self::CAME == 0
    }

    pub fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// An input series' fate in both variants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub fates: [Fate; 2],
}

impl Record {
    /// Of a series that came in, of which nothing was made yet.
    pub const CAME: Self = Self { fates: [Fate(Fate::CAME); 2] };

    pub fn mark(&mut self, fates: [u8; 2]) {
        self.fates[0].0 |= fates[0];
        self.fates[1].0 |= fates[1];
    }
}

impl Said for Record {
    fn is_there(&self) -> bool {
        self.fates[0].has(Fate::CAME)
    }

    fn join(&mut self, other: &Self) {
        self.mark(other.fates.map(|fate| fate.0));
    }
}

/// All input series. The first [`BOUND`] by name, the rest counted in sketches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    pub records: Rows<Label, Record>,
    pub beyond: Option<Box<Beyond>>,
}

/// Series past the bound: which there were, and which each variant kept something of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beyond {
    input: SeriesSet,
    kept: [SeriesSet; 2],
}

impl Fates {
    /// Adds a series that nothing tracks by name.
    pub fn add_unnamed(&mut self, identity: u128, fates: [Fate; 2]) {
        let beyond = self.beyond.get_or_insert_default();
        beyond.input.insert(identity);
        for variant in Variant::BOTH {
            if !fates[variant.index()].is_lost() {
                beyond.kept[variant.index()].insert(identity);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let mut unnamed = Vec::new();
        self.records.merge(&other.records, BOUND, |identity, record| unnamed.push((identity, record.fates)));
        unnamed.into_iter().for_each(|(identity, fates)| self.add_unnamed(identity, fates));
        if let Some(theirs) = &other.beyond {
            let mine = self.beyond.get_or_insert_default();
            mine.input.merge(&theirs.input);
            mine.kept[0].merge(&theirs.kept[0]);
            mine.kept[1].merge(&theirs.kept[1]);
        }
    }

    /// Distinct input series.
    pub fn input(&self) -> Count {
        self.exactly(self.records.len(), |beyond| beyond.input.count())
    }

    /// Input series of which the variant kept nothing.
    pub fn lost(&self, variant: Variant) -> Count {
        let named = self.records.values().filter(|record| record.fates[variant.index()].is_lost()).count();
        self.exactly(named, |beyond| beyond.input.count_without(&beyond.kept[variant.index()]))
    }

    /// Input series of which the baseline kept something and the candidate nothing.
    pub fn lost_by_candidate(&self) -> Count {
        let named = self.records.values().filter(|record| record.is_lost_by_candidate()).count();
        self.exactly(named, |beyond| beyond.kept[0].count_without(&beyond.kept[1]))
    }

    fn exactly(&self, named: usize, beyond: impl Fn(&Beyond) -> Count) -> Count {
        let named = Count { value: named as u64, exact: true };
        match &self.beyond {
            None => named,
            // What the bound cut off could be named in another part: the sum is an estimate.
            Some(rest) => Count { exact: false, ..named.plus(beyond(rest)) },
        }
    }
}

impl Record {
    pub fn is_lost_by_candidate(&self) -> bool {
        !self.fates[0].is_lost() && self.fates[1].is_lost()
    }
}
