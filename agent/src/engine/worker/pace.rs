//! Pace of the candidate's worker: its share of the CPU, kept by resting.
//!
//! It is measured as the CPU time of the worker's thread, so that a machine that has no time for it is not held against it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Longest time of which the share can be spent at once.
const BURST: Duration = Duration::from_secs(1);

/// CPU time that the calling thread has taken.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}

/// Account of a thread's CPU time.
#[derive(Debug)]
pub struct Pace {
    /// Cores that may be taken, for example 0.5.
    cores: f64,
    /// Seconds of CPU time left; below 0 if more was taken.
    credit: f64,
    at: Instant,
    taken: Duration,
}

impl Pace {
    /// An account of so many cores that begins at `at`, where the thread has taken `taken`.
    pub fn new(cores: f64, at: Instant, taken: Duration) -> Self {
        Self { cores, credit: cores * BURST.as_secs_f64(), at, taken }
    }

    /// Time for which to rest at `at`, after the thread has taken `taken` in all.
    pub fn rest(&mut self, at: Instant, taken: Duration) -> Duration {
        let earned = self.cores * at.saturating_duration_since(self.at).as_secs_f64();
        let spent = taken.saturating_sub(self.taken).as_secs_f64();
        self.credit = (self.credit + earned).min(self.cores * BURST.as_secs_f64()) - spent;
        (self.at, self.taken) = (at, taken);
        if self.credit < 0.0 { Duration::from_secs_f64(-self.credit / self.cores) } else { Duration::ZERO }
    }

    /// Forgives what was taken beyond the share.
    pub fn forgive(&mut self) {
        self.credit = self.credit.max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_all_the_time_rests_for_the_rest_of_its_share() {
        let start = Instant::now();
        let mut pace = Pace::new(0.25, start, Duration::ZERO);
        let (mut wall, mut cpu) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..1_000 {
            (wall, cpu) = (wall + Duration::from_millis(40), cpu + Duration::from_millis(40));
            wall += pace.rest(start + wall, cpu);
        }
        let share = cpu.as_secs_f64() / wall.as_secs_f64();
        assert!((0.25..0.26).contains(&share), "{share}");
    }

    #[test]
    fn what_was_not_taken_is_kept_for_a_second_at_most() {
        let start = Instant::now();
        let mut pace = Pace::new(0.5, start, Duration::ZERO);
        let hour = start + Duration::from_secs(3_600);
        assert_eq!(pace.rest(hour, Duration::from_millis(400)), Duration::ZERO);
        assert_eq!(pace.rest(hour, Duration::from_millis(1_100)), Duration::from_millis(1_200));
        pace.forgive();
        assert_eq!(pace.rest(hour, Duration::from_millis(1_100)), Duration::ZERO);
        assert_eq!(pace.rest(hour, Duration::from_millis(1_200)), Duration::from_millis(200));
    }
}
