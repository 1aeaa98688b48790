//! State that agents tell over the control channel, and the agents that the reconcilers look after.

use super::{Connection, Row, StoreError, Tx, agents, nodes, query};
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

/// Notes what an agent says it is; tells whether it has begun or ceased to refuse configs, or has other attributes.
///
/// # Errors
/// The store's.
pub async fn described(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    described: &Described,
) -> Result<bool, StoreError> {
    let turned = query(
        "UPDATE agents SET refuses_configs = $1 WHERE tenant_id = $2 AND uid = $3 AND refuses_configs <> $1",
    )
    .bind(described.refuses_configs)
    .bind(tenant)
    .bind(agent)
    .execute(tx)
    .await?;
    if let Some(node) = &described.node {
        nodes::said(tx, tenant, agent, node).await?;
    }
    let attributes = serde_json::to_string(&described.attributes);
    let moved = query(
        "UPDATE agents SET attributes = $1 WHERE tenant_id = $2 AND uid = $3 AND COALESCE(attributes, '{}') <> $1",
    )
    .bind(attributes.map_err(|error| StoreError::row("agents", error))?)
    .bind(tenant)
    .bind(agent)
    .execute(tx)
    .await?;
    query(
        "UPDATE agents SET host = COALESCE($1, host), boot_id = $2, generation = $3, baseline_digest = $4
         WHERE tenant_id = $5 AND uid = $6",
    )
    .bind(&described.host)
    .bind(&described.boot_id)
    .bind(described.generation)
    .bind(&described.baseline_digest)
    .bind(tenant)
    .bind(agent)
    .execute(tx)
    .await?;
    Ok(turned.rows_affected() + moved.rows_affected() > 0)
}

/// Notes why an agent has cut the candidate out, or that it has not; tells whether that is news.
///
/// # Errors
/// The store's.
pub async fn candidate_cut(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    why: Option<&str>,
) -> Result<bool, StoreError> {
    let news = query(
        "UPDATE agents SET candidate_cut = $1
         WHERE tenant_id = $2 AND uid = $3 AND COALESCE(candidate_cut, '') <> COALESCE($1, '')",
    )
    .bind(why)
    .bind(tenant)
    .bind(agent)
    .execute(tx)
    .await?;
    Ok(news.rows_affected() > 0)
}

/// Notes that an agent's connection has ended.
///
/// # Errors
/// The store's.
pub async fn left(tx: &mut Tx, tenant: TenantId, agent: AgentUid) -> Result<(), StoreError> {
    query("UPDATE agents SET status = 'disconnected' WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(agent)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that no agent has a connection: none outlives the process that holds it.
///
/// # Errors
/// The store's.
pub async fn all_left(tx: &mut Tx) -> Result<(), StoreError> {
    let left = query("UPDATE agents SET status = 'disconnected' WHERE status = $1");
    left.bind(CONNECTED).execute(tx).await?;
    Ok(())
}
