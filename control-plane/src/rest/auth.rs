//! `/api/v1/auth`: coming in, going out, and who one is.

use api::{
    AcceptInvitation, AccessToken, BeginSso, BegunSso, ChangePassword, FinishSso, Login, Me, Problem,
    Refresh, Setup, User,
};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::invitations;
use crate::actions::logins::{self, Tokens};
use crate::actions::sso as single;
use crate::actions::tenants;
use crate::actions::users::{self, NewUser};
use crate::auth::{Actor, Credential};
use crate::http::{Access, Json, Peer, Routes};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::sso::{Begun, Ending};
use crate::state::AppState;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Public, __path_setup, setup)
        .add(Access::Public, __path_login, login)
        .add(Access::Public, __path_refresh, refresh)
        .add(Access::Public, __path_accept, accept)
        .add(Access::Public, __path_begin_sso, begin_sso)
        .add(Access::Public, __path_finish_sso, finish_sso)
        .add(Access::AtLeast(Role::Viewer), __path_me, me)
        .add(Access::Person(Role::Viewer), __path_logout, logout)
        .add(Access::Person(Role::Viewer), __path_change_password, change_password)
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
    let admin = NewUser { email: body.email, password: body.password, role: Role::Admin, service: false };
    let user = users::setup(&state, &body.token, &body.tenant, admin, peer.ip()).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

impl From<Tokens> for AccessToken {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access,
            token_type: "Bearer".to_owned(),
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh,
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
            role: tokens.user.role.into(),
        }
    }
}

/// Tokens for an address and its password.
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
    Ok(Json(logins::login(&state, &body.email, body.password, peer.ip()).await?.into()))
}

/// Begins a login at the identity provider, of somebody who listens on their own machine. Their browser goes to the address in
/// the answer.
#[utoipa::path(
    post, path = "/api/v1/auth/sso", tag = "auth", request_body = BeginSso,
    responses(
        (status = 200, body = BegunSso),
        (status = 404, description = "There is no identity provider", body = Problem),
        (status = 422, body = Problem),
        (status = 429, body = Problem),
        (status = 503, description = "The identity provider cannot be asked", body = Problem),
    )
)]
async fn begin_sso(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(BeginSso { redirect_uri }): Json<BeginSso>,
) -> Result<Json<BegunSso>, Refusal> {
    let Begun { authorization_url, flow } = single::begin(&state, &redirect_uri, peer.ip()).await?;
    Ok(Json(BegunSso { authorization_url, flow }))
}

/// Ends a login at the identity provider: tokens for the flow that was begun, and the code and state that came back.
#[utoipa::path(
    post, path = "/api/v1/auth/sso/finish", tag = "auth", request_body = FinishSso,
    responses(
        (status = 200, body = AccessToken),
        (status = 401, description = "The flow is none or over, or the provider's answer does not count", body = Problem),
        (status = 403, description = "None of the person's groups has a role, or they are disabled", body = Problem),
        (status = 404, description = "There is no identity provider", body = Problem),
        (status = 409, description = "The address is somebody else's, or there is no tenant", body = Problem),
        (status = 429, body = Problem),
        (status = 503, description = "The identity provider cannot be asked", body = Problem),
    )
)]
async fn finish_sso(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(FinishSso { flow, state: said, code }): Json<FinishSso>,
) -> Result<Json<AccessToken>, Refusal> {
    let ending = Ending { flow: &flow, state: &said, code };
    Ok(Json(single::finish(&state, ending, peer.ip()).await?.into()))
}

/// Makes the person who was invited, with a password of their own. They log in with it.
#[utoipa::path(
    post, path = "/api/v1/auth/accept", tag = "auth", request_body = AcceptInvitation,
    responses(
        (status = 201, body = User),
        (status = 401, description = "The invitation is unknown, over, accepted or revoked", body = Problem),
        (status = 409, description = "The address is taken", body = Problem),
        (status = 422, body = Problem),
        (status = 429, body = Problem),
    )
)]
async fn accept(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(AcceptInvitation { token, password }): Json<AcceptInvitation>,
) -> Result<(StatusCode, Json<User>), Refusal> {
    let user = invitations::accept(&state, &token, password, peer.ip()).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// The next tokens for a refresh token, which is good once. One that comes again ends its login for everybody.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses(
        (status = 200, body = AccessToken),
        (status = 401, description = "It is unknown, over, or was used before", body = Problem),
    )
)]
async fn refresh(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    Json(body): Json<Refresh>,
) -> Result<Json<AccessToken>, Refusal> {
    Ok(Json(logins::refresh(&state, &body.refresh_token, peer.ip()).await?.into()))
}

/// Changes one's own password. All of one's other logins end.
#[utoipa::path(
    post, path = "/api/v1/auth/password", tag = "auth", request_body = ChangePassword,
    responses(
        (status = 204),
        (status = 401, description = "The current password is wrong", body = Problem),
        (status = 422, body = Problem),
        (status = 429, body = Problem),
    )
)]
async fn change_password(
    State(state): State<AppState>,
    Extension(Peer(peer)): Extension<Peer>,
    actor: Actor,
    Json(ChangePassword { current, new }): Json<ChangePassword>,
) -> Result<StatusCode, Refusal> {
    let session = actor.session()?;
    logins::change_password(&state, &actor, session, (current, new), peer.ip()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Identity of the caller.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", responses((status = 200, body = Me)))]
async fn me(State(state): State<AppState>, actor: Actor) -> Result<Json<Me>, Refusal> {
    let tenant = tenants::own(&state, &actor).await?.name;
    let Actor { tenant_id, user_id, email, role, credential } = actor;
    let api_key = match credential {
        Credential::Key(key) => Some(key.id.to_string()),
        Credential::Session(_) => None,
    };
    Ok(Json(Me { tenant_id: tenant_id.0, tenant, user_id: user_id.0, email, role: role.into(), api_key }))
}

/// Ends the login of the token that is sent with it, and all of its tokens, at once.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", responses((status = 204)))]
async fn logout(State(state): State<AppState>, actor: Actor) -> Result<StatusCode, Refusal> {
    let session = actor.session()?;
    logins::logout(&state, &actor, session).await?;
    Ok(StatusCode::NO_CONTENT)
}
