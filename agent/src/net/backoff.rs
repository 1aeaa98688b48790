//! Waits between attempts: a jittered exponential backoff, or longer where the peer asks for it.

use std::time::Duration;

/// `retry_on_failure`, with the Collector's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    /// True if attempts are repeated.
    pub enabled: bool,
    /// First wait.
    pub initial_interval: Duration,
    /// Factor by which each wait is longer than the one before.
    pub multiplier: f64,
    /// Jitter of a wait, either way, as a share of it.
    pub randomization_factor: f64,
    /// Longest wait.
    pub max_interval: Duration,
    /// Longest time from the first attempt to the last; zero is without end.
    pub max_elapsed_time: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            multiplier: 1.5,
            randomization_factor: 0.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

/// Waits between the attempts at one thing, each longer than the one before.
#[derive(Debug)]
pub struct Backoff {
    settings: RetrySettings,
    interval: Duration,
}

impl Backoff {
    /// Starts at the initial interval.
    pub fn new(settings: RetrySettings) -> Self {
        Self { settings, interval: settings.initial_interval.min(settings.max_interval) }
    }

    /// Time to wait before the next attempt, `elapsed` after the first; nothing if it is time to
    /// give up. `throttle` is what the peer asked for, `random` is uniform in `[0, 1)`.
    pub fn next(&mut self, elapsed: Duration, throttle: Option<Duration>, random: f64) -> Option<Duration> {
        if !self.settings.enabled {
            return None;
        }
        let spread = self.settings.randomization_factor * (2.0 * random - 1.0);
        let jittered = self.interval.mul_f64((1.0 + spread).max(0.0));
        let wait = jittered.max(throttle.unwrap_or_default());
        self.interval =
            self.interval.mul_f64(self.settings.multiplier.max(1.0)).min(self.settings.max_interval);
        let end = self.settings.max_elapsed_time;
        (end.is_zero() || elapsed.saturating_add(wait) <= end).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_end_with_the_elapsed_time() {
        let settings = RetrySettings { randomization_factor: 0.0, ..RetrySettings::default() };
        let mut backoff = Backoff::new(settings);
        let mut elapsed = Duration::ZERO;
        let mut waits = Vec::new();
        while let Some(wait) = backoff.next(elapsed, None, 0.3) {
            elapsed += wait;
            waits.push(wait.as_secs_f64());
        }
        assert_eq!(waits[..4], [5.0, 7.5, 11.25, 16.875]);
        assert_eq!(waits.last(), Some(&30.0));
        assert!(elapsed <= settings.max_elapsed_time && elapsed > Duration::from_secs(270));
    }

    #[test]
    fn jitter_stays_within_its_factor_and_a_peers_wish_beats_it() {
        let first = |random, throttle| {
            Backoff::new(RetrySettings::default()).next(Duration::ZERO, throttle, random).expect("wait")
        };
        assert_eq!(first(0.0, None), Duration::from_millis(2_500));
        assert!(first(0.999, None) < Duration::from_millis(7_500));
        assert_eq!(first(0.0, Some(Duration::from_secs(60))), Duration::from_secs(60));
        // A peer may wish anything.
        let mut backoff = Backoff::new(RetrySettings::default());
        assert_eq!(backoff.next(Duration::from_secs(1), Some(Duration::MAX), 0.0), None);
    }

    #[test]
    fn disabled_means_one_attempt() {
        let settings = RetrySettings { enabled: false, ..RetrySettings::default() };
        assert_eq!(Backoff::new(settings).next(Duration::ZERO, None, 0.5), None);
    }
}
