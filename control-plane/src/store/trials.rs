//! Trials: contents that agents of a version have lived with, and the agents that are trying one.

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::wave::{Content, Trial};
use crate::id::{AgentUid, TenantId};

/// Agent that is to run a content which is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTrial {
    /// Tenant.
    pub tenant_id: TenantId,
    /// The agent.
    pub agent: AgentUid,
    /// The content.
    pub content: Content,
    /// How far it is.
    pub trial: Trial,
}

fn content(row: &Row) -> Result<Content, StoreError> {
    Ok(Content {
        version: row.try_get("version")?,
        baseline: row.try_get("baseline")?,
        candidate: row.try_get("candidate")?,
    })
}

fn read(row: &Row) -> Result<AgentTrial, StoreError> {
    let wave: i64 = row.try_get("wave")?;
    Ok(AgentTrial {
        tenant_id: row.try_get("tenant_id")?,
        agent: row.try_get("agent_uid")?,
        content: content(row)?,
        trial: Trial {
            wave: u8::try_from(wave).map_err(|error| StoreError::row("content_trials", error))?,
            offered_at: row.try_get("offered_at")?,
            process: row.try_get("boot_id")?,
            alive_since: row.try_get("alive_since")?,
        },
    })
}

/// All agents of all tenants that try a content: the reconcilers look after all.
///
/// # Errors
/// The store's.
pub async fn under_way(connection: &mut Connection) -> Result<Vec<AgentTrial>, StoreError> {
    let rows = query("SELECT * FROM content_trials ORDER BY tenant_id, agent_uid");
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// The wave of each of a tenant's agents that try a content.
///
/// # Errors
/// The store's.
pub async fn waves(connection: &mut Connection, tenant: TenantId) -> Result<Vec<(AgentUid, u8)>, StoreError> {
    Ok(of_tenant(connection, tenant).await?.into_iter().map(|of| (of.agent, of.trial.wave)).collect())
}

/// A tenant's agents that try a content, or wait for others that do.
///
/// # Errors
/// The store's.
pub async fn of_tenant(connection: &mut Connection, tenant: TenantId) -> Result<Vec<AgentTrial>, StoreError> {
    let rows = query("SELECT * FROM content_trials WHERE tenant_id = $1 ORDER BY agent_uid").bind(tenant);
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// Writes down how far trials of agents are.
///
/// # Errors
/// The store's.
pub async fn put(tx: &mut Tx, all: &[AgentTrial]) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "INSERT INTO content_trials
                 (tenant_id, agent_uid, version, baseline, candidate, wave, offered_at, boot_id, alive_since)
             VALUES {}
             ON CONFLICT (tenant_id, agent_uid) DO UPDATE SET version = excluded.version,
                 baseline = excluded.baseline, candidate = excluded.candidate, wave = excluded.wave,
                 offered_at = excluded.offered_at, boot_id = excluded.boot_id, alive_since = excluded.alive_since",
            values(part.len(), 9, 1)
        );
        let mut writing = query(AssertSqlSafe(sql));
        for AgentTrial { tenant_id, agent, content, trial } in part {
            writing = writing
                .bind(*tenant_id)
                .bind(*agent)
                .bind(&content.version)
                .bind(&content.baseline)
                .bind(&content.candidate)
                .bind(i64::from(trial.wave))
                .bind(trial.offered_at)
                .bind(&trial.process)
                .bind(trial.alive_since);
        }
        writing.execute(tx).await?;
    }
    Ok(())
}

/// Ends the trials of a tenant's agents.
///
/// # Errors
/// The store's.
pub async fn end(tx: &mut Tx, tenant: TenantId, agents: &[AgentUid]) -> Result<(), StoreError> {
    for part in parts(agents) {
        let sql = format!(
            "DELETE FROM content_trials WHERE tenant_id = $1 AND agent_uid IN {}",
            values(1, part.len(), 2)
        );
        let mut ending = query(AssertSqlSafe(sql)).bind(tenant);
        for agent in part {
            ending = ending.bind(*agent);
        }
        ending.execute(tx).await?;
    }
    Ok(())
}

/// Contents that are known, of all tenants.
///
/// # Errors
/// The store's.
pub async fn known(connection: &mut Connection) -> Result<Vec<(TenantId, Content)>, StoreError> {
    let rows = query("SELECT tenant_id, version, baseline, candidate FROM known_contents");
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, content(row)?))).collect()
}

/// The most contents of a tenant that are known; past it the oldest are forgotten, and come in waves again.
pub const MAX_KNOWN: u32 = 1_000;

/// Notes that a content is known.
///
/// # Errors
/// The store's.
pub async fn know(
    tx: &mut Tx,
    tenant: TenantId,
    content: &Content,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO known_contents (tenant_id, version, baseline, candidate, known_at)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(tenant)
    .bind(&content.version)
    .bind(&content.baseline)
    .bind(&content.candidate)
    .bind(now)
    .execute(tx)
    .await?;
    query(
        "DELETE FROM known_contents WHERE tenant_id = $1 AND known_at <
             (SELECT known_at FROM known_contents WHERE tenant_id = $1
              ORDER BY known_at DESC LIMIT 1 OFFSET $2)",
    )
    .bind(tenant)
    .bind(MAX_KNOWN - 1)
    .execute(tx)
    .await?;
    Ok(())
}
