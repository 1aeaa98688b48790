//! Pace of the candidate's worker: its share of the CPU, kept by resting, and the turns in which it gives way to others.
//!
//! The share is measured as the CPU time of the worker's thread, so that a machine that has no time for it is not held against
//! it.

use std::cell::Cell;
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

    /// Seconds of CPU time that an account of so many cores allows in its first `seconds`: the share, and what can be spent at once.
    pub fn most(cores: f64, seconds: f64) -> f64 {
        cores * (seconds + BURST.as_secs_f64())
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

/// Shortest turn.
const TURN: Duration = Duration::from_micros(100);
/// A turn takes at least this part of the time for which others ran before it.
const PART: u32 = 10;

/// Turns of a thread for which nothing waits. A scheduler lets one that has a core hold it for milliseconds past the moment at which
/// another one wakes up; this one asks after each turn whether there is another one.
#[derive(Debug)]
pub struct Turns {
    began: Cell<Instant>,
    /// Time that the present one takes: more where others keep the cores busy, so that a part of the time is left to it.
    takes: Cell<Duration>,
}

impl Turns {
    /// Turns of which the first begins at `at`.
    pub fn new(at: Instant) -> Self {
        Self { began: Cell::new(at), takes: Cell::new(TURN) }
    }

    /// Gives way to others if the turn is over.
    pub fn give_way(&self) {
        let now = Instant::now();
        if self.is_over(now) {
            std::thread::yield_now();
            self.begin(now, Instant::now());
        }
    }

    fn is_over(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.began.get()) >= self.takes.get()
    }

    /// Begins another turn at `at`, after others could run since `over`.
    fn begin(&self, over: Instant, at: Instant) {
        self.began.set(at);
        self.takes.set(TURN.max(at.saturating_duration_since(over) / PART));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_short_where_nobody_waits_and_a_tenth_of_what_others_take_elsewhere() {
        let (start, micros) = (Instant::now(), Duration::from_micros);
        let turns = Turns::new(start);
        assert!(!turns.is_over(start + micros(99)) && turns.is_over(start + micros(100)));
        let back = start + micros(102);
        turns.begin(start + micros(100), back);
        assert!(!turns.is_over(back + micros(99)) && turns.is_over(back + micros(100)));
        let late = back + micros(30_000);
        turns.begin(back, late);
        assert!(!turns.is_over(late + micros(2_999)) && turns.is_over(late + micros(3_000)));
    }

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
