//! Load of the candidate's worker: tells whether the candidate keeps up with what comes in, and what follows if it does not.
//!
//! It gets fewer entities, half and half again, as far as it may. If that does not help either, and it is its own share of the
//! CPU that is spent, or memory that is short, it is cut out. The share of the entities never rises again within a generation: a
//! candidate that has too much to do at noon would go up and down. It is judged on the data path, by the time that passes there:
//! the worker itself may rest for long.

use std::collections::VecDeque;

/// Ticks over which it is judged, a second apart.
const JUDGED: usize = 10;
/// The most entities for each one that the candidate gets.
const MOST: u32 = 64;

/// What became of batches since the tick before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Batches that the candidate's worker ran.
    pub ran: u64,
    /// Batches that found no room.
    pub left_out: u64,
    /// Those of them that came while the worker rested, because the candidate's share of the CPU was spent.
    pub at_rest: u64,
    /// Those of them that came while the worker had nothing to do, because of memory alone.
    pub no_memory: u64,
}

/// Batches of the last ticks, and the share of the entities that the candidate gets.
#[derive(Debug)]
pub struct Load {
    ticks: VecDeque<(u64, Batches)>,
    /// The candidate gets one in so many entities: a power of two.
    one_in: u32,
    /// The most that this may be.
    most: u32,
}

/// Finding that the candidate does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It gets one in so many entities from now on.
    Sample(u32),
    /// It needs more than its budget, and is cut out.
    CutOut(Overload),
}

/// What of the candidate's budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Its share of the CPU.
    Cpu,
    /// Memory: its own, or the agent's.
    Memory,
}

/// Finding that more batches were left out because of the budget than ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Reason for which they were.
    pub spent: Spent,
    /// Batches that the worker should have run.
    pub batches: u64,
    /// Those of them that were left out.
    pub left_out: u64,
    /// Time in which they came, seconds.
    pub seconds: u64,
    /// Entities for each one that the candidate got.
    pub one_in: u32,
}

impl Load {
    /// Nothing yet, of a candidate that may get a sample of the entities, or not.
    pub fn new(may_sample: bool) -> Self {
        Self { ticks: VecDeque::new(), one_in: 1, most: if may_sample { MOST } else { 1 } }
    }

    /// Takes in what became of batches since the tick before, at `now`, Unix nanoseconds. Once it has found that the candidate
    /// does not keep up it begins anew.
    ///
    /// It does not if more is left out than runs within ten seconds, or something in ten seconds and in the ten before: one
    /// moment in which much comes costs it nothing. It is cut out by the first of these alone.
    pub fn tick(&mut self, now: u64, batches: Batches) -> Option<Excess> {
        self.ticks.push_back((now, batches));
        if self.ticks.len() > 2 * JUDGED + 1 {
            self.ticks.pop_front();
        }
        let excess = self.judge(now)?;
        self.ticks.clear();
        Some(excess)
    }

    fn judge(&mut self, now: u64) -> Option<Excess> {
        // The tick before the last ten says when they began.
        let last = self.ticks.len().checked_sub(JUDGED + 1)?;
        let (since, _) = *self.ticks.get(last)?;
        let Batches { ran, left_out, at_rest, no_memory } = self.sum(last + 1..=last + JUDGED);
        if self.one_in < self.most {
            let again = last == JUDGED && left_out > 0 && self.sum(1..=last).left_out > 0;
            if left_out <= ran && !again {
                return None;
            }
            // As many halves as let all of them run, if each entity costs as much as another.
            let needed = if ran == 0 { u64::MAX } else { (ran + left_out).div_ceil(ran) };
            let needed = u32::try_from(needed).unwrap_or(self.most).clamp(2, self.most).next_power_of_two();
            self.one_in = self.one_in.saturating_mul(needed).min(self.most);
            return Some(Excess::Sample(self.one_in));
        }
        let seconds = now.saturating_sub(since) / 1_000_000_000;
        let (spent, left_out) =
            if no_memory > at_rest { (Spent::Memory, no_memory) } else { (Spent::Cpu, at_rest) };
        let overload = Overload { spent, batches: ran + left_out, left_out, seconds, one_in: self.one_in };
        (left_out > ran).then_some(Excess::CutOut(overload))
    }

    fn sum(&self, ticks: std::ops::RangeInclusive<usize>) -> Batches {
        let of = self.ticks.range(ticks).map(|(_, batches)| batches);
        of.fold(Batches::default(), |sum, more| Batches {
            ran: sum.ran + more.ran,
            left_out: sum.left_out + more.left_out,
            at_rest: sum.at_rest + more.at_rest,
            no_memory: sum.no_memory + more.no_memory,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Findings of ticks with these counts, a second apart, each with its tick.
    fn findings(may_sample: bool, of: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, Excess)> {
        let mut load = Load::new(may_sample);
        let ticks = (0_u64..).zip(of);
        ticks.filter_map(|(at, counts)| Some((at, load.tick(at * SECOND, at_rest(counts))?))).collect()
    }

    /// Batches that ran, and that were left out while the worker rested.
    fn at_rest((ran, left_out): (u64, u64)) -> Batches {
        Batches { ran, left_out, at_rest: left_out, ..Batches::default() }
    }

    fn cut_out(batches: u64, left_out: u64, seconds: u64, one_in: u32) -> Excess {
        Excess::CutOut(Overload { spent: Spent::Cpu, batches, left_out, seconds, one_in })
    }

    #[test]
    fn without_a_sample_more_batches_left_out_than_run_over_ten_seconds_are_too_much() {
        let found = findings(false, [(0, 0)].into_iter().chain([(1, 2); 10]));
        assert_eq!(found, [(10, cut_out(30, 20, 10, 1))]);
        assert_eq!(findings(false, [(1, 2); 10]), [], "not before ten seconds are over");
        assert_eq!(findings(false, [(1, 1); 100]), [], "as many left out as run are not");
    }

    #[test]
    fn with_one_it_gets_as_many_halves_as_it_takes_and_is_cut_out_when_the_least_is_too_much() {
        assert_eq!(findings(true, [(3, 4); 11]), [(10, Excess::Sample(4))], "to run 7 where 3 ran");
        assert_eq!(findings(true, [(1, 9); 11]), [(10, Excess::Sample(16))]);
        assert_eq!(findings(true, [(0, 9); 11]), [(10, Excess::Sample(64))]);
        let ever = findings(true, [(1, 2); 100]);
        let shares = [4, 16, 64].map(Excess::Sample);
        assert_eq!(ever[..3].iter().map(|(_, found)| *found).collect::<Vec<_>>(), shares);
        assert_eq!(ever[3], (43, cut_out(30, 20, 10, 64)));
    }

    #[test]
    fn few_left_out_again_and_again_halve_it_and_one_moment_of_many_does_not() {
        let few = findings(true, (0..100).map(|at| if at % 10 == 0 { (9, 1) } else { (10, 0) }));
        assert_eq!(few[0], (20, Excess::Sample(2)));
        let once = (0..200).map(|at| if at == 50 { (10, 90) } else { (10, 0) });
        assert_eq!(findings(true, once), []);
        assert_eq!(findings(true, [(0, 0); 100]), [], "nothing came");
        let peak = |at: u64| if at.is_multiple_of(25) { (0, 90) } else { (10, 0) };
        assert_eq!(findings(true, (0..200).map(peak)), [], "nor do moments far from each other");
    }

    #[test]
    fn the_least_share_is_kept_while_no_more_is_left_out_than_runs_and_none_rises_again() {
        let heavy = std::iter::repeat_n((0, 9), 11);
        let found = findings(true, heavy.chain([(1, 1); 100]));
        assert_eq!(found, [(10, Excess::Sample(64))], "its windows are void, as without a sample");
        let found = findings(true, std::iter::repeat_n((3, 4), 11).chain([(10, 0); 1_000]));
        assert_eq!(found, [(10, Excess::Sample(4))]);
    }

    #[test]
    fn where_the_machine_has_no_time_for_it_it_gets_fewer_entities_and_is_not_cut_out() {
        let mut load = Load::new(true);
        let batches = Batches { ran: 1, left_out: 9, at_rest: 1, no_memory: 1 };
        let found: Vec<Excess> = (0..200).filter_map(|at| load.tick(at * SECOND, batches)).collect();
        assert_eq!(found, [Excess::Sample(16), Excess::Sample(64)]);
        let mut whole = Load::new(false);
        assert_eq!((0..200).find_map(|at| whole.tick(at * SECOND, batches)), None);
    }

    #[test]
    fn batches_that_find_no_memory_though_none_waits_give_it_fewer_entities_and_then_cut_it_out() {
        let batches = Batches { ran: 1, left_out: 9, at_rest: 0, no_memory: 9 };
        let mut load = Load::new(true);
        let found: Vec<Excess> = (0..40).filter_map(|at| load.tick(at * SECOND, batches)).collect();
        let overload = Overload { spent: Spent::Memory, batches: 100, left_out: 90, seconds: 10, one_in: 64 };
        assert_eq!(found, [Excess::Sample(16), Excess::Sample(64), Excess::CutOut(overload)]);
    }

    #[test]
    fn ticks_that_were_late_are_told_with_the_time_that_they_took() {
        let mut load = Load::new(false);
        let found = (0..=10).find_map(|at| load.tick(at * 3 * SECOND, at_rest((0, 1))));
        assert_eq!(found, Some(cut_out(10, 10, 30, 1)));
    }
}
