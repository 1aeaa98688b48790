//! `/api/v1/auth`: coming in, going out, and who one is.

use api::{AccessToken, Login, Me, Problem, Setup, User};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::users::{self, NewUser};
use crate::auth::{Actor, Session, token};
use crate::http::{Access, Json, Peer, Routes};
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
    let (token_type, expires_in) = ("Bearer".to_owned(), token::LIFETIME.as_secs());
    Ok(Json(AccessToken { access_token, token_type, expires_in, role: user.role.into() }))
}

/// Identity of the caller.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", responses((status = 200, body = Me)))]
async fn me(Actor { tenant_id, user_id, email, role, .. }: Actor) -> Json<Me> {
    Json(Me { tenant_id: tenant_id.0, user_id: user_id.0, email, role: role.into() })
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
