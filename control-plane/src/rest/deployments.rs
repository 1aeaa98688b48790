//! `/api/v1/deployments`: the pipelines that agents run outside of experiments.

use api::{CreateDeployment, Deployment, DeploymentSummary, Page, Problem, RollBackDeployment, Staging};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::deployments::{self as actions, NewDeployment};
use crate::actions::staging::{self, staging};
use crate::auth::Actor;
use crate::http::{Access, IfMatch, Json, PageQuery, Path, Query, Routes, Tagged, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::deployments::{self, DeploymentId};

pub(super) fn routes(routes: Routes) -> Routes {
    let see = Access::AtLeast(Role::Viewer);
    routes
        .add(see, __path_list, list)
        .add(see, __path_get, get)
        .add(see, __path_versions, versions)
        .add(Access::AtLeast(Role::Admin), __path_create, create)
        .add(Access::AtLeast(Role::Operator), __path_roll_back, roll_back)
        .add(Access::AtLeast(Role::Operator), __path_end, end)
}

impl From<deployments::Deployment> for Deployment {
    fn from(version: deployments::Deployment) -> Self {
        Self {
            id: version.id.0,
            version: version.version,
            selector: version.selector.to_string(),
            pipeline: version.pipeline,
            config: version.config,
            experiment_id: version.experiment_id.map(Into::into),
            created_by: version.created_by,
            created_at: version.created_at.into(),
            staging: None,
        }
    }
}

impl From<staging::Staging> for Staging {
    fn from(staging: staging::Staging) -> Self {
        let staging::Staging { of, on, refused, told, waiting, sentence } = staging;
        Self { of, on, refused, told, waiting, sentence }
    }
}

/// A version, with how far it is.
async fn tagged(
    state: &AppState,
    actor: &Actor,
    version: deployments::Deployment,
) -> Result<Tagged<Deployment>, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    let staging = staging(state, &mut reader, actor.tenant_id, &version).await?.map(Staging::from);
    Ok(Tagged { version: version.version, document: Deployment { staging, ..version.into() } })
}

/// The version in force of each deployment, in the order of precedence: an agent runs the first one with a config whose selector
/// it matches.
#[utoipa::path(
    get, path = "/api/v1/deployments", tag = "deployments", params(PageQuery),
    responses((status = 200, body = Page<DeploymentSummary>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<DeploymentSummary>>, Refusal> {
    let (after, limit) = (asked.after::<DeploymentId>()?, asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let all = deployments::latest(&mut reader, actor.tenant_id).await?.into_iter().rev();
    // One that has ended has no place among those that agents may run.
    let mut last = 0;
    let numbered = all.map(|one| {
        last += u32::from(one.config.is_some());
        (if one.config.is_some() { last } else { 0 }, one)
    });
    let numbered: Vec<_> = numbered.collect();
    let begin = after.and_then(|after| numbered.iter().position(|(_, one)| one.id == after));
    let rest = numbered.into_iter().skip(begin.map_or(0, |at| at + 1)).take(limit as usize + 1);
    let shown = rest.map(|(precedence, one)| DeploymentSummary { precedence, version: one.into() });
    Ok(Json(page(shown.collect(), limit, |one: &DeploymentSummary| one.version.id.to_string())))
}

/// The version in force of a deployment.
#[utoipa::path(
    get, path = "/api/v1/deployments/{id}", tag = "deployments", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Deployment), (status = 404, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<DeploymentId>,
) -> Result<Tagged<Deployment>, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    let latest = actions::latest(&mut reader, &actor, id).await?;
    drop(reader);
    tagged(&state, &actor, latest).await
}

/// All versions of a deployment, the newest first.
#[utoipa::path(
    get, path = "/api/v1/deployments/{id}/versions", tag = "deployments", params(("id" = uuid::Uuid, Path), PageQuery),
    responses((status = 200, body = Page<Deployment>), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn versions(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<DeploymentId>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Deployment>>, Refusal> {
    let (before, limit) = (asked.after()?.unwrap_or(i64::MAX), asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    actions::latest(&mut reader, &actor, id).await?;
    let found = deployments::versions(&mut reader, (actor.tenant_id, id), before, limit + 1).await?;
    Ok(Json(page(found, limit, |one| one.version.to_string())))
}

/// Makes a deployment by hand: no experiment has looked at its pipeline, which agents run as their baseline from now on, in
/// waves. The one that was made or changed last goes before the others.
#[utoipa::path(
    post, path = "/api/v1/deployments", tag = "deployments", request_body = CreateDeployment,
    responses(
        (status = 201, body = Deployment), (status = 409, body = Problem), (status = 422, body = Problem)
    )
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(CreateDeployment { selector, pipeline, config }): Json<CreateDeployment>,
) -> Result<(StatusCode, Tagged<Deployment>), Refusal> {
    let selector = selector.parse().map_err(|error| {
        Refusal::invalid_field(
            "selector",
            format!("{error}"),
            "for example env=prod,region in (eu,us),!canary",
        )
    })?;
    let made = actions::create(&state, &actor, NewDeployment { selector, pipeline, config }).await?;
    Ok((StatusCode::CREATED, tagged(&state, &actor, made).await?))
}

/// Puts an earlier version in force again, as the next one. Possible while the tenant is frozen.
#[utoipa::path(
    post, path = "/api/v1/deployments/{id}/rollback", tag = "deployments", params(("id" = uuid::Uuid, Path)),
    request_body = RollBackDeployment,
    responses(
        (status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
async fn roll_back(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<DeploymentId>,
    IfMatch(version): IfMatch,
    Json(RollBackDeployment { to }): Json<RollBackDeployment>,
) -> Result<Tagged<Deployment>, Refusal> {
    tagged(&state, &actor, actions::roll_back(&state, &actor, (id, version), to).await?).await
}

/// Ends a deployment: its agents go back to what they run without it. Its versions stay, and may be put in force again.
#[utoipa::path(
    delete, path = "/api/v1/deployments/{id}", tag = "deployments", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = Deployment), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem)
    )
)]
async fn end(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<DeploymentId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<Deployment>, Refusal> {
    tagged(&state, &actor, actions::end(&state, &actor, (id, version)).await?).await
}
