//! `/api/v1/users`: who may come in.

use api::{ChangeUser, CreateUser, CreatedUser, Page, Problem, User};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::users::{self as actions, NewUser};
use crate::auth::Actor;
use crate::http::{Access, IfMatch, Json, PageQuery, Path, Query, Routes, Tagged, page};
use crate::id::UserId;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::users;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Person(Role::Admin), __path_create, create)
        .add(Access::Person(Role::Admin), __path_list, list)
        .add(Access::Person(Role::Admin), __path_get, get)
        .add(Access::Person(Role::Admin), __path_change, change)
        .add(Access::Person(Role::Admin), __path_disable, disable)
        .add(Access::Person(Role::Admin), __path_enable, enable)
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        let users::User { id, tenant_id, email, role, created_at, disabled_at, service, version } = user;
        Self {
            id: id.0,
            tenant_id: tenant_id.0,
            email,
            role: role.into(),
            created_at: created_at.into(),
            disabled_at: disabled_at.map(Into::into),
            service,
            version,
        }
    }
}

fn tagged(user: users::User) -> Tagged<User> {
    Tagged { version: user.version, document: user.into() }
}

/// The given password, or one that is made and then shown.
pub(super) fn password(state: &AppState, given: Option<String>) -> (String, Option<String>) {
    match given {
        Some(given) => (given, None),
        None => {
            let made = state.auth.passwords.generate();
            (made.clone(), Some(made))
        }
    }
}

/// Makes a person in one's own tenant, or with `service` an account of no person: nobody logs in with it, and an admin makes
/// API keys for it.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, body = CreatedUser), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateUser>,
) -> Result<(StatusCode, Tagged<CreatedUser>), Refusal> {
    if body.service && body.password.is_some() {
        let why = "nobody logs in with a service account";
        return Err(Refusal::invalid_field("password", why, "none, or a person"));
    }
    let (password, shown) = password(&state, body.password);
    let shown = shown.filter(|_| !body.service);
    let new = NewUser { email: body.email, password, role: body.role.into(), service: body.service };
    let user = actions::add_user(&state, &actor, new).await?;
    let (version, user) = (user.version, user.into());
    Ok((StatusCode::CREATED, Tagged { version, document: CreatedUser { user, password: shown } }))
}

/// The people of one's own tenant.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", params(PageQuery),
    responses((status = 200, body = Page<User>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<User>>, Refusal> {
    let (after, limit) = (asked.after()?, asked.limit()?);
    let found =
        users::list(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, after, limit + 1)
            .await?;
    Ok(Json(page(found, limit, |user| user.id.to_string())))
}

/// Somebody of one's own tenant.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = User), (status = 404, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<UserId>,
) -> Result<Tagged<User>, Refusal> {
    Ok(tagged(actions::get(&mut *state.store.read(actor.tenant_id).await?, &actor, id).await?))
}

/// Ends a person's access, at once. Not one's own: then there might be no admin left.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/disable", tag = "users", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = User), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem)
    )
)]
async fn disable(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<User>, Refusal> {
    Ok(tagged(actions::disable(&state, &actor, (id, version)).await?))
}

/// Lets a person do things again who was disabled. They log in anew.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/enable", tag = "users", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = User), (status = 404, body = Problem), (status = 412, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn enable(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<User>, Refusal> {
    Ok(tagged(actions::enable(&state, &actor, (id, version)).await?))
}

/// Gives a person another role, which is in force with their next request. Not oneself.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", params(("id" = uuid::Uuid, Path)), request_body = ChangeUser,
    responses(
        (status = 200, body = User), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem), (status = 422, body = Problem),
    )
)]
async fn change(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<UserId>,
    IfMatch(version): IfMatch,
    Json(ChangeUser { role }): Json<ChangeUser>,
) -> Result<Tagged<User>, Refusal> {
    Ok(tagged(actions::set_role(&state, &actor, (id, version), role.into()).await?))
}
