//! `/api/v1/experiments`: what is tried, how far it has come, and what was found.

mod allow;
mod change_window;
mod create;
mod event;
mod figures;
mod guardrail;
mod phase;
mod policy;
mod promote;
mod results;
mod signal;
mod status;
mod uncounted;
mod verdict;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Freeze, Timestamp};

pub use allow::{Allow, AllowedMetrics, AllowedParts, Change};
pub use change_window::{ChangeWindow, Day};
pub use create::{AskedStep, Candidate, CreateExperiment, Entity, NamedStep, Unit};
pub use event::{Event, EventDetail};
pub use figures::{Figures, LensFigure};
pub use guardrail::{Direction, Guardrail, Quantity, Scope, Severity};
pub use phase::{Outcome, Phase};
pub use policy::{AtEnd, Policy};
pub use promote::Promote;
pub use results::{AgentResults, Results, ResultsBy, ResultsLeftOut, ResultsMerge, ResultsRow};
pub use signal::{CloneExperiment, SendSignal, Signal, SignalKind, Start};
pub use status::{AgentStatus, Criteria, NotPromoted, Promotion, Status};
pub use uncounted::Uncounted;
pub use verdict::{Answer, Basis, Criterion, Effect, Reason, Verb, Verdict};

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Experiment {
    /// Its id.
    pub id: Uuid,
    /// Name for people.
    pub name: String,
    /// The agents it runs on.
    pub selector: String,
    /// Its phase.
    pub phase: Phase,
    /// Outcome, if it is completed.
    pub outcome: Option<Outcome>,
    /// The step under way: `aa`, `mirror`, or a weight.
    pub step: Option<String>,
    /// The candidate's weight, basis points.
    pub weight_bp: Option<u16>,
    /// The template that the candidate was rendered from.
    pub template: Option<TemplateUse>,
    /// The candidate's fragment.
    pub candidate: String,
    /// The baseline's fragment; nothing for what each agent runs.
    pub baseline: Option<String>,
    /// True if it only observes: it has no step with a weight, and nothing of the candidate is delivered.
    #[serde(default)]
    pub observe_only: bool,
    /// The rest of what it is asked to do.
    #[schema(value_type = Object)]
    pub spec: Value,
    /// Least time that its criteria take, a sentence each.
    pub needs: Vec<String>,
    /// Author.
    pub created_by: String,
    /// Time.
    pub created_at: Timestamp,
    /// Time at which its phase or step last changed.
    pub updated_at: Timestamp,
    /// Reason for which it ended.
    pub reasons: Vec<Reason>,
    /// Last verdict.
    pub verdict: Option<Verdict>,
    /// Time at which it is to start by itself, while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// Freeze of its tenant: it does not go forward until that is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Freeze>,
}

/// A template at a version with parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TemplateUse {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Parameters that it was rendered with.
    pub parameters: Map<String, Value>,
    /// SHA-256 of the rendered text, in hexadecimal.
    pub digest: String,
}
