//! `/api/v1/preview`: what a candidate would make of the last requests that agents have kept.

use api::{
    CreatePreview, Preview, PreviewAgent, PreviewCheck, PreviewFates, PreviewFigures, PreviewGroup,
    PreviewLens, PreviewState, Problem,
};
use axum::extract::State;
use observe::LensError;
use proto::preview::{Previewed, Stretch};

use crate::actions::previews as actions;
use crate::auth::Actor;
use crate::experiment::preview::{self as domain, PreviewOutcome, PreviewedAgent};
use crate::http::{Access, Json, Routes};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::previews::PreviewId;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Operator), __path_preview, preview)
}

/// Has agents run a candidate beside what they run, on the last requests that they have kept, and adds their answers up. Nothing is
/// pushed or delivered, and nothing is decided. The answer comes when all have answered, or once `wait` is over; who did not is named.
#[utoipa::path(
    post, path = "/api/v1/preview", tag = "experiments", request_body = CreatePreview,
    responses(
        (status = 200, body = Preview), (status = 404, description = "There is no such template", body = Problem),
        (status = 409, description = "No agent matches the selector", body = Problem),
        (status = 422, body = Problem),
        (status = 429, description = "One of the agents is in a preview", body = Problem)
    )
)]
async fn preview(
    State(state): State<AppState>,
    actor: Actor,
    Json(mut body): Json<CreatePreview>,
) -> Result<Json<Preview>, Refusal> {
    let wait = body.wait.take();
    let (id, preview) = actions::run(&state, &actor, body.into(), wait).await?;
    Ok(Json(shape(id, preview)))
}

/// Shape of a preview.
fn shape(id: PreviewId, preview: domain::Preview) -> Preview {
    let domain::Preview { sentence, measured, requests, seconds, figures, checks, not_measured, agents } =
        preview;
    Preview {
        id: id.into(),
        sentence,
        asked: u32::try_from(agents.len()).unwrap_or(u32::MAX),
        measured,
        requests,
        seconds,
        figures: figures.map(Into::into),
        checks: checks.into_iter().map(Into::into).collect(),
        not_measured,
        agents: agents.into_iter().map(Into::into).collect(),
    }
}

impl From<domain::PreviewCheck> for PreviewCheck {
    fn from(domain::PreviewCheck { rule, answer, sentence, hosts }: domain::PreviewCheck) -> Self {
        Self { rule, answer: answer.into(), sentence, hosts }
    }
}

impl From<domain::PreviewFigures> for PreviewFigures {
    fn from(found: domain::PreviewFigures) -> Self {
        let domain::PreviewFigures { figures, fates, changed, lenses } = found;
        let domain::SummedFates { as_it_is, renamed, fewer_attributes, merged, split, lost, not_followed } =
            fates;
        Self {
            exact: figures.exact,
            points_in: figures.points_in,
            series_in: figures.series_in,
            points: figures.points,
            bytes: figures.bytes,
            series: figures.series,
            active: figures.active,
            monthly_usd: figures.monthly_usd,
            saving_active: figures.saving_active,
            saving_series: figures.saving_series,
            saving_bytes: figures.saving_bytes,
            saving_points: figures.saving_points,
            saving_cost: figures.saving_cost,
            fates: PreviewFates { as_it_is, renamed, fewer_attributes, merged, split, lost, not_followed },
            changed,
            collisions: figures.collisions,
            critical: figures.critical,
            lenses: lenses.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<domain::PreviewLens> for PreviewLens {
    fn from(domain::PreviewLens { fleet, not_measured }: domain::PreviewLens) -> Self {
        let group = |figures: LensError, incomplete| PreviewGroup {
            incomplete,
            group: figures.group,
            baseline: figures.baseline,
            candidate: figures.candidate,
            relative_error: figures.relative_error,
        };
        let PreviewGroup { baseline, candidate, relative_error, .. } = group(fleet.total, false);
        let worst = fleet.groups.into_iter().map(|of| group(of.figures, of.incomplete)).collect();
        Self { name: fleet.name, not_measured, baseline, candidate, relative_error, worst }
    }
}

impl From<PreviewedAgent> for PreviewAgent {
    fn from(PreviewedAgent { uid, host, last_seen, outcome }: PreviewedAgent) -> Self {
        let (stretch, state, why, comparison) = match outcome {
            PreviewOutcome::Answered(stretch, previewed) => match previewed {
                Previewed::Measured(comparison) => (stretch, PreviewState::Measured, None, Some(*comparison)),
                Previewed::NotMeasured(why) => (stretch, PreviewState::NotMeasured, Some(why), None),
                Previewed::Refused(why) => (stretch, PreviewState::Refused, Some(why), None),
                Previewed::Busy(why) => (stretch, PreviewState::Busy, Some(why), None),
                Previewed::Failed(why) => (stretch, PreviewState::Failed, Some(why), None),
            },
            PreviewOutcome::Unanswered(why) => {
                (Stretch::default(), PreviewState::Unanswered, Some(why), None)
            }
            PreviewOutcome::Away => {
                let why = PreviewOutcome::AWAY.to_owned();
                (Stretch::default(), PreviewState::Away, Some(why), None)
            }
        };
        let Stretch { batches: requests, bytes, seconds, scrapes } = stretch;
        let last_seen = last_seen.map(Into::into);
        Self { uid: uid.into(), host, state, why, last_seen, requests, bytes, seconds, scrapes, comparison }
    }
}
