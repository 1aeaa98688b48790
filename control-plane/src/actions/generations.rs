//! Generations: what agents are to run, written down and offered.

use std::collections::{BTreeMap, BTreeSet};

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

/// Wave of a content that is new to agents of its version.
#[derive(Debug)]
pub struct Begun {
    /// Tenant.
    pub tenant_id: TenantId,
    /// The experiment whose content it is; nothing of a deployment's.
    pub experiment_id: Option<ExperimentId>,
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

    /// The same without agents that were deleted since they were looked at; nothing if another process has told one of them
    /// something meanwhile.
    async fn still(mut self, connection: &mut Connection) -> Result<Option<Self>, StoreError> {
        let trying = self.tries.iter().map(|of| (of.tenant_id, of.agent));
        let agents = self.offers.iter().map(|(tenant, agent, _)| (*tenant, *agent)).chain(trying);
        let agents: BTreeSet<_> = agents.collect();
        let agents: Vec<_> = agents.into_iter().collect();
        let last = generations::last_numbers(connection, &agents).await?;
        let last_of = |(tenant, agent, _): &(TenantId, AgentUid, Offered)| last.get(&(*tenant, *agent));
        if self.offers.iter().any(|offer| last_of(offer).is_some_and(|last| *last >= offer.2.generation)) {
            return Ok(None);
        }
        self.offers.retain(|offer| last_of(offer).is_some());
        self.tries.retain(|of| last.contains_key(&(of.tenant_id, of.agent)));
        Ok(Some(self))
    }
}

/// Writes down what agents are to run, all of it in one transaction, and wakes their connections. All agents are looked at once, and
/// what was `decided` about them is read again under the lock: `changed` is asked again only where somebody has promoted, or
/// rolled back, meanwhile. Returns the time at which there may be something to do by itself.
///
/// # Errors
/// The store's.
pub async fn offer<D: PartialEq>(
    state: &AppState,
    decided: impl AsyncFn(&mut Connection) -> Result<D, StoreError>,
    changed: impl AsyncFn(&AppState, &mut Connection, &D) -> Result<Changes, StoreError>,
) -> Result<Option<UnixMillis>, StoreError> {
    // Mostly nothing changes, and nobody has to wait for the lock.
    let mut reader = state.store.read(Across::Reconcile).await?;
    let before = decided(&mut reader).await?;
    let first = changed(state, &mut reader, &before).await?;
    drop(reader);
    if first.is_empty() {
        return Ok(first.due);
    }
    let now = state.clock.now();
    let mut tx = state.store.begin(Across::Reconcile).await?;
    if !state.decides(&mut tx).await? {
        return Ok(None);
    }
    let after = decided(&mut tx).await?;
    let first = if after == before { first.still(&mut tx).await? } else { None };
    let changed = match first {
        Some(first) => first,
        None => changed(state, &mut tx, &after).await?,
    };
    trials::put(&mut tx, &changed.tries).await?;
    for (tenant, agents) in &changed.ended {
        trials::end(&mut tx, *tenant, agents).await?;
    }
    for (tenant, content) in &changed.known {
        trials::know(&mut tx, *tenant, content, now).await?;
    }
    for Begun { tenant_id, experiment_id, wave, hosts, of } in &changed.begun {
        let Some(experiment_id) = experiment_id else { continue };
        let named = &hosts[..hosts.len().min(NAMED)];
        let detail = json!({ "wave": wave, "agents": hosts.len(), "of": of, "hosts": named });
        experiments::happened(&mut tx, *tenant_id, *experiment_id, (now, "wave", &detail)).await?;
    }
    generations::insert(&mut tx, &changed.offers, now).await?;
    tx.commit().await?;
    for Begun { tenant_id, experiment_id, wave, hosts, of } in &changed.begun {
        let experiment = experiment_id.map(|id| id.to_string());
        let (now, first) = (hosts.len(), hosts.first().map(String::as_str));
        tracing::info!(tenant = %tenant_id, experiment, wave, agents = now, of, first, "a wave of agents is told what is new to their version");
    }
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
