//! Actions of people on experiments: the functions that REST and gRPC share.
//!
//! What always holds: everything is looked for within the actor's own tenant, so that a foreign thing is not there; a
//! refusal is a [`Problem`], whatever carries it; nothing here knows a shape that is sent. Roles are the surfaces' to
//! check, before they call.

mod draft;
mod drift;
mod events;
mod signal;
mod standing;
mod watch;

pub use draft::{Candidate, Draft, create};
pub use drift::{AGENTS_AT_ONCE, Drift, Found, drift, found};
pub use events::events;
pub use signal::{Signal, signal};
pub use standing::{Standing, standing};
pub use watch::{MAX_WATCHERS, Stream};

use crate::app::AppState;
use crate::audit::By;
use crate::auth::Actor;
use crate::experiment::ExperimentId;
use crate::lifecycle;
use crate::rest::Problem;
use crate::store::experiments::{self, Experiment};

/// One of the actor's tenant; a foreign one is not there.
///
/// # Errors
/// 404, and the store's.
pub async fn find(state: &AppState, actor: &Actor, id: ExperimentId) -> Result<Experiment, Problem> {
    let found = experiments::get(&mut *state.store.read().await?, actor.tenant_id, id).await?;
    found.ok_or_else(|| Problem::not_found("experiment", id))
}

/// Deletes one that is not under way, with all that was found.
///
/// # Errors
/// 404, 409, and the store's.
pub async fn delete(state: &AppState, actor: &Actor, id: ExperimentId) -> Result<(), Problem> {
    let experiment = find(state, actor, id).await?;
    Ok(lifecycle::delete(state, &experiment, By::from(actor)).await?)
}
