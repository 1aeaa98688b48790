//! The values that both variants show of a metric under a lens, and how far they lie apart.
//!
//! Distances describe and decide nothing. They stand beside what an A/A comparison would give: of a pipeline with itself
//! nothing, for both see the same points; and of two independent samples of this size, the 95 % quantile of the PSI.

use drift::{Deciles, Distribution, Values, kolmogorov_smirnov, wasserstein};
use serde::{Deserialize, Serialize};

/// The shares of values below which a report says what lies.
pub const QUANTILES: [f64; 5] = [0.1, 0.5, 0.9, 0.99, 1.0];

/// One metric's values in both variants, a series and window each; see [`drift::Values`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketches {
    baseline: Values,
    /// Those of the candidate; nothing as long as they are the baseline's.
    candidate: Option<Values>,
}

impl Sketches {
    /// Of the values of both variants.
    pub fn of([baseline, candidate]: &[Vec<f64>; 2]) -> Self {
        // A candidate that leaves the metric alone has the same values, in the same order.
        let bits = f64::to_bits;
        let same = baseline.iter().copied().map(bits).eq(candidate.iter().copied().map(bits));
        Self { baseline: sketch(baseline), candidate: (!same).then(|| sketch(candidate)) }
    }

    pub fn merge(&mut self, other: &Self) {
        if self.candidate.is_some() || other.candidate.is_some() {
            let mine = self.candidate.get_or_insert_with(|| self.baseline.clone());
            let _ = mine.merge(other.candidate.as_ref().unwrap_or(&other.baseline));
        }
        let _ = self.baseline.merge(&other.baseline);
    }

    pub fn report(&self, metric: &str) -> DistributionReport {
        let baseline = Read::of(&self.baseline);
        let candidate = self.candidate.as_ref().map(Read::of);
        let candidate = candidate.as_ref().unwrap_or(&baseline);
        let distances = baseline.shape.as_ref().zip(candidate.shape.as_ref()).map(|(b, c)| {
            let deciles = Deciles::new(b, c);
            Distances {
                wasserstein: wasserstein(b, c),
                kolmogorov_smirnov: kolmogorov_smirnov(b, c),
                jensen_shannon: deciles.jensen_shannon(),
                psi: deciles.psi(),
                psi_of_equals: deciles.psi_null_95(),
            }
        });
        DistributionReport {
            metric: metric.to_owned(),
            count: [baseline.count, candidate.count],
            quantiles: [baseline.quantiles, candidate.quantiles],
            distances: distances.filter(|distances| distances.wasserstein.is_finite()),
        }
    }
}

/// What a report tells of one variant's values.
struct Read {
    count: u64,
    quantiles: [f64; 5],
    /// Nothing of no values.
    shape: Option<Distribution>,
}

impl Read {
    fn of(values: &Values) -> Self {
        Self {
            count: values.count(),
            quantiles: QUANTILES.map(|q| values.quantile(q).unwrap_or(0.0)),
            shape: Distribution::try_from(values).ok(),
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
        Sketches { baseline: sketch(&both[0]), candidate: Some(sketch(&both[1])) }.report("m")
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
    fn stretches_with_the_same_values_and_with_others_merge_in_any_order_to_those_of_each_variant() {
        let parts = [
            [vec![1.0, 2.0], vec![1.0, 2.0]],
            [vec![5.0], vec![50.0, 3.0]],
            [vec![8.0], vec![8.0]],
            [vec![], vec![4.0]],
        ];
        let all = [0, 1].map(|at| parts.iter().flat_map(|part| part[at].clone()).collect());
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 0, 1, 3]] {
            let mut merged = Sketches::default();
            order.into_iter().for_each(|part: usize| merged.merge(&Sketches::of(&parts[part])));
            assert_eq!(merged.report("m"), apart(&all), "{order:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_part_of_a_description() {
        let both = [vec![1.0, f64::NAN], vec![f64::INFINITY, 1.0]];
        assert_eq!(Sketches::of(&both).report("m").count, [1, 1]);
    }
}
