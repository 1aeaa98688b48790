//! Command of a person to an experiment.

use api::{Experiment, Problem, Promote, Start};
use axum::extract::State;

use super::{Access, Actor, AppState, Json, Named, Refusal, Role, Routes, Tagged, Target};
use crate::actions::{self, Command, Forced, schedule};
use crate::rest::shapes::time;

pub(super) fn routes(routes: Routes) -> Routes {
    let change = Access::AtLeast(Role::Operator);
    routes
        .add(change, __path_start, start)
        .add(change, __path_unschedule, unschedule)
        .add(change, __path_pause, pause)
        .add(change, __path_resume, resume)
        .add(change, __path_stop, stop)
        .add(change, __path_promote, promote)
        .add(change, __path_rollback, rollback)
        .add(change, __path_cancel, cancel)
        .add(change, __path_approve, approve)
}

async fn act(state: AppState, actor: Actor, id: &Named, command: Command) -> Result<Tagged, Refusal> {
    Ok(Tagged(actions::command(&state, &actor, id, command).await?))
}

/// Begins it, on the agents that match now; with `at`, at that time by itself.
///
/// What hinders it at that time is an event `start_refused`, and it stays pending.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/start", tag = "experiments",
    params(("id" = String, Path, description = "Id or name")), request_body = Option<Start>,
    responses(
        (status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem),
        (status = 422, body = Problem),
    )
)]
async fn start(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
    asked: Option<Json<Option<Start>>>,
) -> Result<Tagged, Refusal> {
    let Start { at } = asked.and_then(|Json(asked)| asked).unwrap_or_default();
    let Some(at) = at else { return act(state, actor, &id, Command::Start).await };
    Ok(Tagged(schedule::at(&state, &actor, &id, time("at", &at)?).await?))
}

/// Takes back the time at which it was to start by itself.
#[utoipa::path(
    delete, path = "/api/v1/experiments/{id}/start", tag = "experiments",
    params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn unschedule(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
) -> Result<Tagged, Refusal> {
    Ok(Tagged(schedule::never(&state, &actor, &id).await?))
}

/// Holds the step: nothing advances, data flows, instant limits act.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/pause", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn pause(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::Pause).await
}

/// Goes on with the step.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/resume", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn resume(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::Resume).await
}

/// Collects the last horizon and ends, inconclusive; the baseline is back in charge.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/stop", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn stop(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::Stop).await
}

/// Puts the candidate in charge, on a person's word.
///
/// The criteria of its step have to be met; 409 names those that are violated or not measured. An admin may force it, with
/// a reason that stands in the audit beside the criteria that were not met.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/promote", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    request_body = Option<Promote>,
    responses(
        (status = 200, body = Experiment), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem),
    )
)]
async fn promote(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
    asked: Option<Json<Option<Promote>>>,
) -> Result<Tagged, Refusal> {
    let Promote { force, reason } = asked.and_then(|Json(asked)| asked).unwrap_or_default();
    let forced = Forced::asked(&actor, force, reason.as_deref().unwrap_or_default())?;
    act(state, actor, &id, Command::Promote(forced)).await
}

/// Puts the baseline back in charge, at once; also after a promotion.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/rollback", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn rollback(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::RollBack).await
}

/// Never begins it.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/cancel", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn cancel(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::Cancel).await
}

/// Agrees to its promotion, as somebody other than its author.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/approve", tag = "experiments", params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Experiment), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem))
)]
async fn approve(State(state): State<AppState>, actor: Actor, Target(id): Target) -> Result<Tagged, Refusal> {
    act(state, actor, &id, Command::Approve).await
}
