//! Pace of a body: how long all of it may take, how long nothing may come, and the least rate.

use std::time::Duration;

use tokio::time::Instant;

/// Limits of the time that a body takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Longest time for all of it.
    pub whole: Duration,
    /// Longest time in which nothing comes, and the time from which the rate counts.
    pub grace: Duration,
    /// Least bytes a second on the average, once the grace is over.
    pub rate: u32,
}

impl Pace {
    /// Nothing for ten seconds, or less than 240 bytes a second, is too slow for any network that somebody waits for.
    #[must_use]
    pub const fn of(whole: Duration) -> Self {
        Self { whole, grace: Duration::from_secs(10), rate: 240 }
    }

    /// Time since its beginning at which the body is too slow, if nothing comes until then. `arrived` bytes have come,
    /// the last of them at `last`.
    #[must_use]
    pub fn due(&self, arrived: usize, last: Duration) -> Duration {
        let earned = Duration::from_secs(arrived as u64 / u64::from(self.rate.max(1)));
        self.whole.min(self.grace.saturating_add(earned)).min(self.grace.saturating_add(last))
    }
}

/// A body on its way.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pace: Pace,
    began: Instant,
    last: Duration,
    arrived: usize,
}

impl Progress {
    /// One that begins now.
    #[must_use]
    pub fn begin(pace: Pace) -> Self {
        Self { pace, began: Instant::now(), last: Duration::ZERO, arrived: 0 }
    }

    /// So many bytes more have come now.
    pub fn came(&mut self, bytes: usize) {
        // An empty frame is no progress.
        if bytes > 0 {
            self.arrived += bytes;
            self.last = self.began.elapsed();
        }
    }

    /// Bytes that have come.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.arrived
    }

    /// Time since its beginning, in whole milliseconds.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Tells whether it is too slow already.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.due() <= Instant::now()
    }

    /// The instant at which it is too slow.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.began + self.pace.due(self.arrived, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PACE: Pace = Pace { whole: Duration::from_secs(60), grace: Duration::from_secs(10), rate: 100 };

    #[test]
    fn what_drips_is_over_as_soon_as_what_is_withheld() {
        assert_eq!(PACE.due(0, Duration::ZERO), 10 * SECOND);
        // A byte a second.
        assert_eq!(PACE.due(9, 9 * SECOND), 10 * SECOND);
    }

    #[test]
    fn what_comes_steadily_has_all_its_time_and_what_then_stops_has_none_to_spare() {
        assert_eq!(PACE.due(2_000, 19 * SECOND), 29 * SECOND, "nothing came for the grace");
        assert_eq!(PACE.due(1_000, 19 * SECOND), 20 * SECOND, "100 a second were not kept up");
        assert_eq!(PACE.due(1 << 30, 59 * SECOND), 60 * SECOND, "the whole is the whole");
    }

    #[test]
    fn an_empty_frame_is_no_progress() {
        let mut progress = Progress::begin(PACE);
        let due = progress.due();
        std::thread::sleep(Duration::from_millis(1));
        progress.came(0);
        assert_eq!(progress.due(), due);
        progress.came(100);
        assert!(progress.due() > due);
        assert_eq!(progress.arrived(), 100);
    }
}
