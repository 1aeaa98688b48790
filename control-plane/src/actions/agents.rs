//! Agents: what they tell of themselves, and how they are forgotten.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit;
use crate::auth::Actor;
use crate::id::{AgentUid, TenantId};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::agents;
use crate::store::sessions;
use crate::store::{Connection, StoreError, promotions};

use super::enroll::AgentIdentity;

/// Agent that a request is about: by its uid, or by the name of its host. A text that has the form of a UUID is a uid.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Which {
    /// By its uid.
    Uid(AgentUid),
    /// By the name of its host.
    Host(String),
}

impl From<String> for Which {
    fn from(text: String) -> Self {
        text.parse().map(Self::Uid).unwrap_or(Self::Host(text))
    }
}

/// The most characters of an unknown name that are told back.
const SHOWN: usize = 200;
/// The most agents of a host that are told where one is meant.
const NAMED: usize = 10;

/// Uid of the agent that is meant, which may not be there.
///
/// # Errors
/// Not found for a host without an agent; a conflict, which lists them, for one with several; and the store's.
pub async fn find(connection: &mut Connection, tenant: TenantId, which: Which) -> Result<AgentUid, Refusal> {
    let host = match which {
        Which::Uid(uid) => return Ok(uid),
        Which::Host(host) => host,
    };
    let found = agents::on_host(connection, tenant, &host).await?;
    let host: String = host.chars().take(SHOWN).collect();
    match found.as_slice() {
        [] => Err(Refusal::NotFound(format!("there is no agent on a host {host:?}, and that is no uid"))),
        [only] => Ok(only.uid),
        several => {
            let told = |agent: &agents::Agent| {
                let seen = agent.last_seen.map_or("never seen".to_owned(), |at| format!("last seen {at}"));
                format!("{} ({}, {seen})", agent.uid, agent.status)
            };
            let shown: Vec<String> = several.iter().take(NAMED).map(told).collect();
            let more = if several.len() > NAMED { " and more" } else { "" };
            let shown = shown.join(", ");
            Err(Refusal::conflict(format!(
                "several agents are on the host {host}: {shown}{more}; name one by its uid"
            )))
        }
    }
}

/// Forgets an agent, ends its credential and its connection.
///
/// # Errors
/// Not found for one that is not of the tenant; and the store's.
pub async fn delete(state: &AppState, actor: &Actor, uid: AgentUid) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    promotions::keep_refusals(&mut tx, actor.tenant_id, uid).await?;
    if !agents::delete(&mut tx, actor.tenant_id, uid).await? {
        return Err(Refusal::not_found("agent", uid));
    }
    let object = format!("agent/{uid}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "agent.delete", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.dismiss(actor.tenant_id, uid);
    // Whoever waits for it waits no more.
    state.hub.wake_analyze();
    Ok(())
}

/// Lifts the quarantine of everything that an agent has in it: the agent is told, now or when it comes back.
///
/// # Errors
/// Not found for one that is not of the tenant; a conflict if nothing is in quarantine; and the store's.
pub async fn lift(state: &AppState, actor: &Actor, uid: AgentUid) -> Result<agents::Agent, Refusal> {
    let (now, tenant) = (state.clock.now(), actor.tenant_id);
    let mut tx = state.store.begin(tenant).await?;
    let agent = agents::get(&mut tx, tenant, uid).await?;
    let agent = agent.ok_or_else(|| Refusal::not_found("agent", uid))?;
    let ids = sessions::quarantined(agent.health.as_ref().map(Value::to_string).as_deref())?;
    if ids.is_empty() {
        return Err(Refusal::conflict(format!(
            "agent {uid} has nothing in quarantine; there is nothing to lift"
        )));
    }
    agents::lift(&mut tx, tenant, uid, &ids).await?;
    let (object, detail) = (format!("agent/{uid}"), json!({ "contents": ids }));
    audit::record(&mut tx, now, tenant, actor, "agent.lift", &object, &detail).await?;
    tx.commit().await?;
    state.hub.offer(tenant, uid, None);
    Ok(agent)
}

/// Notes that an agent's connection has ended, together with those that end while others are noted.
///
/// # Errors
/// The store's.
pub async fn disconnected(state: &AppState, agent: &AgentIdentity) -> Result<(), StoreError> {
    let Some((all, _turn)) = state.hub.left.bring((agent.tenant_id, agent.uid)).await else {
        return Ok(());
    };
    let mut tenants: BTreeMap<TenantId, Vec<AgentUid>> = BTreeMap::new();
    for (tenant, agent) in all {
        tenants.entry(tenant).or_default().push(agent);
    }
    let mut outcome = Ok(());
    for (tenant, agents) in tenants {
        // What fails for one tenant is no reason to note nothing of the others.
        outcome = outcome.and(note_left(state, tenant, agents).await);
    }
    outcome
}

async fn note_left(state: &AppState, tenant: TenantId, mut agents: Vec<AgentUid>) -> Result<(), StoreError> {
    let mut tx = state.store.begin(tenant).await?;
    // One that is back is written down as connected by what it says first, which may be done already.
    agents.retain(|agent| !state.hub.is_connected(tenant, *agent));
    sessions::left(&mut tx, tenant, &agents, &state.replica.id).await?;
    tx.commit().await
}
