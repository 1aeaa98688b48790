//! Generations: what agents are to run, written down and offered.

use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::generations::{self, Offered};
use crate::store::{StoreError, agents};

/// Writes down what each of these agents is to run, all of it in one transaction, and wakes their connections.
///
/// # Errors
/// The store's.
pub async fn offer(state: &AppState, changed: Vec<(TenantId, AgentUid, Offered)>) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let now = state.clock.now();
    let mut tx = state.store.begin().await?;
    for (tenant, agent, next) in &changed {
        generations::insert(&mut tx, *tenant, *agent, next, now).await?;
        agents::offered(&mut tx, *tenant, *agent, &next.config_hash).await?;
    }
    tx.commit().await?;
    for (tenant, agent, next) in changed {
        tracing::info!(%agent, generation = next.generation, step = next.step, "an agent is to run another generation");
        state.hub.offer(tenant, agent);
    }
    Ok(())
}
