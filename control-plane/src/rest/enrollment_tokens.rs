//! `/api/v1/enrollment-tokens`: what lets agents in.

use std::time::Duration;

use api::{CreateToken, CreatedToken, EnrollmentToken, MaxUses, Page, Problem, Word};
use axum::extract::State;
use axum::http::StatusCode;

use crate::actions::enrollment_tokens::{self as actions, NewToken};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Path, Query, Routes, page};
use crate::labels::Labels;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::enrollment_tokens;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(Access::AtLeast(Role::Operator), __path_create, create)
        .add(Access::AtLeast(Role::Operator), __path_list, list)
        .add(Access::AtLeast(Role::Operator), __path_revoke, revoke)
}

impl From<enrollment_tokens::EnrollmentToken> for EnrollmentToken {
    fn from(token: enrollment_tokens::EnrollmentToken) -> Self {
        Self {
            id: token.id,
            labels: token.labels.into(),
            max_uses: token.max_uses.into(),
            uses: token.uses,
            created_by: token.created_by.0,
            created_at: token.created_at.into(),
            expires_at: token.expires_at.into(),
            revoked_at: token.revoked_at.map(Into::into),
        }
    }
}

/// Makes a token. It takes an admin, or an API key of the kind `enrollment-tokens`, which an admin makes.
#[utoipa::path(
    post, path = "/api/v1/enrollment-tokens", tag = "enrollment-tokens", request_body = CreateToken,
    responses((status = 201, body = CreatedToken), (status = 422, body = Problem))
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(body): Json<CreateToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Refusal> {
    let expires_in = lifetime(body.expires_in.as_deref())?;
    let max_uses = match body.max_uses {
        None => Some(1),
        Some(MaxUses::Times(times)) => Some(times),
        Some(MaxUses::Word(Word::Unlimited)) => None,
    };
    let labels = Labels::try_from(body.labels).map_err(|error| {
        Refusal::invalid_field("labels", error.to_string(), "for example {\"env\": \"prod\"}")
    })?;
    let new = NewToken { labels, max_uses, expires_in };
    let (token, text) = actions::create(&state, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { about: token.into(), token: text })))
}

fn lifetime(text: Option<&str>) -> Result<Duration, Refusal> {
    let wrong = |said: String| Refusal::invalid_field("expires_in", said, "for example 24h; 366d at most");
    text.map_or(Ok(DAY), |text| humantime::parse_duration(text).map_err(|error| wrong(error.to_string())))
}

/// The tokens of one's own tenant, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/enrollment-tokens", tag = "enrollment-tokens", params(PageQuery),
    responses((status = 200, body = Page<EnrollmentToken>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<EnrollmentToken>>, Refusal> {
    let (after, limit) = (asked.after.clone().unwrap_or_default(), asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = enrollment_tokens::list(&mut reader, actor.tenant_id, &after, limit + 1).await?;
    Ok(Json(page(found, limit, |token| token.id.clone())))
}

/// Ends a token. Agents that it has let in stay.
#[utoipa::path(
    delete, path = "/api/v1/enrollment-tokens/{id}", tag = "enrollment-tokens", params(("id" = String, Path)),
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
