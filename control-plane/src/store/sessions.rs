//! What agents say of themselves over the control channel, and whom the reconcilers look after.

use sqlx::Row as _;

use super::{Connection, Row, StoreError, Tx};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::labels::Labels;

/// What an agent says it is.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// Its version.
    pub version: String,
    /// What its host is called.
    pub host: Option<String>,
    /// Its process, a UUID in text.
    pub boot_id: Option<String>,
    /// The generation in force.
    pub generation: Option<i64>,
    /// Digest of the plan in charge, in hexadecimal.
    pub baseline_digest: Option<String>,
}

/// An agent, as the reconcilers need it.
#[derive(Clone, Debug)]
pub struct Member {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which.
    pub uid: AgentUid,
    /// How it is labelled.
    pub labels: Labels,
    /// What its host is called; its uid where it has not said so.
    pub host: String,
    /// The generation in force, as it said last.
    pub generation: i64,
    /// Digest of the plan in charge, as it said last.
    pub baseline_digest: Option<String>,
    /// Why it cut the candidate out, if it has.
    pub candidate_cut: Option<String>,
}

fn read(row: &Row) -> Result<Member, StoreError> {
    let uid: AgentUid = row.try_get("uid")?;
    let labels: String = row.try_get("labels")?;
    let host: Option<String> = row.try_get("host")?;
    let generation: Option<i64> = row.try_get("generation")?;
    Ok(Member {
        tenant_id: row.try_get("tenant_id")?,
        uid,
        labels: serde_json::from_str(&labels).map_err(|error| StoreError::row("agents", error))?,
        host: host.filter(|host| !host.is_empty()).unwrap_or_else(|| uid.to_string()),
        generation: generation.unwrap_or(0),
        baseline_digest: row.try_get("baseline_digest")?,
        candidate_cut: row.try_get("candidate_cut")?,
    })
}

/// Every enrolled agent of every tenant: the reconcilers look after all.
///
/// # Errors
/// The store's.
pub async fn everybody(connection: &mut Connection) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenant_id, uid, labels, host, generation, baseline_digest, candidate_cut FROM agents
         ORDER BY tenant_id, uid",
    )
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// A tenant's agents.
///
/// # Errors
/// The store's.
pub async fn of_tenant(connection: &mut Connection, tenant: TenantId) -> Result<Vec<Member>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenant_id, uid, labels, host, generation, baseline_digest, candidate_cut FROM agents
         WHERE tenant_id = $1 ORDER BY uid",
    )
    .bind(tenant)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// Notes what an agent says it is.
///
/// # Errors
/// The store's.
pub async fn described(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    described: &Described,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE agents SET version = $1, host = COALESCE($2, host), boot_id = $3, generation = $4, baseline_digest = $5
         WHERE tenant_id = $6 AND uid = $7",
    )
    .bind(&described.version)
    .bind(&described.host)
    .bind(&described.boot_id)
    .bind(described.generation)
    .bind(&described.baseline_digest)
    .bind(tenant)
    .bind(agent)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes how an agent is; tells whether its candidate's fate is news.
///
/// # Errors
/// The store's.
pub async fn health(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    health: &str,
    candidate_cut: Option<&str>,
) -> Result<bool, StoreError> {
    let news = sqlx::query(
        "UPDATE agents SET candidate_cut = $1
         WHERE tenant_id = $2 AND uid = $3 AND COALESCE(candidate_cut, '') <> COALESCE($1, '')",
    )
    .bind(candidate_cut)
    .bind(tenant)
    .bind(agent)
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE agents SET health = $1 WHERE tenant_id = $2 AND uid = $3")
        .bind(health)
        .bind(tenant)
        .bind(agent)
        .execute(&mut **tx)
        .await?;
    Ok(news.rows_affected() > 0)
}

/// Notes that an agent was heard of.
///
/// # Errors
/// The store's.
pub async fn heard(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE agents SET last_seen = $1, connected_at = COALESCE(connected_at, $1), status = 'connected'
         WHERE tenant_id = $2 AND uid = $3",
    )
    .bind(now)
    .bind(tenant)
    .bind(agent)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes that an agent's connection has ended.
///
/// # Errors
/// The store's.
pub async fn left(tx: &mut Tx, tenant: TenantId, agent: AgentUid) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE agents SET connected_at = NULL, status = 'disconnected' WHERE tenant_id = $1 AND uid = $2",
    )
    .bind(tenant)
    .bind(agent)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
