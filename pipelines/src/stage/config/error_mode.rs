//! Effect of a failing condition or statement.

use crate::cost::Inspection;
use crate::yaml::{Fields, keep};

/// Effect of a failing condition or statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorMode {
    /// None: a condition that fails does not hold.
    Ignore,
    /// The batch is refused.
    Propagate,
}

impl ErrorMode {
    /// Reads `error_mode`, in any case. `silent` differs from `ignore` in what it logs, and nothing is logged here.
    pub(crate) fn decode(fields: &mut Fields<'_>, problems: &mut Inspection) -> Option<Self> {
        fields.refuse_null(&["error_mode"], problems);
        let modes = [("ignore", Self::Ignore), ("silent", Self::Ignore), ("propagate", Self::Propagate)];
        fields.take("error_mode").and_then(|node| keep(node.one_of_any_case("error_mode", &modes), problems))
    }
}
