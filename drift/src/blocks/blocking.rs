//! Length of a block and scatter of its mean, from the mirror step's windows.
//!
//! The windows are taken for AR(1): each is φ times the one before plus something new. Then 2(1+φ)/(1−φ) windows
//! are twice the memory of the sequence (Sokal's integrated autocorrelation time), and the variance of a mean of
//! b of them is σ²/b · [(1+φ)/(1−φ) − 2φ(1−φᵇ)/(b(1−φ)²)]. Both estimates are corrected for small samples: the
//! lag-1 autocorrelation of n windows is too small by (1+3φ)/n on average (Marriott & Pope: Bias in the
//! estimation of autocorrelations, Biometrika 41:3/4, 1954), the variance by that of the mean.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BlockError, check};

/// No block is shorter: what people do to machines, deploys and cron jobs, has a rhythm of minutes.
const SHORTEST: Duration = Duration::from_secs(30 * 60);
/// Beyond it a block would be hours long for windows of seconds; blocks of 398 windows then.
const LARGEST_PHI: f64 = 0.99;
/// Fewer say nothing about how windows depend on each other.
const LEAST_WINDOWS: usize = 30;
/// Standard deviations of a block mean at which it is clipped.
const CLIP: f64 = 4.0;

/// Rule by which a sequence is cut into blocks; fixed before the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocking {
    /// Autocorrelation of one window with the next, in [0, 0.99].
    pub phi: f64,
    /// Standard deviation of one window.
    pub deviation: f64,
    /// Windows a block: at least 30 minutes, and at least 2(1+φ)/(1−φ).
    pub windows: NonZeroU64,
    /// Four standard deviations of a block mean, in the difference's unit: c of [`crate::EProcess`].
    pub clip: f64,
}

impl Blocking {
    /// From what is known: the lag-1 autocorrelation of windows (clamped to [0, 0.99]), their standard
    /// deviation, above 0, and their length. Hosts that behave alike are best cut with the mean of their
    /// estimated φ and the deviation of each: one host's φ, from a mirror step of hours, scatters enough to make
    /// a block of half an hour one of a day's fifth, and evidence late.
    pub fn of(phi: f64, deviation: f64, window: Duration) -> Result<Self, BlockError> {
        if !(-1.0..=1.0).contains(&phi) {
            return Err(BlockError::Parameter { expected: "an autocorrelation in [-1, 1]", found: phi });
        }
        if !(deviation > 0.0 && deviation.is_finite()) {
            return Err(BlockError::Parameter {
                expected: "a standard deviation above 0 and finite",
                found: deviation,
            });
        }
        let phi = phi.clamp(0.0, LARGEST_PHI);
        let windows = length(phi, window)?;
        let clip = CLIP * deviation * (inflation(phi, windows.get()) / windows.get() as f64).sqrt();
        if !(clip > 0.0 && clip.is_finite()) {
            return Err(BlockError::Parameter { expected: "a clip above 0 and finite", found: clip });
        }
        Ok(Self { phi, deviation, windows, clip })
    }

    /// From the mirror step: (number, difference) of its windows in order, at least 30 of them, and their length.
    /// Windows may be missing: only true neighbours tell how they depend on each other.
    pub fn estimate(mirror: &[(u64, f64)], window: Duration) -> Result<Self, BlockError> {
        let mut last = None;
        for (index, value) in mirror {
            check(last, *index, *value)?;
            last = Some(*index);
        }
        let n = mirror.len();
        let pairs = mirror.windows(2).filter(|pair| pair[0].0 + 1 == pair[1].0);
        let neighbours = pairs.clone().count();
        if neighbours + 1 < LEAST_WINDOWS {
            return Err(BlockError::TooFew { expected: LEAST_WINDOWS, found: n });
        }
        if mirror.iter().all(|(_, value)| *value == mirror[0].1) {
            return Err(BlockError::NoVariation { windows: n });
        }
        let mean = mirror.iter().map(|(_, value)| value / n as f64).sum::<f64>();
        let squares: f64 = mirror.iter().map(|(_, value)| (value - mean).powi(2)).sum();
        if !(squares > 0.0 && squares.is_finite()) {
            return Err(BlockError::Parameter { expected: "a variance above 0 and finite", found: squares });
        }
        let products: f64 = pairs.map(|pair| (pair[0].1 - mean) * (pair[1].1 - mean)).sum();
        let observed = (products / neighbours as f64) / (squares / n as f64);
        let phi = ((n as f64 * observed + 1.0) / (n as f64 - 3.0)).clamp(0.0, LARGEST_PHI);
        // The mean took its own variance away from what is left around it.
        let deviation = (squares / (n as f64 - inflation(phi, n as u64))).sqrt();
        Self::of(phi, deviation, window)
    }
}

fn length(phi: f64, window: Duration) -> Result<NonZeroU64, BlockError> {
    if window.is_zero() {
        return Err(BlockError::Parameter { expected: "a window longer than 0 s", found: 0.0 });
    }
    let shortest = SHORTEST.as_nanos().div_ceil(window.as_nanos());
    // At most 398, and rounding must not add one to a whole number.
    let memory = (2.0 * (1.0 + phi) / (1.0 - phi) - 1e-9).ceil() as u64;
    // 30 minutes in nanoseconds fit.
    let windows = u64::try_from(shortest).unwrap_or(u64::MAX).max(memory);
    Ok(NonZeroU64::new(windows).unwrap_or(NonZeroU64::MIN))
}

/// n · Var(mean of n windows) / σ².
fn inflation(phi: f64, n: u64) -> f64 {
    let n = n as f64;
    (1.0 + phi) / (1.0 - phi) - 2.0 * phi * (1.0 - phi.powf(n)) / (n * (1.0 - phi).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};
    use rand_pcg::Pcg64Mcg;

    const MINUTE: Duration = Duration::from_secs(60);

    type Mirror = Vec<(u64, f64)>;

    fn series(phi: f64, n: usize, rng: &mut Pcg64Mcg) -> Mirror {
        let mut x: f64 = StandardNormal.sample(rng);
        let mut next = || {
            let noise: f64 = StandardNormal.sample(rng);
            x = phi * x + (1.0 - phi * phi).sqrt() * noise;
            x
        };
        (0..n as u64).map(|index| (index, next())).collect()
    }

    #[test]
    fn a_block_lasts_half_an_hour_or_twice_the_memory_whichever_is_longer() {
        let windows = |phi, window| Blocking::of(phi, 1.0, window).unwrap().windows.get();
        assert_eq!(windows(0.0, MINUTE), 30);
        assert_eq!(windows(0.6, MINUTE), 30);
        assert_eq!(windows(0.9, MINUTE), 38);
        assert_eq!(windows(0.9, Duration::from_secs(10)), 180);
        assert_eq!(windows(1.0, MINUTE), 398, "clamped at 0.99");
        assert_eq!(windows(-0.5, Duration::from_secs(86_400)), 2);
        assert_eq!(windows(0.0, Duration::from_secs(7 * 60)), 5, "rounded up");
    }

    #[test]
    fn the_deviation_of_a_block_mean_is_that_of_the_covariances_added_up() {
        for (phi, n) in [(0.0, 30_u64), (0.6, 30), (0.9, 38), (0.99, 398)] {
            let pairs = (0..n).flat_map(|i| (0..n).map(move |j| f64::powi(phi, i.abs_diff(j) as i32)));
            let variance = pairs.sum::<f64>() / (n * n) as f64;
            assert!((inflation(phi, n) / n as f64 - variance).abs() < 1e-9, "φ {phi}");
            let clip = Blocking::of(phi, 2.5, MINUTE).unwrap().clip;
            assert!((clip - 4.0 * 2.5 * variance.sqrt()).abs() < 1e-7, "φ {phi}");
        }
    }

    #[test]
    fn estimates_from_small_samples_are_right_on_average() {
        const RUNS: usize = 400;
        for (phi, n) in [(0.0, 120), (0.6, 120), (0.9, 240)] {
            let mut rng = Pcg64Mcg::seed_from_u64(7);
            let estimates: Vec<Blocking> =
                (0..RUNS).map(|_| Blocking::estimate(&series(phi, n, &mut rng), MINUTE).unwrap()).collect();
            let mean_phi = estimates.iter().map(|e| e.phi).sum::<f64>() / RUNS as f64;
            let mean_clip = estimates.iter().map(|e| e.clip).sum::<f64>() / RUNS as f64;
            let true_clip = Blocking::of(phi, 1.0, MINUTE).unwrap().clip;
            // At φ = 0 the clamp leaves only the upper half of the scatter of 1/√120.
            let slack = if phi == 0.0 { 0.05 } else { 0.02 };
            assert!((mean_phi - phi).abs() < slack, "φ {phi}: {mean_phi}");
            assert!((mean_clip / true_clip - 1.0).abs() < 0.1, "φ {phi}: {mean_clip} for {true_clip}");
        }
    }

    #[test]
    fn missing_windows_are_no_neighbours() {
        let whole = series(0.8, 4000, &mut Pcg64Mcg::seed_from_u64(1));
        let gaps: Vec<_> = whole.into_iter().filter(|(index, _)| index % 5 != 0).collect();
        let phi = Blocking::estimate(&gaps, MINUTE).unwrap().phi;
        assert!((phi - 0.8).abs() < 0.05, "{phi}");
        let lonely: Vec<_> = (0..500).map(|index| (2 * index, index as f64)).collect();
        assert!(matches!(Blocking::estimate(&lonely, MINUTE), Err(BlockError::TooFew { .. })));
    }

    #[test]
    fn what_says_nothing_about_scale_is_an_error() {
        let with = |change: &dyn Fn(&mut Mirror)| {
            let mut mirror = series(0.5, 60, &mut Pcg64Mcg::seed_from_u64(2));
            change(&mut mirror);
            Blocking::estimate(&mirror, MINUTE).unwrap_err()
        };
        assert!(matches!(with(&|m| m.truncate(29)), BlockError::TooFew { expected: 30, found: 29 }));
        assert!(matches!(with(&|m| m.swap(3, 4)), BlockError::NotLater { .. }));
        assert!(matches!(with(&|m| m[5] = m[4]), BlockError::NotLater { .. }));
        assert!(matches!(with(&|m| m[5].1 = f64::NAN), BlockError::NotFinite { index: 5, .. }));
        assert!(matches!(with(&|m| m[5].1 = f64::MAX), BlockError::Parameter { .. }));
        let still = with(&|m| m.iter_mut().for_each(|(_, value)| *value = 0.3));
        assert_eq!(still, BlockError::NoVariation { windows: 60 });
        for (phi, deviation, window) in [(f64::NAN, 1.0, 60), (2.0, 1.0, 60), (0.5, 0.0, 60), (0.5, 1.0, 0)] {
            assert!(Blocking::of(phi, deviation, Duration::from_secs(window)).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_numbers_are_a_blocking_or_an_error(values in proptest::collection::vec(any::<f64>(), 30..60),
                                                  scale in -300_i32..300) {
            let all: Vec<_> = (0..).zip(values.iter().copied()).collect();
            let finite: Vec<_> = (0..).zip(values.iter().map(|v| v.rem_euclid(2.0) * 10_f64.powi(scale))
                .filter(|v| v.is_finite())).collect();
            for mirror in [all, finite] {
                if let Ok(blocking) = Blocking::estimate(&mirror, MINUTE) {
                    prop_assert!(blocking.clip > 0.0 && blocking.clip.is_finite());
                    prop_assert!((0.0..=LARGEST_PHI).contains(&blocking.phi));
                }
            }
        }
    }
}
