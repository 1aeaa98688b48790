//! Parts of what was found: the criteria, and the findings of each agent, page by page.

use api::{AgentResults, Criteria, Page, Problem};
use axum::extract::State;

use super::{
    Access, Actor, AppState, Json, Named, PageQuery, Path, Query, Refusal, Role, Routes, page, show,
};
use crate::actions;
use crate::id::AgentUid;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Viewer), __path_criteria, criteria).add(
        Access::AtLeast(Role::Viewer),
        __path_findings,
        findings,
    )
}

/// Criteria: each with its answer, as the last verdict has it.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/criteria", tag = "experiments",
    params(("id" = String, Path, description = "Id or name")),
    responses((status = 200, body = Criteria), (status = 404, body = Problem))
)]
async fn criteria(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
) -> Result<Json<Criteria>, Refusal> {
    Ok(Json(show::criteria(actions::find(&state, &actor, &id).await?)))
}

/// Findings of each agent, by uid: its comparison in full, of the last horizon and since the experiment began.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/findings", tag = "experiments",
    params(("id" = String, Path, description = "Id or name"), PageQuery),
    responses((status = 200, body = Page<AgentResults>), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn findings(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<AgentResults>>, Refusal> {
    let (after, limit) = (asked.after::<AgentUid>()?, asked.limit()?);
    let experiment = actions::find(&state, &actor, &id).await?;
    let mut found = actions::found(&state, &experiment).await?;
    found.retain(|agent| after.is_none_or(|after| agent.uid > after));
    Ok(Json(page(found, limit, |agent| agent.uid.to_string())))
}
