//! Shapes of verdicts and figures, made of the domain's own types.

use api::TemplateUse;

use crate::experiment::{
    self, Answer, Basis, Criterion, Effect, Figures, LensFigure, Outcome, Phase, Reason, Verb, Verdict,
};

impl From<Phase> for api::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Pending => Self::Pending,
            Phase::Initializing => Self::Initializing,
            Phase::Running => Self::Running,
            Phase::Paused => Self::Paused,
            Phase::Analyzing => Self::Analyzing,
            Phase::Completed => Self::Completed,
            Phase::Failed => Self::Failed,
            Phase::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Outcome> for api::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Promoted => Self::Promoted,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Inconclusive => Self::Inconclusive,
            Outcome::WouldPromote => Self::WouldPromote,
            Outcome::WouldNot => Self::WouldNot,
            Outcome::NotMeasured => Self::NotMeasured,
        }
    }
}

impl From<Verb> for api::Verb {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Continue => Self::Continue,
            Verb::Advance => Self::Advance,
            Verb::Promote => Self::Promote,
            Verb::Hold => Self::Hold,
            Verb::RollBack => Self::RollBack,
            Verb::WouldPromote => Self::WouldPromote,
            Verb::WouldNot => Self::WouldNot,
            Verb::NotMeasured => Self::NotMeasured,
        }
    }
}

impl From<Verdict> for api::Verdict {
    fn from(Verdict { verb, reasons, criteria, basis }: Verdict) -> Self {
        Self {
            verb: verb.into(),
            reasons: reasons.into_iter().map(Into::into).collect(),
            criteria: criteria.into_iter().map(Into::into).collect(),
            basis: basis.into(),
        }
    }
}

impl From<Answer> for api::Answer {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Met => Self::Met,
            Answer::Violated => Self::Violated,
            Answer::NotMeasured => Self::NotMeasured,
            Answer::NotApplicable => Self::NotApplicable,
        }
    }
}

impl From<Criterion> for api::Criterion {
    fn from(Criterion { answer, effect, asked, finding }: Criterion) -> Self {
        let answer = answer.into();
        let effect = match effect {
            Effect::RollBackAtOnce => api::Effect::RollBackAtOnce,
            Effect::RollBack => api::Effect::RollBack,
            Effect::Hold => api::Effect::Hold,
            Effect::Tell => api::Effect::Tell,
        };
        Self { answer, effect, asked, finding: finding.into() }
    }
}

impl From<Basis> for api::Basis {
    fn from(basis: Basis) -> Self {
        let sentences = basis.sentences();
        let (from, to, hours) = match basis.stretch {
            Some(stretch) => (Some(stretch.from.into()), Some(stretch.to.into()), stretch.hours),
            None => Default::default(),
        };
        Self {
            counted: basis.counted,
            idle: basis.idle,
            missing: basis.missing,
            gone: basis.gone,
            left: basis.left,
            replaced: basis.replaced,
            in_conflict: basis.in_conflict,
            restarted: basis.restarted,
            skewed: basis.skewed,
            refused: basis.refused,
            units: basis.units,
            unassigned: basis.unassigned,
            void_horizons: basis.void_horizons,
            from,
            to,
            hours: hours.into_iter().collect(),
            sentences,
        }
    }
}

impl From<Reason> for api::Reason {
    fn from(reason: Reason) -> Self {
        Self {
            quantity: reason.quantity,
            observed: reason.observed,
            limit: reason.limit,
            n: reason.n,
            layer: reason.layer,
            hosts: reason.hosts,
            groups: reason.groups,
            names: reason.names,
            sentence: reason.sentence,
        }
    }
}

impl From<experiment::TemplateUse> for TemplateUse {
    fn from(used: experiment::TemplateUse) -> Self {
        let experiment::TemplateUse { name, version, parameters, digest } = used;
        Self { name, version, parameters, digest }
    }
}

impl From<Figures> for api::Figures {
    fn from(figures: Figures) -> Self {
        Self {
            agents: figures.agents,
            windows: figures.windows,
            exact: figures.exact,
            at_most: figures.at_most,
            units: figures.units,
            unassigned_points: figures.unassigned_points,
            points_in: figures.points_in,
            series_in: figures.series_in,
            points: figures.points,
            bytes: figures.bytes,
            series: figures.series,
            active: figures.active,
            monthly_usd: figures.monthly_usd,
            delivered: figures.delivered,
            lost: figures.lost,
            collisions: figures.collisions,
            critical: figures.critical,
            failures: figures.failures,
            settled: figures.settled,
            undelivered: figures.undelivered,
            wire_bytes: figures.wire_bytes,
            saving_active: figures.saving_active,
            saving_series: figures.saving_series,
            saving_bytes: figures.saving_bytes,
            saving_points: figures.saving_points,
            saving_cost: figures.saving_cost,
            lenses: figures.lenses.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<LensFigure> for api::LensFigure {
    fn from(lens: LensFigure) -> Self {
        let LensFigure { name, baseline, candidate, relative_error } = lens;
        Self { name, baseline, candidate, relative_error }
    }
}
