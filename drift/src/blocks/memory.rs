//! Memory and scatter of a sequence of windows, with the upper ends of their intervals.
//!
//! The windows are taken for AR(1): each is φ times the one before plus something new. The lag-1 autocorrelation of n
//! windows is too small by (1+3φ)/n on average (Marriott & Pope: Bias in the estimation of autocorrelations, Biometrika
//! 41:3/4, 1954) and scatters by √((1−φ²)/n) where φ is well below 1 (Bartlett), by a constant over n where it is nearly 1
//! (Dickey & Fuller: Distribution of the estimators for autoregressive time series with a unit root, JASA 74:366, 1979:
//! with an estimated mean, 5 % of the estimates of 1 lie below 1 − 14.1/n). The upper end is the largest φ of which the
//! estimate is not improbably small, seen in fewer than one of twenty mirrors.

use super::{BlockError, check};

/// Standard errors of the upper ends.
const UPPER: f64 = 1.645;
/// Scatter of n times the estimate where φ is 1, the skew toward small ones included.
const UNIT_ROOT: f64 = 6.0;
/// Standard errors by which one sequence's memory must be longer than the others' to be its own.
const OWN: f64 = 3.0;
/// Fewer windows with a neighbor say nothing about how windows depend on each other.
pub(crate) const LEAST_WINDOWS: u64 = 30;

/// Moments of a sequence, a window at a time. They are taken around its first value, so that a mean that is large
/// against the scatter costs no digits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    windows: u64,
    neighbors: u64,
    shift: f64,
    sum: f64,
    squares: f64,
    /// Over neighbors: Σ x y, and Σ (x + y).
    products: f64,
    pairs: f64,
    last: Option<(u64, f64)>,
    varied: bool,
}

impl Memory {
    /// Takes in the next window. Windows may be missing: only true neighbors tell how they depend on each other.
    pub fn push(&mut self, index: u64, value: f64) -> Result<(), BlockError> {
        check(self.last.map(|(last, _)| last), index, value)?;
        if self.windows == 0 {
            self.shift = value;
        }
        let x = value - self.shift;
        if let Some((_, before)) = self.last.filter(|(last, _)| last + 1 == index) {
            self.neighbors += 1;
            self.products += before * x;
            self.pairs += before + x;
        }
        self.varied |= x != 0.0;
        self.windows += 1;
        self.sum += x;
        self.squares += x * x;
        self.last = Some((index, x));
        Ok(())
    }

    /// Number of windows.
    pub fn windows(&self) -> u64 {
        self.windows
    }

    /// Estimates from what came so far; none where there is too little of it.
    pub fn estimate(&self) -> Option<Estimate> {
        if self.neighbors + 1 < LEAST_WINDOWS {
            return None;
        }
        let n = self.windows as f64;
        let mean = self.sum / n;
        let variance = self.squares / n - mean * mean;
        if !self.varied {
            return Some(Estimate { windows: n, phi: 0.0, variance: 0.0 });
        }
        let neighbors = self.neighbors as f64;
        let covariance = self.products / neighbors - mean * self.pairs / neighbors + mean * mean;
        let phi = covariance / variance;
        let sound = variance > 0.0 && variance.is_finite() && phi.is_finite();
        sound.then(|| Estimate { windows: n, phi: phi.clamp(-1.0, 1.0), variance })
    }
}

/// Lag-1 autocorrelation and variance as they were seen: neither is corrected for the number of windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Number of windows that it rests on.
    pub windows: f64,
    /// Autocorrelation, in [−1, 1].
    pub phi: f64,
    /// Mean square around the mean.
    pub variance: f64,
}

impl Estimate {
    /// Those of several sequences as one, by their lengths. It is taken for no surer than one of them: hosts may share
    /// their noise, and then all of them together tell no more than one.
    pub fn pooled(all: impl Iterator<Item = Self> + Clone) -> Option<Self> {
        let total: f64 = all.clone().map(|one| one.windows).sum();
        let mean = |of: fn(Self) -> f64| all.clone().map(|one| of(one) * (one.windows / total)).sum::<f64>();
        (total > 0.0).then(|| Self {
            windows: mean(|one| one.windows),
            phi: mean(|one| one.phi),
            variance: mean(|one| one.variance),
        })
    }

    /// The upper end of φ, in [0, 1]; 1 where a memory without end is not excluded.
    pub fn upper_phi(self) -> f64 {
        let seldom_below = |phi: f64| phi - bias(phi, self.windows) - UPPER * error(phi, self.windows);
        let (mut low, mut high) = (0.0, 1.0);
        if seldom_below(high) <= self.phi {
            return high;
        }
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if seldom_below(middle) <= self.phi { low = middle } else { high = middle }
        }
        high
    }

    /// φ, corrected for the number of windows, in [0, 1].
    pub fn likely_phi(self) -> f64 {
        ((self.windows * self.phi + 1.0) / (self.windows - 3.0).max(1.0)).clamp(0.0, 1.0)
    }

    /// Tells whether this sequence remembers longer than a φ, beyond chance.
    pub fn exceeds(self, phi: f64) -> bool {
        self.likely_phi() - OWN * error(self.likely_phi(), self.windows) > phi
    }

    /// The upper end of the standard deviation of a window, given the upper end of φ; none where the windows are too few
    /// to tell scatter from a walk.
    pub fn upper_deviation(self, phi: f64) -> Option<f64> {
        let n = self.windows;
        // The mean took its own variance away from what is left around it.
        let left = n - inflation(phi, n);
        let error = ((1.0 + phi * phi) / (2.0 * n * (1.0 - phi * phi))).sqrt();
        let deviation = (self.variance * n / left).sqrt() * (1.0 + UPPER * error);
        (left > 0.0 && deviation.is_finite()).then_some(deviation)
    }
}

/// The number of windows after which a sequence of memory `phi` usually passes for what it is: the least for which
/// `enough(upper end of φ, windows)` holds. It must not fail for more windows or a smaller φ where it holds for fewer or a larger one.
pub(crate) fn expected(phi: f64, enough: impl Fn(f64, u64) -> bool) -> Option<u64> {
    let holds = |n: u64| {
        let windows = n as f64;
        let seen = Estimate { windows, phi: phi - bias(phi, windows), variance: 1.0 };
        enough(seen.upper_phi(), n)
    };
    let mut high = (0..40).map(|power| LEAST_WINDOWS << power).find(|n| holds(*n))?;
    let mut low = if high == LEAST_WINDOWS { return Some(high) } else { high / 2 };
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

fn bias(phi: f64, windows: f64) -> f64 {
    (1.0 + 3.0 * phi) / windows
}

fn error(phi: f64, windows: f64) -> f64 {
    ((1.0 - phi * phi).max(0.0) / windows + (UNIT_ROOT / windows).powi(2)).sqrt()
}

/// n · Var(mean of n windows) / σ².
pub(crate) fn inflation(phi: f64, n: f64) -> f64 {
    if phi >= 1.0 {
        return n;
    }
    (1.0 + phi) / (1.0 - phi) - 2.0 * phi * (1.0 - phi.powf(n)) / (n * (1.0 - phi).powi(2))
}

#[cfg(test)]
mod tests;
