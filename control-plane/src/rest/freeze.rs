//! `/api/v1/freeze`: a tenant in which nothing goes forward.

use api::{CreateFreeze, Freeze, FreezeState, Problem};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::freezes as actions;
use crate::auth::Actor;
use crate::http::{Access, IfMatch, Json, Routes, Tagged};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::freezes;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::AtLeast(Role::Viewer), __path_get, get)
        .add(Access::AtLeast(Role::Operator), __path_put, put)
        .add(Access::AtLeast(Role::Admin), __path_delete, delete)
}

impl From<freezes::Freeze> for Freeze {
    fn from(freezes::Freeze { since, author, reason }: freezes::Freeze) -> Self {
        Self { since: since.into(), by: author, reason }
    }
}

/// The freeze of one's own tenant, if there is one.
#[utoipa::path(get, path = "/api/v1/freeze", tag = "freeze", responses((status = 200, body = FreezeState)))]
async fn get(State(state): State<AppState>, actor: Actor) -> Result<Tagged<FreezeState>, Refusal> {
    let frozen = actions::get(&state, &actor).await?;
    // Its version is its begin; where there is none, 0.
    let version = frozen.as_ref().map_or(0, |freeze| freeze.since.0);
    Ok(Tagged { version, document: FreezeState { frozen: frozen.map(Into::into) } })
}

/// Freezes one's own tenant: nothing starts, advances or is promoted, and no agent is offered anything new. A rollback is
/// possible. One that is frozen for the same reason stays as it is; for another one it is 409, which says since when, by whom and why.
#[utoipa::path(
    put, path = "/api/v1/freeze", tag = "freeze", request_body = CreateFreeze,
    responses((status = 200, body = Freeze), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn put(
    State(state): State<AppState>,
    actor: Actor,
    Json(CreateFreeze { reason }): Json<CreateFreeze>,
) -> Result<Tagged<Freeze>, Refusal> {
    let freeze = actions::freeze(&state, &actor, &reason).await?;
    Ok(Tagged { version: freeze.since.0, document: freeze.into() })
}

/// Lifts the freeze of one's own tenant.
#[utoipa::path(
    delete, path = "/api/v1/freeze", tag = "freeze",
    responses(
        (status = 204), (status = 404, description = "It is not frozen", body = Problem),
        (status = 412, description = "It is another freeze", body = Problem)
    )
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Refusal> {
    actions::unfreeze(&state, &actor, version).await?;
    Ok(StatusCode::NO_CONTENT)
}
