//! Slices of agents: compared with those of all others as they come in, in whatever order.

use std::collections::BTreeMap;

use observe::{Meeting, Slice, SliceName, Slices};
use prost::Message as _;
use proto::v1;

use super::enroll::AgentIdentity;
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::experiment::across::CollisionName;
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::slices::{self, AgentsCollision};
use crate::store::{StoreError, Tx};

/// The most names that an agent is asked for at once.
const MAX_NAMES: i64 = 12;

/// Slices of a report.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// By turn.
    pub slices: &'a Slices,
    /// Time by which the agent's clock is ahead of ours, nanoseconds.
    pub clock_offset: i64,
}

/// Files the slices of a report and compares them; the keys of identities that the agent is to name.
///
/// # Errors
/// The store's.
pub async fn file(
    tx: &mut Tx,
    agent: &AgentIdentity,
    experiment: &Experiment,
    told: Told<'_>,
    now: UnixMillis,
) -> Result<Vec<u64>, StoreError> {
    let of = (agent.tenant_id, experiment.id);
    let window = experiment.spec.window.as_secs().max(1);
    for (turn, slice) in &told.slices.0 {
        let number = i64::try_from(*turn).unwrap_or(i64::MAX);
        if slices::is_past(tx, of, number).await? {
            continue;
        }
        let mut slice = slice.by_a_clock_ahead(told.clock_offset / 1_000_000_000);
        let mut others = Vec::new();
        for (uid, body) in slices::of_turn(tx, of, number).await? {
            let known = read(&body)?;
            if uid == agent.uid { slice.merge(*turn, &known) } else { others.push((uid, known)) }
        }
        let (found, overlaps) = compare(agent.uid, &slice, &others, window);
        let body = v1::Slice::from((*turn, &slice)).encode_to_vec();
        let kept = slices::Told { slices: slice.slices, truncated: slice.truncated, body: &body };
        slices::keep(tx, of, agent.uid, (number, overlaps), kept).await?;
        for found in found {
            slices::collides(tx, of, found, now).await?;
        }
    }
    slices::unnamed(tx, of, agent.uid, MAX_NAMES).await
}

fn read(body: &[u8]) -> Result<Slice, StoreError> {
    let read = v1::Slice::decode(body).map_err(|error| StoreError::row("experiment_slices", error))?;
    Slice::try_from(read).map_err(|error| StoreError::row("experiment_slices", error))
}

/// Collisions of an agent with others in one turn, one of each identity, and whether a series comes through several.
fn compare(
    agent: AgentUid,
    slice: &Slice,
    others: &[(AgentUid, Slice)],
    window: u64,
) -> (Vec<AgentsCollision>, bool) {
    let mut found: BTreeMap<u64, AgentsCollision> = BTreeMap::new();
    let mut overlaps = false;
    for (uid, other) in others {
        let agents = if agent < *uid { [agent, *uid] } else { [*uid, agent] };
        for (key, meeting) in slice.meets(other, window) {
            match meeting {
                Meeting::OneSeries => overlaps = true,
                Meeting::Collision { shared } => {
                    let next = AgentsCollision { key, shared, agents };
                    let known = found.entry(key).or_insert(next);
                    if (shared, agents) < (known.shared, known.agents) {
                        *known = next;
                    }
                }
            }
        }
    }
    (found.into_values().collect(), overlaps)
}

/// Names collisions of an agent, and wakes whoever looks at evidence.
///
/// # Errors
/// The store's.
pub async fn name(
    state: &AppState,
    agent: &AgentIdentity,
    experiment: ExperimentId,
    names: Vec<SliceName>,
) -> Result<(), StoreError> {
    let of = (agent.tenant_id, experiment);
    let mut tx = state.store.begin(agent.tenant_id).await?;
    for SliceName { key, metric, series, writer } in names {
        slices::name(&mut tx, of, agent.uid, key, &CollisionName { metric, series, writer }).await?;
    }
    tx.commit().await?;
    state.hub.wake_analyze();
    Ok(())
}
