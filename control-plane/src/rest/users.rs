//! `/api/v1/users` and `/api/v1/tenants`: who may come in.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actions::users::{self as actions, NewUser};
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::http::{Access, Json, Page, PageQuery, Path, Problem, Query, Routes};
use crate::id::{TenantId, UserId};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::users;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::AtLeast(Role::Admin), __path_create, create)
        .add(Access::AtLeast(Role::Admin), __path_list, list)
        .add(Access::AtLeast(Role::Admin), __path_disable, disable)
        .add(Access::AtLeast(Role::Admin), __path_add_tenant, add_tenant)
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// Its id.
    id: UserId,
    /// Tenant whose things they see.
    tenant_id: TenantId,
    /// Their address.
    email: String,
    /// Their role.
    role: Role,
    /// Since when they are known.
    created_at: UnixMillis,
    /// Since when they may no longer do anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<UnixMillis>,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        let users::User { id, tenant_id, email, role, created_at, disabled_at } = user;
        Self { id, tenant_id, email, role, created_at, disabled_at }
    }
}

/// A person to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// Their address.
    email: String,
    /// Their role.
    role: Role,
    /// Their password, 12 to 256 characters; without it, one is made.
    password: Option<String>,
}

/// A tenant to be made, with its admin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// Its name: a-z, 0-9, `.`, `_`, `-`.
    name: String,
    /// Its admin's address.
    email: String,
    /// Their password, 12 to 256 characters; without it, one is made.
    password: Option<String>,
}

/// Somebody just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedUser {
    /// Facts about the user.
    #[serde(flatten)]
    user: User,
    /// The password that was made. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// The given password, or one that is made and then shown.
fn password(state: &AppState, given: Option<String>) -> (String, Option<String>) {
    match given {
        Some(given) => (given, None),
        None => {
            let made = state.auth.passwords.generate();
            (made.clone(), Some(made))
        }
    }
}

/// Makes a person in one's own tenant.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, body = CreatedUser), (status = 409, body = Problem), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateUser>,
) -> Result<(StatusCode, Json<CreatedUser>), Refusal> {
    let (password, shown) = password(&state, body.password);
    let new = NewUser { email: body.email, password, role: body.role };
    let user = actions::add_user(&state, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(CreatedUser { user: user.into(), password: shown })))
}

/// The people of one's own tenant.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", params(PageQuery),
    responses((status = 200, body = Page<User>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<User>>, Refusal> {
    let (after, limit) = (page.after()?, page.limit()?);
    let found = users::list(&mut *state.store.read().await?, actor.tenant_id, after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |user| user.id.to_string())))
}

/// Ends a person's access, at once. Not one's own: then there might be no admin left.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/disable", tag = "users", params(("id" = UserId, Path)),
    responses((status = 200, body = User), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn disable(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<UserId>,
) -> Result<Json<User>, Refusal> {
    Ok(Json(actions::disable(&state, &actor, id).await?.into()))
}

/// Makes a tenant and its admin. Only admins of the first tenant do that.
#[utoipa::path(
    post, path = "/api/v1/tenants", tag = "users", request_body = CreateTenant,
    responses(
        (status = 201, description = "Its admin", body = CreatedUser),
        (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
async fn add_tenant(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateTenant>,
) -> Result<(StatusCode, Json<CreatedUser>), Refusal> {
    let (password, shown) = password(&state, body.password);
    let admin = NewUser { email: body.email, password, role: Role::Admin };
    let user = actions::add_tenant(&state, &actor, &body.name, admin).await?;
    Ok((StatusCode::CREATED, Json(CreatedUser { user: user.into(), password: shown })))
}
