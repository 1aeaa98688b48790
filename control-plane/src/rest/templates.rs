//! `/api/v1/templates`: Collector configs with typed parameters, by name, in versions that never change.

use api::{
    CreateTemplate, CreateVersion, Page, Problem, RenderRequest, RenderedTemplate, TemplateDetail,
    TemplateSummary,
};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::templates;
use crate::auth::Actor;
use crate::http::{Access, IfMatch, Json, PageQuery, Path, Query, Routes, Tagged, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store;
use crate::store::templates::TemplateVersion;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::AtLeast(Role::Operator), __path_create, create)
        .add(Access::AtLeast(Role::Viewer), __path_list, list)
        .add(Access::AtLeast(Role::Viewer), __path_get, get)
        .add(Access::AtLeast(Role::Admin), __path_delete, delete)
        .add(Access::AtLeast(Role::Operator), __path_add_version, add_version)
        .add(Access::AtLeast(Role::Viewer), __path_get_version, get_version)
        .add(Access::AtLeast(Role::Viewer), __path_render, render)
        .add(Access::AtLeast(Role::Operator), __path_check, check)
}

impl From<TemplateVersion> for TemplateSummary {
    fn from(kept: TemplateVersion) -> Self {
        let TemplateVersion { name, version, digest, created_by, created_at, text: _ } = kept;
        Self { name, version, digest, created_by: created_by.0, created_at: created_at.into() }
    }
}

/// A version, tagged with its number: of the latest, that is the template's own.
async fn detail(
    state: &AppState,
    actor: &Actor,
    kept: TemplateVersion,
) -> Result<Tagged<TemplateDetail>, Refusal> {
    let (kept, template) = templates::parsed(state, actor, kept).await?;
    let parameters = template.parameters().iter().map(serde_json::to_value).collect::<Result<_, _>>();
    let document = TemplateDetail {
        description: template.description().to_owned(),
        parameters: parameters.map_err(Refusal::internal)?,
        text: kept.text.clone(),
        summary: kept.into(),
    };
    Ok(Tagged { version: i64::from(document.summary.version), document })
}

/// Keeps a new template, if it renders and builds with each of its samples.
#[utoipa::path(
    post, path = "/api/v1/templates", tag = "templates", request_body = CreateTemplate,
    responses((status = 201, body = TemplateDetail), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateTemplate>,
) -> Result<(StatusCode, Tagged<TemplateDetail>), Refusal> {
    let kept = templates::create(&state, &actor, body.name, body.text).await?;
    Ok((StatusCode::CREATED, detail(&state, &actor, kept).await?))
}

/// The templates of one's own tenant, the latest version of each, by name.
#[utoipa::path(
    get, path = "/api/v1/templates", tag = "templates", params(PageQuery),
    responses((status = 200, body = Page<TemplateSummary>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<TemplateSummary>>, Refusal> {
    let (after, limit) = (asked.after.clone().unwrap_or_default(), asked.limit()?);
    let found = store::templates::list(
        &mut *state.store.read(actor.tenant_id).await?,
        actor.tenant_id,
        &after,
        limit + 1,
    )
    .await?;
    Ok(Json(page(found, limit, |template| template.name.clone())))
}

/// The latest version of a template.
#[utoipa::path(
    get, path = "/api/v1/templates/{name}", tag = "templates", params(("name" = String, Path)),
    responses((status = 200, body = TemplateDetail), (status = 404, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Tagged<TemplateDetail>, Refusal> {
    one(&state, &actor, name, None).await
}

/// One version of a template.
#[utoipa::path(
    get, path = "/api/v1/templates/{name}/versions/{version}", tag = "templates",
    params(("name" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = TemplateDetail), (status = 404, body = Problem))
)]
async fn get_version(
    State(state): State<AppState>,
    actor: Actor,
    Path((name, version)): Path<(String, u32)>,
) -> Result<Tagged<TemplateDetail>, Refusal> {
    one(&state, &actor, name, Some(version)).await
}

async fn one(
    state: &AppState,
    actor: &Actor,
    name: String,
    version: Option<u32>,
) -> Result<Tagged<TemplateDetail>, Refusal> {
    let kept = templates::get(state, actor, &name, version).await?;
    detail(state, actor, kept).await
}

/// Takes a template out of use. What was made of it stays; a later template of its name goes on counting.
#[utoipa::path(
    delete, path = "/api/v1/templates/{name}", tag = "templates", params(("name" = String, Path)),
    responses(
        (status = 204), (status = 404, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Refusal> {
    templates::delete(&state, &actor, (&name, version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The version that a text would become, if it renders and builds with each of its samples. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/templates/{name}/check", tag = "templates", request_body = CreateVersion,
    params(("name" = String, Path)),
    responses((status = 200, body = TemplateDetail), (status = 422, body = Problem))
)]
async fn check(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    Json(body): Json<CreateVersion>,
) -> Result<Json<TemplateDetail>, Refusal> {
    let would_be = templates::dry_run(&state, &actor, name, body.text).await?;
    Ok(Json(detail(&state, &actor, would_be).await?.document))
}

/// Keeps a new version of a template, if it renders and builds with each of its samples.
#[utoipa::path(
    post, path = "/api/v1/templates/{name}/versions", tag = "templates", request_body = CreateVersion,
    params(("name" = String, Path)),
    responses(
        (status = 201, body = TemplateDetail), (status = 404, body = Problem), (status = 412, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn add_version(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<CreateVersion>,
) -> Result<(StatusCode, Tagged<TemplateDetail>), Refusal> {
    let kept = templates::add_version(&state, &actor, (name, version), body.text).await?;
    Ok((StatusCode::CREATED, detail(&state, &actor, kept).await?))
}

/// Renders a template with these values. Nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/templates/{name}/render", tag = "templates", request_body = RenderRequest,
    params(("name" = String, Path)),
    responses((status = 200, body = RenderedTemplate), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn render(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    Json(body): Json<RenderRequest>,
) -> Result<Json<RenderedTemplate>, Refusal> {
    let rendered = templates::render_kept(&state, &actor, &name, body.version, body.parameters).await?;
    let (version, rendered) = rendered;
    Ok(Json(RenderedTemplate { version, text: rendered.text, digest: rendered.digest.to_string() }))
}
