//! State that agents tell over the control channel, and the agents that the reconcilers look after.

use std::collections::HashSet;

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, agents, query};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::labels::{Attributes, Labels};
use crate::node::Node;

/// The field of an agent's health, as it is shown, that has the contents in quarantine by their ids.
pub const QUARANTINED: &str = "quarantined";

/// State of an agent that was heard of and whose connection has not ended.
pub const CONNECTED: &str = "connected";

/// Description of an agent by itself.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// Name of its host.
    pub host: Option<String>,
    /// Its process, a UUID in text.
    pub boot_id: Option<String>,
    /// The generation in force.
    pub generation: Option<i64>,
    /// Digest of the plan in charge, in hexadecimal.
    pub baseline_digest: Option<String>,
    /// True if the pipeline of its file was changed while a pushed one is in its place.
    pub local_override_pending: bool,
    /// True if its owner wants nothing that is pushed.
    pub refuses_configs: bool,
    /// Identity of its node.
    pub node: Option<Node>,
    /// Attributes of its surroundings.
    pub attributes: Attributes,
}

/// An agent, as the reconcilers need it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Its uid.
    pub uid: AgentUid,
    /// Its version.
    pub version: String,
    /// Its process, as it said last.
    pub boot_id: Option<String>,
    /// Time at which it was last heard of, unless its connection has ended.
    pub connected: Option<UnixMillis>,
    /// Time at which it enrolled.
    pub enrolled: UnixMillis,
    /// Its labels.
    pub labels: Labels,
    /// Attributes of its surroundings.
    pub attributes: Attributes,
    /// The last time at which anything was heard of it on the control channel, or it enrolled.
    pub heard: UnixMillis,
    /// Time at which another agent of its node last took this one's place.
    pub replaced_at: Option<UnixMillis>,
    /// True if an agent came back that was replaced: both claim one node.
    pub in_conflict: bool,
    /// True if it is archived.
    pub archived: bool,
    /// Name of its host; its uid where it has not said so.
    pub host: String,
    /// The generation in force, as it said last.
    pub generation: i64,
    /// Digest of the plan in charge, as it said last.
    pub baseline_digest: Option<String>,
    /// Reason for which it cut the candidate out, if it has.
    pub candidate_cut: Option<String>,
    /// True if nothing is pushed to it: it is in no experiment and no deployment.
    pub refuses_configs: bool,
    /// Ids of the contents that it has in quarantine.
    pub quarantined: Vec<String>,
}

/// Ids of the contents in quarantine, of an agent's health as it is shown.
///
/// # Errors
/// It is no JSON.
pub fn quarantined(health: Option<&str>) -> Result<Vec<String>, StoreError> {
    // Mostly there is none, and nothing is read.
    let Some(health) = health.filter(|text| text.contains(QUARANTINED)) else { return Ok(Vec::new()) };
    let shown: serde_json::Value =
        serde_json::from_str(health).map_err(|error| StoreError::row("agents", error))?;
    let contents = shown[QUARANTINED].as_object();
    Ok(contents.map(|contents| contents.keys().cloned().collect()).unwrap_or_default())
}

fn read(row: &Row) -> Result<Member, StoreError> {
    let (uid, status): (AgentUid, &str) = (row.try_get("uid")?, row.try_get("status")?);
    let labels: String = row.try_get("labels")?;
    let host: Option<String> = row.try_get("host")?;
    let generation: Option<i64> = row.try_get("generation")?;
    let agent = agents::agent(row)?;
    Ok(Member {
        heard: agent.heard(),
        enrolled: agent.enrolled_at,
        attributes: agent.attributes,
        replaced_at: agent.replaced_at,
        in_conflict: agent.conflict_at.is_some(),
        archived: agent.archived_at.is_some(),
        tenant_id: row.try_get("tenant_id")?,
        uid,
        version: row.try_get("version")?,
        boot_id: row.try_get("boot_id")?,
        connected: if status == CONNECTED { row.try_get("last_seen")? } else { None },
        labels: serde_json::from_str(&labels).map_err(|error| StoreError::row("agents", error))?,
        host: host.filter(|host| !host.is_empty()).unwrap_or_else(|| uid.to_string()),
        generation: generation.unwrap_or(0),
        baseline_digest: row.try_get("baseline_digest")?,
        candidate_cut: row.try_get("candidate_cut")?,
        refuses_configs: agent.refuses_configs,
        quarantined: quarantined(row.try_get("health")?)?,
    })
}

/// Every enrolled agent of every tenant that is not archived: the reconcilers look after all.
///
/// # Errors
/// The store's.
pub async fn everybody(connection: &mut Connection) -> Result<Vec<Member>, StoreError> {
    let rows = query("SELECT * FROM agents WHERE archived_at IS NULL ORDER BY tenant_id, uid")
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// A tenant's agents, with those that are archived.
///
/// # Errors
/// The store's.
pub async fn of_tenant(connection: &mut Connection, tenant: TenantId) -> Result<Vec<Member>, StoreError> {
    let rows = query("SELECT * FROM agents WHERE tenant_id = $1 ORDER BY uid")
        .bind(tenant)
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

/// Notes that connections of agents to a replica have ended. One that has come to another replica since stays connected.
///
/// # Errors
/// The store's.
pub async fn left(
    tx: &mut Tx,
    tenant: TenantId,
    agents: &[AgentUid],
    replica: &str,
) -> Result<(), StoreError> {
    for part in parts(agents) {
        let sql = format!(
            "UPDATE agents SET status = 'disconnected', replica = NULL
             WHERE tenant_id = $1 AND uid IN {} AND COALESCE(replica, $2) = $2",
            values(1, part.len(), 3)
        );
        let mut noting = query(AssertSqlSafe(sql)).bind(tenant).bind(replica);
        for agent in part {
            noting = noting.bind(*agent);
        }
        noting.execute(tx).await?;
    }
    Ok(())
}

/// Replica that an agent is connected to; nothing if it is not.
///
/// # Errors
/// The store's.
pub async fn replica_of(
    connection: &mut Connection,
    tenant: TenantId,
    agent: AgentUid,
) -> Result<Option<String>, StoreError> {
    let row = query("SELECT replica FROM agents WHERE tenant_id = $1 AND uid = $2");
    let row = row.bind(tenant).bind(agent).fetch_optional(connection).await?;
    row.map_or(Ok(None), |row| row.try_get("replica"))
}

/// Agents of a tenant that are connected, to whichever replica.
///
/// # Errors
/// The store's.
pub async fn connected(
    connection: &mut Connection,
    tenant: TenantId,
) -> Result<HashSet<AgentUid>, StoreError> {
    let rows = query("SELECT uid FROM agents WHERE tenant_id = $1 AND status = $2");
    let rows = rows.bind(tenant).bind(CONNECTED).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("uid")).collect()
}
