//! e-BH: many quantities looked at together (Wang & Ramdas: False discovery rate control with e-values, JRSS-B
//! 84:3, 2022).
//!
//! Of m e-values, the k largest are rejected for the largest k whose k-th is at least m/(kα). The expected share
//! of false ones among the rejected is at most α however the quantities depend on each other; where nothing
//! drifts at all, the probability of any alarm is.

use crate::Alpha;

/// Evidence that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the logarithm of an e-value, found NaN at quantity {index}")]
pub struct EbhError {
    /// Index, from 0.
    pub index: usize,
}

/// Tells of each quantity whether it is rejected, from the ln E of all that are looked at; m is their number, so a quantity
/// without evidence yet belongs in it with ln E = 0.
pub fn e_bh(log_e: &[f64], alpha: Alpha) -> Result<Vec<bool>, EbhError> {
    if let Some(index) = log_e.iter().position(|log| log.is_nan()) {
        return Err(EbhError { index });
    }
    let mut sorted = log_e.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let needed = |k: usize| alpha.log_threshold() + (log_e.len() as f64 / k as f64).ln();
    let last = (1..=sorted.len()).rev().find(|k| sorted[k - 1] >= needed(*k));
    Ok(log_e.iter().map(|log| last.is_some_and(|k| *log >= sorted[k - 1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rejected(e: &[f64]) -> Vec<bool> {
        let logs: Vec<f64> = e.iter().map(|e| e.ln()).collect();
        e_bh(&logs, Alpha::new(0.05).unwrap()).unwrap()
    }

    #[test]
    fn of_four_quantities_none_and_three_are_rejected_as_computed_by_hand() {
        assert_eq!(rejected(&[50.0, 30.0, 12.0, 3.0]), [false; 4]);
        assert_eq!(rejected(&[200.0, 45.0, 30.0, 3.0]), [true, true, true, false]);
        assert_eq!(rejected(&[3.0, 30.0, 200.0, 45.0]), [false, true, true, true], "in any order");
    }

    #[test]
    fn alone_it_is_the_plain_threshold_and_of_nothing_it_is_nothing() {
        assert_eq!(rejected(&[20.1]), [true]);
        assert_eq!(rejected(&[19.9]), [false]);
        assert_eq!(rejected(&[]), Vec::<bool>::new());
        assert_eq!(rejected(&[f64::INFINITY, 0.0]), [true, false]);
        let alpha = Alpha::new(0.05).unwrap();
        assert_eq!(e_bh(&[1.0, f64::NAN], alpha), Err(EbhError { index: 1 }));
    }

    proptest! {
        #[test]
        fn more_evidence_never_rejects_less(mut e in proptest::collection::vec(0.0_f64..1000.0, 1..40),
                                            at in any::<proptest::sample::Index>(), more in 0.0_f64..1000.0) {
            let before = rejected(&e);
            *at.get_mut(&mut e) += more;
            let after = rejected(&e);
            prop_assert!(before.iter().zip(&after).all(|(before, after)| !before || *after));
        }

        #[test]
        fn what_is_rejected_holds_by_the_definition(e in proptest::collection::vec(0.0_f64..500.0, 1..40)) {
            let rejected = rejected(&e);
            let k = rejected.iter().filter(|rejected| **rejected).count();
            let least = e.len() as f64 / (0.05 * k as f64);
            for (e, rejected) in e.iter().zip(rejected) {
                // Rejected iff at least m/(kα), a little rounding aside.
                prop_assert_eq!(rejected, *e >= least * (1.0 - 1e-12));
            }
        }
    }
}
