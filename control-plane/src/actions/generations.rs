//! Generations: what agents are to run, written down and offered.

use std::collections::BTreeMap;

use serde_json::json;

use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::experiment::wave::Content;
use crate::hub::Offer;
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::generations::{self, Offered};
use crate::store::trials::{self, AgentTrial};
use crate::store::{Across, Connection, StoreError, experiments};

/// What is to be written down.
#[derive(Debug, Default)]
pub struct Changes {
    /// Generations that agents are to run from now on.
    pub offers: Vec<(TenantId, AgentUid, Offered)>,
    /// Agents that have got further with a new content.
    pub tries: Vec<AgentTrial>,
    /// Agents that try nothing any more.
    pub ended: BTreeMap<TenantId, Vec<AgentUid>>,
    /// Contents that agents have lived with.
    pub known: Vec<(TenantId, Content)>,
    /// Waves that begin.
    pub begun: Vec<Begun>,
    /// Time at which there may be something to do without anything having happened.
    pub due: Option<UnixMillis>,
}

/// Wave of an experiment's content.
#[derive(Debug)]
pub struct Begun {
    /// Tenant.
    pub tenant_id: TenantId,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its number, from 1.
    pub wave: u8,
    /// Hosts of the agents that are offered it now.
    pub hosts: Vec<String>,
    /// Number of agents that are to run the content.
    pub of: usize,
}

/// The most hosts that an event names.
const NAMED: usize = 30;

impl Changes {
    fn is_empty(&self) -> bool {
        let Self { offers, tries, ended, known, begun, due: _ } = self;
        offers.is_empty() && tries.is_empty() && ended.is_empty() && known.is_empty() && begun.is_empty()
    }
}

/// Writes down what agents are to run, all of it in one transaction, and wakes their connections. What `changed` tells is
/// asked for again under the lock: meanwhile somebody may have promoted, or rolled back, what it was told from. Returns
/// the time at which there may be something to do by itself.
///
/// # Errors
/// The store's.
pub async fn offer(
    state: &AppState,
    changed: impl AsyncFn(&AppState, &mut Connection) -> Result<Changes, StoreError>,
) -> Result<Option<UnixMillis>, StoreError> {
    // Mostly nothing changes, and nobody has to wait for the lock.
    let mut reader = state.store.read(Across::Reconcile).await?;
    let first = changed(state, &mut reader).await?;
    drop(reader);
    if first.is_empty() {
        return Ok(first.due);
    }
    let now = state.clock.now();
    let mut tx = state.store.begin(Across::Reconcile).await?;
    let changed = changed(state, &mut tx).await?;
    if !state.decides(&mut tx).await? {
        return Ok(None);
    }
    trials::put(&mut tx, &changed.tries).await?;
    for (tenant, agents) in &changed.ended {
        trials::end(&mut tx, *tenant, agents).await?;
    }
    for (tenant, content) in &changed.known {
        trials::know(&mut tx, *tenant, content, now).await?;
    }
    for Begun { tenant_id, experiment_id, wave, hosts, of } in &changed.begun {
        let named = &hosts[..hosts.len().min(NAMED)];
        let detail = json!({ "wave": wave, "agents": hosts.len(), "of": of, "hosts": named });
        experiments::happened(&mut tx, *tenant_id, *experiment_id, (now, "wave", &detail)).await?;
    }
    generations::insert(&mut tx, &changed.offers, now).await?;
    tx.commit().await?;
    if !changed.offers.is_empty() {
        tracing::info!(agents = changed.offers.len(), "agents are to run other generations");
    }
    for (tenant, agent, next) in changed.offers {
        tracing::debug!(%agent, generation = next.generation, step = next.step, "an agent is to run another generation");
        let Offered { config_hash, body, compared_with, .. } = next;
        state.hub.offer(tenant, agent, Some(Offer { config_hash, body, compared_with }));
    }
    if !changed.begun.is_empty() {
        state.hub.happened();
    }
    Ok(changed.due)
}
