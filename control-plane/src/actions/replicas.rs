//! Replicas: those that are gone leave no agent connected.

use crate::state::AppState;
use crate::store::replicas;
use crate::store::{Across, StoreError};

/// Looks once whether a replica is gone, and notes that its agents are not connected.
///
/// # Errors
/// The store's.
pub async fn sweep(state: &AppState) -> Result<(), StoreError> {
    if state.replica.alone || !replicas::is_any_gone(&mut *state.store.read(Across::Reconcile).await?).await?
    {
        return Ok(());
    }
    let mut tx = state.store.begin(Across::Reconcile).await?;
    let gone = replicas::end_those_that_are_gone(&mut tx).await?;
    if !state.decides(&mut tx).await? {
        return Ok(());
    }
    tx.commit().await?;
    tracing::warn!(?gone, "replicas are gone; their agents are not connected until they come to another one");
    state.hub.wake_push();
    state.hub.wake_analyze();
    Ok(())
}
