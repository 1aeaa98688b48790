//! Load of the candidate's worker: tells whether the candidate needs more than its share of the CPU.
//!
//! It is judged on the data path, by the time that passes there: the worker itself may rest for long.

use std::collections::VecDeque;

/// Ticks over which it is judged, a second apart.
const JUDGED: usize = 10;

/// Batches that ran and that were left out because the worker rested, by tick.
#[derive(Debug, Default)]
pub struct Load {
    ticks: VecDeque<Tick>,
}

#[derive(Clone, Copy, Debug)]
struct Tick {
    now: u64,
    ran: u64,
    left_out: u64,
}

/// Finding that more batches were left out because the worker rested than ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Batches that the worker should have run.
    pub batches: u64,
    /// Those of them that were left out.
    pub left_out: u64,
    /// Time in which they came, seconds.
    pub seconds: u64,
}

impl Load {
    /// Takes in what ran and what was left out since the tick before, at `now`, Unix nanoseconds. Once it has found that the
    /// worker has too much to do it begins anew.
    pub fn tick(&mut self, now: u64, ran: u64, left_out: u64) -> Option<Overload> {
        self.ticks.push_back(Tick { now, ran, left_out });
        if self.ticks.len() <= JUDGED {
            return None;
        }
        let before = self.ticks.pop_front()?;
        let ran: u64 = self.ticks.iter().map(|tick| tick.ran).sum();
        let left_out: u64 = self.ticks.iter().map(|tick| tick.left_out).sum();
        if left_out <= ran {
            return None;
        }
        self.ticks.clear();
        let seconds = now.saturating_sub(before.now) / 1_000_000_000;
        Some(Overload { batches: ran + left_out, left_out, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Findings of ticks with these counts, a second apart.
    fn findings(of: impl IntoIterator<Item = (u64, u64)>) -> Vec<Overload> {
        let mut load = Load::default();
        let ticks = of.into_iter().enumerate();
        ticks.filter_map(|(at, (ran, left_out))| load.tick(at as u64 * SECOND, ran, left_out)).collect()
    }

    #[test]
    fn more_batches_left_out_than_run_over_ten_seconds_are_too_much() {
        let found = findings([(0, 0)].into_iter().chain([(1, 2); 10]));
        assert_eq!(found, [Overload { batches: 30, left_out: 20, seconds: 10 }]);
        assert_eq!(findings([(1, 2); 10]), [], "not before ten seconds are over");
    }

    #[test]
    fn as_many_batches_left_out_as_run_and_a_moment_of_more_are_not_too_much() {
        assert_eq!(findings([(1, 1); 100]), []);
        assert_eq!(findings([(0, 0); 100]), [], "nothing came");
        let peak = |at: u64| if at.is_multiple_of(20) { (0, 90) } else { (10, 0) };
        assert_eq!(findings((0..200).map(peak)), []);
    }

    #[test]
    fn ticks_that_were_late_are_told_with_the_time_that_they_took() {
        let mut load = Load::default();
        let found = (0..=10).find_map(|at| load.tick(at * 3 * SECOND, 0, 1));
        assert_eq!(found, Some(Overload { batches: 10, left_out: 10, seconds: 30 }));
    }
}
