//! Tenants, as the first one's admins see them: who is there, and the end of one.
//!
//! Of a tenant that is deleted its audit chain stays. A row of the first tenant's chain says which was the last of it.

use serde_json::json;

use crate::audit;
use crate::auth::Actor;
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::tenants::{self, Tenant};
use crate::store::{Across, Connection, StoreError, agents, audit as rows, experiments};

/// Times that a deletion is tried that the database ends.
const ATTEMPTS: u32 = 5;

/// Up to `limit` tenants behind `after`: all for an admin of the first one, else one's own.
///
/// # Errors
/// The store's.
pub async fn list(
    state: &AppState,
    actor: &Actor,
    after: Option<TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>, Refusal> {
    let mut reader = state.store.read(Across::Tenants).await?;
    if runs_the_installation(&mut reader, actor).await? {
        return Ok(tenants::list(&mut reader, after, limit).await?);
    }
    let own = tenants::get(&mut reader, actor.tenant_id).await?;
    Ok(own.into_iter().filter(|own| after.is_none_or(|after| own.id > after)).collect())
}

/// The tenant of somebody.
///
/// # Errors
/// The store's.
pub async fn own(state: &AppState, actor: &Actor) -> Result<Tenant, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    let own = tenants::get(&mut reader, actor.tenant_id).await?;
    own.ok_or_else(|| Refusal::not_found("tenant", actor.tenant_id))
}

async fn runs_the_installation(reader: &mut Connection, actor: &Actor) -> Result<bool, StoreError> {
    Ok(tenants::first(reader).await? == Some(actor.tenant_id))
}

/// Deletes a tenant with all that it has, but for its audit chain. Its people and programs are out, and its agents keep what
/// they run. Only admins of the first tenant do that.
///
/// # Errors
/// 404 for anybody else, and for a tenant that is not there; 409 for the first one, and while experiments of it are under
/// way; and the store's.
pub async fn delete(state: &AppState, actor: &Actor, id: TenantId) -> Result<(), Refusal> {
    // Its agents and what is decided of it go on being written meanwhile, and of two that wait for each other the database ends
    // one, of which nothing has happened then.
    for _ in 1..ATTEMPTS {
        match attempt(state, actor, id).await {
            Err(Refusal::Unavailable(_)) => {}
            done => return done,
        }
    }
    attempt(state, actor, id).await
}

async fn attempt(state: &AppState, actor: &Actor, id: TenantId) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(Across::Tenants).await?;
    let found = tenants::get(&mut tx, id).await?.filter(|found| found.deleted_at.is_none());
    let unknown = || Refusal::not_found("tenant", id);
    if !runs_the_installation(&mut tx, actor).await? {
        return Err(unknown());
    }
    let tenant = found.ok_or_else(unknown)?;
    if id == actor.tenant_id {
        return Err(Refusal::conflict("the first tenant runs the installation and stays"));
    }
    let under_way = experiments::under_way(&mut tx).await?;
    let under_way = under_way.iter().filter(|one| one.tenant_id == id).count();
    if under_way > 0 {
        let name = &tenant.name;
        return Err(Refusal::conflict(format!(
            "cannot delete tenant {name}: {under_way} of its experiments are under way; stop them or roll them back first"
        )));
    }
    let object = format!("tenant/{id}");
    audit::record(&mut tx, now, id, actor, "tenant.delete", &object, &json!({ "name": tenant.name })).await?;
    let (last_seq, last_hash) = rows::head(&mut tx, id).await?;
    let gone = agents::uids(&mut tx, id).await?;
    tenants::delete(&mut tx, id, now).await?;
    let detail = json!({
        "name": tenant.name, "agents": gone.len(), "last_seq": last_seq, "last_hash": last_hash,
    });
    audit::record(&mut tx, now, actor.tenant_id, actor, "tenant.delete", &object, &detail).await?;
    tx.commit().await?;
    for agent in gone {
        state.hub.dismiss(id, agent);
    }
    state.hub.departed();
    state.hub.happened();
    Ok(())
}
