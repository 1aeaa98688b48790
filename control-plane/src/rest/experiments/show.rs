//! The shapes in which experiments are shown.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{AppState, ExperimentId, Refusal, Stored};
use crate::actions::{self, Found, Progress};
use crate::clock::UnixMillis;
use crate::experiment::{AgentEvidence, Figures, Outcome, Phase, Reason, TemplateUse, Verdict};
use crate::id::AgentUid;

/// An experiment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Experiment {
    /// Its id.
    id: ExperimentId,
    /// Name for people.
    name: String,
    /// The agents it runs on.
    selector: String,
    /// Its phase.
    phase: Phase,
    /// Outcome, if it is completed.
    outcome: Option<Outcome>,
    /// The step under way: `aa`, `mirror`, or a weight.
    step: Option<String>,
    /// The candidate's weight, basis points.
    weight_bp: Option<u16>,
    /// The template that the candidate was rendered from.
    template: Option<TemplateUse>,
    /// The candidate's fragment.
    candidate: String,
    /// The baseline's fragment; nothing for what each agent runs.
    baseline: Option<String>,
    /// The rest of what it is asked to do.
    #[schema(value_type = Object)]
    spec: Value,
    /// Author.
    created_by: String,
    /// Time.
    created_at: UnixMillis,
    /// Time at which its phase or step last changed.
    updated_at: UnixMillis,
    /// Reason for which it ended.
    reasons: Vec<Reason>,
    /// Last verdict.
    verdict: Option<Verdict>,
}

impl From<Stored> for Experiment {
    fn from(stored: Stored) -> Self {
        let run = stored.state.run();
        let mut spec = serde_json::to_value(&stored.spec).unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            for shown_above in ["name", "selector", "candidate", "baseline", "template"] {
                fields.remove(shown_above);
            }
        }
        Self {
            id: stored.id,
            phase: stored.state.phase(),
            outcome: stored.state.outcome(),
            step: run.map(|run| run.step.to_string()),
            weight_bp: run.map(|run| run.step.weight_bp()),
            reasons: stored.state.end().map(|end| end.reasons.clone()).unwrap_or_default(),
            spec,
            name: stored.spec.name,
            selector: stored.spec.selector.to_string(),
            template: stored.spec.template,
            candidate: stored.spec.candidate,
            baseline: stored.spec.baseline,
            created_by: stored.created_by,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            verdict: stored.verdict,
        }
    }
}

/// Status of an experiment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Status {
    /// Its id.
    id: ExperimentId,
    /// Its phase.
    phase: Phase,
    /// Outcome, if it is completed.
    outcome: Option<Outcome>,
    /// The step under way.
    step: Option<String>,
    /// The candidate's weight, basis points.
    weight_bp: Option<u16>,
    /// Since when.
    since: Option<UnixMillis>,
    /// The agents of the step.
    agents: Vec<AgentStatus>,
    /// The last horizon of each, added up.
    horizon: Option<Figures>,
    /// Last verdict, with its reasons.
    verdict: Option<Verdict>,
    /// Reason for which it ended.
    reasons: Vec<Reason>,
}

/// One agent of a step.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentStatus {
    /// Its id.
    uid: AgentUid,
    /// Name of its host.
    host: String,
    /// True if it is connected.
    connected: bool,
    /// True if it runs the step.
    applied: bool,
    /// Reason for which it does not.
    failed: Option<String>,
    /// Reason for which it cut the candidate out.
    candidate_cut: Option<String>,
    /// Judged horizons of the step.
    horizons: u32,
    /// Time of its last report, or of the step's begin.
    last_seen: Option<UnixMillis>,
    /// Its last horizon.
    horizon: Option<Figures>,
}

/// The status of an experiment.
///
/// # Errors
/// The store's.
pub async fn status(state: &AppState, experiment: &Stored) -> Result<Status, Refusal> {
    let run = experiment.state.run();
    let Progress { agents, horizon, since } = actions::progress(state, experiment).await?;
    Ok(Status {
        id: experiment.id,
        phase: experiment.state.phase(),
        outcome: experiment.state.outcome(),
        step: run.map(|run| run.step.to_string()),
        weight_bp: run.map(|run| run.step.weight_bp()),
        since,
        horizon,
        agents: agents.into_iter().map(AgentStatus::from).collect(),
        verdict: experiment.verdict.clone(),
        reasons: experiment.state.end().map(|end| end.reasons.clone()).unwrap_or_default(),
    })
}

impl From<(AgentEvidence, bool)> for AgentStatus {
    fn from((agent, connected): (AgentEvidence, bool)) -> Self {
        Self {
            uid: agent.uid,
            connected,
            applied: agent.applied,
            horizons: agent.count,
            last_seen: agent.last_seen,
            horizon: agent.last().map(|found| Figures::of([&found.horizon])),
            host: agent.host,
            failed: agent.failed,
            candidate_cut: agent.cut,
        }
    }
}

/// Results of an experiment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Results {
    /// Id of the experiment.
    id: ExperimentId,
    /// All that the agents have measured since it began, added up: a series is a host's, so the sum is exact where
    /// they are.
    total: Figures,
    /// Each agent's own.
    agents: Vec<AgentResults>,
    /// Last verdict, with its reasons.
    verdict: Option<Verdict>,
    /// Outcome.
    outcome: Option<Outcome>,
    /// Reasons of the outcome.
    reasons: Vec<Reason>,
}

/// Findings of one agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentResults {
    /// Its id.
    uid: AgentUid,
    /// Name of its host.
    host: String,
    /// The candidate's weight at the last horizon, basis points.
    weight_bp: u16,
    /// End of the last horizon, by the agent's clock.
    at: UnixMillis,
    /// Digest of the plan in charge.
    baseline_digest: String,
    /// Digest of the plan on trial.
    candidate_digest: String,
    /// The last horizon, in full.
    #[schema(value_type = Object)]
    horizon: observe::Comparison,
    /// All since the experiment began, in full.
    #[schema(value_type = Object)]
    total: observe::Comparison,
}

/// The results of an experiment.
///
/// # Errors
/// The store's.
pub async fn results(state: &AppState, experiment: &Stored) -> Result<Results, Refusal> {
    let agents: Vec<_> =
        actions::found(state, experiment).await?.into_iter().map(AgentResults::from).collect();
    Ok(Results {
        id: experiment.id,
        total: Figures::of(agents.iter().map(|agent| &agent.total)),
        agents,
        verdict: experiment.verdict.clone(),
        outcome: experiment.state.outcome(),
        reasons: experiment.state.end().map(|end| end.reasons.clone()).unwrap_or_default(),
    })
}

impl From<Found> for AgentResults {
    fn from(Found { uid, host, findings, .. }: Found) -> Self {
        Self {
            uid,
            host,
            weight_bp: findings.weight_bp,
            at: UnixMillis::of_nanos(findings.window_end),
            baseline_digest: findings.baseline_digest,
            candidate_digest: findings.candidate_digest,
            horizon: findings.horizon,
            total: findings.total,
        }
    }
}
