//! Previews: what a candidate would make of the last requests that agents have kept.

use observe::{Comparison, Critical, Lens, Price};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::experiment::{Candidate, CreateExperiment, Policy, Unit};
use crate::{Answer, Timestamp};

/// A preview to be run. Its baseline is what each agent runs. Fields that it shares with an experiment mean the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePreview {
    /// The agents it runs on, by label; empty for all.
    #[serde(default)]
    #[schema(example = "env=prod,region in (eu,us),!canary")]
    pub selector: String,
    /// The pipeline that is tried.
    pub candidate: Candidate,
    /// Id of the pipeline of metrics that it is about, where agents' files have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "metrics/host")]
    pub pipeline: Option<String>,
    /// The aggregates that people look at; those of an experiment if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub lenses: Option<Vec<Lens>>,
    /// Time for which a lens shows a series after its last point, for the lenses that do not say it themselves; 5m if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5m")]
    pub lookback: Option<String>,
    /// The processes that must not vanish: `{executables, metrics, granularity}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub critical: Option<Vec<Critical>>,
    /// Price of the backend: `{usd_per_1000_active_series, usd_per_gigabyte, source}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub price: Option<Price>,
    /// Time within which it is answered, 1s to 15s; 15s if not given. Agents may work on it until shortly before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "15s")]
    pub wait: Option<String>,
}

impl From<CreatePreview> for CreateExperiment {
    /// The experiment of which it is the measurement: one that delivers nothing.
    fn from(asked: CreatePreview) -> Self {
        let CreatePreview { selector, candidate, pipeline, lenses, lookback, critical, price, .. } = asked;
        Self {
            name: "preview".to_owned(),
            selector,
            candidate,
            pipeline,
            baseline: None,
            unit: Unit::default(),
            aa: false,
            steps: None,
            weights_bp: Some(Vec::new()),
            window: None,
            report_every: None,
            lenses,
            lookback,
            critical,
            price,
            max_batch_latency: None,
            policy: Policy::default(),
        }
    }
}

/// Answers of agents to a preview, added up. It decides nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// Its id.
    pub id: Uuid,
    /// Evidence that it rests on, in a sentence.
    pub sentence: String,
    /// Agents that were meant.
    pub asked: u32,
    /// Agents whose figures are in it.
    pub measured: u32,
    /// Requests that they compared both pipelines on.
    pub requests: u64,
    /// Time from the first to the last of them, seconds: the shortest of any agent, and the longest.
    pub seconds: [f64; 2],
    /// All of them added up; nothing where nothing was measured.
    pub figures: Option<PreviewFigures>,
    /// Questions of a policy, as a comparison of captures (`phoenix compare`) has them without a policy of its own.
    #[serde(default)]
    pub checks: Vec<PreviewCheck>,
    /// Sentences of what a preview does not tell.
    pub not_measured: Vec<String>,
    /// Each agent that was meant.
    pub agents: Vec<PreviewAgent>,
}

/// Question of a policy, with its answer on all agents: the worst of any. It describes, and decides nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewCheck {
    /// The key of the policy; for a lens with its name.
    #[schema(example = "attributes_used")]
    pub rule: String,
    /// Answer.
    pub answer: Answer,
    /// In a sentence.
    pub sentence: String,
    /// Hosts of agents with that answer, at most twenty.
    pub hosts: Vec<String>,
}

/// Figures of a preview: sums over agents. Pairs are baseline and candidate; shares are from 0 to 1, none where the baseline had
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewFigures {
    /// True if every count was counted one by one.
    pub exact: bool,
    /// Points that came in.
    pub points_in: u64,
    /// Distinct series that came in.
    pub series_in: u64,
    /// Points.
    pub points: [u64; 2],
    /// Bytes of uncompressed OTLP.
    pub bytes: [u64; 2],
    /// Distinct series.
    pub series: [u64; 2],
    /// Active series, as the backend bills them.
    pub active: [u64; 2],
    /// US dollars a month.
    pub monthly_usd: [f64; 2],
    /// Share of active series saved, as the backend bills them.
    pub saving_active: Option<f64>,
    /// Share of distinct series saved.
    pub saving_series: Option<f64>,
    /// Share of bytes saved.
    pub saving_bytes: Option<f64>,
    /// Share of points saved.
    pub saving_points: Option<f64>,
    /// Share of the monthly cost saved.
    pub saving_cost: Option<f64>,
    /// Fates of the baseline's series.
    pub fates: PreviewFates,
    /// Points that do not measure the same in both, and the series that they are of.
    pub changed: [u64; 2],
    /// Output identities of the candidate with several writers that the baseline keeps apart.
    pub collisions: u64,
    /// Critical processes: came in, shown by the baseline, shown by the candidate.
    pub critical: [u64; 3],
    /// Lenses: the total, and the groups that differ most.
    pub lenses: Vec<PreviewLens>,
}

/// Fates of the baseline's series, one each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewFates {
    /// Series that stay as they are.
    pub as_it_is: u64,
    /// Series with another name, unit, type, resource or scope.
    pub renamed: u64,
    /// Series with fewer attributes, and the same in all else.
    pub fewer_attributes: u64,
    /// Series of which aggregates are made.
    pub merged: u64,
    /// Series of which several are made.
    pub split: u64,
    /// Series of which nothing is made.
    pub lost: u64,
    /// Series of which nothing can be said.
    pub not_followed: u64,
}

/// A lens over all agents, in the metric's unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewLens {
    /// Its name.
    pub name: String,
    /// Reason for which it was not measured; nothing where it was.
    pub not_measured: Option<String>,
    /// The baseline's figure of all groups together.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// (candidate − baseline) / |baseline|; none where the baseline has nothing.
    pub relative_error: Option<f64>,
    /// Groups that differ most, of those that agents name; at most ten.
    pub worst: Vec<PreviewGroup>,
}

/// A group of a lens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewGroup {
    /// Its name.
    pub group: String,
    /// True if agents that do not name it may have it, too: the figures are of those that do.
    pub incomplete: bool,
    /// The baseline's figure.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// (candidate − baseline) / |baseline|; none where the baseline has nothing.
    pub relative_error: Option<f64>,
}

/// Outcome of a preview on an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewState {
    /// There is a comparison.
    Measured,
    /// Nothing: what the agent has kept does not tell it.
    NotMeasured,
    /// The agent's owner, or its checks, do not let the candidate run.
    Refused,
    /// Another one runs there, or there is no memory for it now; it may be asked again.
    Busy,
    /// The candidate failed: an error, a panic, or more time or memory than it may take.
    Failed,
    /// The agent did not answer in time.
    Unanswered,
    /// The agent is not connected, and was not asked.
    Away,
}

/// One agent of a preview.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreviewAgent {
    /// Its id.
    pub uid: Uuid,
    /// Name of its host.
    pub host: String,
    /// Outcome of it.
    pub state: PreviewState,
    /// Reason, in a sentence; nothing where something was measured.
    pub why: Option<String>,
    /// Time at which it was last heard of.
    pub last_seen: Option<Timestamp>,
    /// Requests that it had kept and that were looked at.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Time from the first to the last, seconds.
    pub seconds: f64,
    /// Number of times that at least half of the series came in them.
    pub scrapes: u32,
    /// Its comparison, in full.
    #[schema(value_type = Option<Object>)]
    pub comparison: Option<Comparison>,
}
