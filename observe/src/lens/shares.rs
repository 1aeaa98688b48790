//! What single entities of a sample have in each group of the lenses, in one window.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::LensFunction;
use super::class::Class;
use super::groups::{LensGroups, Part};
use super::spread::Spread;

/// Sample that is followed in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// One entity in so many: a power of two above 1.
    pub one_in: u32,
}

impl Share {
    /// Tells whether an entity is in the sample, by the lower half of its key; critical ones are followed besides.
    fn has(self, entity: u32) -> bool {
        entity & (self.one_in - 1) == 0
    }
}

/// Lens, group, entity, and 1 for increases, 0 for values.
type Key = (u16, u16, u32, u8);

/// See the module.
#[derive(Debug)]
pub(super) struct Shares {
    share: Share,
    /// By key, baseline and candidate.
    parts: HashMap<Key, [f64; 2]>,
}

/// Spreads of a lens, of values and of increases.
#[derive(Debug, Default)]
pub(super) struct OfLens {
    pub groups: BTreeMap<u16, [Spread; 2]>,
    pub total: [Spread; 2],
}

impl Shares {
    pub fn new(share: Share) -> Self {
        Self { share, parts: HashMap::new() }
    }

    /// Adds a series of a variant: its value, if it is shown, and its increases.
    pub fn add(&mut self, at: usize, class: &Class, entity: u32, value: Option<f64>, increases: [f64; 2]) {
        if !self.share.has(entity) {
            return;
        }
        for (lens, group, part) in &class.ways {
            let (basis, number) = match part {
                Part::Value => (0, value),
                Part::Increase => (1, Some(increases[0])),
                Part::SumIncrease => (1, Some(increases[1])),
                Part::Presence => (0, None),
            };
            if let Some(number) = number {
                self.parts.entry((*lens, *group, entity, basis)).or_default()[at] += number;
            }
        }
    }

    /// Spreads by lens, of those whose figures are sums over entities; `counts` tells whether values of a group of a lens count
    /// at this instant.
    pub fn spreads(self, lenses: &[LensGroups], counts: impl Fn(u16, u16) -> bool) -> BTreeMap<u16, OfLens> {
        let is_sum = |lens: u16| {
            let known = lenses.get(usize::from(lens));
            known.is_some_and(|known| matches!(known.lens.function, LensFunction::Sum | LensFunction::Rate))
        };
        let one_in = f64::from(self.share.one_in);
        let of = |(key, parts): (Key, [f64; 2])| {
            (is_sum(key.0) && (key.3 == 1 || counts(key.0, key.1))).then_some((key, parts))
        };
        let mut parts: Vec<(Key, [f64; 2])> = self.parts.into_iter().filter_map(of).collect();
        // In one order, whatever the hash: sums round the same.
        parts.sort_unstable_by_key(|(key, _)| *key);
        let mut all: BTreeMap<u16, OfLens> = BTreeMap::new();
        let mut totals: BTreeMap<(u16, u8, u32), [f64; 2]> = BTreeMap::new();
        for ((lens, _, entity, basis), parts) in &parts {
            let total = totals.entry((*lens, *basis, *entity)).or_default();
            (0..2).for_each(|at| total[at] += parts[at]);
        }
        for of_lens in
            totals.into_iter().collect::<Vec<_>>().chunk_by(|a, b| (a.0.0, a.0.1) == (b.0.0, b.0.1))
        {
            let (lens, basis, _) = of_lens[0].0;
            let spread = Spread::of(of_lens.iter().map(|(_, parts)| *parts), one_in);
            all.entry(lens).or_default().total[usize::from(basis)] = spread;
        }
        parts.sort_by_key(|((lens, group, _, basis), _)| (*lens, *group, *basis));
        let same = |(a, _): &(Key, [f64; 2]), (b, _): &(Key, [f64; 2])| (a.0, a.1, a.3) == (b.0, b.1, b.3);
        for of_group in parts.chunk_by(same) {
            let (lens, group, _, basis) = of_group[0].0;
            let spread = Spread::of(of_group.iter().map(|(_, parts)| *parts), one_in);
            all.entry(lens).or_default().groups.entry(group).or_default()[usize::from(basis)] = spread;
        }
        all
    }
}
