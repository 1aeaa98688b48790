//! Groups that a report has no room to name: added up, with what is furthest off among them.
//!
//! Whoever asks for the worst of all groups needs no name of it: the errors that are furthest on each side are told of all.

use serde::{Deserialize, Serialize};

use super::LensError;

/// See the module. Figures are weighted like those of shares: over instants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unnamed {
    /// Number of them.
    pub groups: u64,
    /// Those that are lost.
    pub lost: u64,
    /// Sum of |baseline|.
    pub baseline: f64,
    /// Sum of |candidate − baseline|.
    pub difference: f64,
    /// The largest |baseline|.
    pub most_baseline: f64,
    /// The largest |candidate − baseline|.
    pub most_difference: f64,
    /// The least and the largest [`LensError::error`] of them; an endless one as the largest number there is. None where
    /// there is no group, and of agents of a release that does not tell it.
    pub errors: Option<[f64; 2]>,
    /// The least and the largest bound of their intervals ([`LensError::interval`]), each of all groups of the lens together;
    /// an endless one as the largest number there is. None where some group has no interval.
    pub within: Option<[f64; 2]>,
}

impl Unnamed {
    /// Adds a group of a lens that has so many.
    pub(crate) fn add(&mut self, group: &LensError, (increases, groups): (bool, u64)) {
        let (baseline, difference) =
            (group.weight(increases), group.weight_of(group.difference(), increases));
        let error = group.error().clamp(f64::MIN, f64::MAX);
        self.join(
            &Self {
                groups: 1,
                lost: u64::from(group.is_lost()),
                baseline,
                difference,
                most_baseline: baseline,
                most_difference: difference,
                errors: Some([error; 2]),
                within: group.interval(groups).map(|of| of.map(|end| end.clamp(f64::MIN, f64::MAX))),
            },
            f64::max,
        );
    }

    /// Adds those of another report. One group may be among both, so the most that one can have adds up.
    pub(crate) fn beside(&mut self, other: &Self) {
        self.join(other, |mine, theirs| mine + theirs);
    }

    fn join(&mut self, other: &Self, most: impl Fn(f64, f64) -> f64) {
        let groups = [self.groups, other.groups];
        self.errors = outer([self.errors, other.errors], groups);
        self.within = outer([self.within, other.within], groups);
        self.groups += other.groups;
        self.lost += other.lost;
        self.baseline += other.baseline;
        self.difference += other.difference;
        self.most_baseline = most(self.most_baseline, other.most_baseline);
        self.most_difference = most(self.most_difference, other.most_difference);
    }
}

/// The least and the largest of both, which have so many groups: what one of them does not tell is not known of both.
fn outer([mine, theirs]: [Option<[f64; 2]>; 2], groups: [u64; 2]) -> Option<[f64; 2]> {
    match groups {
        [_, 0] => mine,
        [0, _] => theirs,
        _ => mine.zip(theirs).map(|(mine, theirs)| [mine[0].min(theirs[0]), mine[1].max(theirs[1])]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group((baseline, candidate, held): (f64, f64, f64)) -> LensError {
        LensError { tolerance: held, ..LensError::of("g".to_owned(), baseline, candidate) }
    }

    fn of(groups: &[(f64, f64, f64)]) -> Unnamed {
        let mut all = Unnamed::default();
        groups.iter().for_each(|one| all.add(&group(*one), (false, 1)));
        all
    }

    fn groups() -> impl Strategy<Value = Vec<(f64, f64, f64)>> {
        let figure = || prop_oneof![Just(0.0), -9.0..9.0_f64];
        proptest::collection::vec((figure(), figure(), 0.0..1.0_f64), 0..9)
    }

    #[test]
    fn an_endless_error_travels_as_a_number_and_a_lost_group_is_off_by_all_of_it() {
        assert_eq!(of(&[(0.0, 3.0, 0.0), (0.0, -3.0, 0.0)]).errors, Some([f64::MIN, f64::MAX]));
        let lost = LensError { shown: [1, 0], ..group((0.0, 0.0, 0.0)) };
        assert_eq!(lost.error(), -1.0);
        assert_eq!(group((0.0, 0.5, 1.0)).error(), 0.0, "a stage that holds points explains it");
        assert_eq!(group((-4.0, -2.0, 1.0)).error(), 0.25);
    }

    proptest! {
        #[test]
        fn no_group_is_further_off_than_the_errors_tell(all in groups()) {
            let errors = of(&all).errors;
            prop_assert_eq!(errors.is_none(), all.is_empty());
            for one in &all {
                let error = group(*one).error().clamp(f64::MIN, f64::MAX);
                let [least, most] = errors.expect("there are groups");
                prop_assert!((least..=most).contains(&error));
            }
        }

        #[test]
        fn reports_come_to_the_same_errors_in_any_order_and_an_empty_one_changes_none(
            [a, b, c] in [groups(), groups(), groups()],
        ) {
            let mut straight = of(&a);
            straight.beside(&of(&b));
            straight.beside(&of(&c));
            let mut later = of(&c);
            later.beside(&Unnamed::default());
            later.beside(&of(&b));
            let mut turned = Unnamed::default();
            turned.beside(&later);
            turned.beside(&of(&a));
            prop_assert_eq!((turned.errors, turned.groups), (straight.errors, straight.groups));
            let earlier = Unnamed { groups: 1, ..Unnamed::default() };
            turned.beside(&earlier);
            prop_assert_eq!(turned.errors, None, "an agent that does not tell leaves it open");
        }
    }
}
