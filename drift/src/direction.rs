//! Direction of harm: the side of zero on which it lies.

use serde::{Deserialize, Serialize};

/// The direction of a difference, candidate − baseline, that a test looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarmDirection {
    /// The candidate is higher.
    Higher,
    /// The candidate is lower.
    Lower,
}

impl HarmDirection {
    /// `difference`, turned so that positive always is the direction looked for.
    pub(crate) fn toward(self, difference: f64) -> f64 {
        match self {
            Self::Higher => difference,
            Self::Lower => -difference,
        }
    }
}
