//! Signals: what people and their programs ask of an experiment.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Phase;
use crate::Timestamp;

/// Kind of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Begin, on the agents that match now.
    Start,
    /// Hold the step.
    Pause,
    /// Go on with it.
    Resume,
    /// Collect the last horizon and end.
    Stop,
    /// Put the candidate in charge.
    Promote,
    /// Put the baseline back in charge.
    Rollback,
    /// Never begin.
    Cancel,
    /// Agree to its promotion.
    Approve,
}

/// Signal to be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendSignal {
    /// Its kind.
    pub signal: SignalKind,
    /// True to promote although criteria are not met; takes the role admin.
    #[serde(default)]
    pub force: bool,
    /// Reason for which it is forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Signal that was given, and followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signal {
    /// Its row in the audit log.
    pub seq: i64,
    /// Time.
    pub at: Timestamp,
    /// Its kind.
    pub signal: SignalKind,
    /// Person or program who gave it, as `user/id` or `api-key/id`.
    pub by: String,
    /// Phase before.
    pub from: Option<Phase>,
    /// Phase after.
    pub to: Option<Phase>,
}

/// Start of an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Time at which it is to start by itself; now if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// Experiment like another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneExperiment {
    /// Its name.
    pub name: String,
}
