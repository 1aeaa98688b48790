//! `/api/v1/audit`: who changed what.

use api::{AuditEntry, ChainState, Page, Problem};
use axum::extract::State;
use serde_json::Value;

use crate::audit::{self, Chain};
use crate::auth::Actor;
use crate::http::{Access, Json, PageQuery, Query, Routes, page};
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

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        let Entry { seq, at, actor, action, object, detail, previous_hash, hash } = entry;
        let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
        Self { seq, at: at.into(), actor, action, object, detail, previous_hash, hash }
    }
}

/// The changes of one's own tenant, oldest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(PageQuery),
    responses((status = 200, body = Page<AuditEntry>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Refusal> {
    let (after, limit) = (asked.after()?.unwrap_or(0), asked.limit()?);
    let found =
        rows::list(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, after, limit + 1).await?;
    Ok(Json(page(found, limit, |entry| entry.seq.to_string())))
}

/// Checks that the chain of one's own tenant is as it was written.
#[utoipa::path(
    get, path = "/api/v1/audit/chain", tag = "audit", responses((status = 200, body = ChainState))
)]
async fn verify(State(state): State<AppState>, actor: Actor) -> Result<Json<ChainState>, Refusal> {
    Ok(Json(match audit::verify(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id).await? {
        Chain::Intact { rows } => ChainState { intact: true, entries: Some(rows), broken_at: None },
        Chain::Broken { seq } => ChainState { intact: false, entries: None, broken_at: Some(seq) },
    }))
}
