//! Findings of agents, one by one and added up.

use proto::v1;

use crate::actions::{AgentFindings, AgentProgress, Drift, NotPromoted, Promoted};
use crate::clock::UnixMillis;
use crate::experiment::Figures;
use crate::store::fingerprints::Attested;

/// An agent of a step.
pub(in super::super) fn agent(from: &AgentProgress) -> v1::AgentStatus {
    v1::AgentStatus {
        uid: from.uid.to_string(),
        host: from.host.clone(),
        connected: from.connected,
        applied: from.applied,
        failed: from.failed.clone().unwrap_or_default(),
        candidate_cut: from.cut.clone().unwrap_or_default(),
        horizons: from.horizons,
        last_seen_ms: from.last_seen.map(|at| at.0),
        horizon: from.horizon.as_ref().map(Into::into),
        wave: from.wave.map(Into::into),
    }
}

/// An agent that has refused what was promoted.
pub(in super::super) fn not_promoted(from: &NotPromoted) -> v1::NotPromoted {
    let NotPromoted { uid, host, reason, gone } = from;
    let gone = gone.map(|gone| gone.words().to_owned()).unwrap_or_default();
    v1::NotPromoted { uid: uid.to_string(), host: host.clone(), reason: reason.clone(), gone }
}

/// Extent of a promotion.
pub(in super::super) fn promotion(from: Promoted) -> v1::Promotion {
    let Promoted { on, of, refused, away, sentence, .. } = from;
    v1::Promotion { on, of, refused, away, sentence }
}

/// Entry of the audit chain that names the last verdict.
pub(in super::super) fn attested(from: Attested) -> v1::Attested {
    let Attested { entry, at, fingerprint, horizons, digest, .. } = from;
    v1::Attested { entry, at_ms: at.0, fingerprint, horizons, digest }
}

/// Sums over agents.
pub(in super::super) fn figures(from: &Figures) -> v1::Figures {
    let [critical, ..] = from.critical;
    let variant = |at: usize| v1::FiguresOfVariant {
        points: from.points[at],
        bytes: from.bytes[at],
        series: from.series[at],
        monthly_usd: from.monthly_usd[at],
        delivered: from.delivered[at],
        critical: from.critical[at + 1],
    };
    let lenses = from.lenses.iter().map(|lens| v1::LensFigure {
        name: lens.name.clone(),
        baseline: lens.baseline,
        candidate: lens.candidate,
        relative_error: lens.relative_error,
    });
    v1::Figures {
        agents: from.agents,
        windows: from.windows,
        exact: from.exact,
        points_in: from.points_in,
        series_in: from.series_in,
        baseline: Some(variant(0)),
        candidate: Some(variant(1)),
        lost: from.lost,
        collisions: from.collisions,
        critical,
        failures: from.failures,
        saving_series: from.saving_series,
        saving_bytes: from.saving_bytes,
        saving_points: from.saving_points,
        saving_cost: from.saving_cost,
        lenses: lenses.collect(),
    }
}

impl From<Drift> for v1::DriftReport {
    fn from(Drift { experiment, total, agents }: Drift) -> Self {
        let shown = v1::Experiment::from(experiment);
        Self {
            experiment_id: shown.id,
            phase: shown.phase,
            outcome: shown.outcome,
            step: shown.step,
            weight_bp: shown.weight_bp,
            total: Some(figures(&total)),
            agents: agents.into_iter().map(drift).collect(),
            next_page_token: String::new(),
            verdict: shown.verdict,
            reasons: shown.reasons,
        }
    }
}

fn drift(AgentFindings { uid, host, findings, .. }: AgentFindings) -> v1::AgentDrift {
    v1::AgentDrift {
        uid: uid.to_string(),
        host,
        weight_bp: findings.weight_bp.into(),
        at_ms: UnixMillis::of_nanos(findings.window_end).0,
        horizon: Some((&findings.horizon).into()),
        total: Some((&findings.total).into()),
        baseline_digest: findings.baseline_digest,
        candidate_digest: findings.candidate_digest,
    }
}
