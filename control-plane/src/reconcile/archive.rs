//! Archive: agents that were not heard of for long leave the lists, and conflicts that are over end.

use std::time::Duration;

use super::PERIOD;
use crate::actions::nodes;
use crate::state::AppState;
use crate::store::StoreError;

/// Looks once at all agents.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    nodes::sweep(state).await?;
    Ok(PERIOD)
}
