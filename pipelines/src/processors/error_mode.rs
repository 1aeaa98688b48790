//! Effect of a failing condition or statement.

use crate::yaml::{Fields, Problem, keep};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorMode {
    /// Nothing: a condition that fails does not hold.
    Ignore,
    /// It refuses the batch.
    Propagate,
}

impl ErrorMode {
    /// Reads `error_mode`. `silent` differs from `ignore` in what it logs, and nothing is logged here.
    pub(super) fn decode(fields: &mut Fields<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let modes = [("ignore", Self::Ignore), ("silent", Self::Ignore), ("propagate", Self::Propagate)];
        fields.take("error_mode").and_then(|node| keep(node.one_of("error_mode", &modes), problems))
    }
}
