//! What the first stage drops for what resources are, decided once for each.
//!
//! Scrapes name the same resources again and again. What a filter makes of one is remembered from batch to batch, so that
//! a known one that is dropped need not even be read. State: none, this is only saved work. Memory: 4,096 resources of
//! 48 bytes; past that the quarter that was seen longest ago is decided anew when it comes again.

use crate::Batch;
use crate::batch;

use super::account::Tally;
use super::filter::Filter;
use super::table::{Aged, Table};

const BOUND: usize = 4096;

/// Decision about a resource.
#[derive(Debug)]
struct Answer {
    rule: Option<usize>,
    /// Time at which it last came, Unix nanoseconds.
    seen: u64,
}

impl Aged for Answer {
    fn seen(&self) -> u64 {
        self.seen
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Answers(Table<Answer>);

impl Default for Answers {
    fn default() -> Self {
        Self(Table::new(BOUND))
    }
}

#[cfg(test)]
impl Answers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A filter at one batch.
pub(super) struct Sieve<'a> {
    filter: &'a Filter,
    answers: Option<&'a mut Answers>,
    now: u64,
    /// Points that each rule dropped.
    counts: Vec<u64>,
}

impl<'a> Sieve<'a> {
    pub(super) fn new(filter: &'a Filter, answers: &'a mut Answers, now: u64) -> Self {
        let answers = filter.decides_for_good().then_some(answers);
        Self { filter, answers, now, counts: vec![0; filter.rules().len()] }
    }

    /// Tells what was dropped: how many points in all.
    pub(super) fn settle(self, tallies: &mut [Tally]) -> u64 {
        tallies.iter_mut().zip(&self.counts).for_each(|(tally, points)| tally.drop_points(*points));
        self.counts.iter().sum()
    }
}

impl batch::Sieve for Sieve<'_> {
    fn remembers(&self) -> bool {
        self.answers.is_some()
    }

    fn known(&mut self, key: u128) -> Option<Option<usize>> {
        let Answers(table) = self.answers.as_mut()?;
        let place = table.locate(key)?;
        let answer = table.at_mut(place);
        answer.seen = self.now;
        Some(answer.rule)
    }

    fn decide(&mut self, key: Option<u128>, batch: &Batch, resource: usize) -> Option<usize> {
        let rule = self.filter.drops_resource(batch, resource, self.now);
        if let (Some(key), Some(Answers(table))) = (key, &mut self.answers) {
            table.add(key, Answer { rule, seen: self.now });
        }
        rule
    }

    fn dropped(&mut self, rule: usize, points: u64) {
        self.counts[rule] += points;
    }
}
