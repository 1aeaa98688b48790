//! `/api/v1/api-keys`: what programs come with.

use std::time::Duration;

use api::{ApiKey, CreateApiKey, CreatedApiKey, Page, Problem};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::api_keys::{self as actions, NewKey};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::id::{KeyId, UserId};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::api_keys;

const NINETY_DAYS: Duration = Duration::from_secs(90 * 24 * 3600);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Person(Role::Viewer), __path_create, create)
        .add(Access::Person(Role::Viewer), __path_list, list)
        .add(Access::Person(Role::Viewer), __path_revoke, revoke)
}

impl From<api_keys::ApiKey> for ApiKey {
    fn from(key: api_keys::ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            role: key.role.into(),
            kind: key.kind,
            owner_id: key.owner_id.0,
            created_at: key.created_at.into(),
            expires_at: key.expires_at.into(),
            last_used_at: key.last_used_at.map(Into::into),
            revoked_at: key.revoked_at.map(Into::into),
        }
    }
}

/// Makes a key of one's own, which is never let in further than oneself; for an admin, also one of a service account.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "api-keys", request_body = CreateApiKey,
    responses(
        (status = 201, body = CreatedApiKey), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Refusal> {
    let expires_in = body.expires_in.as_deref().map_or(Ok(NINETY_DAYS), humantime::parse_duration);
    let expires_in = expires_in.map_err(|error| {
        Refusal::invalid_field("expires_in", error.to_string(), "for example 90d; 366d at most")
    })?;
    let (role, owner) = (body.role.map(Into::into), body.owner_id.map(UserId));
    let new = NewKey { name: body.name, role, kind: body.kind, expires_in, owner };
    let (key, text) = actions::create(&state, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { about: key.into(), key: text })))
}

/// One's own keys, and for an admin those of the tenant, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = Page<ApiKey>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<ApiKey>>, Refusal> {
    let (after, limit) = (asked.after.clone().unwrap_or_default(), asked.limit()?);
    let owner = (actor.role < Role::Admin).then_some(actor.user_id);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = api_keys::list(&mut reader, actor.tenant_id, owner, (&after, limit + 1)).await?;
    Ok(Json(page(found, limit, |key| key.id.to_string())))
}

/// Ends a key, at once: one's own, and for an admin anybody's.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "api-keys", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem))
)]
async fn revoke(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id: KeyId = id.parse().map_err(|_| Refusal::not_found("API key", &id))?;
    actions::revoke(&state, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
