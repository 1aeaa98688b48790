//! Half of a roll-up is not a roll-up: a split must not cut through what a stage has to see whole.

use super::Split;
use crate::config::{Plan, Scope};

/// A split that cuts through what a stage has to see whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; expected {expected}")]
pub struct CutsThrough {
    /// Mistake.
    pub message: String,
    /// Expected value.
    pub expected: String,
}

impl Split {
    /// Checks it against the plans that run under it.
    ///
    /// # Errors
    /// A weight strictly between nothing and all, with a unit finer than the plans' scope.
    pub fn check_scope(&self, plans: [&Plan; 2]) -> Result<(), CutsThrough> {
        let widest = plans.into_iter().filter_map(Plan::widest).max_by_key(|(_, scope)| *scope);
        let Some((stage, scope)) = widest else { return Ok(()) };
        if !self.weight.is_partial() || self.unit.keeps_whole(scope) {
            return Ok(());
        }
        let needs = if scope == Scope::Host { "host" } else { "process" };
        let unit = &self.unit;
        let message = format!(
            "{stage} has to see a whole {needs}, and a share of the units {unit} would cut through it"
        );
        Err(CutsThrough { message, expected: format!("0%, 100%, or unit: {needs}") })
    }
}
