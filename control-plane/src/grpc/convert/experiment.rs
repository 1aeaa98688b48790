//! An experiment, its verdicts, and what happened to it.

use proto::v1;
use serde::Deserialize;

use super::spec::spec;
use crate::experiment::{Answer, Basis, Criterion, Effect, Outcome, Phase, Reason, Verb, Verdict};
use crate::refusal::Refusal;
use crate::store::experiments::{Event, Experiment};

impl From<Experiment> for v1::Experiment {
    fn from(stored: Experiment) -> Self {
        let run = stored.state.run();
        Self {
            id: stored.id.to_string(),
            candidate: stored.spec.candidate.clone(),
            phase: phase(stored.state.phase()).into(),
            outcome: outcome(stored.state.outcome()).into(),
            step: run.map(|run| run.step.to_string()).unwrap_or_default(),
            weight_bp: run.map(|run| run.step.weight_bp().into()),
            reasons: reasons(stored.state.end().map(|end| end.reasons.clone()).unwrap_or_default()),
            needs: stored.spec.needs(),
            spec: Some(spec(stored.spec)),
            created_by: stored.created_by,
            created_at_ms: stored.created_at.0,
            updated_at_ms: stored.updated_at.0,
            verdict: stored.verdict.map(verdict),
            starts_at_ms: stored.start_at.map(|at| at.0),
            frozen: stored.frozen.map(|freeze| v1::Freeze {
                since_ms: freeze.since.0,
                by: freeze.author,
                reason: freeze.reason,
            }),
        }
    }
}

fn phase(from: Phase) -> v1::Phase {
    match from {
        Phase::Pending => v1::Phase::Pending,
        Phase::Initializing => v1::Phase::Initializing,
        Phase::Running => v1::Phase::Running,
        Phase::Paused => v1::Phase::Paused,
        Phase::Analyzing => v1::Phase::Analyzing,
        Phase::Completed => v1::Phase::Completed,
        Phase::Failed => v1::Phase::Failed,
        Phase::Cancelled => v1::Phase::Cancelled,
    }
}

fn outcome(from: Option<Outcome>) -> v1::Outcome {
    match from {
        None => v1::Outcome::Unspecified,
        Some(Outcome::Promoted) => v1::Outcome::Promoted,
        Some(Outcome::RolledBack) => v1::Outcome::RolledBack,
        Some(Outcome::Inconclusive) => v1::Outcome::Inconclusive,
        Some(Outcome::WouldPromote) => v1::Outcome::WouldPromote,
        Some(Outcome::WouldNot) => v1::Outcome::WouldNot,
        Some(Outcome::NotMeasured) => v1::Outcome::NotMeasured,
    }
}

fn verb(from: Verb) -> v1::Verb {
    match from {
        Verb::Continue => v1::Verb::Continue,
        Verb::Advance => v1::Verb::Advance,
        Verb::Promote => v1::Verb::Promote,
        Verb::Hold => v1::Verb::Hold,
        Verb::RollBack => v1::Verb::RollBack,
        Verb::WouldPromote => v1::Verb::WouldPromote,
        Verb::WouldNot => v1::Verb::WouldNot,
        Verb::NotMeasured => v1::Verb::NotMeasured,
    }
}

/// Decision and its reasons.
pub(in super::super) fn verdict(from: Verdict) -> v1::Verdict {
    v1::Verdict {
        verb: verb(from.verb).into(),
        reasons: reasons(from.reasons),
        criteria: from.criteria.into_iter().map(criterion).collect(),
        basis: Some(basis(from.basis)),
    }
}

fn criterion(from: Criterion) -> v1::Criterion {
    let answer = match from.answer {
        Answer::Met => v1::Answer::Met,
        Answer::Violated => v1::Answer::Violated,
        Answer::NotMeasured => v1::Answer::NotMeasured,
        Answer::NotApplicable => v1::Answer::NotApplicable,
    };
    let effect = match from.effect {
        Effect::RollBackAtOnce => v1::Effect::RollBackAtOnce,
        Effect::RollBack => v1::Effect::RollBack,
        Effect::Hold => v1::Effect::Hold,
        Effect::Tell => v1::Effect::Tell,
    };
    v1::Criterion {
        answer: answer.into(),
        effect: effect.into(),
        asked: from.asked,
        finding: Some(reason(from.finding)),
    }
}

fn basis(from: Basis) -> v1::Basis {
    let sentences = from.sentences();
    let stretch = from.stretch.unwrap_or_default();
    v1::Basis {
        counted: from.counted,
        idle: from.idle,
        missing: from.missing,
        gone: from.gone,
        left: from.left,
        replaced: from.replaced,
        in_conflict: from.in_conflict,
        restarted: from.restarted,
        skewed: from.skewed,
        refused: from.refused,
        baseline_units: from.units[0],
        candidate_units: from.units[1],
        unassigned: from.unassigned,
        void_horizons: from.void_horizons,
        from_ms: stretch.from.0,
        to_ms: stretch.to.0,
        hours: stretch.hours.into_iter().map(u32::from).collect(),
        sentences,
    }
}

fn reasons(from: Vec<Reason>) -> Vec<v1::Reason> {
    from.into_iter().map(reason).collect()
}

fn reason(from: Reason) -> v1::Reason {
    v1::Reason {
        quantity: from.quantity,
        observed: from.observed,
        limit: from.limit,
        n: from.n,
        layer: from.layer,
        hosts: from.hosts,
        groups: from.groups,
        names: from.names,
        sentence: from.sentence,
    }
}

/// Stored part of an event; its fields depend on its kind.
#[derive(Debug, Deserialize)]
struct Detail {
    from: Option<Phase>,
    to: Option<Phase>,
    step: Option<String>,
    weight_bp: Option<u32>,
    agents: Option<u32>,
    outcome: Option<Outcome>,
    verb: Option<Verb>,
    reasons: Option<Vec<Reason>>,
}

/// Something that happened.
///
/// # Errors
/// 500 for a kept event that cannot be read.
pub(in super::super) fn event(from: Event) -> Result<v1::ExperimentEvent, Refusal> {
    let detail: Detail = serde_json::from_value(from.detail).map_err(Refusal::internal)?;
    Ok(v1::ExperimentEvent {
        number: from.seq.unsigned_abs(),
        at_ms: from.at.0,
        kind: from.kind,
        from: detail.from.map_or(v1::Phase::Unspecified, phase).into(),
        to: detail.to.map_or(v1::Phase::Unspecified, phase).into(),
        step: detail.step.unwrap_or_default(),
        weight_bp: detail.weight_bp,
        agents: detail.agents,
        outcome: outcome(detail.outcome).into(),
        verb: detail.verb.map_or(v1::Verb::Unspecified, verb).into(),
        reasons: reasons(detail.reasons.unwrap_or_default()),
    })
}
