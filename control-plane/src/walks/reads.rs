//! Reports of a step that were read before, so that a look reads and decodes none twice.
//!
//! Of an agent that has reported nothing since, nothing is read. Of one that has, what is new. Of a large fleet fewer horizons of
//! each are kept, so that what this takes of memory is bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use observe::{Comparison, Measured};
use proto::Findings;
use tokio::sync::{Mutex as AtOnce, OwnedMutexGuard};

use super::{kept_of, lock};
use crate::experiment::ExperimentId;
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::sums::{All, Stamp};
use crate::store::windows::{self, Kept, is_after_restart};
use crate::store::{Connection, StoreError, reports};

/// Horizons of all agents that are kept, unless there are so many agents that each has its least.
const ALL: usize = 16_384;
/// The least number of horizons that are kept of each agent.
const LEAST: u32 = 4;

/// Reports of the step under way of each experiment.
#[derive(Debug, Default)]
pub struct Reads(Mutex<HashMap<ExperimentId, Arc<AtOnce<OfStep>>>>);

/// Reports of a step.
#[derive(Debug, Default)]
pub struct OfStep {
    step: String,
    horizons: HashMap<AgentUid, Horizons>,
    totals: HashMap<AgentUid, Totals>,
}

/// Horizons of an agent, as they were read.
#[derive(Debug)]
struct Horizons {
    of: (Stamp, i64, u32),
    /// By process, generation and begin; and whether each is the first after a restart.
    read: BTreeMap<(String, i64, i64), (bool, Arc<Findings>)>,
    /// The same in order of time.
    found: Vec<Arc<Findings>>,
}

/// Measurements of an agent's processes in all.
#[derive(Debug)]
struct Totals {
    of: (Stamp, i64),
    found: Vec<Arc<Comparison>>,
}

/// Number of horizons of each of so many agents that a verdict looks at, which asks for some at least.
#[must_use]
pub fn most(agents: usize, asked: u32) -> u32 {
    let share = u32::try_from(ALL / agents.max(1)).unwrap_or(u32::MAX);
    share.clamp(LEAST.max(asked).min(reports::KEPT), reports::KEPT)
}

impl Reads {
    pub(super) fn retain(&self, these: &[ExperimentId]) {
        lock(&self.0).retain(|id, _| these.contains(id));
    }

    /// Those of a step, alone: who looks at the same time waits, and then finds them read.
    pub async fn of(&self, id: ExperimentId, step: &str) -> OwnedMutexGuard<OfStep> {
        let kept = kept_of(&self.0, id);
        let mut kept = kept.lock_owned().await;
        if kept.step != step {
            *kept = OfStep { step: step.to_owned(), ..OfStep::default() };
        }
        kept
    }
}

impl OfStep {
    /// The latest horizons of an agent that ended after `since`, Unix nanoseconds by our clock, so many at most, oldest first. They
    /// end by our clock.
    ///
    /// # Errors
    /// The store's.
    pub async fn horizons(
        &mut self,
        reader: &mut Connection,
        experiment: &Experiment,
        (agent, sums): (AgentUid, &All),
        (since, most): (i64, u32),
    ) -> Result<Vec<Arc<Findings>>, StoreError> {
        let of = (sums.stamp(agent), since, most);
        let before = self.horizons.remove(&agent);
        if let Some(own) = before.as_ref().filter(|own| own.of == of) {
            let found = own.found.clone();
            self.horizons.extend(before.map(|own| (agent, own)));
            return Ok(found);
        }
        let known = before.map(|own| own.read).unwrap_or_default();
        let latest = known.keys().map(|(_, _, start)| *start).max();
        let (id, which) = ((experiment.tenant_id, experiment.id), (since, most));
        let mut rows = windows::kept_of_step(reader, id, (agent, &self.step), which, latest).await?;
        let boots = sums.boots(agent);
        let is_first = |(boot, _, start): &(String, i64, i64)| is_after_restart(&boots, (boot, *start));
        let is_known =
            |row: &Kept| known.get(&row.key).is_some_and(|(before, _)| *before == is_first(&row.key));
        if rows.iter().any(|row| row.body.is_empty() && !is_known(row)) {
            // A report came late.
            rows = windows::kept_of_step(reader, id, (agent, &self.step), which, None).await?;
        }
        let (mut read, mut found) = (BTreeMap::new(), Vec::with_capacity(rows.len()));
        for row in rows {
            let after_restart = is_first(&row.key);
            let one = match known.get(&row.key).filter(|_| is_known(&row)) {
                Some((_, one)) => Some(Arc::clone(one)),
                None => decoded(&row, after_restart).map(Arc::new),
            };
            if let Some(one) = one {
                found.push(Arc::clone(&one));
                read.insert(row.key, (after_restart, one));
            }
        }
        self.horizons.insert(agent, Horizons { of, read, found: found.clone() });
        Ok(found)
    }

    /// Measurements of each process of each agent in all, oldest first, in the step `aa` or in all others. `since` is the time after
    /// which an agent's counts, Unix nanoseconds by our clock.
    ///
    /// # Errors
    /// The store's.
    pub async fn totals(
        &mut self,
        reader: &mut Connection,
        experiment: &Experiment,
        (agents, sums): (&[AgentUid], &All),
        since: impl Fn(AgentUid) -> Option<i64>,
    ) -> Result<HashMap<AgentUid, Vec<Arc<Comparison>>>, StoreError> {
        let of = |agent| (sums.stamp(agent), since(agent).unwrap_or(i64::MIN));
        let is_known =
            |agent: &&AgentUid| self.totals.get(agent).is_some_and(|totals| totals.of == of(**agent));
        let unknown: Vec<AgentUid> = agents.iter().filter(|agent| !is_known(agent)).copied().collect();
        let (id, aa) = ((experiment.tenant_id, experiment.id), self.step == "aa");
        let mut bodies = Vec::new();
        if unknown.len() * 8 > agents.len() {
            bodies = windows::last_of_processes(reader, id, aa, None).await?;
        } else {
            for agent in &unknown {
                bodies.extend(windows::last_of_processes(reader, id, aa, Some(*agent)).await?);
            }
        }
        for agent in unknown {
            self.totals.insert(agent, Totals { of: of(agent), found: Vec::new() });
        }
        let mut fresh: HashMap<AgentUid, Vec<Arc<Comparison>>> = HashMap::new();
        for (agent, end, body) in bodies {
            if since(agent).is_none_or(|since| end > since) {
                let digest = proto::generation::config_hash(&body);
                let total = Findings::decode(&body, &digest).map(|findings| Arc::new(findings.total));
                fresh.entry(agent).or_default().extend(total);
            }
        }
        for (agent, found) in fresh {
            if let Some(totals) = self.totals.get_mut(&agent) {
                totals.found = found;
            }
        }
        self.totals.retain(|agent, _| sums.has(*agent));
        self.horizons.retain(|agent, _| sums.has(*agent));
        Ok(self.totals.iter().map(|(agent, totals)| (*agent, totals.found.clone())).collect())
    }
}

/// Findings of a report; nothing of a body that cannot be read, which was checked when it came.
fn decoded(Kept { clock_offset, body, .. }: &Kept, after_restart: bool) -> Option<Findings> {
    let mut findings = Findings::decode(body, &proto::generation::config_hash(body)).ok()?;
    // By our clock, so that horizons of different agents can be told to be of one time.
    findings.window_end = findings.window_end.saturating_add_signed(clock_offset.saturating_neg());
    if after_restart {
        // A panel still shows what this process has not seen: no instant of this horizon counts.
        let lenses = findings.horizon.lenses.iter_mut();
        lenses
            .filter(|lens| lens.measured.is_measured())
            .for_each(|lens| lens.measured = Measured::NoInstant);
    }
    Some(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_horizons_are_kept_of_each_the_more_agents_there_are_and_as_many_as_are_asked_for() {
        let kept = [0, 1, 256, 512, 10_000].map(|agents| most(agents, 3));
        assert_eq!(kept, [64, 64, 64, 32, 4]);
        assert_eq!((most(10_000, 12), most(10_000, 100)), (12, 64));
    }
}
