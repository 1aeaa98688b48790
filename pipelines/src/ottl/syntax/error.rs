//! Error of a text that is not OTTL.

use crate::yaml::{Located, Problem};

/// A mistake in a statement or condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at byte {offset}")]
pub struct SyntaxError {
    /// Byte offset of the mistake.
    pub offset: usize,
    /// Description of the mistake.
    pub message: String,
    /// Description of what would have been right.
    pub expected: Option<String>,
}

impl SyntaxError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into(), expected: None }
    }

    /// The mistake as a problem of the file that `text` stands in.
    pub fn problem(self, text: &Located) -> Problem {
        let problem = Problem::new(text.at(self.offset), format!("not OTTL: {}", self.message));
        Problem { expected: self.expected, ..problem }
    }
}
