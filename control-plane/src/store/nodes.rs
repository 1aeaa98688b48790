//! Nodes: which agent's record stands for each, who wants one that is taken, and whose place was taken.

use super::agents::{Agent, Credential};
use super::sessions::CONNECTED;
use super::{Connection, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::node::Node;

/// The most agents that may wait for one node.
const MOST_CLAIMS: i64 = 32;

/// Agent that has, or had, the credential of another one's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Tenant.
    pub tenant_id: TenantId,
    /// The record.
    pub agent: AgentUid,
    /// SHA-256 of the credential's secret.
    pub hash: String,
    /// The record's node.
    pub node: String,
    /// Time at which its place was taken.
    pub replaced_at: Option<UnixMillis>,
    /// The last time at which it came back, while that is a conflict.
    pub conflict_at: Option<UnixMillis>,
}

/// Gives a record to the agent that takes it over. Its credential before is a former one until `valid_until`; what that
/// agent told of itself and ran is not what this one does.
///
/// # Errors
/// The store's.
pub async fn take_over(
    tx: &mut Tx,
    tenant: TenantId,
    (agent, instance): (&Agent, AgentUid),
    credential: Credential<'_>,
    (now, valid_until): (UnixMillis, UnixMillis),
) -> Result<(), StoreError> {
    // Those whose time is up are forgotten where others are added.
    query("DELETE FROM former_credentials WHERE tenant_id = $1 AND valid_until <= $2")
        .bind(tenant)
        .bind(now)
        .execute(tx)
        .await?;
    query(
        "INSERT INTO former_credentials (tenant_id, agent_uid, credential_id, credential_hash, valid_until)
         SELECT tenant_id, uid, credential_id, credential_hash, $3 FROM agents WHERE tenant_id = $1 AND uid = $2",
    )
    .bind(tenant)
    .bind(agent.uid)
    .bind(valid_until)
    .execute(tx)
    .await?;
    query(
        "UPDATE agents SET instance_uid = $3, labels = $4, host = $5, version = $6, credential_id = $7,
                credential_hash = $8, replaced_at = $9, status = 'enrolled', replica = NULL, credential_used_at = NULL,
                archived_at = NULL, conflict_at = NULL, generation = NULL, candidate_cut = NULL, health = NULL,
                effective_hash = NULL, lifting = NULL, local_override_pending = FALSE
         WHERE tenant_id = $1 AND uid = $2",
    )
    .bind(tenant)
    .bind(agent.uid)
    .bind(instance)
    .bind(serde_json::to_string(&agent.labels).map_err(|error| StoreError::row("agents", error))?)
    .bind(&agent.host)
    .bind(&agent.version)
    .bind(credential.id)
    .bind(credential.hash)
    .bind(now)
    .execute(tx)
    .await?;
    query(
        "UPDATE agent_generations SET status = 'pending' WHERE tenant_id = $1 AND agent_uid = $2
             AND status IN ('applied', 'applying') AND generation = (
                 SELECT MAX(generation) FROM agent_generations WHERE tenant_id = $1 AND agent_uid = $2)",
    )
    .bind(tenant)
    .bind(agent.uid)
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a record another identity for its node.
///
/// # Errors
/// The store's.
pub async fn rename(tx: &mut Tx, tenant: TenantId, agent: AgentUid, node: &Node) -> Result<(), StoreError> {
    query("UPDATE agents SET node = $3 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(agent)
        .bind(node.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes the node that an agent says it is on, unless another record stands for that, or this one is on it beside another.
///
/// # Errors
/// The store's.
pub async fn said(tx: &mut Tx, tenant: TenantId, agent: AgentUid, node: &Node) -> Result<(), StoreError> {
    query(
        "UPDATE agents SET node = $3 WHERE tenant_id = $1 AND uid = $2 AND COALESCE(node, '') NOT IN ($3, $4)
             AND NOT EXISTS (SELECT 1 FROM agents WHERE tenant_id = $1 AND node = $3)",
    )
    .bind(tenant)
    .bind(agent)
    .bind(node.as_str())
    .bind(node.of_its_own(agent).as_str())
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes that an agent wants a node that has one: since when it does. One that asked and stopped begins anew; where too
/// many want the node, the claim is not kept: nothing.
///
/// # Errors
/// The store's.
pub async fn claim(
    tx: &mut Tx,
    (tenant, node, instance): (TenantId, &Node, AgentUid),
    now: UnixMillis,
    stale: UnixMillis,
) -> Result<Option<UnixMillis>, StoreError> {
    query("DELETE FROM node_claims WHERE tenant_id = $1 AND last_at < $2")
        .bind(tenant)
        .bind(stale)
        .execute(tx)
        .await?;
    query(
        "INSERT INTO node_claims (tenant_id, node, instance_uid, since, last_at)
         SELECT $1, $2, $3, $4, $4
         WHERE (SELECT COUNT(*) FROM node_claims WHERE tenant_id = $1 AND node = $2) < $5
             OR EXISTS (SELECT 1 FROM node_claims WHERE tenant_id = $1 AND node = $2 AND instance_uid = $3)
         ON CONFLICT (tenant_id, node, instance_uid) DO UPDATE SET last_at = $4",
    )
    .bind(tenant)
    .bind(node.as_str())
    .bind(instance)
    .bind(now)
    .bind(MOST_CLAIMS)
    .execute(tx)
    .await?;
    let row = query("SELECT since FROM node_claims WHERE tenant_id = $1 AND node = $2 AND instance_uid = $3")
        .bind(tenant)
        .bind(node.as_str())
        .bind(instance)
        .fetch_optional(tx)
        .await?;
    row.map(|row| row.try_get("since")).transpose()
}

/// Agent whose place was taken, by its credential. Names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn former(
    connection: &mut Connection,
    credential_id: &str,
    now: UnixMillis,
) -> Result<Option<Former>, StoreError> {
    let row = query(
        "SELECT former.tenant_id, former.agent_uid, former.credential_hash, agents.node, agents.replaced_at,
                agents.conflict_at
         FROM former_credentials AS former
         JOIN agents ON agents.tenant_id = former.tenant_id AND agents.uid = former.agent_uid
         WHERE former.credential_id = $1 AND former.valid_until > $2",
    )
    .bind(credential_id)
    .bind(now)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let node: Option<String> = row.try_get("node")?;
    Ok(Some(Former {
        tenant_id: row.try_get("tenant_id")?,
        agent: row.try_get("agent_uid")?,
        hash: row.try_get("credential_hash")?,
        node: node.unwrap_or_default(),
        replaced_at: row.try_get("replaced_at")?,
        conflict_at: row.try_get("conflict_at")?,
    }))
}

/// Notes that an agent came back whose place was taken.
///
/// # Errors
/// The store's.
pub async fn conflict(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query("UPDATE agents SET conflict_at = $3 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(agent)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records of every tenant whose conflict is older than `before`.
///
/// # Errors
/// The store's.
pub async fn old_conflicts(
    connection: &mut Connection,
    before: UnixMillis,
) -> Result<Vec<(TenantId, AgentUid)>, StoreError> {
    let rows = query("SELECT tenant_id, uid FROM agents WHERE conflict_at < $1").bind(before);
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, row.try_get("uid")?))).collect()
}

/// Ends a record's conflict.
///
/// # Errors
/// The store's.
pub async fn settle(tx: &mut Tx, tenant: TenantId, agent: AgentUid) -> Result<(), StoreError> {
    query("UPDATE agents SET conflict_at = NULL WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(agent)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records of every tenant of which nothing was heard since `before`, and that are not archived.
///
/// # Errors
/// The store's.
pub async fn unseen(
    connection: &mut Connection,
    before: UnixMillis,
    limit: u32,
) -> Result<Vec<(TenantId, AgentUid)>, StoreError> {
    let rows = query(
        "SELECT tenant_id, uid FROM agents WHERE archived_at IS NULL AND status <> $1 AND enrolled_at < $2
             AND COALESCE(last_seen, 0) < $2 AND COALESCE(replaced_at, 0) < $2
         ORDER BY tenant_id, uid LIMIT $3",
    )
    .bind(CONNECTED)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, row.try_get("uid")?))).collect()
}

/// Archives a record of which still nothing was heard since `before`; false if it was heard of, or archived meanwhile.
///
/// # Errors
/// The store's.
pub async fn archive(
    tx: &mut Tx,
    (tenant, agent): (TenantId, AgentUid),
    before: UnixMillis,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let done = query(
        "UPDATE agents SET archived_at = $5 WHERE tenant_id = $1 AND uid = $2 AND archived_at IS NULL AND status <> $3
             AND COALESCE(last_seen, 0) < $4 AND COALESCE(replaced_at, 0) < $4",
    )
    .bind(tenant)
    .bind(agent)
    .bind(CONNECTED)
    .bind(before)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
