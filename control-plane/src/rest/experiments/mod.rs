//! `/api/v1/experiments`: what is tried, how far it has come, and what was found.

mod act;
mod events;
mod shapes;
mod show;

use api::{CreateExperiment, Experiment, Page, Problem, Results, Status};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::actions;
use crate::auth::Actor;
use crate::experiment::ExperimentId;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment as Stored};

pub(super) fn routes(routes: Routes) -> Routes {
    let (see, change) = (Access::AtLeast(Role::Viewer), Access::AtLeast(Role::Operator));
    routes
        .add(change, __path_create, create)
        .add(see, __path_list, list)
        .add(see, __path_get, get)
        .add(change, __path_replace, replace)
        .add(change, __path_delete, delete)
        .add(see, __path_status, status)
        .add(see, __path_results, results)
        .with(events::routes)
        .with(act::routes)
}

/// Query of what is to be written down.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Writing {
    /// True to check it only, and to answer with what would be written down.
    #[serde(default)]
    dry_run: bool,
}

/// Writes an experiment down. Its pipelines are checked with the code that agents check with.
///
/// With `dry_run` nothing is written: the answer is 200 with what would be, under an id of zeros.
#[utoipa::path(
    post, path = "/api/v1/experiments", tag = "experiments", params(Writing), request_body = CreateExperiment,
    responses(
        (status = 200, body = Experiment), (status = 201, body = Experiment), (status = 404, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Query(Writing { dry_run }): Query<Writing>,
    Json(body): Json<CreateExperiment>,
) -> Result<(StatusCode, Json<Experiment>), Refusal> {
    if dry_run {
        return Ok((StatusCode::OK, Json(actions::preview(&state, &actor, body).await?.into())));
    }
    let created = actions::create(&state, &actor, body).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// Gives a pending experiment another specification, checked as that of a new one. Whoever does so is its author.
#[utoipa::path(
    put, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = uuid::Uuid, Path)),
    request_body = CreateExperiment,
    responses(
        (status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn replace(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
    Json(body): Json<CreateExperiment>,
) -> Result<Json<Experiment>, Refusal> {
    Ok(Json(actions::replace(&state, &actor, id, body).await?.into()))
}

/// The tenant's experiments, newest first.
#[utoipa::path(
    get, path = "/api/v1/experiments", tag = "experiments", params(PageQuery),
    responses((status = 200, body = Page<Experiment>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Experiment>>, Refusal> {
    let (after, limit) = (asked.after()?, asked.limit()?);
    let found =
        experiments::list(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, after, limit + 1)
            .await?;
    Ok(Json(page(found, limit, |experiment| experiment.id.to_string())))
}

/// One experiment.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Experiment), (status = 404, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
) -> Result<Json<Experiment>, Refusal> {
    Ok(Json(actions::find(&state, &actor, id).await?.into()))
}

/// Deletes one that is not under way, with all that was found.
#[utoipa::path(
    delete, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
) -> Result<StatusCode, Refusal> {
    actions::delete(&state, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Status: phase, step, the agents that run it, each agent's last horizon, and the last verdict with its reasons.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/status", tag = "experiments", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Status), (status = 404, body = Problem))
)]
async fn status(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
) -> Result<Json<Status>, Refusal> {
    let experiment = actions::find(&state, &actor, id).await?;
    Ok(Json(show::status(&state, &experiment).await?))
}

/// Results: the fleet's figures, and each agent's comparison in full.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/results", tag = "experiments", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Results), (status = 404, body = Problem))
)]
async fn results(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
) -> Result<Json<Results>, Refusal> {
    let experiment = actions::find(&state, &actor, id).await?;
    Ok(Json(show::results(&state, &experiment).await?))
}
