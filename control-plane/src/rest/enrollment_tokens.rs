//! `/api/v1/enrollment-tokens`: what lets agents in.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use utoipa::ToSchema;

use crate::actions::enrollment_tokens::{self as actions, NewToken};
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::http::{Access, Json, Page, PageQuery, Path, Problem, Query, Routes};
use crate::id::UserId;
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

/// The one word that a number of uses can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Any number of agents.
    Unlimited,
}

/// Number of agents that a token lets in: from 1, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum MaxUses {
    /// So many.
    Times(u32),
    /// Any number.
    Word(Word),
}

impl<'de> Deserialize<'de> for MaxUses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value == "unlimited" {
            return Ok(Self::Word(Word::Unlimited));
        }
        let times = value.as_u64().and_then(|times| u32::try_from(times).ok()).filter(|times| *times > 0);
        let wrong =
            || de::Error::custom(format!("max_uses is a number from 1, or \"unlimited\", not {value}"));
        times.map(Self::Times).ok_or_else(wrong)
    }
}

impl From<Option<u32>> for MaxUses {
    fn from(most: Option<u32>) -> Self {
        most.map_or(Self::Word(Word::Unlimited), Self::Times)
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Labels that it gives to agents; these beat those of an agent's own file.
    #[serde(default)]
    labels: Labels,
    /// Time for which it is valid, as `30m`, `24h`, `7d`; a day if not given, a year at most.
    expires_in: Option<String>,
    /// Number of agents that it lets in; one if not given.
    max_uses: Option<MaxUses>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct EnrollmentToken {
    /// Its public part.
    id: String,
    /// Labels that it gives to agents.
    labels: Labels,
    /// Number of agents that it lets in.
    max_uses: MaxUses,
    /// Number of agents that it has let in.
    uses: u32,
    /// Person who made it.
    created_by: UserId,
    /// Time.
    created_at: UnixMillis,
    /// From when on it lets nobody in.
    expires_at: UnixMillis,
    /// Time at which somebody ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixMillis>,
}

impl From<enrollment_tokens::EnrollmentToken> for EnrollmentToken {
    fn from(token: enrollment_tokens::EnrollmentToken) -> Self {
        Self {
            id: token.id,
            labels: token.labels,
            max_uses: token.max_uses.into(),
            uses: token.uses,
            created_by: token.created_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A token just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    /// Facts about the token.
    #[serde(flatten)]
    about: EnrollmentToken,
    /// The whole token, for the agent's `token_file`. It is shown this once.
    token: String,
}

/// Makes a token.
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
    let new = NewToken { labels: body.labels, max_uses, expires_in };
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
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<EnrollmentToken>>, Refusal> {
    let (after, limit) = (page.after.clone().unwrap_or_default(), page.limit()?);
    let mut reader = state.store.read().await?;
    let found = enrollment_tokens::list(&mut reader, actor.tenant_id, &after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |token| token.id.clone())))
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
