//! The Jensen–Shannon distance of two histograms.

use super::DistanceError;

/// The square root of the Jensen–Shannon divergence, in nats, of two histograms over the same bins: a metric, 0
/// for equal shares, √ln 2 = 0.8326 where no bin has both (Endres & Schindelin: A new metric for probability
/// distributions, IEEE Transactions on Information Theory 49:7, 2003). Masses are counts or probabilities, of
/// any total above 0. Of samples in many bins it is too large by about √(bins/8 · (1/n + 1/m)): few bins, or
/// many values.
pub fn jensen_shannon(baseline: &[f64], candidate: &[f64]) -> Result<f64, DistanceError> {
    if baseline.len() != candidate.len() {
        return Err(DistanceError::Bins { baseline: baseline.len(), candidate: candidate.len() });
    }
    Ok(between_shares(&shares(baseline)?, &shares(candidate)?))
}

/// Of shares that add up to 1 on either side, equally many.
pub(super) fn between_shares(baseline: &[f64], candidate: &[f64]) -> f64 {
    let towards_middle = |p: f64, q: f64| if p > 0.0 { p * (2.0 * (p / (p + q))).ln() } else { 0.0 };
    let bins = baseline.iter().zip(candidate);
    let divergence: f64 = bins.map(|(p, q)| towards_middle(*p, *q) + towards_middle(*q, *p)).sum();
    // Rounding may leave the range by the last bit.
    (divergence / 2.0).clamp(0.0, std::f64::consts::LN_2).sqrt()
}

fn shares(masses: &[f64]) -> Result<Vec<f64>, DistanceError> {
    let wrong = |mass: &f64| !(*mass >= 0.0 && mass.is_finite());
    if let Some(index) = masses.iter().position(wrong) {
        let expected = "a finite mass, not negative";
        return Err(DistanceError::NotANumber { index, expected, found: masses[index] });
    }
    // Against the largest first: a sum of masses may be beyond f64.
    let largest = masses.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Err(DistanceError::Empty);
    }
    let total: f64 = masses.iter().map(|mass| mass / largest).sum();
    Ok(masses.iter().map(|mass| mass / largest / total).collect())
}
