//! `/api/v1/invitations`: people who may come in, and choose their password themselves.

use std::time::Duration;

use api::{CreateInvitation, CreatedInvitation, Invitation, Page, Problem};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::invitations as actions;
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::invitations;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Person(Role::Admin), __path_create, create)
        .add(Access::Person(Role::Admin), __path_list, list)
        .add(Access::Person(Role::Admin), __path_revoke, revoke)
}

impl From<invitations::Invitation> for Invitation {
    fn from(invitation: invitations::Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email,
            role: invitation.role.into(),
            created_by: invitation.created_by.0,
            created_at: invitation.created_at.into(),
            expires_at: invitation.expires_at.into(),
            accepted_at: invitation.accepted_at.map(Into::into),
            revoked_at: invitation.revoked_at.map(Into::into),
        }
    }
}

/// Invites somebody to one's own tenant. The token is for them: with it they choose their password (`POST /auth/accept`).
#[utoipa::path(
    post, path = "/api/v1/invitations", tag = "invitations", request_body = CreateInvitation,
    responses((status = 201, body = CreatedInvitation), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(CreateInvitation { email, role, expires_in }): Json<CreateInvitation>,
) -> Result<(StatusCode, Json<CreatedInvitation>), Refusal> {
    let expires_in = expires_in.as_deref().map_or(Ok(WEEK), humantime::parse_duration);
    let expires_in = expires_in.map_err(|error| {
        Refusal::invalid_field("expires_in", error.to_string(), "for example 7d; 31d at most")
    })?;
    let (invitation, token) = actions::create(&state, &actor, (&email, role.into()), expires_in).await?;
    Ok((StatusCode::CREATED, Json(CreatedInvitation { about: invitation.into(), token })))
}

/// The invitations of one's own tenant, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/invitations", tag = "invitations", params(PageQuery),
    responses((status = 200, body = Page<Invitation>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Invitation>>, Refusal> {
    let (after, limit) = (asked.after.clone().unwrap_or_default(), asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = invitations::list(&mut reader, actor.tenant_id, &after, limit + 1).await?;
    Ok(Json(page(found, limit, |invitation| invitation.id.clone())))
}

/// Ends an invitation that nobody has accepted.
#[utoipa::path(
    delete, path = "/api/v1/invitations/{id}", tag = "invitations", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem))
)]
async fn revoke(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    actions::revoke(&state, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
