//! Agents: what they tell of themselves, and how they are forgotten.

use serde_json::{Value, json};

use crate::audit;
use crate::auth::Actor;
use crate::id::AgentUid;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::agents::{self, Seen};
use crate::store::arrivals;
use crate::store::generations::{self, Status};
use crate::store::sessions::{self, Described};

use super::enroll::AgentIdentity;

/// News of one message of an agent; nothing where it is silent.
#[derive(Debug, Default)]
pub struct StatusUpdate {
    /// Description of itself.
    pub described: Option<Described>,
    /// Its version.
    pub version: Option<String>,
    /// Its health.
    pub health: Option<Health>,
    /// State of the config that it was last offered.
    pub config: Option<ConfigStatus>,
    /// True if it can run a generation.
    pub takes_generations: Option<bool>,
    /// What it runs, if it is not what it was pushed: files by name, JSON.
    pub files: Option<String>,
    /// What became of the connection settings that it was offered last.
    pub settings: Option<SettingsStatus>,
}

/// What became of connection settings that an agent was offered.
#[derive(Debug)]
pub struct SettingsStatus {
    /// Hash of the settings, in hexadecimal.
    pub hash: String,
    /// State, in a word.
    pub status: &'static str,
    /// Reason for which they could not be used.
    pub error: Option<String>,
}

/// Health of an agent.
#[derive(Debug)]
pub struct Health {
    /// The whole of it, as shown to people.
    pub shown: Value,
    /// Error for which the candidate was cut out, if it was.
    pub candidate_cut: Option<String>,
}

/// State of a config that an agent was offered.
#[derive(Debug)]
pub struct ConfigStatus {
    /// Hash of the config, in hexadecimal.
    pub hash: String,
    /// State.
    pub status: Status,
    /// Reason for which it failed.
    pub error: Option<String>,
}

/// Forgets an agent, ends its credential and its connection.
///
/// # Errors
/// Not found for one that is not of the tenant; and the store's.
pub async fn delete(state: &AppState, actor: &Actor, uid: AgentUid) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if !agents::delete(&mut tx, actor.tenant_id, uid).await? {
        return Err(Refusal::not_found("agent", uid));
    }
    let object = format!("agent/{uid}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "agent.delete", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.dismiss(actor.tenant_id, uid);
    // Whoever waits for it waits no more.
    state.hub.analyze.notify_one();
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
    state.hub.offer(tenant, uid);
    Ok(agent)
}

/// Writes down what an agent tells of itself, and wakes the reconcilers if it changes what they know.
///
/// # Errors
/// The store's.
pub async fn update(state: &AppState, agent: &AgentIdentity, news: &StatusUpdate) -> Result<(), StoreError> {
    let now = state.clock.now();
    let (tenant, uid) = (agent.tenant_id, agent.uid);
    let mut tx = state.store.begin(tenant).await?;
    let mut changed = false;
    if let Some(described) = &news.described {
        changed |= sessions::described(&mut tx, tenant, uid, described).await?;
    }
    if let Some(health) = &news.health {
        changed |= sessions::candidate_cut(&mut tx, tenant, uid, health.candidate_cut.as_deref()).await?;
    }
    if let Some(ConfigStatus { hash, status, error }) = &news.config {
        changed |=
            generations::became(&mut tx, (tenant, uid), hash, (*status, error.as_deref()), now).await?;
    }
    if let Some(takes) = news.takes_generations {
        changed |= arrivals::takes_generations(&mut tx, tenant, uid, takes).await?;
    }
    if let Some(files) = &news.files {
        arrivals::runs(&mut tx, tenant, uid, files).await?;
    }
    if let Some(SettingsStatus { hash, status, error }) = &news.settings {
        arrivals::became(&mut tx, tenant, uid, hash, (status, error.as_deref())).await?;
    }
    let applied = news.config.as_ref().filter(|config| config.status == Status::Applied);
    let seen = Seen {
        status: Some(sessions::CONNECTED),
        version: news.version.as_deref(),
        health: news.health.as_ref().map(|health| &health.shown),
        effective_hash: applied.map(|config| config.hash.as_str()),
    };
    agents::seen(&mut tx, tenant, uid, now, &seen).await?;
    tx.commit().await?;
    if changed {
        state.hub.analyze.notify_one();
        state.hub.push.notify_one();
    }
    Ok(())
}

/// Notes that an agent's connection has ended.
///
/// # Errors
/// The store's.
pub async fn disconnected(state: &AppState, agent: &AgentIdentity) -> Result<(), StoreError> {
    let mut tx = state.store.begin(agent.tenant_id).await?;
    sessions::left(&mut tx, agent.tenant_id, agent.uid).await?;
    tx.commit().await
}
