//! Place of an experiment in its life.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The name of a phase, everywhere the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Written down.
    Pending,
    /// The first step is being pushed.
    Initializing,
    /// A step is under way.
    Running,
    /// No step changes; data flows, and instant limits live.
    Paused,
    /// The last horizon is being collected.
    Analyzing,
    /// It is over.
    Completed,
    /// It could not be applied.
    Failed,
    /// It never began.
    Cancelled,
}

/// Outcome of a completed experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The candidate is in charge.
    Promoted,
    /// The baseline is.
    RolledBack,
    /// The baseline is, and nothing was found out.
    Inconclusive,
    /// The baseline is. The candidate was only observed, and met every criterion.
    WouldPromote,
    /// The baseline is. The candidate was only observed, and a criterion is violated.
    WouldNot,
    /// The baseline is. The candidate was only observed, and not everything that was asked for was measured.
    NotMeasured,
}

impl Phase {
    /// Tells whether it is over, whatever became of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}
