//! What a group keeps of a stretch in which a sample was followed, by what its figure is made of.
//!
//! Sums, rates and counts of processes are sums over entities ([`Spread`]). A mean is a sum over another, that of the numbers of
//! series. A maximum or minimum is one entity's, which need not be followed: all that is known of it is by how much the followed
//! ones differ, each by itself ([`Ratios`]). Of output series that several entities make together none is one entity's, and
//! nothing is told of them.

use super::LensFunction;
use super::spread::{Sampled, Spread};
use super::table::Group;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spreads {
    /// Of values; of a count of processes.
    pub values: Spread,
    /// Of increases.
    pub increases: Spread,
    /// Of the numbers of series, of a mean.
    pub members: Spread,
    /// Of a maximum or a minimum.
    pub ratios: Ratios,
    /// True if some of it is of several entities together, or of one that cannot be told from another.
    pub mixed: bool,
}

/// The least and the largest of candidate over baseline of single entities, at single instants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ratios(Option<[f64; 2]>);

impl Ratios {
    /// That of an entity with these figures under a maximum or a minimum; a variant that does not show it has none.
    pub fn of(function: LensFunction, figures: [Option<f64>; 2]) -> Self {
        const ANY: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
        let known = match figures {
            [Some(baseline), Some(candidate)] if baseline == candidate => [1.0; 2],
            [Some(baseline), Some(candidate)] if baseline > 0.0 && candidate >= 0.0 => {
                [candidate / baseline; 2]
            }
            // The largest of the others is no less than nothing.
            [Some(baseline), None] if baseline >= 0.0 && function == LensFunction::Max => [0.0, 1.0],
            _ => ANY,
        };
        Self(Some(known))
    }

    pub fn merge(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(mine), Some(theirs)) => Some([mine[0].min(theirs[0]), mine[1].max(theirs[1])]),
            (mine, theirs) => mine.or(theirs),
        };
    }

    /// The least and the largest; nothing where no entity was followed, or where they have no bound.
    pub fn read(self) -> Option<[f64; 2]> {
        self.0.filter(|of| of.iter().all(|end| end.is_finite()))
    }
}

impl Spreads {
    /// Those of a group of which all was followed: its sums and no more.
    pub fn of_all(group: &Group) -> Self {
        let sides = &group.sides;
        if group.instants == 0 && sides.iter().all(|side| side.increase.value() == 0.0) {
            return Self::default();
        }
        // What a variant does not show counts as nothing there.
        let figures = sides.each_ref().map(|side| Some(side.values.value()));
        Self {
            values: Spread::of_all(sides.each_ref().map(|side| side.values)),
            increases: Spread::of_all(sides.each_ref().map(|side| side.increase)),
            members: Spread::of_all(sides.each_ref().map(|side| (side.members as f64).into())),
            ratios: Ratios::of(LensFunction::Max, figures),
            mixed: false,
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.values.merge(&other.values);
        self.increases.merge(&other.increases);
        self.members.merge(&other.members);
        self.ratios.merge(other.ratios);
        self.mixed |= other.mixed;
    }

    /// The sum that a figure is, or that it is made of, and what that is divided by.
    pub fn read(&self, function: LensFunction, increases: bool) -> Option<(Sampled, Option<Sampled>)> {
        let sum = if increases { self.increases } else { self.values }.read();
        match function {
            _ if self.mixed => None,
            LensFunction::Max | LensFunction::Min => None,
            LensFunction::Avg => Some((sum?, Some(self.members.read()?))),
            LensFunction::Sum | LensFunction::Rate => Some((sum?, None)),
            LensFunction::Count => Some((self.values.read()?, None)),
        }
    }

    /// The least and the largest of candidate over baseline, of a maximum or a minimum.
    pub fn read_ratios(&self) -> Option<[f64; 2]> {
        self.ratios.read().filter(|_| !self.mixed)
    }
}
