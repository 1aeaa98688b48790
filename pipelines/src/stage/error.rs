//! Error of a stage: it refuses a batch, or a part of one.

use crate::ottl::Failure;

/// Error of a rule of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageError {
    /// The condition or statement, as it is written in the config, or what else the stage asks for.
    pub rule: String,
    pub why: Failure,
    /// True if the batch goes on all the same.
    pub passes_on: bool,
}

impl StageError {
    pub(crate) fn new(rule: &str, why: Failure) -> Self {
        Self { rule: rule.to_owned(), why, passes_on: false }
    }

    /// The batch is not wanted any more.
    pub(crate) fn stopped() -> Self {
        Self::new("the batch", Failure("it was stopped"))
    }
}
