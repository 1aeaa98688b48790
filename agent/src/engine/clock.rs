//! Time of the agent: this machine's, but never back.
//!
//! Windows, flushes and horizons end at times. A machine's clock that is set back an hour would keep them open for an
//! hour, and lay new windows over old ones. So time goes on as the monotonic clock does, and follows the machine's only
//! where that is ahead. After a step back it stays ahead until the process ends; each report says the time at which it is
//! sent, so that the control plane places its windows all the same.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static CLOCK: Clock = Clock { start: AtomicU64::new(0) };

/// Unix nanoseconds; a later call never gives less.
pub fn now() -> u64 {
    let started = *STARTED;
    // In this order: a pause in between makes the sum too small, and the largest one counts.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    CLOCK.at(nanos(wall), nanos(started.elapsed()))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// See the module.
struct Clock {
    /// Latest time at which the process may have started, by all that the machine's clock has shown.
    start: AtomicU64,
}

impl Clock {
    /// The time where the machine's clock shows `wall`, `elapsed` after the start.
    fn at(&self, wall: u64, elapsed: u64) -> u64 {
        let start = wall.saturating_sub(elapsed);
        let known = self.start.load(Ordering::Relaxed);
        let start =
            if start > known { self.start.fetch_max(start, Ordering::Relaxed).max(start) } else { known };
        start.saturating_add(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;

    #[test]
    fn a_clock_that_steps_back_goes_on_and_one_that_steps_forward_is_followed() {
        let clock = Clock { start: AtomicU64::new(0) };
        let noon = 1_000 * HOUR;
        assert_eq!(clock.at(noon, 0), noon);
        assert_eq!(clock.at(noon + SECOND, SECOND), noon + SECOND);
        for later in 2..100 {
            let shown = clock.at(noon - HOUR + later * SECOND, later * SECOND);
            assert_eq!(shown, noon + later * SECOND, "set back an hour: it goes on");
        }
        assert_eq!(clock.at(noon + HOUR, 100 * SECOND), noon + HOUR);
        assert_eq!(clock.at(noon + HOUR + SECOND, 101 * SECOND), noon + HOUR + SECOND);
    }

    #[test]
    fn a_later_call_never_gives_less() {
        let mut last = now();
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
    }
}
