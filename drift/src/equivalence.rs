//! L1: are two variants alike enough, on paired errors of groups, against a stated margin.
//!
//! "No significant difference" proves nothing with few groups, and alarms about nothing with many. So the claim
//! itself is tested: that the mean error lies within the margin, by two one-sided t tests (Schuirmann: A
//! comparison of the two one-sided tests procedure and the power approach, Journal of Pharmacokinetics and
//! Biopharmaceutics 15:6, 1987), or by one of them where only one side harms. Both are read off the 1 − 2α
//! interval of the mean. The groups are paired: D = candidate − baseline of the same group, so what moves both
//! is gone; the variance of D is (1 − ρ) of the unpaired one.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{Alpha, HarmDirection};

/// Conclusion from the paired errors, and everything it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Equivalence {
    /// Conclusion.
    pub conclusion: Conclusion,
    /// Groups.
    pub n: u64,
    /// Mean of the errors, in their unit; 0 without groups.
    pub mean: f64,
    /// Distance of the mean from the margin it is nearer to, in standard errors: above `critical` is within.
    /// None without variance or with fewer than 2 groups.
    pub statistic: Option<f64>,
    /// The 1 − α quantile of Student's t with n − 1 degrees of freedom; none with fewer than 2 groups.
    pub critical: Option<f64>,
    /// The 1 − 2α interval of the mean, lower and upper end; none with fewer than 2 groups, the mean alone where
    /// all groups have the same error.
    pub interval: Option<(f64, f64)>,
    /// The margin that was stated.
    pub margin: f64,
}

/// Conclusion about a mean error and a margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Proved to be within the margin: the whole interval is.
    Within,
    /// Proved to be beyond the margin: the whole interval is.
    Beyond,
    /// The interval reaches across the margin.
    Undecided,
    /// Fewer than 2 groups: no interval.
    TooFew,
}

/// Reason for which there is nothing to conclude from.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum EquivalenceError {
    /// An error that is no number.
    #[error("group {index}: expected a finite error, found {value}")]
    NotFinite {
        /// Index of the group, from 0.
        index: usize,
        /// Value that it had.
        value: f64,
    },
    /// A margin that admits nothing, or everything.
    #[error("expected a margin above 0 and finite, found {0}")]
    Margin(f64),
    /// α for one side; the two of them leave an interval only below one half.
    #[error("expected an error rate below 0.5, found {0}")]
    Alpha(f64),
    /// Errors so large that their variance is no number.
    #[error("expected errors whose variance is finite, found one beyond the range of f64")]
    Overflow,
}

/// Tells whether the mean of `errors` lies within −`margin` and `margin` (TOST); each side is allowed to be wrong with
/// probability α.
pub fn equivalent(errors: &[f64], margin: f64, alpha: Alpha) -> Result<Equivalence, EquivalenceError> {
    let scale = Scale::of(errors, margin, alpha)?;
    Ok(scale.conclude(
        margin - scale.mean.abs(),
        |(lower, upper)| -margin < lower && upper < margin,
        |(lower, upper)| upper <= -margin || margin <= lower,
    ))
}

/// Tells whether the mean of `errors` lies less than `margin` toward `harm`; the other side may be anywhere.
pub fn non_inferior(
    errors: &[f64],
    margin: f64,
    harm: HarmDirection,
    alpha: Alpha,
) -> Result<Equivalence, EquivalenceError> {
    let scale = Scale::of(errors, margin, alpha)?;
    let worst = |(lower, upper)| harm.toward(if harm == HarmDirection::Higher { upper } else { lower });
    let best = |(lower, upper)| harm.toward(if harm == HarmDirection::Higher { lower } else { upper });
    Ok(scale.conclude(
        margin - harm.toward(scale.mean),
        |interval| worst(interval) < margin,
        |interval| best(interval) >= margin,
    ))
}

/// Mean, standard error and critical value: what both tests read.
struct Scale {
    n: u64,
    mean: f64,
    margin: f64,
    /// Standard error and critical value, from 2 groups on.
    error: Option<(f64, f64)>,
}

impl Scale {
    fn of(errors: &[f64], margin: f64, alpha: Alpha) -> Result<Self, EquivalenceError> {
        if !(margin > 0.0 && margin.is_finite()) {
            return Err(EquivalenceError::Margin(margin));
        }
        if alpha.get() >= 0.5 {
            return Err(EquivalenceError::Alpha(alpha.get()));
        }
        if let Some((index, value)) = errors.iter().copied().enumerate().find(|(_, value)| !value.is_finite())
        {
            return Err(EquivalenceError::NotFinite { index, value });
        }
        let n = errors.len() as f64;
        let mut mean: f64 = errors.iter().map(|error| error / n).sum();
        let error = if errors.len() < 2 {
            None
        } else if errors.iter().all(|error| *error == errors[0]) {
            // Rounding must not make a variance of what has none.
            mean = errors[0];
            Some((0.0, critical(n - 1.0, alpha)?))
        } else {
            let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
            Some(((squares / (n - 1.0) / n).sqrt(), critical(n - 1.0, alpha)?))
        };
        let scale = Self { n: errors.len() as u64, mean, margin, error };
        let overflows =
            scale.interval().is_some_and(|(lower, upper)| !(lower.is_finite() && upper.is_finite()));
        if overflows { Err(EquivalenceError::Overflow) } else { Ok(scale) }
    }

    fn interval(&self) -> Option<(f64, f64)> {
        self.error.map(|(error, critical)| (self.mean - critical * error, self.mean + critical * error))
    }

    fn conclude(
        &self,
        distance: f64,
        within: impl Fn((f64, f64)) -> bool,
        beyond: impl Fn((f64, f64)) -> bool,
    ) -> Equivalence {
        let interval = self.interval();
        let conclusion = match interval {
            None => Conclusion::TooFew,
            Some(interval) if within(interval) => Conclusion::Within,
            Some(interval) if beyond(interval) => Conclusion::Beyond,
            Some(_) => Conclusion::Undecided,
        };
        Equivalence {
            conclusion,
            n: self.n,
            mean: self.mean,
            statistic: self
                .error
                .map(|(error, _)| distance / error)
                .filter(|statistic| statistic.is_finite()),
            critical: self.error.map(|(_, critical)| critical),
            interval,
            margin: self.margin,
        }
    }
}

fn critical(freedom: f64, alpha: Alpha) -> Result<f64, EquivalenceError> {
    let t = StudentsT::new(0.0, 1.0, freedom).map_err(|_| EquivalenceError::Overflow)?;
    Ok(t.inverse_cdf(1.0 - alpha.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn alpha() -> Alpha {
        Alpha::new(0.05).unwrap()
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    /// Mean 0.3, standard deviation √(2.5/4) · 0.1 = 0.0790569, n = 5: standard error 0.0353553; t₀.₉₅ with 4
    /// degrees of freedom is 2.131847 in every printed table.
    const ERRORS: [f64; 5] = [0.2, 0.25, 0.3, 0.35, 0.4];

    #[test]
    fn tost_on_five_groups_is_as_computed_by_hand() {
        let found = equivalent(&ERRORS, 0.4, alpha()).unwrap();
        close(found.critical, 2.131_846_8);
        close(found.statistic, 0.1 / 0.035_355_339);
        close(found.interval.map(|i| i.0), 0.3 - 2.131_846_8 * 0.035_355_339);
        close(found.interval.map(|i| i.1), 0.3 + 2.131_846_8 * 0.035_355_339);
        assert_eq!((found.conclusion, found.n, found.margin), (Conclusion::Within, 5, 0.4));
        let of = |margin| equivalent(&ERRORS, margin, alpha()).unwrap().conclusion;
        assert_eq!(of(0.37), Conclusion::Undecided, "the interval ends at 0.3754");
        assert_eq!(of(0.3), Conclusion::Undecided);
        assert_eq!(of(0.2), Conclusion::Beyond, "the interval begins at 0.2246");
    }

    #[test]
    fn only_the_side_that_harms_can_be_inferior() {
        let of = |margin, harm| non_inferior(&ERRORS, margin, harm, alpha()).unwrap().conclusion;
        assert_eq!(of(0.4, HarmDirection::Higher), Conclusion::Within);
        assert_eq!(of(0.37, HarmDirection::Higher), Conclusion::Undecided);
        assert_eq!(of(0.2, HarmDirection::Higher), Conclusion::Beyond);
        assert_eq!(of(0.01, HarmDirection::Lower), Conclusion::Within, "higher does no harm here");
        let lower = ERRORS.map(|error| -error);
        assert_eq!(
            non_inferior(&lower, 0.2, HarmDirection::Lower, alpha()).unwrap().conclusion,
            Conclusion::Beyond
        );
    }

    #[test]
    fn fewer_than_two_groups_conclude_nothing_and_equal_errors_are_a_point() {
        for errors in [&[][..], &[0.0]] {
            let found = equivalent(errors, 1.0, alpha()).unwrap();
            assert_eq!(found.conclusion, Conclusion::TooFew);
            assert_eq!((found.statistic, found.interval, found.n), (None, None, errors.len() as u64));
            assert_eq!(found.mean, 0.0);
        }
        let of = |error| equivalent(&[error; 3], 0.3, alpha()).unwrap();
        assert_eq!((of(0.1).conclusion, of(0.1).interval), (Conclusion::Within, Some((0.1, 0.1))));
        assert_eq!((of(0.3).conclusion, of(0.3).statistic), (Conclusion::Beyond, None));
        assert_eq!(of(-0.5).conclusion, Conclusion::Beyond);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        let index = |errors: &[f64]| equivalent(errors, 1.0, alpha()).unwrap_err();
        assert!(matches!(index(&[0.0, f64::NAN]), EquivalenceError::NotFinite { index: 1, .. }));
        assert_eq!(index(&[f64::MAX, f64::MIN]), EquivalenceError::Overflow);
        for margin in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(equivalent(&ERRORS, margin, alpha()), Err(EquivalenceError::Margin(_))));
        }
        assert_eq!(equivalent(&ERRORS, 1.0, Alpha::new(0.5).unwrap()), Err(EquivalenceError::Alpha(0.5)));
    }

    proptest! {
        #[test]
        fn equivalence_is_non_inferiority_on_both_sides(errors in proptest::collection::vec(-1.0_f64..1.0, 2..20),
                                                         margin in 0.01_f64..2.0) {
            let within = |found: Equivalence| found.conclusion == Conclusion::Within;
            let both = [HarmDirection::Higher, HarmDirection::Lower].map(|side| non_inferior(&errors, margin, side, alpha()).unwrap());
            let found = equivalent(&errors, margin, alpha()).unwrap();
            prop_assert_eq!(within(found), both.map(within) == [true; 2]);
            prop_assert_eq!(found.interval, both[0].interval);
            // The same said with the statistic, a hair's breadth aside.
            let excess = found.statistic.zip(found.critical).map(|(statistic, critical)| statistic - critical);
            if let Some(excess) = excess.filter(|excess| excess.abs() > 1e-9) {
                prop_assert_eq!(within(found), excess > 0.0);
            }
        }

        #[test]
        fn a_wider_margin_never_takes_within_away(errors in proptest::collection::vec(-1.0_f64..1.0, 0..20),
                                                  margin in 0.01_f64..2.0, more in 0.0_f64..2.0) {
            let of = |margin| equivalent(&errors, margin, alpha()).unwrap().conclusion;
            prop_assert!(of(margin) != Conclusion::Within || of(margin + more) == Conclusion::Within);
        }

        #[test]
        fn any_numbers_are_a_conclusion_or_an_error(errors in proptest::collection::vec(any::<f64>(), 0..6),
                                                    margin in any::<f64>(), level in 1e-300_f64..0.999) {
            if let Ok(found) = equivalent(&errors, margin, Alpha::new(level).unwrap()) {
                let numbers = [Some(found.mean), found.statistic, found.interval.map(|i| i.0), found.interval.map(|i| i.1)];
                prop_assert!(numbers.into_iter().flatten().all(f64::is_finite));
            }
        }
    }
}
