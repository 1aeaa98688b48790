//! What single entities of a sample have in each group of the lenses, in one window.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::LensFunction;
use super::class::Class;
use super::groups::{LensGroups, Part};
use super::spread::Spread;
use super::spreads::{Ratios, Spreads};
use super::track::Member;

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

/// Part of a lens's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Basis {
    /// Values, or processes.
    Values,
    /// Increases.
    Increases,
    /// Series, of a mean.
    Members,
}

/// Lens, group, entity, and what of it.
type Key = (u16, u16, u32, Basis);

/// What a series shows in a window: its value if it is shown, and its increases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub value: Option<f64>,
    pub increases: [f64; 2],
}

/// See the module.
#[derive(Debug)]
pub(super) struct Shares {
    share: Share,
    /// Function of each lens.
    functions: Vec<LensFunction>,
    /// By key, baseline and candidate.
    parts: HashMap<Key, [f64; 2]>,
    /// The largest, or the least, of each lens, group and entity.
    extremes: HashMap<(u16, u16, u32), [Option<f64>; 2]>,
    /// Lenses of which something is of several entities together.
    mixed: BTreeSet<u16>,
}

/// Spreads of a lens.
#[derive(Debug, Default)]
pub(super) struct OfLens {
    pub groups: BTreeMap<u16, Spreads>,
    pub total: Spreads,
}

impl Spreads {
    fn at(&mut self, basis: Basis) -> &mut Spread {
        match basis {
            Basis::Values => &mut self.values,
            Basis::Increases => &mut self.increases,
            Basis::Members => &mut self.members,
        }
    }
}

impl Shares {
    pub fn new(share: Share, lenses: &[LensGroups]) -> Self {
        let functions = lenses.iter().map(|known| known.lens.function).collect();
        let is_mixed = |place: &u16| lenses[usize::from(*place)].mixed;
        let mixed = (0..lenses.len() as u16).filter(is_mixed).collect();
        Self { share, functions, parts: HashMap::new(), extremes: HashMap::new(), mixed }
    }

    /// Adds a series of a variant.
    pub fn add(&mut self, at: usize, class: &Class, member: Member, shown: Shown) {
        let (is_of_sample, is_shown) = (self.share.has(member.entity), shown.value.is_some());
        for (lens, group, part) in &class.ways {
            let function = self.functions[usize::from(*lens)];
            let number = match part {
                Part::Value => shown.value,
                Part::Increase => Some(shown.increases[0]),
                Part::SumIncrease => Some(shown.increases[1]),
                Part::Presence => {
                    // A process that is named anew may be one with another's.
                    if is_shown && !member.is_itself {
                        self.mixed.insert(*lens);
                    }
                    is_shown.then_some(1.0)
                }
            };
            let Some(number) = number else { continue };
            if function.is_of_one() {
                let known = &mut self.extremes.entry((*lens, *group, member.entity)).or_default()[at];
                *known = outer(function, *known, Some(number));
                continue;
            }
            if !is_of_sample {
                continue;
            }
            let parts = &mut self.parts;
            let of = |basis| (*lens, *group, member.entity, basis);
            match part {
                Part::Value => parts.entry(of(Basis::Values)).or_default()[at] += number,
                // An entity is one process, however many series it has.
                Part::Presence => parts.entry(of(Basis::Values)).or_default()[at] = number,
                Part::Increase | Part::SumIncrease => {
                    parts.entry(of(Basis::Increases)).or_default()[at] += number;
                }
            }
            if function == LensFunction::Avg && is_shown {
                parts.entry(of(Basis::Members)).or_default()[at] += 1.0;
            }
        }
    }

    /// Spreads by lens; `counts` tells whether values of a group of a lens count at this instant.
    pub fn spreads(self, counts: impl Fn(u16, u16) -> bool) -> BTreeMap<u16, OfLens> {
        let one_in = f64::from(self.share.one_in);
        let counting = |(key, _): &(Key, [f64; 2])| key.3 == Basis::Increases || counts(key.0, key.1);
        let mut parts: Vec<(Key, [f64; 2])> = self.parts.into_iter().filter(counting).collect();
        // In one order, whatever the hash: sums round the same.
        parts.sort_unstable_by_key(|((lens, group, entity, basis), _)| (*lens, *basis, *group, *entity));
        let mut all: BTreeMap<u16, OfLens> = BTreeMap::new();
        let same = |(a, _): &(Key, [f64; 2]), (b, _): &(Key, [f64; 2])| (a.0, a.3, a.1) == (b.0, b.3, b.1);
        for of_group in parts.chunk_by(same) {
            let (lens, group, _, basis) = of_group[0].0;
            let spread = Spread::of(of_group.iter().map(|(_, parts)| *parts), one_in);
            *all.entry(lens).or_default().groups.entry(group).or_default().at(basis) = spread;
        }
        let same = |(a, _): &(Key, [f64; 2]), (b, _): &(Key, [f64; 2])| (a.0, a.3) == (b.0, b.3);
        for of_lens in parts.chunk_by(same) {
            let (lens, _, _, basis) = of_lens[0].0;
            let is_count = self.functions[usize::from(lens)] == LensFunction::Count;
            let mut totals: BTreeMap<u32, [f64; 2]> = BTreeMap::new();
            for ((_, _, entity, _), parts) in of_lens {
                let total = totals.entry(*entity).or_default();
                // A process of several groups is one.
                let join = |one: f64, more: f64| if is_count { one.max(more) } else { one + more };
                (0..2).for_each(|at| total[at] = join(total[at], parts[at]));
            }
            *all.entry(lens).or_default().total.at(basis) = Spread::of(totals.into_values(), one_in);
        }
        let mut totals: BTreeMap<(u16, u32), [Option<f64>; 2]> = BTreeMap::new();
        for ((lens, group, entity), figures) in self.extremes {
            if counts(lens, group) {
                let function = self.functions[usize::from(lens)];
                let of_group = all.entry(lens).or_default().groups.entry(group).or_default();
                of_group.ratios.merge(Ratios::of(function, figures));
                let total = totals.entry((lens, entity)).or_default();
                (0..2).for_each(|at| total[at] = outer(function, total[at], figures[at]));
            }
        }
        for ((lens, _), figures) in totals {
            let ratios = Ratios::of(self.functions[usize::from(lens)], figures);
            all.entry(lens).or_default().total.ratios.merge(ratios);
        }
        for lens in self.mixed {
            let of = all.entry(lens).or_default();
            of.total.mixed = true;
            of.groups.values_mut().for_each(|group| group.mixed = true);
        }
        all
    }
}

/// The larger of two, of a maximum; of a minimum the less.
fn outer(function: LensFunction, one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) if function == LensFunction::Max => Some(one.max(other)),
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
