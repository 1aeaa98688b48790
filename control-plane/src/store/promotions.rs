//! Pipelines of agents when an experiment was promoted of which no horizon had come in: what it is to take the place of.

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, StoreError, Tx, query};
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
