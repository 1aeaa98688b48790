//! Promotions: pipelines of agents when an experiment was promoted of which no horizon had come in, which are what it is to take the
//! place of; and agents that had refused one when they were deleted.

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// Keeps what agents have said last that is in charge on them; the number of those of which that is known.
///
/// # Errors
/// The store's.
pub async fn keep(
    tx: &mut Tx,
    (tenant, experiment): (TenantId, ExperimentId),
    agents: &[AgentUid],
) -> Result<u64, StoreError> {
    let mut kept = 0;
    for part in parts(agents) {
        let sql = format!(
            "INSERT INTO promotion_baselines (tenant_id, experiment_id, agent_uid, baseline)
             SELECT tenant_id, $2, uid, baseline_digest FROM agents
             WHERE tenant_id = $1 AND COALESCE(baseline_digest, '') <> '' AND uid IN {}",
            values(1, part.len(), 3)
        );
        let mut keeping = query(AssertSqlSafe(sql)).bind(tenant).bind(experiment);
        for agent in part {
            keeping = keeping.bind(*agent);
        }
        kept += keeping.execute(tx).await?.rows_affected();
    }
    Ok(kept)
}

/// Digest of the pipeline that was in charge on each agent, as it had said last.
///
/// # Errors
/// The store's.
pub async fn baselines(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<(AgentUid, String)>, StoreError> {
    let rows = query(
        "SELECT agent_uid, baseline FROM promotion_baselines WHERE tenant_id = $1 AND experiment_id = $2
         ORDER BY agent_uid",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("agent_uid")?, row.try_get("baseline")?))).collect()
}

/// Agent that had refused a promotion when it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Its uid.
    pub agent: AgentUid,
    /// Name of its host; its uid where it had not said so.
    pub host: String,
    /// The reason that it gave.
    pub reason: String,
}

/// Keeps which promotions an agent that is about to be deleted has refused.
///
/// # Errors
/// The store's.
pub async fn keep_refusals(tx: &mut Tx, tenant: TenantId, agent: AgentUid) -> Result<(), StoreError> {
    query(
        "INSERT INTO promotion_refusals (tenant_id, experiment_id, agent_uid, host, reason)
         SELECT told.tenant_id, told.experiment_id, told.agent_uid, COALESCE(NULLIF(agents.host, ''), agents.uid),
             COALESCE(told.error, '')
         FROM agent_generations AS told
         JOIN agents ON agents.tenant_id = told.tenant_id AND agents.uid = told.agent_uid
         JOIN experiments ON experiments.tenant_id = told.tenant_id AND experiments.id = told.experiment_id
         WHERE told.tenant_id = $1 AND told.agent_uid = $2 AND told.step IS NULL AND told.status = 'failed'
             AND told.generation = (SELECT MAX(generation) FROM agent_generations AS last
                 WHERE last.tenant_id = told.tenant_id AND last.agent_uid = told.agent_uid
                     AND last.experiment_id = told.experiment_id AND last.step IS NULL)
         ON CONFLICT (tenant_id, experiment_id, agent_uid) DO UPDATE SET host = excluded.host, reason = excluded.reason",
    )
    .bind(tenant)
    .bind(agent)
    .execute(tx)
    .await?;
    Ok(())
}

/// Agents that had refused what an experiment promoted when they were deleted, by uid.
///
/// # Errors
/// The store's.
pub async fn deleted(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<Deleted>, StoreError> {
    let rows = query(
        "SELECT agent_uid, host, reason FROM promotion_refusals WHERE tenant_id = $1 AND experiment_id = $2
         ORDER BY agent_uid",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    let read = |row: &Row| {
        let (agent, host, reason) = (row.try_get("agent_uid")?, row.try_get("host")?, row.try_get("reason")?);
        Ok(Deleted { agent, host, reason })
    };
    rows.iter().map(read).collect()
}
