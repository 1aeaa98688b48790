//! `/api/v1/audit`: who changed what.

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::audit::{self, Chain};
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::http::{Access, Json, Page, PageQuery, Problem, Query, Routes};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::audit::{self as rows, Entry};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Admin), __path_list, list).add(
        Access::AtLeast(Role::Admin),
        __path_verify,
        verify,
    )
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the tenant's chain, from 1.
    seq: i64,
    /// Time.
    at: UnixMillis,
    /// Author: `user/<id>`, `agent/<uid>` or `control-plane`.
    actor: String,
    /// Action, as `thing.verb`.
    action: String,
    /// To what, as `thing/id`.
    object: String,
    /// The rest.
    #[schema(value_type = Object)]
    detail: Value,
    /// The hash of the entry before it; empty for the first.
    previous_hash: String,
    /// SHA-256 over all the above.
    hash: String,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at, actor, action, object, detail, previous_hash, hash } = entry;
        let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
        Self { seq, at, actor, action, object, detail, previous_hash, hash }
    }
}

/// Result of a walk over the chain.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChainState {
    /// True if every entry is as it was written.
    intact: bool,
    /// Number of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<i64>,
    /// The first place at which it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<i64>,
}

/// The changes of one's own tenant, oldest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(PageQuery),
    responses((status = 200, body = Page<AuditEntry>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let (after, limit) = (page.after()?.unwrap_or(0), page.limit()?);
    let found = rows::list(&mut *state.store.read().await?, actor.tenant_id, after, limit + 1).await?;
    Ok(Json(Page::of(found, limit, |entry| entry.seq.to_string())))
}

/// Checks that the chain of one's own tenant is as it was written.
#[utoipa::path(
    get, path = "/api/v1/audit/chain", tag = "audit", responses((status = 200, body = ChainState))
)]
async fn verify(State(state): State<AppState>, actor: Actor) -> Result<Json<ChainState>, Refusal> {
    Ok(Json(match audit::verify(&mut *state.store.read().await?, actor.tenant_id).await? {
        Chain::Intact { rows } => ChainState { intact: true, entries: Some(rows), broken_at: None },
        Chain::Broken { seq } => ChainState { intact: false, entries: None, broken_at: Some(seq) },
    }))
}
