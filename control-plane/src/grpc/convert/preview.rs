//! Previews: what is asked for, and what agents answered.

use api::CreateExperiment;
use proto::preview::{Previewed, Stretch};
use proto::v1::{self, experiment_spec, preview_candidate_request};

use super::found::figures;
use crate::experiment::Answer;
use crate::experiment::preview::{
    Preview, PreviewCheck, PreviewFigures, PreviewOutcome, PreviewedAgent, SummedFates,
};
use crate::refusal::Refusal;
use crate::store::previews::PreviewId;

/// The experiment of which a preview is the measurement, and the time that it may take.
///
/// # Errors
/// 422 for a field that cannot be what it says.
pub(in super::super) fn preview_asked(
    request: v1::PreviewCandidateRequest,
) -> Result<(CreateExperiment, Option<String>), Refusal> {
    let candidate = request.candidate.map(|candidate| match candidate {
        preview_candidate_request::Candidate::Config(text) => experiment_spec::Candidate::Config(text),
        preview_candidate_request::Candidate::Template(used) => experiment_spec::Candidate::Template(used),
    });
    let spec = v1::ExperimentSpec {
        name: "preview".to_owned(),
        selector: request.selector,
        candidate,
        pipeline: request.pipeline,
        lenses: request.lenses,
        lookback_ms: request.lookback_ms,
        critical: request.critical,
        price: request.price,
        observe_only: true,
        ..v1::ExperimentSpec::default()
    };
    let asked = super::asked(v1::CreateExperimentRequest { spec: Some(spec) })?;
    Ok((asked, request.wait_ms.map(|wait| format!("{wait}ms"))))
}

/// A preview.
pub(in super::super) fn candidate_preview(id: PreviewId, from: Preview) -> v1::CandidatePreview {
    let Preview { sentence, measured, requests, seconds, figures: found, checks, not_measured, agents } =
        from;
    let [changed_points, changed_series] = found.as_ref().map_or([0; 2], |found| found.changed);
    let [shortest_seconds, longest_seconds] = seconds;
    v1::CandidatePreview {
        id: id.to_string(),
        sentence,
        asked: u32::try_from(agents.len()).unwrap_or(u32::MAX),
        measured,
        requests,
        shortest_seconds,
        longest_seconds,
        fates: found.as_ref().map(|PreviewFigures { fates, .. }| (*fates).into()),
        figures: found.as_ref().map(|found| figures(&found.figures)),
        changed_points,
        changed_series,
        checks: checks.into_iter().map(Into::into).collect(),
        not_measured,
        agents: agents.into_iter().map(Into::into).collect(),
    }
}

impl From<SummedFates> for v1::PreviewFates {
    fn from(from: SummedFates) -> Self {
        let SummedFates { as_it_is, renamed, fewer_attributes, merged, split, lost, not_followed } = from;
        Self { as_it_is, renamed, fewer_attributes, merged, split, lost, not_followed }
    }
}

impl From<PreviewCheck> for v1::PreviewCheck {
    fn from(PreviewCheck { rule, answer, sentence, hosts }: PreviewCheck) -> Self {
        let answer = match answer {
            Answer::Met => "met",
            Answer::Violated => "violated",
            Answer::NotMeasured => "not_measured",
            Answer::NotApplicable => "not_applicable",
        };
        Self { rule, answer: answer.to_owned(), sentence, hosts }
    }
}

impl From<PreviewedAgent> for v1::PreviewAgent {
    fn from(from: PreviewedAgent) -> Self {
        let series_lost = from.measured().map(|(_, comparison)| comparison.lost_by_candidate.value);
        let PreviewedAgent { uid, host, outcome, .. } = from;
        let (stretch, state, why) = match outcome {
            PreviewOutcome::Answered(stretch, previewed) => match previewed {
                Previewed::Measured(_) => (stretch, "measured", String::new()),
                Previewed::NotMeasured(why) => (stretch, "not_measured", why),
                Previewed::Refused(why) => (stretch, "refused", why),
                Previewed::Busy(why) => (stretch, "busy", why),
                Previewed::Failed(why) => (stretch, "failed", why),
            },
            PreviewOutcome::Unanswered(why) => (Stretch::default(), "unanswered", why),
            PreviewOutcome::Away => (Stretch::default(), "away", PreviewOutcome::AWAY.to_owned()),
        };
        let Stretch { batches: requests, bytes, seconds, .. } = stretch;
        let (uid, state) = (uid.to_string(), state.to_owned());
        Self { uid, host, state, why, requests, bytes, seconds, series_lost }
    }
}
