//! `/api/v1/tenants`: whose everything is.

use api::{CreateTenant, CreatedUser, Page, Problem, Tenant};
use axum::extract::State;
use axum::http::StatusCode;

use super::users::password;
use crate::actions::tenants;
use crate::actions::users::{self as actions, NewUser};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::tenants as rows;

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::Person(Role::Admin), __path_create, create)
        .add(Access::Person(Role::Admin), __path_list, list)
        .add(Access::Person(Role::Admin), __path_delete, delete)
}

impl From<rows::Tenant> for Tenant {
    fn from(rows::Tenant { id, name, created_at, deleted_at }: rows::Tenant) -> Self {
        Self { id: id.0, name, created_at: created_at.into(), deleted_at: deleted_at.map(Into::into) }
    }
}

/// All tenants for admins of the first one, those that were deleted among them; one's own for others.
#[utoipa::path(
    get, path = "/api/v1/tenants", tag = "tenants", params(PageQuery),
    responses((status = 200, body = Page<Tenant>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Tenant>>, Refusal> {
    let (after, limit) = (asked.after()?, asked.limit()?);
    let found = tenants::list(&state, &actor, after, limit + 1).await?;
    Ok(Json(page(found, limit, |tenant| tenant.id.to_string())))
}

/// Deletes a tenant with all that it has; its audit chain stays, and its last row is noted in the first tenant's. Its agents keep
/// what they run. Only admins of the first tenant do that.
#[utoipa::path(
    delete, path = "/api/v1/tenants/{id}", tag = "tenants", params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<TenantId>,
) -> Result<StatusCode, Refusal> {
    tenants::delete(&state, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a tenant and its admin. Only admins of the first tenant do that.
#[utoipa::path(
    post, path = "/api/v1/tenants", tag = "tenants", request_body = CreateTenant,
    responses(
        (status = 201, description = "Its admin", body = CreatedUser),
        (status = 409, body = Problem), (status = 422, body = Problem),
    )
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateTenant>,
) -> Result<(StatusCode, Json<CreatedUser>), Refusal> {
    let (password, shown) = password(&state, body.password);
    let admin = NewUser { email: body.email, password, role: Role::Admin, service: false };
    let user = actions::add_tenant(&state, &actor, &body.name, admin).await?;
    Ok((StatusCode::CREATED, Json(CreatedUser { user: user.into(), password: shown })))
}
