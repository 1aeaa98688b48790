//! Generations: what agents are to run, written down and offered.

use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::generations::{self, Offered};
use crate::store::{Connection, StoreError, agents};

/// Generations that agents are to run from now on.
pub type Changes = Vec<(TenantId, AgentUid, Offered)>;

/// Writes down what agents are to run, all of it in one transaction, and wakes their connections. What `changed` tells is
/// asked for again under the lock: meanwhile somebody may have promoted, or rolled back, what it was told from.
///
/// # Errors
/// The store's.
pub async fn offer(
    state: &AppState,
    changed: impl AsyncFn(&mut Connection) -> Result<Changes, StoreError>,
) -> Result<(), StoreError> {
    // Mostly nothing changes, and nobody has to wait for the lock.
    let mut reader = state.store.read().await?;
    let none = changed(&mut reader).await?.is_empty();
    drop(reader);
    if none {
        return Ok(());
    }
    let now = state.clock.now();
    let mut tx = state.store.begin().await?;
    let changed = changed(&mut tx).await?;
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
