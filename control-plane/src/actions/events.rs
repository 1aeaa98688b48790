//! Events of an experiment, as they happen.

use super::watch::{Stream, Watcher};
use super::{Named, find};
use crate::auth::Actor;
use crate::experiment::ExperimentId;
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::{self, Event};

/// Events read at once.
const BATCH: u32 = 100;

/// Events after event `after`, and those to come, until it is over.
///
/// # Errors
/// 404, 503 for too many streams, and the store's.
pub async fn events(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    after: i64,
) -> Result<Stream<Event>, Refusal> {
    let id = find(state, actor, named).await?.id;
    let (mut watcher, stream) = Watcher::open(state, actor)?;
    let (state, tenant) = (state.clone(), actor.tenant_id);
    tokio::spawn(async move {
        let ended = follow(&state, tenant, id, after, &mut watcher).await;
        watcher.end(ended);
    });
    Ok(stream)
}

async fn follow(
    state: &AppState,
    tenant: TenantId,
    id: ExperimentId,
    mut after: i64,
    watcher: &mut Watcher<Event>,
) -> Result<(), Refusal> {
    loop {
        let mut reader = state.store.read(tenant).await?;
        let known = experiments::get(&mut reader, tenant, id).await?;
        let found = experiments::events(&mut reader, tenant, id, (after, BATCH)).await?;
        drop(reader);
        let more = found.len() == BATCH as usize;
        for event in found {
            after = event.seq;
            watcher.send(event).await?;
        }
        if more {
            continue;
        }
        if known.is_none_or(|experiment| experiment.state.end().is_some()) {
            return Ok(());
        }
        watcher.wait().await?;
    }
}
