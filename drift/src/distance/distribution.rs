//! Values and how often each occurred, and the two distances between their cumulative distributions F and G.

use super::DistanceError;
use crate::Values;

/// A non-empty set of finite values with their counts: samples as they are, histograms by their bins'
/// representatives, sketches within their α.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Ascending, distinct, with counts above 0.
    points: Vec<(f64, u64)>,
    /// At most 2^53.
    total: u64,
}

impl Distribution {
    /// Of samples, in any order.
    pub fn of_samples(samples: &[f64]) -> Result<Self, DistanceError> {
        Self::of_counts(samples.iter().map(|sample| (*sample, 1)))
    }

    /// Of (value, count), in any order; counts of 0 are nothing.
    pub fn of_counts(counts: impl IntoIterator<Item = (f64, u64)>) -> Result<Self, DistanceError> {
        let mut points: Vec<(f64, u64)> = Vec::new();
        let mut total = 0_u64;
        for (index, (value, count)) in counts.into_iter().enumerate() {
            if !value.is_finite() {
                return Err(DistanceError::NotANumber { index, expected: "a finite value", found: value });
            }
            if count > 0 {
                total = total.saturating_add(count);
                // −0 is 0.
                points.push((value + 0.0, count));
            }
        }
        if points.is_empty() {
            return Err(DistanceError::Empty);
        }
        if total > 1 << 53 {
            return Err(DistanceError::TooMany);
        }
        points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        Ok(Self { points, total })
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// (value, count), ascending.
    pub(super) fn points(&self) -> &[(f64, u64)] {
        &self.points
    }
}

impl TryFrom<&Values> for Distribution {
    type Error = DistanceError;

    fn try_from(values: &Values) -> Result<Self, DistanceError> {
        Self::of_counts(values.bins())
    }
}

/// The largest difference of the cumulative distributions, sup |F − G|, in [0, 1] (Kolmogorov 1933, Smirnov
/// 1939).
#[must_use]
pub fn kolmogorov_smirnov(baseline: &Distribution, candidate: &Distribution) -> f64 {
    steps(baseline, candidate).map(|(_, gap)| gap).fold(0.0, f64::max)
}

/// Distance by which values have to be moved on average to make one distribution of the other, ∫|F − G|, in their unit
/// (Vallender: Calculation of the Wasserstein distance between probability distributions on the line, Theory of
/// Probability & Its Applications 18:4, 1974). Infinite only where the answer is beyond f64.
#[must_use]
pub fn wasserstein(baseline: &Distribution, candidate: &Distribution) -> f64 {
    let steps: Vec<(f64, f64)> = steps(baseline, candidate).collect();
    // Halves, for a difference of values can be beyond f64 where a half of it is not.
    let halves = steps.windows(2).map(|pair| (pair[1].0 / 2.0 - pair[0].0 / 2.0) * pair[0].1);
    2.0 * halves.sum::<f64>()
}

/// Every value of either, ascending, with |F − G| from it up to the next.
fn steps<'a>(a: &'a Distribution, b: &'a Distribution) -> impl Iterator<Item = (f64, f64)> + 'a {
    let (mut left, mut right) = (a.points.iter().peekable(), b.points.iter().peekable());
    let (mut below_a, mut below_b) = (0_u64, 0_u64);
    std::iter::from_fn(move || {
        let value = match (left.peek(), right.peek()) {
            (Some(x), Some(y)) => x.0.min(y.0),
            (Some(x), None) => x.0,
            (None, Some(y)) => y.0,
            (None, None) => return None,
        };
        below_a += left.next_if(|point| point.0 == value).map_or(0, |point| point.1);
        below_b += right.next_if(|point| point.0 == value).map_or(0, |point| point.1);
        // Whole numbers, so that equal shares are equal.
        let (x, y) = (u128::from(below_a) * u128::from(b.total), u128::from(below_b) * u128::from(a.total));
        Some((value, x.abs_diff(y) as f64 / (a.total as f64 * b.total as f64)))
    })
}
