//! Archive: agents that were not heard of for long leave the lists, conflicts that are over end, and agents of a replica that is
//! gone are connected no more.

use std::time::Duration;

use super::PERIOD;
use crate::actions::{nodes, replicas};
use crate::state::AppState;
use crate::store::StoreError;

/// Looks once at all agents.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    nodes::sweep(state).await?;
    replicas::sweep(state).await?;
    Ok(PERIOD)
}
