//! Length of a block and the bound at which a window is clipped; both are fixed before the evidence.
//!
//! 2(1+φ)/(1−φ) windows are twice the memory of an AR(1) sequence (Sokal's integrated autocorrelation time): means of
//! blocks that long hardly depend on each other. φ is the upper end of its interval, and a mirror step that is shorter than
//! eight such blocks cannot tell it.

use std::num::NonZeroU64;
use std::time::Duration;

use super::BlockError;
use super::memory::{self, LEAST_WINDOWS};

/// No block is shorter: what people do to machines, deploys and cron jobs, has a rhythm of minutes.
const SHORTEST: Duration = Duration::from_secs(30 * 60);
/// Sequences that remember longer are not judged: a block would have thousands of windows.
const LARGEST_PHI: f64 = 0.999;
/// Blocks that a mirror step must have.
const MIRROR_BLOCKS: u64 = 8;
/// Standard deviations of a window at which it is clipped.
const CLIP: f64 = 2.0;

/// Rule by which a sequence is clipped and cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocking {
    /// The upper end of the autocorrelation of one window with the next, in [0, 0.999].
    pub phi: f64,
    /// Windows a block: at least 30 minutes, and at least 2(1+φ)/(1−φ).
    pub windows: NonZeroU64,
    /// Bound c: a window's distance from the margin is clipped to [−c, c]. Two standard deviations of a window, in the
    /// difference's unit.
    pub clip: f64,
}

impl Blocking {
    /// From the upper ends of φ and of the standard deviation of a window, and from the window's length. Where nothing
    /// varied there is no scale but the margin, above 0, which is then the bound.
    pub fn of(phi: f64, deviation: f64, margin: f64, window: Duration) -> Result<Self, BlockError> {
        if !(0.0..=LARGEST_PHI).contains(&phi) {
            return Err(BlockError::Parameter { expected: "an autocorrelation in [0, 0.999]", found: phi });
        }
        let clip = if deviation == 0.0 { margin } else { CLIP * deviation };
        if !(clip > 0.0 && clip.is_finite()) {
            return Err(BlockError::Parameter { expected: "a scatter or a margin above 0", found: clip });
        }
        Ok(Self { phi, windows: block_windows(phi, window)?, clip })
    }
}

/// Number of windows a block, of the upper end of φ in [0, 1).
pub fn block_windows(phi: f64, window: Duration) -> Result<NonZeroU64, BlockError> {
    if window.is_zero() {
        return Err(BlockError::Parameter { expected: "a window longer than 0 s", found: 0.0 });
    }
    let shortest = SHORTEST.as_nanos().div_ceil(window.as_nanos());
    // Rounding must not add one to a whole number.
    let memory = (2.0 * (1.0 + phi) / (1.0 - phi) - 1e-9).ceil() as u64;
    // 30 minutes in nanoseconds fit.
    let windows = u64::try_from(shortest).unwrap_or(u64::MAX).max(memory);
    Ok(NonZeroU64::new(windows).unwrap_or(NonZeroU64::MIN))
}

/// Number of windows that a mirror step must have where φ is known to be at most `phi`: eight blocks, and 30 windows. With
/// φ = 0 it is the least that any guardrail can do with. None where windows remember too long (φ above 0.999) or have no
/// length.
#[must_use]
pub fn mirror_windows(phi: f64, window: Duration) -> Option<u64> {
    let block = (phi <= LARGEST_PHI).then(|| block_windows(phi.max(0.0), window).ok())??;
    Some(block.get().saturating_mul(MIRROR_BLOCKS).max(LEAST_WINDOWS))
}

/// Number of windows that a mirror step usually takes where φ is `phi` and has to be found out: longer than
/// [`mirror_windows`] of it, because the upper end of its interval counts. None where it takes too long for any experiment.
#[must_use]
pub fn expected_mirror_windows(phi: f64, window: Duration) -> Option<u64> {
    memory::expected(phi, |upper, n| mirror_windows(upper, window).is_some_and(|needed| n >= needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_block_lasts_half_an_hour_or_twice_the_memory_whichever_is_longer() {
        let windows = |phi, window| block_windows(phi, window).unwrap().get();
        assert_eq!(windows(0.0, MINUTE), 30);
        assert_eq!(windows(0.6, MINUTE), 30);
        assert_eq!(windows(0.9, MINUTE), 38);
        assert_eq!(windows(0.99, MINUTE), 398);
        assert_eq!(windows(0.9, Duration::from_secs(10)), 180);
        assert_eq!(windows(0.0, Duration::from_secs(86_400)), 2);
        assert_eq!(windows(0.0, Duration::from_secs(7 * 60)), 5, "rounded up");
    }

    #[test]
    fn a_mirror_has_eight_blocks_of_the_memory_and_never_fewer_than_thirty_windows() {
        assert_eq!(mirror_windows(0.0, MINUTE), Some(240));
        assert_eq!(mirror_windows(0.9, MINUTE), Some(304));
        assert_eq!(mirror_windows(0.99, MINUTE), Some(3184));
        assert_eq!(mirror_windows(0.0, Duration::from_secs(3600)), Some(30));
        assert_eq!(mirror_windows(0.9995, MINUTE), None, "it remembers too long");
        assert_eq!(mirror_windows(0.0, Duration::ZERO), None);
    }

    #[test]
    fn a_memory_that_must_be_found_out_takes_a_longer_mirror_than_one_that_is_known() {
        assert_eq!(expected_mirror_windows(0.6, MINUTE), Some(240), "half an hour is longer than its memory");
        for phi in [0.9, 0.95, 0.98, 0.99] {
            let (known, found) =
                (mirror_windows(phi, MINUTE).unwrap(), expected_mirror_windows(phi, MINUTE).unwrap());
            assert!(found > known && found < 2 * known, "φ {phi}: {found} for {known}");
        }
    }

    #[test]
    fn a_window_is_clipped_at_two_deviations_or_at_the_margin_where_nothing_varied() {
        assert_eq!(Blocking::of(0.5, 2.0, 0.1, MINUTE).unwrap().clip, 4.0);
        assert_eq!(Blocking::of(0.0, 0.0, 0.1, MINUTE).unwrap().clip, 0.1);
        for (phi, deviation, margin, window) in [
            (f64::NAN, 1.0, 0.1, 60),
            (1.0, 1.0, 0.1, 60),
            (0.5, 0.0, 0.0, 60),
            (0.5, f64::INFINITY, 0.1, 60),
            (0.5, 1.0, 0.1, 0),
        ] {
            assert!(Blocking::of(phi, deviation, margin, Duration::from_secs(window)).is_err());
        }
    }
}
