//! Reports that were refused for good: by agent and cause, the last reason and how many.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// Refused reports of an agent, of one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The agent.
    pub agent: AgentUid,
    /// Reason of the last one, for a person.
    pub reason: String,
    /// Number of them.
    pub reports: u32,
    /// Time of the last one.
    pub last_at: UnixMillis,
}

/// Counts a refusal. `cause` is of a closed set of words, so that rows are few.
///
/// # Errors
/// The store's; there is no such experiment.
pub async fn count(
    tx: &mut Tx,
    key: (TenantId, ExperimentId, AgentUid),
    cause: &'static str,
    reason: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let (tenant, experiment, agent) = key;
    query(
        "INSERT INTO experiment_refusals (tenant_id, experiment_id, agent_uid, cause, reason, reports, last_at)
         VALUES ($1, $2, $3, $4, $5, 1, $6)
         ON CONFLICT (tenant_id, experiment_id, agent_uid, cause)
             DO UPDATE SET reason = excluded.reason, reports = experiment_refusals.reports + 1, last_at = excluded.last_at",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(agent)
    .bind(cause)
    .bind(reason)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Refused reports of an experiment, by agent and cause.
///
/// # Errors
/// The store's.
pub async fn of(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<Refusals>, StoreError> {
    let rows = query(
        "SELECT agent_uid, reason, reports, last_at FROM experiment_refusals
         WHERE tenant_id = $1 AND experiment_id = $2 ORDER BY agent_uid, cause",
    )
    .bind(tenant)
    .bind(experiment)
    .fetch_all(connection)
    .await?;
    let read = |row: &Row| {
        Ok(Refusals {
            agent: row.try_get("agent_uid")?,
            reason: row.try_get("reason")?,
            reports: row.try_get("reports")?,
            last_at: row.try_get("last_at")?,
        })
    };
    rows.iter().map(read).collect()
}
