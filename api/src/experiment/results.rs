//! Results of an experiment: the fleet's figures, and each agent's comparison in full.

use observe::Comparison;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Figures, Outcome, Reason, Uncounted, Verdict};
use crate::Timestamp;

/// Results of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Results {
    /// Id of the experiment.
    pub id: Uuid,
    /// All that the agents have measured since it began, added up: a series is a host's, so the sum is exact where
    /// they are.
    pub total: Figures,
    /// Each agent's own.
    pub agents: Vec<AgentResults>,
    /// Last verdict, with its reasons.
    pub verdict: Option<Verdict>,
    /// Outcome.
    pub outcome: Option<Outcome>,
    /// Reasons of the outcome.
    pub reasons: Vec<Reason>,
    /// Rows by what was asked for; left out where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<ResultsRow>>,
    /// Figures that were reported and that rows of steps or of horizons do not have; left out where they have all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<ResultsLeftOut>,
    /// What the candidate delivered and no figure has, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<Uncounted>,
}

/// Thing that a row of results is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResultsBy {
    /// A step.
    Step,
    /// Horizons that ended together, of one step: all that are kept one by one, and of a large fleet the latest.
    Horizon,
    /// An agent.
    Agent,
}

/// Row of results. Of a step or a horizon, it rests on nothing but the reports of that stretch: points, bytes and what was
/// settled are added up, series, units, costs and lenses are those of each agent's last horizon in it, of lost series and
/// collisions the most of any horizon counts, and of critical processes the horizon that shows fewest. Of an agent, it is all
/// that the agent has measured since the experiment began, `aa` apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResultsRow {
    /// The step, of a row that is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Id of the agent, of a row that is of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Uuid>,
    /// Name of its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Begin of the first horizon, by the control plane's clock.
    pub from: Timestamp,
    /// End of the last one.
    pub to: Timestamp,
    /// Begin of the horizons that series, units, costs and lenses are of: the last of each agent in which something came in. Left out
    /// where they are of all the time, as those of an agent are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_from: Option<Timestamp>,
    /// End of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series_to: Option<Timestamp>,
    /// Time whose horizons were merged into it, of a row that is of merged horizons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<ResultsMerge>,
    /// Number of horizons that were reported, over all agents.
    pub horizons: u32,
    /// Number of those that the figures rest on. Of each agent the last 64 of a step are kept one by one, and those before are
    /// merged by five minutes, later by the hour, and by the step once the experiment is over; an answer reads the latest, 16,384
    /// of each kind at most and one of each agent and step at least. Those that are void, because the split lost a unit or batches
    /// were left out, count for nothing. An agent's own total rests on all.
    pub kept: u32,
    /// Figures.
    pub figures: Figures,
}

/// Figures that were reported and are in no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultsLeftOut {
    /// Number of horizons, over all agents, that were not read: those of a large fleet that are not among the latest, and those
    /// that are kept no more.
    pub horizons: u32,
    /// Points that came in and that are in the total alone: those between the last whole horizon of a step and the next step,
    /// those of horizons on which no figure rests, and those of horizons that were not read.
    pub points_in: u64,
}

/// Time whose horizons were merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResultsMerge {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
    /// All of the step but its last horizons.
    Step,
}

/// Findings of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentResults {
    /// Its id.
    pub uid: Uuid,
    /// Name of its host.
    pub host: String,
    /// The candidate's weight at the last horizon, basis points.
    pub weight_bp: u16,
    /// End of the last horizon, by the agent's clock.
    pub at: Timestamp,
    /// Digest of the plan in charge.
    pub baseline_digest: String,
    /// Digest of the plan on trial.
    pub candidate_digest: String,
    /// The last horizon, in full.
    #[schema(value_type = Object)]
    pub horizon: Comparison,
    /// All that its latest process has measured of the pipelines that ran last, in full. What it measured before a restart, or of
    /// others, is in the experiment's total and in the row of the agent, and not here.
    #[schema(value_type = Object)]
    pub total: Comparison,
}
