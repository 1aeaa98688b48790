//! The values that both variants show of a metric under a lens, and how far they lie apart.
//!
//! Distances describe and decide nothing. They stand beside what an A/A comparison would give: of a pipeline with itself
//! nothing, for both see the same points; and of two independent samples of this size, the 95 % quantile of the PSI.

use drift::{Deciles, Distribution, Values, kolmogorov_smirnov, wasserstein};
use serde::{Deserialize, Serialize};

/// The shares of values below which a report says what lies.
pub const QUANTILES: [f64; 5] = [0.1, 0.5, 0.9, 0.99, 1.0];

/// One metric's values, baseline and candidate, a series and window each; see [`drift::Values`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketches(pub [Values; 2]);

impl Sketches {
    /// Of the values of both variants.
    pub fn of([baseline, candidate]: &[Vec<f64>; 2]) -> Self {
        let of_baseline = sketch(baseline);
        // A candidate that leaves the metric alone has the same values, in the same order.
        let bits = f64::to_bits;
        let same = baseline.iter().copied().map(bits).eq(candidate.iter().copied().map(bits));
        let of_candidate = if same { of_baseline.clone() } else { sketch(candidate) };
        Self([of_baseline, of_candidate])
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            let _ = mine.merge(theirs);
        }
    }

    pub fn report(&self, metric: &str) -> DistributionReport {
        let [baseline, candidate] = &self.0;
        let quantiles =
            [baseline, candidate].map(|values| QUANTILES.map(|q| values.quantile(q).unwrap_or(0.0)));
        let both = Distribution::try_from(baseline).ok().zip(Distribution::try_from(candidate).ok());
        let distances = both.map(|(b, c)| {
            let deciles = Deciles::new(&b, &c);
            Distances {
                wasserstein: wasserstein(&b, &c),
                kolmogorov_smirnov: kolmogorov_smirnov(&b, &c),
                jensen_shannon: deciles.jensen_shannon(),
                psi: deciles.psi(),
                psi_of_equals: deciles.psi_null_95(),
            }
        });
        DistributionReport {
            metric: metric.to_owned(),
            count: [baseline.count(), candidate.count()],
            quantiles,
            distances: distances.filter(|distances| distances.wasserstein.is_finite()),
        }
    }
}

fn sketch(values: &[f64]) -> Values {
    let mut sketch = Values::default();
    for value in values {
        // What is no number, or one too many, is not part of a description.
        let _ = sketch.add(*value);
    }
    sketch
}

/// Distributions of a metric in both variants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DistributionReport {
    /// The metric; values are in its unit, counters as increases a window.
    pub metric: String,
    /// Values, baseline and candidate.
    pub count: [u64; 2],
    /// Below which value the shares of [`QUANTILES`] lie, within 2 %, baseline and candidate.
    pub quantiles: [[f64; 5]; 2],
    /// Distance between them; nothing where one of them has no value.
    pub distances: Option<Distances>,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distances {
    /// Distance by which values would have to be moved on average, in the metric's unit.
    pub wasserstein: f64,
    /// The largest difference of the cumulative shares.
    pub kolmogorov_smirnov: f64,
    /// The Jensen–Shannon distance on the baseline's deciles, nats.
    pub jensen_shannon: f64,
    /// The population stability index on the baseline's deciles.
    pub psi: f64,
    /// Bound below which the index of two independent samples of these sizes from one distribution stays in 95 of 100.
    pub psi_of_equals: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of two variants' values, of which each goes into its own sketch.
    fn apart(both: &[Vec<f64>; 2]) -> DistributionReport {
        Sketches(both.each_ref().map(|values| sketch(values))).report("m")
    }

    #[test]
    fn a_candidate_is_described_by_its_own_values_whether_they_are_the_baselines_or_not() {
        let values = vec![3.0, 0.0, 7.5, 1e9];
        let others = [vec![3.0, 0.0, 7.5], vec![3.0, 0.0, 7.5, 2e9], vec![3.0, -0.0, 7.5, 1e9], Vec::new()];
        for candidate in others.into_iter().chain([values.clone()]) {
            let both = [values.clone(), candidate];
            assert_eq!(Sketches::of(&both).report("m"), apart(&both));
        }
    }

    #[test]
    fn what_is_no_number_is_not_part_of_a_description() {
        let both = [vec![1.0, f64::NAN], vec![f64::INFINITY, 1.0]];
        assert_eq!(Sketches::of(&both).report("m").count, [1, 1]);
    }
}
