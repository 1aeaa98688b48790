//! Signals of an experiment: given in one place, and listed with who gave them.

use api::{EventDetail, Experiment, Page, Problem, SendSignal, Signal, SignalKind};
use axum::extract::State;

use super::{
    Access, Actor, AppState, Json, Named, PageQuery, Path, Query, Refusal, Role, Routes, Tagged, Target, page,
};
use crate::actions::{self, Command, Forced};
use crate::store::audit::Entry;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Viewer), __path_signals, signals).add(
        Access::AtLeast(Role::Operator),
        __path_signal,
        signal,
    )
}

/// Signals that people and programs gave to an experiment, in their order.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/signals", tag = "experiments",
    params(("id" = String, Path, description = "Id or name"), PageQuery),
    responses((status = 200, body = Page<Signal>), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn signals(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Signal>>, Refusal> {
    let (after, limit) = (asked.after()?.unwrap_or(0), asked.limit()?);
    let found = actions::signals(&state, &actor, &id, (after, limit + 1)).await?;
    let read: Result<Vec<Signal>, Refusal> = found.into_iter().map(given).collect();
    Ok(Json(page(read?, limit, |signal| signal.seq.to_string())))
}

/// A row of the audit, read.
fn given(entry: Entry) -> Result<Signal, Refusal> {
    let Entry { seq, at, actor, action, detail, .. } = entry;
    let word = action.trim_start_matches("experiment.").into();
    let signal: SignalKind = serde_json::from_value(word).map_err(Refusal::internal)?;
    let EventDetail { from, to, .. } = serde_json::from_str(&detail).map_err(Refusal::internal)?;
    Ok(Signal { seq, at: at.into(), signal, by: actor, from, to })
}

/// Gives a signal: the same as the route of its name.
#[utoipa::path(
    post, path = "/api/v1/experiments/{id}/signals", tag = "experiments",
    params(("id" = String, Path, description = "Id or name")), request_body = SendSignal,
    responses(
        (status = 200, body = Experiment), (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem),
    )
)]
async fn signal(
    State(state): State<AppState>,
    actor: Actor,
    Target(id): Target,
    Json(SendSignal { signal, force, reason }): Json<SendSignal>,
) -> Result<Tagged, Refusal> {
    let command = match signal {
        SignalKind::Promote => {
            Command::Promote(Forced::asked(&actor, force, reason.as_deref().unwrap_or_default())?)
        }
        _ if force || reason.is_some() => {
            let expected = "neither force nor reason with this signal";
            return Err(Refusal::invalid_field("force", "only a promotion can be forced", expected));
        }
        SignalKind::Start => Command::Start,
        SignalKind::Pause => Command::Pause,
        SignalKind::Resume => Command::Resume,
        SignalKind::Stop => Command::Stop,
        SignalKind::Rollback => Command::RollBack,
        SignalKind::Cancel => Command::Cancel,
        SignalKind::Approve => Command::Approve,
    };
    Ok(Tagged(actions::command(&state, &actor, &id, command).await?))
}
