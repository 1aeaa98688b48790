//! Decisions of the first stage about resources, made once for each.
//!
//! Scrapes name the same resources again and again. The decision about one is remembered from batch to batch, so that a
//! known one that is dropped need not even be read. State: none, this is only saved work. Memory: 4,096 resources of 48
//! bytes; past that the quarter that was seen longest ago is decided anew when it comes again.

use crate::Batch;
use crate::batch;
use crate::stage::{Aged, Table, Tally};

use super::Filter;

const BOUND: usize = 4096;

/// Decision about a resource.
#[derive(Debug)]
struct Decision {
    rule: Option<usize>,
    /// Time at which it last came, Unix nanoseconds.
    seen: u64,
}

impl Aged for Decision {
    fn seen(&self) -> u64 {
        self.seen
    }
}

/// Decisions about resources, by a hash of the resource.
#[derive(Debug)]
pub(crate) struct DecisionCache(Table<Decision>);

impl Default for DecisionCache {
    fn default() -> Self {
        Self(Table::new(BOUND))
    }
}

#[cfg(test)]
impl DecisionCache {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Filter with its remembered decisions, at one batch.
pub(crate) struct CachedFilter<'a> {
    filter: &'a Filter,
    cache: Option<&'a mut DecisionCache>,
    now: u64,
    /// Points that each rule dropped.
    counts: Vec<u64>,
}

impl<'a> CachedFilter<'a> {
    pub(crate) fn new(filter: &'a Filter, cache: &'a mut DecisionCache, now: u64) -> Self {
        let cache = filter.decides_for_good().then_some(cache);
        Self { filter, cache, now, counts: vec![0; filter.rules().len()] }
    }

    /// Adds what was dropped to the tallies. Returns the number of points dropped in all.
    pub(crate) fn settle(self, tallies: &mut [Tally]) -> u64 {
        tallies.iter_mut().zip(&self.counts).for_each(|(tally, points)| tally.drop_points(*points));
        self.counts.iter().sum()
    }
}

impl batch::ResourceFilter for CachedFilter<'_> {
    fn remembers(&self) -> bool {
        self.cache.is_some()
    }

    fn known(&mut self, key: u128) -> Option<Option<usize>> {
        let DecisionCache(table) = self.cache.as_mut()?;
        let place = table.locate(key)?;
        let decision = table.at_mut(place);
        decision.seen = self.now;
        Some(decision.rule)
    }

    fn decide(&mut self, key: Option<u128>, batch: &Batch, resource: usize) -> Option<usize> {
        let rule = self.filter.drops_resource(batch, resource, self.now);
        if let (Some(key), Some(DecisionCache(table))) = (key, &mut self.cache) {
            table.add(key, Decision { rule, seen: self.now });
        }
        rule
    }

    fn dropped(&mut self, rule: usize, points: u64) {
        self.counts[rule] += points;
    }
}
