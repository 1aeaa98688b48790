//! `filter`: drops what conditions name.
//!
//! Its forms (lists by context, `metric_conditions`, and the older `include` and `exclude`) all become passes
//! over the batch, from resources down to data points. A point is counted for the first rule that drops it.

mod config;
mod decision_cache;
mod expression;
mod legacy;
mod pass;

use crate::Batch;
use crate::ottl::Context;
use crate::stage::{StageError, Stop, Tallies};

use pass::Pass;

pub(crate) use decision_cache::{CachedFilter, DecisionCache};

/// The config of a `filter` processor.
#[derive(Debug, Clone)]
pub struct Filter {
    passes: Vec<Pass>,
    /// Every rule of every pass, in order.
    rules: Vec<String>,
}

/// Rows that are dropped besides those that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EmptyRows {
    /// Nothing.
    Stays,
    /// Resources without scopes.
    Resources,
    /// Scopes without metrics, then resources without scopes.
    Scopes,
}

impl Filter {
    fn new(passes: Vec<Pass>) -> Self {
        let rules = passes.iter().flat_map(Pass::rules).collect();
        Self { passes, rules }
    }

    pub(super) fn rules(&self) -> &[String] {
        &self.rules
    }

    pub(super) fn is_identity(&self) -> bool {
        self.passes.is_empty()
    }

    /// Returns whether it asks about resources before anything else.
    pub(super) fn begins_with_resources(&self) -> bool {
        self.passes.first().is_some_and(|pass| pass.context == Context::Resource)
    }

    /// The rule that drops a resource for what it is itself, if one does.
    pub(super) fn drops_resource(&self, batch: &Batch, resource: usize, now: u64) -> Option<usize> {
        self.passes.first()?.drops_resource(batch, resource, now)
    }

    /// Returns whether its decision about a resource holds at any time: no condition of the first pass asks for the
    /// time.
    pub(super) fn decides_for_good(&self) -> bool {
        self.passes.first().is_some_and(|pass| !pass.asks_clock())
    }

    /// Filters the batch. An error names the rule that failed, where errors are to be propagated.
    pub(super) fn run(
        &self,
        batch: &mut Batch,
        now: u64,
        mut tallies: Tallies<'_>,
        stop: &Stop<'_>,
    ) -> Result<(), StageError> {
        let mut first = 0;
        for pass in &self.passes {
            let rule = |rule: usize| self.rules.get(first + rule).map_or("", String::as_str);
            pass.run(batch, now, tallies.from(first), stop)
                .map_err(|(index, why)| StageError::new(rule(index), why))?;
            first += pass.rules.len();
        }
        Ok(())
    }
}
