//! Events of an experiment.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Outcome, Phase, Reason, Verb};
use crate::Timestamp;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its number, from 1.
    pub seq: i64,
    /// Time.
    pub at: Timestamp,
    /// Kind: `create`, `start`, `applied`, `advance`, `verdict`, `pause`, `resume`, `stop`, `conclude`, `promote`,
    /// `rollback`, `fail`, `cancel`, `approve`, `baseline`: agents' baselines were changed or are
    /// back, `wave`: a step that is new to agents of a version is offered to more, `refused`: an agent does not take what was
    /// promoted, or `taken`: one that had refused it has taken it.
    pub kind: String,
    /// More of it.
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// Detail of an event, read: of an action where it led, of a verdict what it says. The rest is not there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EventDetail {
    /// Phase before.
    pub from: Option<Phase>,
    /// Phase after.
    pub to: Option<Phase>,
    /// Step after.
    pub step: Option<String>,
    /// The candidate's weight after, basis points.
    pub weight_bp: Option<u16>,
    /// Agents of the step.
    pub agents: Option<u32>,
    /// Number of the wave that begins, from 1.
    pub wave: Option<u8>,
    /// Hosts that it is offered to.
    pub hosts: Option<Vec<String>>,
    /// Outcome of a completed experiment.
    pub outcome: Option<Outcome>,
    /// Kind of the decision.
    pub verb: Option<Verb>,
    /// Reasons of the decision, or of the end.
    pub reasons: Option<Vec<Reason>>,
}

impl Event {
    /// Its detail, read.
    ///
    /// # Errors
    /// A detail of another shape.
    pub fn detail(&self) -> Result<EventDetail, serde_json::Error> {
        EventDetail::deserialize(&self.detail)
    }
}
