//! `/api/v1/auth`: coming in, going out, and who one is.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::users::User;
use crate::actions::users::{self, NewUser};
use crate::auth::{Actor, Session, token};
use crate::http::Peer;
use crate::http::{Access, Json, Problem, Routes};
use crate::id::{TenantId, UserId};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Public, __path_setup, setup)
        .add(Access::Public, __path_login, login)
        .add(Access::AtLeast(Role::Viewer), __path_me, me)
        .add(Access::AtLeast(Role::Viewer), __path_logout, logout)
}

/// The first user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The setup token: from the log of the first boot, or the owner's own.
    token: String,
    /// The first tenant's name.
    #[serde(default = "default_tenant")]
    tenant: String,
    /// The first admin's address.
    email: String,
    /// Their password: 12 to 256 characters.
    password: String,
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Agent that wants to enroll.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Their address.
    email: String,
    /// Their password.
    password: String,
}

/// Password that lets them in from now on.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessToken {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until it is over.
    expires_in: u64,
    /// Role of its holder.
    role: Role,
}

/// Identity of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// Tenant whose things they see.
    tenant_id: TenantId,
    /// Their identity.
    user_id: UserId,
    /// Their address.
    email: String,
    /// Their role.
    role: Role,
}

/// Makes the first tenant and its admin. Works once.
#[utoipa::path(
    post, path = "/api/v1/auth/setup", tag = "auth", request_body = Setup,
    responses(
        (status = 201, body = User),
        (status = 401, description = "The setup token is wrong", body = Problem),
        (status = 409, description = "There is a user already", body = Problem),
        (status = 422, body = Problem),
        (status = 429, body = Problem),
    )
)]
async fn setup(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(body): Json<Setup>,
) -> Result<(StatusCode, Json<User>), Refusal> {
    let admin = NewUser { email: body.email, password: body.password, role: Role::Admin };
    let user = users::setup(&state, &body.token, &body.tenant, admin, peer.ip()).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// An access token for an address and its password.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", request_body = Login,
    responses(
        (status = 200, body = AccessToken),
        (status = 401, description = "The address or the password is wrong", body = Problem),
        (status = 429, description = "Too many attempts of this account or from this address", body = Problem),
    )
)]
async fn login(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(body): Json<Login>,
) -> Result<Json<AccessToken>, Refusal> {
    let (access_token, user) = users::login(&state, &body.email, body.password, peer.ip()).await?;
    let expires_in = token::LIFETIME.as_secs();
    Ok(Json(AccessToken { access_token, token_type: "Bearer", expires_in, role: user.role }))
}

/// Identity of the caller.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", responses((status = 200, body = Me)))]
async fn me(Actor { tenant_id, user_id, email, role }: Actor) -> Json<Me> {
    Json(Me { tenant_id, user_id, email, role })
}

/// Ends the token that is sent with it, at once.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", responses((status = 204)))]
async fn logout(
    State(state): State<AppState>,
    actor: Actor,
    session: Session,
) -> Result<StatusCode, Refusal> {
    users::logout(&state, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
