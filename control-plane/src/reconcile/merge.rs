//! Merge: horizons that no verdict looks at any more are put together, so that an experiment keeps no more than it has to.

use std::time::Duration;

use super::PERIOD;
use crate::actions::merges;
use crate::state::AppState;
use crate::store::{Across, StoreError, experiments};
use crate::traces;

/// Time between two looks, where no more is left than one does.
const PAUSE: Duration = Duration::from_secs(10);

/// Merges a part of what is to be merged.
///
/// # Errors
/// The store's.
pub async fn once(state: &AppState) -> Result<Duration, StoreError> {
    let under_way = experiments::under_way(&mut *state.store.read(Across::Reconcile).await?).await?;
    traces::looks_at(under_way.len());
    let step = |experiment: &experiments::Experiment| {
        let run = experiment.state.run()?;
        Some((experiment.tenant_id, experiment.id, run.step.to_string()))
    };
    let steps: Vec<_> = under_way.iter().filter_map(step).collect();
    let is_all = merges::once(state, &steps).await?;
    Ok(if is_all { PAUSE } else { PERIOD })
}
