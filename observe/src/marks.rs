//! Marks of an output series: what became of it in a stretch, as bits that merge by being put together.
//!
//! A series of the baseline can have several: as it is in one window and lost in the next. One fate is told, by
//! [`Marks::fate`]: split, renamed, merged, fewer attributes, as it is, lost, the first of them that was ever seen.

use crate::rows::Said;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Marks {
    bits: u32,
    /// Attributes that it has no more, or with another value, as bits that [`crate::made::RemovedAttributes`] names.
    pub removed: u32,
}

/// Fate of a series of the baseline in the candidate's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    AsItIs,
    Renamed,
    FewerAttributes,
    Merged,
    Split,
    Lost,
    /// Nothing can be said of it: it or its input lies beyond the bound, or the candidate may still hold it back.
    NotFollowed,
}

impl Marks {
    /// The variant put it out.
    pub const SEEN: Self = Self::of(1);
    // From here to `DUE` in the order of [`Self::FATES`].
    /// The candidate made several series of it.
    pub const SPLIT: Self = Self::of(1 << 1);
    /// The candidate's differs in the parts that are marked.
    pub const RENAMED: Self = Self::of(1 << 2);
    /// The candidate made one point of it and of others.
    pub const MERGED: Self = Self::of(1 << 3);
    /// The candidate's has lost attributes, and is the same in all else.
    pub const FEWER: Self = Self::of(1 << 4);
    /// The candidate made it of the same input.
    pub const AS_IT_IS: Self = Self::of(1 << 5);
    /// Something of it was made that nothing follows.
    pub const NOT_FOLLOWED: Self = Self::of(1 << 6);
    /// It was put out early enough that the candidate, which may hold points back, would have sent something of it.
    pub const DUE: Self = Self::of(1 << 7);
    /// It was made of several series of the baseline; a mark of the candidate's.
    pub const AGGREGATE: Self = Self::of(1 << 17);
    pub const NAME: Self = Self::of(1 << 8);
    pub const UNIT: Self = Self::of(1 << 9);
    /// Type, temporality or monotonicity.
    pub const TYPE: Self = Self::of(1 << 10);
    pub const RESOURCE: Self = Self::of(1 << 11);
    pub const SCOPE: Self = Self::of(1 << 12);
    pub const ATTRIBUTES: Self = Self::of(1 << 13);
    /// It differs, and the parts are beyond the bound.
    pub const UNKNOWN: Self = Self::of(1 << 14);
    /// A point of it was held back, so that its value is not compared.
    pub const HELD: Self = Self::of(1 << 15);
    /// The candidate's value of a point is another one.
    pub const CHANGED: Self = Self::of(1 << 16);
    /// The candidate made nothing of it for a stretch in which it would have, had it kept it.
    pub const INTERRUPTED: Self = Self::of(1 << 18);
    /// All that say that the candidate made something of it, or may have.
    pub const MADE: Self = Self::of(0b11_1111 << 1);
    /// All that say which parts differ.
    pub const PARTS: Self = Self::of(0b111_1111 << 8);
    /// Those of series whose values have another meaning.
    pub const OTHER_MEANING: Self = Self::of(Self::UNIT.bits | Self::TYPE.bits | Self::UNKNOWN.bits);

    const fn of(bits: u32) -> Self {
        Self { bits, removed: 0 }
    }

    /// Tells whether it has one of the marks.
    pub fn has(self, any: Self) -> bool {
        self.bits & any.bits != 0
    }

    /// All marks of both.
    pub fn and(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits, removed: self.removed | other.removed }
    }

    /// The same with these attributes gone.
    pub fn lacking(self, removed: u32) -> Self {
        Self { removed, ..self }
    }

    /// The marks that `of` has too; attributes stay.
    pub fn only(self, of: Self) -> Self {
        Self { bits: self.bits & of.bits, ..self }
    }

    /// Fates by the marks that tell them, from [`Self::SPLIT`] on: the first that it has counts.
    const FATES: [Fate; 7] = [
        Fate::Split,
        Fate::Renamed,
        Fate::Merged,
        Fate::FewerAttributes,
        Fate::AsItIs,
        Fate::NotFollowed,
        Fate::Lost,
    ];

    /// Tells whether the candidate makes something of a series of the baseline, and not for all of the time.
    pub fn is_interrupted(self) -> bool {
        let comes = !matches!(self.fate(), Fate::Lost | Fate::NotFollowed);
        comes && self.has(Self::INTERRUPTED)
    }

    /// The one fate that is told of a series of the baseline.
    pub fn fate(self) -> Fate {
        let first = (self.bits / Self::SPLIT.bits).trailing_zeros() as usize;
        Self::FATES.get(first).copied().unwrap_or(Fate::NotFollowed)
    }
}

impl Said for Marks {
    fn is_there(&self) -> bool {
        self.bits != 0
    }

    fn join(&mut self, other: &Self) {
        *self = self.and(*other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_fates_the_first_in_their_order_counts() {
        let order = [
            (Marks::SPLIT, Fate::Split),
            (Marks::RENAMED, Fate::Renamed),
            (Marks::MERGED, Fate::Merged),
            (Marks::FEWER, Fate::FewerAttributes),
            (Marks::AS_IT_IS, Fate::AsItIs),
            (Marks::NOT_FOLLOWED, Fate::NotFollowed),
            (Marks::DUE, Fate::Lost),
        ];
        for (place, (mark, fate)) in order.into_iter().enumerate() {
            let all = order[place..].iter().fold(Marks::SEEN, |all, (later, _)| all.and(*later));
            assert_eq!((Marks::SEEN.and(mark).fate(), all.fate()), (fate, fate));
        }
        assert_eq!(Marks::SEEN.and(Marks::PARTS).and(Marks::HELD).fate(), Fate::NotFollowed);
    }

    #[test]
    fn a_series_that_is_lost_all_the_time_or_that_nothing_follows_is_not_called_interrupted() {
        let interrupted = Marks::SEEN.and(Marks::DUE).and(Marks::INTERRUPTED);
        assert!(!interrupted.is_interrupted() && !interrupted.and(Marks::NOT_FOLLOWED).is_interrupted());
        assert!(interrupted.and(Marks::AS_IT_IS).is_interrupted());
        assert!(interrupted.and(Marks::RENAMED).is_interrupted());
        assert_eq!(interrupted.and(Marks::AS_IT_IS).fate(), Fate::AsItIs);
    }

    #[test]
    fn a_series_that_was_as_it_is_once_is_not_lost_and_one_that_was_renamed_once_is_renamed() {
        let lost = Marks::SEEN.and(Marks::DUE);
        let kept = lost.and(Marks::AS_IT_IS);
        assert_eq!((lost.fate(), kept.and(lost).fate()), (Fate::Lost, Fate::AsItIs));
        assert_eq!(kept.and(Marks::RENAMED).fate(), Fate::Renamed);
        assert_eq!(kept.and(Marks::NOT_FOLLOWED).fate(), Fate::AsItIs);
        assert_eq!(lost.and(Marks::NOT_FOLLOWED).fate(), Fate::NotFollowed);
        assert_eq!(Marks::SEEN.fate(), Fate::NotFollowed, "it may still come");
    }
}
