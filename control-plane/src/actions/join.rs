//! Agents that come by a token over OpAMP, with no enrollment before.
//!
//! An enrollment token, a client certificate, or an API key of the kind `agents:connect`, lets in an agent of any uid. It is heard
//! and shown, and offered nothing but a credential of its own, until it comes with that. A uid is one use of a token, however often
//! it comes.
//! A uid whose agent has a credential of its own, or is there, is nobody else's: the newcomer gets another one, and the same
//! one when it comes back as it was.

use serde_json::json;

use super::enroll::{AgentIdentity, EnrollError, tenant_of};
use super::nodes::is_connected;
use crate::audit::{self, By};
use crate::auth::secret::{self, Presented, Purpose};
use crate::auth::{self, Certificate};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, KeyId, TenantId};
use crate::labels::{Attributes, Labels};
use crate::state::AppState;
use crate::store::agents::{self, Agent, Credential};
use crate::store::{Across, Reader, StoreError, Tx, api_keys, arrivals, enrollment_tokens};

/// What lets agents in that have no credential of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Tenant whose agents it lets in.
    pub tenant_id: TenantId,
    /// Public part of the token or the key, or the certificate's name.
    pub id: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Token,
    Key(KeyId),
    Certificate,
}

/// Agent that comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its name for itself.
    pub uid: AgentUid,
    /// Reason for which it is to get another one, if it is.
    pub another: Option<Another>,
    /// Name of its host.
    pub host: String,
    /// Its version.
    pub version: String,
}

/// Reason for which an agent gets another uid than the one that it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Another {
    /// An agent of that uid is there.
    Taken,
    /// It asked for one, and what it came with is no name.
    Asked,
}

/// Tells whether somebody comes with what lets agents in, rather than with an agent's own credential.
#[must_use]
pub fn is_pass(bearer: &str) -> bool {
    Presented::is_of(bearer, Purpose::Enrollment) || Presented::is_of(bearer, Purpose::ApiKey)
}

/// The pass that somebody comes with.
///
/// # Errors
/// [`EnrollError::Refused`], [`EnrollError::Key`] and the store's.
pub async fn pass(state: &AppState, bearer: &str) -> Result<Pass, EnrollError> {
    let now = state.clock.now();
    if Presented::is_of(bearer, Purpose::ApiKey) {
        let key = auth::connecting(&state.store, now, bearer).await.map_err(EnrollError::Key)?;
        return Ok(Pass { tenant_id: key.tenant_id, id: key.id.to_string(), kind: Kind::Key(key.id) });
    }
    let presented = Presented::parse(bearer, Purpose::Enrollment).ok_or(EnrollError::Refused)?;
    let mut reader = state.store.read(Across::Credential).await?;
    let known = enrollment_tokens::presented(&mut reader, &presented.id).await?;
    let known = known.filter(|(token, hash)| presented.is(hash) && token.is_good(now));
    let (token, _) = known.ok_or(EnrollError::Refused)?;
    Ok(Pass { tenant_id: token.tenant_id, id: token.id, kind: Kind::Token })
}

/// The pass that somebody has by a certificate.
///
/// # Errors
/// [`EnrollError::Tenant`] and the store's.
pub async fn certified(state: &AppState, certificate: &Certificate) -> Result<Pass, EnrollError> {
    let mut reader = state.store.read(Across::Credential).await?;
    let tenant_id = tenant_of(&mut reader, certificate).await?;
    Ok(Pass { tenant_id, id: certificate.pass(), kind: Kind::Certificate })
}

/// Record of the agent of this name.
///
/// # Errors
/// The store's.
pub async fn holder(state: &AppState, tenant: TenantId, uid: AgentUid) -> Result<Option<Agent>, StoreError> {
    agents::of_instance(&mut *state.store.read(tenant).await?, tenant, uid).await
}

/// Lets an agent in without a credential of its own. Its name for itself, in the answer, is the one that it came with, or another
/// that it is to take.
///
/// # Errors
/// [`EnrollError::Refused`], [`EnrollError::UsedUp`] and the store's.
pub async fn join(state: &AppState, pass: &Pass, arrival: &Arrival) -> Result<AgentIdentity, EnrollError> {
    let (now, tenant) = (state.clock.now(), pass.tenant_id);
    let back = match arrival.another {
        Some(Another::Asked) => None,
        Some(Another::Taken) => spare(state, &mut state.store.read(tenant).await?, pass, arrival.uid).await?,
        None => holder(state, tenant, arrival.uid).await?.filter(|agent| agent.enrolled_by == pass.id),
    };
    if let Some(agent) = back.filter(|agent| !agent.own_credential) {
        return Ok(AgentIdentity::of(tenant, agent, false));
    }
    let mut tx = state.store.begin(tenant).await?;
    let labels = count_from(&mut tx, pass, now).await?;
    let known = match arrival.another {
        Some(_) => None,
        None => agents::of_instance(&mut tx, tenant, arrival.uid).await?,
    };
    let agent = match known {
        Some(agent) if !agent.own_credential => {
            let labels = labels.clone().unwrap_or_else(|| agent.labels.clone());
            arrivals::comes_by(&mut tx, tenant, agent.uid, &pass.id, &labels).await?;
            Agent { labels, enrolled_by: pass.id.clone(), ..agent }
        }
        // That uid is taken.
        Some(_) => {
            drop(tx);
            let taken = Arrival { another: Some(Another::Taken), ..arrival.clone() };
            return Box::pin(join(state, pass, &taken)).await;
        }
        None => {
            let anew = AgentUid(state.entropy.uuid(now));
            let instance_uid = if arrival.another.is_some() { anew } else { arrival.uid };
            // An agent whose place was taken has left its uid to the record.
            let free = agents::get(&mut tx, tenant, instance_uid).await?.is_none();
            let uid = if free { instance_uid } else { anew };
            let agent = agent(pass, arrival, (uid, instance_uid), labels.clone().unwrap_or_default(), now);
            let claimed = (arrival.another == Some(Another::Taken)).then_some(arrival.uid);
            // Nobody knows this one: it stands where a credential of its own will.
            let minted = secret::mint(&state.entropy, Purpose::Agent);
            let credential = Credential { id: &minted.id, hash: &minted.hash };
            arrivals::insert(&mut tx, tenant, &agent, claimed, credential).await?;
            agent
        }
    };
    count(&mut tx, pass, agent.instance_uid).await?;
    let mut detail = json!({ "by": pass.id, "labels": agent.labels, "instance_uid": agent.instance_uid });
    if arrival.another.is_some() {
        detail["came_as"] = arrival.uid.to_string().into();
    }
    let (by, object) = (By::Agent(agent.instance_uid), format!("agent/{}", agent.uid));
    audit::record(&mut tx, now, tenant, by, "agent.join", &object, &detail).await?;
    tx.commit().await?;
    Ok(AgentIdentity::of(tenant, agent, false))
}

/// Record that this pass made for an agent of a uid that was taken, and whose agent is not there.
async fn spare(
    state: &AppState,
    reader: &mut Reader,
    pass: &Pass,
    claimed: AgentUid,
) -> Result<Option<Agent>, StoreError> {
    let known = arrivals::spare(reader, pass.tenant_id, &pass.id, claimed).await?;
    Ok(known.into_iter().find(|agent| !is_connected(state, pass.tenant_id, agent)))
}

/// Labels that a pass gives, if it gives any; the pass is good still.
async fn count_from(tx: &mut Tx, pass: &Pass, now: UnixMillis) -> Result<Option<Labels>, EnrollError> {
    match pass.kind {
        Kind::Certificate => Ok(None),
        Kind::Key(id) => {
            api_keys::used(tx, pass.tenant_id, id, now).await?;
            Ok(None)
        }
        Kind::Token => {
            let token = enrollment_tokens::presented(tx, &pass.id).await?;
            let token = token.filter(|(token, _)| token.is_good(now)).ok_or(EnrollError::Refused)?.0;
            Ok(Some(token.labels))
        }
    }
}

/// Counts a use, once for each uid.
async fn count(tx: &mut Tx, pass: &Pass, instance: AgentUid) -> Result<(), EnrollError> {
    if !arrivals::let_in(tx, pass.tenant_id, &pass.id, instance).await? || pass.kind != Kind::Token {
        return Ok(());
    }
    let token = enrollment_tokens::presented(tx, &pass.id).await?.ok_or(EnrollError::Refused)?.0;
    if !token.has_uses_left() {
        return Err(EnrollError::UsedUp);
    }
    Ok(enrollment_tokens::used(tx, &token).await?)
}

fn agent(
    pass: &Pass,
    arrival: &Arrival,
    (uid, instance_uid): (AgentUid, AgentUid),
    labels: Labels,
    now: UnixMillis,
) -> Agent {
    Agent {
        uid,
        instance_uid,
        node: None,
        attributes: Attributes::default(),
        replaced_at: None,
        conflict_at: None,
        archived_at: None,
        labels,
        host: arrival.host.clone(),
        version: arrival.version.clone(),
        enrolled_by: pass.id.clone(),
        enrolled_at: now,
        credential_used_at: None,
        last_seen: None,
        status: "enrolled".to_owned(),
        replica: None,
        health: None,
        offered_hash: None,
        effective_hash: None,
        local_override_pending: false,
        refuses_configs: true,
        own_credential: false,
        settings_status: None,
        settings_error: None,
    }
}

/// Another name for an agent that has a credential of its own and asks for one.
///
/// # Errors
/// The store's.
pub async fn rename(state: &AppState, agent: &AgentIdentity) -> Result<AgentUid, StoreError> {
    let (now, tenant) = (state.clock.now(), agent.tenant_id);
    let to = AgentUid(state.entropy.uuid(now));
    let mut tx = state.store.begin(tenant).await?;
    arrivals::rename(&mut tx, tenant, agent.uid, to).await?;
    let (by, object) = (By::Agent(agent.instance_uid), format!("agent/{}", agent.uid));
    audit::record(&mut tx, now, tenant, by, "agent.rename", &object, &json!({ "instance_uid": to })).await?;
    tx.commit().await?;
    Ok(to)
}

/// A credential for an agent that has none of its own: the whole of it, to be offered this once. `hash` names the connection
/// settings that it will stand in. Nothing for an agent that has one, or that could not use the last one.
///
/// # Errors
/// The store's.
pub async fn credential(
    state: &AppState,
    agent: &AgentIdentity,
    hash: impl FnOnce(&str) -> String,
) -> Result<Option<String>, StoreError> {
    let minted = secret::mint(&state.entropy, Purpose::Agent);
    let credential = Credential { id: &minted.id, hash: &minted.hash };
    let mut tx = state.store.begin(agent.tenant_id).await?;
    let given = arrivals::offer(&mut tx, agent.tenant_id, agent.uid, credential, &hash(&minted.text)).await?;
    tx.commit().await?;
    Ok(given.then_some(minted.text))
}
