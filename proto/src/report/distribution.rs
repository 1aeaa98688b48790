//! Distributions over the wire and back.

use observe::{Distances, DistributionReport};

use super::{Invalid, number};
use crate::v1;

pub fn distribution(from: &DistributionReport) -> v1::Distribution {
    let [baseline_count, candidate_count] = from.count;
    let [baseline_quantiles, candidate_quantiles] = from.quantiles.map(|q| q.map(single).to_vec());
    let metric = from.metric.clone();
    let distances = from.distances.map(|distances| v1::Distances {
        wasserstein: distances.wasserstein,
        kolmogorov_smirnov: distances.kolmogorov_smirnov,
        jensen_shannon: distances.jensen_shannon,
        psi: distances.psi,
        psi_of_equals: distances.psi_of_equals,
    });
    v1::Distribution {
        metric,
        baseline_count,
        candidate_count,
        baseline_quantiles,
        candidate_quantiles,
        distances,
    }
}

pub fn read_distribution(from: v1::Distribution) -> Result<DistributionReport, Invalid> {
    let quantiles = |found: Vec<f32>| {
        let found: [f32; 5] = found.try_into().map_err(|_| Invalid::Value("there are five quantiles"))?;
        if !found.iter().all(|value| value.is_finite()) {
            return Err(Invalid::Value("a quantile is a finite number"));
        }
        if !found.is_sorted() {
            return Err(Invalid::Value("a larger share of values lies below a larger value"));
        }
        Ok(found.map(f64::from))
    };
    let distances = from.distances.map(|distances| Distances {
        wasserstein: distances.wasserstein,
        kolmogorov_smirnov: distances.kolmogorov_smirnov,
        jensen_shannon: distances.jensen_shannon,
        psi: distances.psi,
        psi_of_equals: distances.psi_of_equals,
    });
    let distance = |value: f64| value.is_finite() && value >= 0.0;
    let sound = |all: Distances| {
        [all.wasserstein, all.kolmogorov_smirnov, all.jensen_shannon, all.psi, all.psi_of_equals]
            .into_iter()
            .all(distance)
    };
    if !distances.is_none_or(sound) {
        return Err(Invalid::Value("a distance is a number, 0 or more"));
    }
    Ok(DistributionReport {
        metric: from.metric,
        count: [number(from.baseline_count)?, number(from.candidate_count)?],
        quantiles: [quantiles(from.baseline_quantiles)?, quantiles(from.candidate_quantiles)?],
        distances,
    })
}

/// A quantile is within 2 %, so seven digits tell it.
fn single(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}
