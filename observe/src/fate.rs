//! Input series, and of which of them each variant made something.

use drift::{BOUND, Count, SeriesSet};

use crate::Variant;
use crate::label::Label;
use crate::rows::{Rows, Said};

/// Marks of one series in one variant: it came in, and something was made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FateMarks(u8);

impl FateMarks {
    /// Something was made of it.
    pub const MADE: Self = Self(1);
    /// Something was made of it that the baseline's series is not marked with yet.
    pub const PENDING: Self = Self(1 | 2);
    /// Nothing was made of it: it came in.
    const CAME: Self = Self(4);
    /// It came in before: what was held back of it is sent.
    const HELD: Self = Self(8);

    pub fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }

    pub fn is_lost(self) -> bool {
        self.0 & Self::MADE.0 == 0
    }

    /// Tells whether something is pending, and makes that it is not.
    pub fn take_pending(&mut self) -> bool {
        let pending = self.0 & 2 != 0;
        self.0 &= !2;
        pending
    }
}

/// Marks of an input series in both variants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub kept: [FateMarks; 2],
}

impl Record {
    /// Of a series that came in, of which nothing was made yet.
    pub const CAME: Self = Self { kept: [FateMarks::CAME; 2] };
    /// Of a series that came in before, of which something was held back until now.
    pub const HELD: Self = Self { kept: [FateMarks::HELD; 2] };

    fn came(self) -> bool {
        self.kept[0].0 & FateMarks::CAME.0 != 0
    }
}

impl Said for Record {
    fn is_there(&self) -> bool {
        self.kept[0].0 & (FateMarks::CAME.0 | FateMarks::HELD.0) != 0
    }

    fn join(&mut self, other: &Self) {
        self.kept[0].add(other.kept[0]);
        self.kept[1].add(other.kept[1]);
    }
}

/// All input series. The first [`BOUND`] by name, the rest counted in sketches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates {
    pub records: Rows<Label, Record>,
    pub beyond: Option<Box<Beyond>>,
}

/// Series past the bound: which there were, and which each variant kept something of.
#[derive(Clone, Debug)]
pub(crate) struct Beyond {
    input: SeriesSet,
    kept: [SeriesSet; 2],
}

impl Default for Beyond {
    fn default() -> Self {
        Self { input: SeriesSet::estimated(), kept: [SeriesSet::estimated(), SeriesSet::estimated()] }
    }
}

impl Fates {
    /// Adds a series that nothing tracks by name.
    pub fn add_unnamed(&mut self, identity: u128, kept: [FateMarks; 2]) {
        let beyond = self.beyond.get_or_insert_default();
        beyond.input.insert(identity);
        for variant in Variant::BOTH {
            if !kept[variant.index()].is_lost() {
                beyond.kept[variant.index()].insert(identity);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let mut unnamed = Vec::new();
        self.records.merge(&other.records, BOUND, |identity, record| unnamed.push((identity, record.kept)));
        unnamed.into_iter().for_each(|(identity, kept)| self.add_unnamed(identity, kept));
        if let Some(theirs) = &other.beyond {
            let mine = self.beyond.get_or_insert_default();
            mine.input.merge(&theirs.input);
            mine.kept[0].merge(&theirs.kept[0]);
            mine.kept[1].merge(&theirs.kept[1]);
        }
    }

    /// Records of the series that came in, which those are not of which something was only sent.
    fn came(&self) -> impl Iterator<Item = &Record> {
        self.records.values().filter(|record| record.came())
    }

    /// Labels of the series that came in and that such records are kept of.
    pub fn came_where(&self, which: impl Fn(&Record) -> bool) -> impl Iterator<Item = &Label> {
        self.records.iter_where(move |record| record.came() && which(record)).map(|(_, label, _)| label)
    }

    /// Distinct input series.
    pub fn input(&self) -> Count {
        self.exactly(self.came().count(), |beyond| beyond.input.count())
    }

    /// Input series of which the variant kept nothing.
    pub fn lost(&self, variant: Variant) -> Count {
        let named = self.came().filter(|record| record.kept[variant.index()].is_lost()).count();
        self.exactly(named, |beyond| beyond.input.count_without(&beyond.kept[variant.index()]))
    }

    /// Series beyond the bound of which the baseline kept something and the candidate nothing, on top of those that are
    /// known by name.
    pub fn lost_by_candidate(&self, named: usize) -> Count {
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
