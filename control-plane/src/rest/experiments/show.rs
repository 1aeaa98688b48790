//! Experiments, statuses and results as they are shown.

use api::{
    AgentResults, AgentStatus, Criteria, Experiment, Fingerprint, NotPromoted, Promotion, Results, ResultsBy,
    ResultsLeftOut, ResultsMerge, ResultsRow, Status, Uncounted,
};

use super::{AppState, Refusal, Stored};
use crate::actions::rows::{self, By, Rows};
use crate::actions::{self, AgentFindings, Progress, Promoted};
use crate::clock::UnixMillis;
use crate::experiment::Figures;
use crate::store::fingerprints::Attested;
use crate::store::merges::Grain;

impl From<Stored> for Experiment {
    fn from(stored: Stored) -> Self {
        let run = stored.state.run();
        let mut spec = serde_json::to_value(&stored.spec).unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            for not_here in ["name", "selector", "candidate", "baseline", "template", "traits"] {
                fields.remove(not_here);
            }
        }
        Self {
            id: stored.id.0,
            phase: stored.state.phase().into(),
            outcome: stored.state.outcome().map(Into::into),
            step: run.map(|run| run.step.to_string()),
            weight_bp: run.map(|run| run.step.weight_bp()),
            reasons: reasons(&stored),
            needs: stored.spec.needs(),
            observe_only: stored.spec.is_observe_only(),
            spec,
            name: stored.spec.name,
            selector: stored.spec.selector.to_string(),
            template: stored.spec.template.map(Into::into),
            candidate: stored.spec.candidate,
            baseline: stored.spec.baseline,
            created_by: stored.created_by,
            created_at: stored.created_at.into(),
            updated_at: stored.updated_at.into(),
            verdict: stored.verdict.map(Into::into),
            starts_at: stored.start_at.map(Into::into),
            frozen: stored.frozen.map(Into::into),
        }
    }
}

/// Reasons for which it ended.
fn reasons(experiment: &Stored) -> Vec<api::Reason> {
    let end = experiment.state.end().into_iter();
    end.flat_map(|end| &end.reasons).cloned().map(Into::into).collect()
}

/// The status of an experiment.
///
/// # Errors
/// The store's.
pub async fn status(state: &AppState, experiment: &Stored) -> Result<Status, Refusal> {
    let run = experiment.state.run();
    let Progress { agents, horizon, since, promoted, uncounted } =
        actions::progress(state, experiment).await?;
    Ok(Status {
        id: experiment.id.0,
        phase: experiment.state.phase().into(),
        outcome: experiment.state.outcome().map(Into::into),
        observe_only: experiment.spec.is_observe_only(),
        step: run.map(|run| run.step.to_string()),
        weight_bp: run.map(|run| run.step.weight_bp()),
        since: since.map(Into::into),
        horizon: horizon.map(Into::into),
        agents: agents.into_iter().map(AgentStatus::from).collect(),
        verdict: experiment.verdict.clone().map(Into::into),
        attested: experiment.attested.clone().map(Into::into),
        reasons: reasons(experiment),
        frozen: experiment.frozen.clone().map(Into::into),
        not_promoted: promoted.iter().flat_map(|all| &all.not_promoted).map(NotPromoted::from).collect(),
        promotion: promoted.map(Promotion::from),
        ended_at: experiment.state.end().map(|end| end.at.into()),
        uncounted: uncounted.map(Uncounted::from),
    })
}

impl From<Attested> for api::Attested {
    fn from(Attested { entry, at, fingerprint: number, horizons, digest, .. }: Attested) -> Self {
        Self { entry, at: at.into(), fingerprint: Fingerprint { number, horizons, digest } }
    }
}

/// The criteria of an experiment.
pub fn criteria(experiment: Stored) -> Criteria {
    let (verb, criteria, basis) = match experiment.verdict {
        Some(verdict) => (Some(verdict.verb.into()), verdict.criteria, Some(verdict.basis.into())),
        None => (None, Vec::new(), None),
    };
    Criteria {
        id: experiment.id.0,
        phase: experiment.state.phase().into(),
        step: experiment.state.run().map(|run| run.step.to_string()),
        verb,
        criteria: criteria.into_iter().map(Into::into).collect(),
        basis,
    }
}

impl From<actions::AgentProgress> for AgentStatus {
    fn from(agent: actions::AgentProgress) -> Self {
        Self {
            uid: agent.uid.into(),
            connected: agent.connected,
            applied: agent.applied,
            wave: agent.wave,
            horizons: agent.horizons,
            idle_horizons: agent.idle,
            last_seen: agent.last_seen.map(Into::into),
            horizon: agent.horizon.map(|found| Figures::of([&found]).into()),
            host: agent.host,
            failed: agent.failed,
            candidate_cut: agent.cut,
        }
    }
}

impl From<actions::Uncounted> for Uncounted {
    fn from(uncounted: actions::Uncounted) -> Self {
        let actions::Uncounted { hosts, agents, since, due, sentence } = uncounted;
        Self { hosts, agents, since: since.into(), due: due.map(Into::into), sentence }
    }
}

impl From<&actions::NotPromoted> for NotPromoted {
    fn from(actions::NotPromoted { uid, host, reason, gone }: &actions::NotPromoted) -> Self {
        let gone = gone.map(|gone| gone.words().to_owned());
        Self { uid: (*uid).into(), host: host.clone(), reason: reason.clone(), gone }
    }
}

impl From<Promoted> for Promotion {
    fn from(Promoted { on, of, refused, away, sentence, .. }: Promoted) -> Self {
        Self { on, of, refused, away, sentence }
    }
}

/// The results of an experiment, with rows of them if they are asked for.
///
/// # Errors
/// The store's.
pub async fn results(
    state: &AppState,
    experiment: &Stored,
    by: Option<ResultsBy>,
) -> Result<Results, Refusal> {
    // One moment: a report that comes meanwhile is in all of it or in nothing.
    let mut reader = state.store.snapshot(experiment.tenant_id).await?;
    let found = actions::found_by(&mut reader, experiment).await?;
    let rows = match by {
        Some(by) => Some(rows::rows(&mut reader, experiment, by.into(), &found).await?),
        None => None,
    };
    let uncounted = actions::uncounted(&mut reader, experiment, state.clock.now()).await?;
    drop(reader);
    let total = actions::total(&found);
    Ok(Results {
        id: experiment.id.0,
        total: total.into(),
        agents: found.into_iter().map(AgentResults::from).collect(),
        verdict: experiment.verdict.clone().map(Into::into),
        outcome: experiment.state.outcome().map(Into::into),
        reasons: reasons(experiment),
        left_out: rows.as_ref().and_then(left_out),
        rows: rows.map(|rows| rows.rows.into_iter().map(Into::into).collect()),
        uncounted: uncounted.map(Uncounted::from),
    })
}

/// Points and horizons that no row has; nothing if rows have all.
fn left_out(rows: &Rows) -> Option<ResultsLeftOut> {
    let left_out = ResultsLeftOut { horizons: rows.unread, points_in: rows.points_apart };
    (left_out.horizons > 0 || left_out.points_in > 0).then_some(left_out)
}

impl From<ResultsBy> for By {
    fn from(by: ResultsBy) -> Self {
        match by {
            ResultsBy::Step => Self::Step,
            ResultsBy::Horizon => Self::Horizon,
            ResultsBy::Agent => Self::Agent,
        }
    }
}

impl From<rows::ResultsRow> for ResultsRow {
    fn from(row: rows::ResultsRow) -> Self {
        let rows::ResultsRow { step, agent, stretch, last, grain, horizons, kept, figures } = row;
        let merged = grain.map(|grain| match grain {
            Grain::Minutes => ResultsMerge::FiveMinutes,
            Grain::Hour => ResultsMerge::Hour,
            Grain::Step => ResultsMerge::Step,
        });
        let (agent, host) = agent.unzip();
        let [from, to] = stretch.map(Into::into);
        let (series_from, series_to) = last.map(|[from, to]| (from.into(), to.into())).unzip();
        Self {
            series_from,
            series_to,
            step,
            agent: agent.map(Into::into),
            host,
            from,
            to,
            merged,
            horizons,
            kept,
            figures: figures.into(),
        }
    }
}

impl From<AgentFindings> for AgentResults {
    fn from(AgentFindings { uid, host, findings, .. }: AgentFindings) -> Self {
        Self {
            uid: uid.into(),
            host,
            weight_bp: findings.weight_bp,
            at: UnixMillis::of_nanos(findings.window_end).into(),
            baseline_digest: findings.baseline_digest,
            candidate_digest: findings.candidate_digest,
            horizon: findings.horizon,
            total: findings.total,
        }
    }
}
