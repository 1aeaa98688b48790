//! Two distributions on the deciles of the first: the population stability index and the Jensen–Shannon distance
//! of samples.
//!
//! PSI = Σ (q − p) ln(q/p) over bins that each hold a tenth of the baseline (Yurdakul: Statistical properties of
//! population stability index, Western Michigan University 2018). Under A/A it is about χ²₉ · (1/n + 1/m): with
//! 100 values on either side, the customary alarm at 0.1 rings in 85 % of comparisons of equals.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::Distribution;
use super::jensen_shannon::between_shares;

const BINS: u64 = 10;

/// Counts of a baseline and of a candidate in bins between the baseline's deciles.
///
/// Ten bins of equal baseline share, outermost ones open. A value so frequent that two deciles fall on it gets a
/// bin of its own, so that values on either side of it are told apart; there are never more than ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciles {
    baseline: Vec<u64>,
    candidate: Vec<u64>,
}

impl Deciles {
    /// Cuts both where the baseline's deciles are.
    #[must_use]
    pub fn new(baseline: &Distribution, candidate: &Distribution) -> Self {
        let cuts = cuts(baseline);
        Self { baseline: counts(baseline, &cuts), candidate: counts(candidate, &cuts) }
    }

    /// The population stability index. An empty bin counts as half a value, so that it gives a large number
    /// instead of none.
    #[must_use]
    pub fn psi(&self) -> f64 {
        stability(&shares(&self.baseline, 0.5), &shares(&self.candidate, 0.5))
    }

    /// The 95 % quantile of [`Self::psi`] were both drawn independently from the same distribution: what a PSI
    /// has to be seen beside. 0 where the baseline is a single value. Values that depend on each other, as
    /// neighbouring windows do, scatter more.
    #[must_use]
    pub fn psi_null_95(&self) -> f64 {
        let freedom = self.baseline.iter().filter(|count| **count > 0).count().saturating_sub(1);
        let sizes = [&self.baseline, &self.candidate].map(|counts| counts.iter().sum::<u64>() as f64);
        // No degree of freedom, no distribution.
        ChiSquared::new(freedom as f64)
            .map_or(0.0, |null| null.inverse_cdf(0.95) * (1.0 / sizes[0] + 1.0 / sizes[1]))
    }

    /// The Jensen–Shannon distance on these bins, nats, in [0, √ln 2]: a little less than that of the densities,
    /// because what moves within a bin does not show. See [`jensen_shannon`](super::jensen_shannon()).
    #[must_use]
    pub fn jensen_shannon(&self) -> f64 {
        between_shares(&shares(&self.baseline, 0.0), &shares(&self.candidate, 0.0))
    }
}

/// Upper ends, ascending and distinct, of all bins but the last.
fn cuts(baseline: &Distribution) -> Vec<f64> {
    let mut cuts: Vec<f64> = Vec::with_capacity(BINS as usize);
    let mut below = 0;
    let mut decile = 1;
    for (value, count) in baseline.points() {
        below += count;
        let mut here = 0;
        while decile < BINS && u128::from(below) * u128::from(BINS) >= u128::from(decile * baseline.count()) {
            decile += 1;
            here += 1;
        }
        if here >= 2 && cuts.last() != Some(&value.next_down()) {
            cuts.push(value.next_down());
        }
        if here >= 1 {
            cuts.push(*value);
        }
    }
    cuts
}

fn counts(distribution: &Distribution, cuts: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; cuts.len() + 1];
    for (value, count) in distribution.points() {
        counts[cuts.partition_point(|cut| cut < value)] += count;
    }
    counts
}

/// Shares of the total, in which a bin has `least` values at least.
fn shares(counts: &[u64], least: f64) -> Vec<f64> {
    let total = counts.iter().sum::<u64>() as f64;
    counts.iter().map(|count| (*count as f64).max(least) / total).collect()
}

/// PSI of shares above 0.
pub(super) fn stability(baseline: &[f64], candidate: &[f64]) -> f64 {
    baseline.iter().zip(candidate).map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deciles_are_tenths_and_a_frequent_value_stands_alone() {
        let of = |samples: &[f64]| Distribution::of_samples(samples).unwrap();
        let even = of(&(1..=100).map(f64::from).collect::<Vec<_>>());
        let deciles = Deciles::new(&even, &of(&[0.0, 10.0, 10.5, 1000.0]));
        assert_eq!(deciles.baseline, [10; 10]);
        assert_eq!(deciles.candidate, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        // Thirty zeros among a hundred: on either side of 0 is elsewhere.
        let zeros = of(&(1..=100).map(|i| f64::from((i - 30).max(0))).collect::<Vec<_>>());
        let deciles = Deciles::new(&zeros, &of(&[-1.0, 0.0, 0.0, 5.0]));
        assert_eq!(deciles.baseline, [0, 30, 10, 10, 10, 10, 10, 10, 10]);
        assert_eq!(deciles.candidate, [1, 2, 1, 0, 0, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_ten_bins_and_nothing_is_left_out(
            values in proptest::collection::vec(-5_i8..5, 1..60), others in proptest::collection::vec(any::<i8>(), 1..60)) {
            let of = |values: &[i8]| {
                Distribution::of_samples(&values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).unwrap()
            };
            let deciles = Deciles::new(&of(&values), &of(&others));
            prop_assert!(deciles.baseline.len() <= BINS as usize);
            prop_assert_eq!(deciles.baseline.iter().sum::<u64>(), values.len() as u64);
            prop_assert_eq!(deciles.candidate.iter().sum::<u64>(), others.len() as u64);
        }
    }
}
