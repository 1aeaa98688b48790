//! Start: experiments whose time has come.

use std::time::Duration;

use super::PERIOD;
use crate::actions::schedule;
use crate::state::AppState;
use crate::store::{Across, StoreError, experiments};
use crate::traces;

/// Starts those whose time has come.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    let now = state.clock.now();
    let due = experiments::due(&mut *state.store.read(Across::Reconcile).await?, now).await?;
    traces::looks_at(due.len());
    for experiment in due {
        if let Err(error) = schedule::begin(state, experiment).await {
            tracing::error!(error = error.detail(), "an experiment whose time has come was not looked at");
        }
    }
    Ok(PERIOD)
}
