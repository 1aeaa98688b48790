//! Reason why a stage refuses a batch.

use crate::ottl::Failure;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// The condition or statement, as it is written in the config, or what else the stage asks for.
    pub rule: String,
    pub why: Failure,
    /// True if the batch goes on all the same.
    pub passes_on: bool,
}

impl Failed {
    pub(super) fn new(rule: &str, why: Failure) -> Self {
        Self { rule: rule.to_owned(), why, passes_on: false }
    }
}
