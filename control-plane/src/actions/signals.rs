//! Signals: what people and their programs asked of an experiment, as the audit has it.

use super::{Named, find};
use crate::auth::Actor;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::audit::{self, Entry};

/// Up to `limit` signals of an experiment of the actor's tenant, from after row `after` of the audit on, in their order.
///
/// # Errors
/// 404, and the store's.
pub async fn signals(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    (after, limit): (i64, u32),
) -> Result<Vec<Entry>, Refusal> {
    let experiment = find(state, actor, named).await?;
    let object = format!("experiment/{}", experiment.id);
    let mut reader = state.store.read(actor.tenant_id).await?;
    Ok(audit::signals(&mut reader, actor.tenant_id, &object, (after, limit)).await?)
}
