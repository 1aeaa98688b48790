//! Slices of agents: compared with those of all others as they come in, in whatever order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use observe::{Meeting, Slice, SliceName, Slices};
use prost::Message as _;
use proto::{slice_keys, v1};

use super::enroll::AgentIdentity;
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::experiment::across::CollisionName;
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::slices::{self, AgentsCollision, Of};
use crate::store::{Connection, StoreError, Tx};

/// The most names that an agent is asked for at once.
const MAX_NAMES: usize = 12;

/// Slices of a report.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The agent of the report.
    pub agent: AgentUid,
    /// By turn.
    pub slices: &'a Slices,
    /// Time by which the agent's clock is ahead of ours, nanoseconds.
    pub clock_offset: i64,
}

/// Slices of agents of one turn.
#[derive(Debug, Default)]
struct Turn {
    slices: BTreeMap<AgentUid, Slice>,
    /// Agents that have an entry of a key, so that a slice is compared only with those that it may meet.
    by_key: HashMap<u64, Vec<AgentUid>>,
}

/// Outcome of comparing slices of a turn: one collision of each identity, and whether a series comes through several.
#[derive(Debug, Default)]
struct Found {
    collisions: BTreeMap<u64, AgentsCollision>,
    overlaps: bool,
}

/// Files the slices of reports, at most one report of an agent, and compares them.
///
/// # Errors
/// The store's.
pub async fn file(
    tx: &mut Tx,
    experiment: &Experiment,
    all: &[Told<'_>],
    now: UnixMillis,
) -> Result<(), StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let window = experiment.spec.window.as_secs().max(1);
    let mut turns: BTreeMap<u64, Vec<(&Told<'_>, &Slice)>> = BTreeMap::new();
    for told in all {
        for (turn, slice) in &told.slices.0 {
            turns.entry(*turn).or_default().push((told, slice));
        }
    }
    for (turn, all) in turns {
        let number = i64::try_from(turn).unwrap_or(i64::MAX);
        if slices::is_past(tx, of, number).await? {
            continue;
        }
        let (mut known, mut found) =
            (Turn::meeting(slices::of_turn(tx, of, number).await?, &all)?, Found::default());
        for (told, slice) in &all {
            let mut slice = slice.by_a_clock_ahead(told.clock_offset / 1_000_000_000);
            if let Some(before) = known.slices.get(&told.agent) {
                slice.merge(turn, before);
            }
            known.compare(told.agent, &slice, window, &mut found);
            known.put(told.agent, slice);
        }
        known.keep(tx, of, (turn, found.overlaps), all.iter().map(|(told, _)| told.agent)).await?;
        for collision in found.collisions.into_values() {
            slices::collides(tx, of, collision, now).await?;
        }
    }
    Ok(())
}

/// Keys of collisions that each agent is to name, so many at most.
///
/// # Errors
/// The store's.
pub async fn unnamed(connection: &mut Connection, of: Of) -> Result<HashMap<AgentUid, Vec<u64>>, StoreError> {
    let mut wanted: HashMap<AgentUid, Vec<u64>> = HashMap::new();
    for (key, agents) in slices::unnamed(connection, of).await? {
        for agent in agents {
            let keys = wanted.entry(agent).or_default();
            if keys.len() < MAX_NAMES {
                keys.push(key);
            }
        }
    }
    Ok(wanted)
}

fn read(body: &[u8]) -> Result<Slice, StoreError> {
    let read = v1::Slice::decode(body).map_err(|error| StoreError::row("experiment_slices", error))?;
    Slice::try_from(read).map_err(|error| StoreError::row("experiment_slices", error))
}

impl Turn {
    /// Those of what is kept that slices which come in may meet, and what their own agents told before. Of the others the keys alone
    /// are read: mostly no two agents write one identity, and there are as many slices as agents.
    fn meeting(kept: Vec<(AgentUid, Vec<u8>)>, come: &[(&Told<'_>, &Slice)]) -> Result<Self, StoreError> {
        let theirs: BTreeSet<AgentUid> = come.iter().map(|(told, _)| told.agent).collect();
        let mut keys: HashSet<u64> =
            come.iter().flat_map(|(_, slice)| slice.entries.keys().map(|(key, _)| *key)).collect();
        let (own, others): (Vec<_>, Vec<_>) = kept.into_iter().partition(|(uid, _)| theirs.contains(uid));
        let mut known = Self::default();
        for (uid, body) in own {
            let slice = read(&body)?;
            keys.extend(slice.entries.keys().map(|(key, _)| *key));
            known.put(uid, slice);
        }
        for (uid, body) in others {
            let of = slice_keys(&body).map_err(|error| StoreError::row("experiment_slices", error))?;
            if of.iter().any(|key| keys.contains(key)) {
                known.put(uid, read(&body)?);
            }
        }
        Ok(known)
    }

    /// Takes in what an agent tells, in the place of what it told before.
    fn put(&mut self, agent: AgentUid, slice: Slice) {
        let keys: BTreeSet<u64> = slice.entries.keys().map(|(key, _)| *key).collect();
        for key in keys {
            let agents = self.by_key.entry(key).or_default();
            if !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        self.slices.insert(agent, slice);
    }

    /// Adds what an agent's slice and those of others make of each other.
    fn compare(&self, agent: AgentUid, slice: &Slice, window: u64, found: &mut Found) {
        let there = slice.entries.keys().filter_map(|(key, _)| self.by_key.get(key)).flatten();
        let others: BTreeSet<AgentUid> = there.copied().filter(|other| *other != agent).collect();
        for uid in others {
            let agents = if agent < uid { [agent, uid] } else { [uid, agent] };
            for (key, meeting) in slice.meets(&self.slices[&uid], window) {
                match meeting {
                    Meeting::OneSeries => found.overlaps = true,
                    Meeting::Collision { shared } => {
                        let next = AgentsCollision { key, shared, agents };
                        let known = found.collisions.entry(key).or_insert(next);
                        if (shared, agents) < (known.shared, known.agents) {
                            *known = next;
                        }
                    }
                }
            }
        }
    }

    /// Keeps the slices of these agents.
    async fn keep(
        &self,
        tx: &mut Tx,
        of: Of,
        (turn, overlaps): (u64, bool),
        agents: impl Iterator<Item = AgentUid>,
    ) -> Result<(), StoreError> {
        let encoded = |agent: AgentUid| {
            let slice = &self.slices[&agent];
            (agent, slice, v1::Slice::from((turn, slice)).encode_to_vec())
        };
        let encoded: Vec<(AgentUid, &Slice, Vec<u8>)> = agents.map(encoded).collect();
        let mut all = Vec::with_capacity(encoded.len());
        for (agent, slice, body) in &encoded {
            let told = slices::Told { slices: slice.slices, truncated: slice.truncated, body };
            all.push((*agent, told));
        }
        slices::keep(tx, of, (i64::try_from(turn).unwrap_or(i64::MAX), overlaps), &all).await
    }
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

#[cfg(test)]
mod tests {
    use observe::SliceEntry;

    use super::*;

    const TURN: u64 = 29_453_760;

    fn uid(at: u8) -> AgentUid {
        format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().unwrap()
    }

    fn slice(keys: &[u64]) -> Slice {
        let mut slice = Slice::of(1);
        for key in keys {
            slice.insert(SliceEntry { key: *key, writer: 1, baseline: 1, began: TURN * 60, last: TURN * 60 });
        }
        slice
    }

    #[test]
    fn of_all_that_agents_told_those_are_read_that_may_meet_and_their_own() {
        let kept = [(1, &[10, 11][..]), (2, &[11]), (3, &[20]), (4, &[30]), (5, &[12])];
        let kept = kept.map(|(at, keys)| (uid(at), v1::Slice::from((TURN, &slice(keys))).encode_to_vec()));
        let come = slice(&[20]);
        let told = Told { agent: uid(1), slices: &Slices::default(), clock_offset: 0 };
        let known = Turn::meeting(kept.into(), &[(&told, &come)]).unwrap();
        let read: Vec<AgentUid> = known.slices.keys().copied().collect();
        assert_eq!(
            read,
            [uid(1), uid(2), uid(3)],
            "its own, one that met that, and one that meets what comes"
        );
        let kept = vec![(uid(9), vec![0xff])];
        assert!(Turn::meeting(kept, &[(&told, &come)]).is_err(), "what is no slice is not passed over");
    }
}
