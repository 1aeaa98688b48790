//! Agents: who they are, and what was last heard of them.

use serde::Serialize;
use serde_json::Value;

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::labels::{Attributes, Labels};
use crate::node::Node;
use crate::selector::Selector;
use crate::store::sessions::quarantined;

const TABLE: &str = "agents";
/// Rows read at once while a selector looks for its agents.
const CHUNK: u32 = 500;

/// An agent, without its credential.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Id of its record; that of the first agent on its node, unless it was taken.
    pub uid: AgentUid,
    /// Name of the present agent for itself.
    pub instance_uid: AgentUid,
    /// Identity of its node, as it says; with its uid behind it, where it is there beside another one.
    pub node: Option<String>,
    /// Labels that selectors choose it by.
    pub labels: Labels,
    /// Attributes of its surroundings, as it says; selectors choose it by these, too.
    pub attributes: Attributes,
    /// Name of its host, as it says.
    pub host: String,
    /// Its version, as it says.
    pub version: String,
    /// The enrollment token, the API key or the certificate that let it in.
    pub enrolled_by: String,
    /// Time.
    pub enrolled_at: UnixMillis,
    /// Time of the first use of its credential; until then, its enrollment may be repeated.
    pub credential_used_at: Option<UnixMillis>,
    /// Time at which it was last heard of.
    pub last_seen: Option<UnixMillis>,
    /// State, in a word.
    pub status: String,
    /// The replica of the control plane that it is connected to.
    pub replica: Option<String>,
    /// Its health, as it says.
    pub health: Option<Value>,
    /// The hash of the config it is offered.
    pub offered_hash: Option<String>,
    /// The hash of the config it runs.
    pub effective_hash: Option<String>,
    /// True if the pipeline of its file was changed while a pushed one is in its place.
    pub local_override_pending: bool,
    /// True if nothing is pushed to it: its owner wants nothing, it takes no generations, or it has no credential of its own.
    pub refuses_configs: bool,
    /// False if it came by a token over OpAMP and has not used a credential of its own yet.
    pub own_credential: bool,
    /// What became of the connection settings that it was offered last, in a word.
    pub settings_status: Option<String>,
    /// Reason for which it could not use them.
    pub settings_error: Option<String>,
    /// Time at which another agent of its node last took this one's place.
    pub replaced_at: Option<UnixMillis>,
    /// The last time at which an agent came back that was replaced, while both are in conflict.
    pub conflict_at: Option<UnixMillis>,
    /// Time at which it was archived, because nothing was heard of it.
    pub archived_at: Option<UnixMillis>,
}

impl Agent {
    /// The last time at which anything was heard of it.
    #[must_use]
    pub fn heard(&self) -> UnixMillis {
        self.enrolled_at
            .max(self.last_seen.unwrap_or(self.enrolled_at))
            .max(self.replaced_at.unwrap_or(self.enrolled_at))
    }
}

/// Stored part of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Its public part.
    pub id: &'a str,
    /// SHA-256 of its secret.
    pub hash: &'a str,
}

/// Uids of all agents of a tenant.
///
/// # Errors
/// The store's.
pub async fn uids(connection: &mut Connection, tenant: TenantId) -> Result<Vec<AgentUid>, StoreError> {
    let rows =
        query("SELECT uid FROM agents WHERE tenant_id = $1").bind(tenant).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("uid")).collect()
}

/// The most agents of a host that are found by its name.
const MOST_OF_HOST: i64 = 11;

/// Agents on a host of this name, by uid, at most 11: those that are archived only where no other is.
///
/// # Errors
/// The store's.
pub async fn on_host(
    connection: &mut Connection,
    tenant: TenantId,
    host: &str,
) -> Result<Vec<Agent>, StoreError> {
    let rows = query(
        "SELECT * FROM agents WHERE tenant_id = $1 AND host = $2 ORDER BY archived_at IS NOT NULL, uid LIMIT $3",
    );
    let rows = rows.bind(tenant).bind(host).bind(MOST_OF_HOST).fetch_all(connection).await?;
    let mut all = rows.iter().map(agent).collect::<Result<Vec<Agent>, _>>()?;
    if all.first().is_some_and(|first| first.archived_at.is_none()) {
        all.retain(|agent| agent.archived_at.is_none());
    }
    Ok(all)
}

/// Adds an agent, with the status `enrolled`.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    tenant: TenantId,
    agent: &Agent,
    credential: Credential<'_>,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO agents (tenant_id, uid, labels, host, version, enrolled_by, enrolled_at, credential_id,
                             credential_hash, status, instance_uid, node)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(tenant)
    .bind(agent.uid)
    .bind(json(&agent.labels)?)
    .bind(&agent.host)
    .bind(&agent.version)
    .bind(&agent.enrolled_by)
    .bind(agent.enrolled_at)
    .bind(credential.id)
    .bind(credential.hash)
    .bind(&agent.status)
    .bind(agent.instance_uid)
    .bind(&agent.node)
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives an agent another credential; the one before is no longer good.
///
/// # Errors
/// The store's.
pub async fn replace_credential(
    tx: &mut Tx,
    tenant: TenantId,
    agent: &Agent,
    credential: Credential<'_>,
) -> Result<(), StoreError> {
    query(
        "UPDATE agents SET labels = $3, host = $4, version = $5, enrolled_at = $6, credential_id = $7,
                credential_hash = $8
         WHERE tenant_id = $1 AND uid = $2",
    )
    .bind(tenant)
    .bind(agent.uid)
    .bind(json(&agent.labels)?)
    .bind(&agent.host)
    .bind(&agent.version)
    .bind(agent.enrolled_at)
    .bind(credential.id)
    .bind(credential.hash)
    .execute(tx)
    .await?;
    Ok(())
}

/// Holder of this credential, and the hash of its secret. Names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn by_credential(
    connection: &mut Connection,
    credential_id: &str,
) -> Result<Option<(TenantId, Agent, String)>, StoreError> {
    let row = query("SELECT * FROM agents WHERE credential_id = $1").bind(credential_id);
    let row = row.fetch_optional(connection).await?;
    let parts = |row: Row| Ok((row.try_get("tenant_id")?, agent(&row)?, row.try_get("credential_hash")?));
    row.map(parts).transpose()
}

/// Notes that a credential came through to its agent.
///
/// # Errors
/// The store's.
pub async fn credential_used(
    tx: &mut Tx,
    tenant: TenantId,
    credential_id: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE agents SET credential_used_at = coalesce(credential_used_at, $3), own_credential = TRUE
         WHERE tenant_id = $1 AND credential_id = $2",
    )
    .bind(tenant)
    .bind(credential_id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// One agent.
///
/// # Errors
/// The store's.
pub async fn get(
    connection: &mut Connection,
    tenant: TenantId,
    uid: AgentUid,
) -> Result<Option<Agent>, StoreError> {
    let row = query("SELECT * FROM agents WHERE tenant_id = $1 AND uid = $2").bind(tenant).bind(uid);
    row.fetch_optional(connection).await?.as_ref().map(agent).transpose()
}

/// Record of the agent that calls itself so.
///
/// # Errors
/// The store's.
pub async fn of_instance(
    connection: &mut Connection,
    tenant: TenantId,
    instance: AgentUid,
) -> Result<Option<Agent>, StoreError> {
    let row = query("SELECT * FROM agents WHERE tenant_id = $1 AND instance_uid = $2");
    row.bind(tenant).bind(instance).fetch_optional(connection).await?.as_ref().map(agent).transpose()
}

/// Record that stands for a node.
///
/// # Errors
/// The store's.
pub async fn of_node(
    connection: &mut Connection,
    tenant: TenantId,
    node: &Node,
) -> Result<Option<Agent>, StoreError> {
    let row = query("SELECT * FROM agents WHERE tenant_id = $1 AND node = $2");
    row.bind(tenant).bind(node.as_str()).fetch_optional(connection).await?.as_ref().map(agent).transpose()
}

/// Up to `limit` of the agents that `selector` means, behind `after`, by uid: those that are archived, or the others.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    (selector, archived): (&Selector, bool),
    after: Option<AgentUid>,
    limit: usize,
) -> Result<Vec<Agent>, StoreError> {
    let (mut found, mut after) = (Vec::new(), after.map(|uid| uid.to_string()).unwrap_or_default());
    while found.len() < limit {
        let rows = query(
            "SELECT * FROM agents WHERE tenant_id = $1 AND uid > $2 AND (archived_at IS NOT NULL) = $3
                 ORDER BY uid LIMIT $4",
        )
        .bind(tenant)
        .bind(&after)
        .bind(archived)
        .bind(CHUNK)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("uid")?;
        for row in &rows {
            let agent = agent(row)?;
            if selector.matches(&agent.labels, &agent.attributes) && found.len() < limit {
                found.push(agent);
            }
        }
    }
    Ok(found)
}

/// All agents that `selector` means and that are not archived, by uid.
///
/// # Errors
/// The store's.
pub async fn matching(
    connection: &mut Connection,
    tenant: TenantId,
    selector: &Selector,
) -> Result<Vec<Agent>, StoreError> {
    list(connection, tenant, (selector, false), None, usize::MAX).await
}

/// Ids of the contents that somebody has lifted from an agent's quarantine and that it still has there.
///
/// # Errors
/// The store's.
pub async fn lifting(
    connection: &mut Connection,
    tenant: TenantId,
    uid: AgentUid,
) -> Result<Vec<String>, StoreError> {
    let row =
        query("SELECT lifting, health FROM agents WHERE tenant_id = $1 AND uid = $2 AND lifting IS NOT NULL")
            .bind(tenant)
            .bind(uid)
            .fetch_optional(connection)
            .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let lifted: Vec<String> =
        serde_json::from_str(row.try_get("lifting")?).map_err(|error| StoreError::row(TABLE, error))?;
    let health: Option<&str> = row.try_get("health")?;
    let kept = quarantined(health)?;
    Ok(lifted.into_iter().filter(|id| kept.contains(id)).collect())
}

/// Notes which contents are lifted from an agent's quarantine.
///
/// # Errors
/// The store's.
pub async fn lift(tx: &mut Tx, tenant: TenantId, uid: AgentUid, ids: &[String]) -> Result<(), StoreError> {
    query("UPDATE agents SET lifting = $3 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(uid)
        .bind(json(&ids)?)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets an agent and its credential; says whether there was one.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, uid: AgentUid) -> Result<bool, StoreError> {
    let gone = query("DELETE FROM agents WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(uid)
        .execute(tx)
        .await?;
    Ok(gone.rows_affected() > 0)
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::row(TABLE, error))
}

pub(super) fn agent(row: &Row) -> Result<Agent, StoreError> {
    let strange = |error: serde_json::Error| StoreError::row(TABLE, error);
    let health: Option<&str> = row.try_get("health")?;
    let attributes: Option<&str> = row.try_get("attributes")?;
    Ok(Agent {
        uid: row.try_get("uid")?,
        instance_uid: row.try_get("instance_uid")?,
        node: row.try_get("node")?,
        attributes: attributes.map(serde_json::from_str).transpose().map_err(strange)?.unwrap_or_default(),
        replaced_at: row.try_get("replaced_at")?,
        conflict_at: row.try_get("conflict_at")?,
        archived_at: row.try_get("archived_at")?,
        labels: serde_json::from_str(row.try_get("labels")?).map_err(strange)?,
        host: row.try_get("host")?,
        version: row.try_get("version")?,
        enrolled_by: row.try_get("enrolled_by")?,
        enrolled_at: row.try_get("enrolled_at")?,
        credential_used_at: row.try_get("credential_used_at")?,
        last_seen: row.try_get("last_seen")?,
        status: row.try_get("status")?,
        replica: row.try_get("replica")?,
        health: health.map(serde_json::from_str).transpose().map_err(strange)?,
        offered_hash: row.try_get("offered_hash")?,
        effective_hash: row.try_get("effective_hash")?,
        local_override_pending: row.try_get("local_override_pending")?,
        refuses_configs: takes_nothing(row)?,
        own_credential: row.try_get("own_credential")?,
        settings_status: row.try_get("settings_status")?,
        settings_error: row.try_get("settings_error")?,
    })
}

/// Tells whether nothing is pushed to an agent.
fn takes_nothing(row: &Row) -> Result<bool, StoreError> {
    let (refuses, own): (bool, bool) = (row.try_get("refuses_configs")?, row.try_get("own_credential")?);
    Ok(refuses || !own || !row.try_get::<bool>("takes_generations")?)
}
