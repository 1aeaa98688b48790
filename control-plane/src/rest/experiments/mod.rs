//! `/api/v1/experiments`: what is tried, how far it has come, and what was found.

mod act;
mod events;
mod look;
mod shapes;
mod show;
mod signals;
mod tag;

use api::{CloneExperiment, CreateExperiment, Experiment, Page, Problem, Results, ResultsBy, Status};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use crate::actions::{self, Named};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment as Stored, Filter};
use tag::{Tagged, Target};

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
        .add(change, __path_duplicate, duplicate)
        .with(look::routes)
        .with(signals::routes)
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
        (status = 409, body = Problem), (status = 422, body = Problem)
    )
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Query(Writing { dry_run }): Query<Writing>,
    Json(body): Json<CreateExperiment>,
) -> Result<Response, Refusal> {
    if dry_run {
        let asked = Experiment::from(actions::dry_run(&state, &actor, body).await?);
        return Ok(Json(asked).into_response());
    }
    let created = actions::create(&state, &actor, body).await?;
    Ok((StatusCode::CREATED, Tagged(created)).into_response())
}

/// Writes down an experiment like another one, under a name of its own and checked as a new one. Whoever does so is its author.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/clone", tag = "experiments",
    params(("id" = String, Path, description = "Id or name")), request_body = CloneExperiment,
    responses(
        (status = 201, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn duplicate(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
    Json(CloneExperiment { name }): Json<CloneExperiment>,
) -> Result<(StatusCode, Tagged), Refusal> {
    let created = actions::duplicate(&state, &actor, &id, name).await?;
    Ok((StatusCode::CREATED, Tagged(created)))
}

/// Gives a pending experiment another specification, checked as that of a new one. Whoever does so is its author.
#[utoipa::path(
    put, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    request_body = CreateExperiment,
    responses(
        (status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
async fn replace(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
    Json(body): Json<CreateExperiment>,
) -> Result<Tagged, Refusal> {
    Ok(Tagged(actions::replace(&state, &actor, &id, body).await?))
}

/// Query of a list of experiments.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Those in this phase.
    #[param(inline)]
    phase: Option<api::Phase>,
    /// Those whose name has this text in it.
    search: Option<String>,
    /// True for the oldest first.
    #[serde(default)]
    oldest_first: bool,
    /// The `next` of the page before.
    after: Option<String>,
    /// Number of items at most; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The tenant's experiments, newest first.
#[utoipa::path(
    get, path = "/api/v1/experiments", tag = "experiments", params(Which),
    responses((status = 200, body = Page<Experiment>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(Which { phase, search, oldest_first, after, limit }): Query<Which>,
) -> Result<Json<Page<Experiment>>, Refusal> {
    let asked = PageQuery { after, limit };
    let (after, limit) = (asked.after()?, asked.limit()?);
    let filter = Filter { phase: phase.map(|phase| phase.to_string()), search, oldest_first };
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = experiments::list(&mut reader, actor.tenant_id, &filter, (after, limit + 1)).await?;
    Ok(Json(page(found, limit, |experiment| experiment.id.to_string())))
}

/// One experiment.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 412, body = Problem))
)]
async fn get(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    Ok(Tagged(actions::find(&state, &actor, &id).await?))
}

/// Deletes one that is not under way, with all that was found.
#[utoipa::path(
    delete, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses(
        (status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)
    )
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
) -> Result<StatusCode, Refusal> {
    actions::delete(&state, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Status: phase, step, the agents that run it, each agent's last horizon, and the last verdict with its reasons.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/status", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Status), (status = 404, body = Problem))
)]
async fn status(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
) -> Result<Json<Status>, Refusal> {
    let experiment = actions::find(&state, &actor, &id).await?;
    Ok(Json(show::status(&state, &experiment).await?))
}

/// Query of results.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Rows {
    /// Thing that rows are wanted of, besides the sums.
    #[param(inline)]
    by: Option<ResultsBy>,
}

/// Results: the fleet's figures, each agent's comparison in full, and rows by step, horizon or agent if they are asked for.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/results", tag = "experiments",
    params(("id" = String, Path, description = "Id or name"), Rows),
    responses((status = 200, body = Results), (status = 400, body = Problem), (status = 404, body = Problem))
)]
async fn results(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
    Query(Rows { by }): Query<Rows>,
) -> Result<Json<Results>, Refusal> {
    let experiment = actions::find(&state, &actor, &id).await?;
    Ok(Json(show::results(&state, &experiment, by).await?))
}
