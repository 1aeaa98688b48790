//! Classes of series: those that enter the same lenses, each in the same group and in the same way, are added up first, so
//! that a series costs the same under one lens and under five.

use hashbrown::HashMap;

use super::LensFunction;
use super::groups::{LensGroups, Part};
use super::sum::Sum;
use super::track::Look;

/// Beyond this, series are in classes of their own.
const MAX_SHARED: usize = 65_536;

/// Way in which a series enters a lens: the place of the lens, that of the group in it, and the part.
pub(crate) type Way = (u16, u16, Part);

/// Classes of one series: one for each look-back of its lenses, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassRange {
    first: u32,
    count: u16,
}

impl ClassRange {
    /// Places of the classes.
    pub fn places(self) -> std::ops::Range<usize> {
        self.first as usize..self.first as usize + usize::from(self.count)
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// Time for which its series are shown after their last points, nanoseconds.
    pub lookback: u64,
    pub ways: Box<[Way]>,
    /// Ways into lenses that count processes: the place of each lens, and that of the group in it.
    pub counts: Box<[(u16, u16)]>,
    /// Place of the first lens that its series enter, in this class or in another.
    pub first: u16,
    values: bool,
    increases: bool,
}

impl Class {
    fn of(lookback: u64, ways: Box<[Way]>, lenses: &[LensGroups], first: u16) -> Self {
        let has = |part: Part| ways.iter().any(|way| way.2 == part);
        let counts = |way: &&Way| lenses[usize::from(way.0)].lens.function == LensFunction::Count;
        let (values, increases) = (has(Part::Value), has(Part::Increase) || has(Part::SumIncrease));
        let counts = ways.iter().filter(counts).map(|(lens, group, _)| (*lens, *group)).collect();
        Self { lookback, counts, first, values, increases, ways }
    }
}

/// All classes so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    pub all: Vec<Class>,
    known: HashMap<Box<[Way]>, ClassRange>,
}

impl Classes {
    /// Classes of a series that enters lenses in these ways.
    pub fn of(&mut self, ways: Vec<Way>, lenses: &[LensGroups]) -> ClassRange {
        if let Some(known) = self.known.get(ways.as_slice()) {
            return *known;
        }
        let lookback = |way: &Way| lenses[usize::from(way.0)].lookback;
        let first = self.all.len();
        let first_lens = ways.first().map_or(u16::MAX, |way| way.0);
        let mut rest = ways.clone();
        while let Some(shown_for) = rest.first().map(lookback) {
            let (these, others) = rest.into_iter().partition(|way| lookback(way) == shown_for);
            let these: Vec<Way> = these;
            self.all.push(Class::of(shown_for, these.into(), lenses, first_lens));
            rest = others;
        }
        let range = ClassRange { first: first as u32, count: (self.all.len() - first) as u16 };
        if self.known.len() < MAX_SHARED {
            self.known.insert(ways.into(), range);
        }
        range
    }

    /// Drops the classes that no series is in any more; `used` are those of all series, and follow to the new places.
    pub fn sweep<'a>(&mut self, used: impl Iterator<Item = &'a mut ClassRange>) {
        let used: Vec<&mut ClassRange> = used.collect();
        let mut kept = vec![false; self.all.len()];
        used.iter().flat_map(|range| range.places()).for_each(|place| kept[place] = true);
        let place = |next: &mut u32, kept: &bool| {
            *next += u32::from(*kept);
            Some(*next - u32::from(*kept))
        };
        let moved: Vec<u32> = kept.iter().scan(0, place).collect();
        let mut places = kept.iter();
        self.all.retain(|_| places.next() == Some(&true));
        self.known.retain(|_, range| kept[range.first as usize]);
        let follow = |range: &mut ClassRange| range.first = moved[range.first as usize];
        self.known.values_mut().for_each(follow);
        used.into_iter().for_each(follow);
    }
}

/// Sum over the series of a class in one variant's output at an instant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClassSum {
    /// True if there is a series.
    pub any: bool,
    /// Number of series that are shown.
    pub shown: u64,
    pub values: Sum,
    /// Absolute values.
    pub size: f64,
    pub least: f64,
    pub most: f64,
    /// Increases in the window, of values or observations, and of the sums of observations.
    pub increases: [Sum; 2],
    pub increase_sizes: [f64; 2],
}

impl ClassSum {
    /// Adds a series of the class, whose increases in the window are these; tells whether it is shown at `end`.
    #[inline]
    pub fn add(&mut self, class: &Class, series: &Look, increases: [f64; 2], end: u64) -> bool {
        self.any = true;
        if class.increases {
            self.rise(increases);
        }
        let shown = series.is_shown(end, class.lookback);
        if shown {
            self.shown += 1;
            if class.values {
                self.show(series.number());
            }
        }
        shown
    }

    #[inline]
    fn rise(&mut self, increases: [f64; 2]) {
        for (at, increase) in increases.into_iter().enumerate() {
            if increase != 0.0 {
                self.increases[at].add(increase);
                self.increase_sizes[at] += increase.abs();
            }
        }
    }

    /// Adds the value of a series that was counted.
    #[inline]
    fn show(&mut self, value: f64) {
        let first = self.shown == 1;
        self.least = if first || value < self.least { value } else { self.least };
        self.most = if first || value > self.most { value } else { self.most };
        self.values.add(value);
        self.size += value.abs();
    }
}
