//! Horizons of what varies by chance that were walked before, so that no look walks them again.
//!
//! What was walked is kept in memory and can be made again of the rows, which is what a process does that begins to decide.
//! The latest are kept as they were read, so that a look reads what has come since. Both hold for the same guardrails, agents and
//! baselines. A horizon that comes late, among those that were walked, is found
//! by the number of all there are: everything is walked anew then, so that the answer is the one of all horizons in order.

mod reads;

pub use reads::{OfStep, Reads, most};

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AtOnce;
use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::experiment::{AgentEvidence, ExperimentId, Guardrail, Measured, Walked};
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::sums::{self, Bounds};
use crate::store::windows::{self, Varied};
use crate::store::{Connection, StoreError};

/// The latest horizons, which are not walked for good: what is late belongs to one of them, as a rule.
const LATEST: u64 = 64;
/// Experiments of which something is kept; past it those are forgotten that nobody looks at.
const EXPERIMENTS: usize = 256;
/// Rows that are read at once.
const ROWS: usize = 262_144;
/// Time by which a report may be committed later than one that came after it. One that is later is missed by a look and found by the
/// number of all.
const LATE: Duration = Duration::from_secs(10);

/// Horizons that were walked, of each experiment, and reports that were read.
#[derive(Debug, Default)]
pub struct Walks {
    walks: Mutex<HashMap<ExperimentId, Arc<AtOnce<Option<Walk>>>>>,
    /// Reports of the step under way.
    pub reads: Reads,
}

/// Horizons that were walked of one.
#[derive(Debug)]
struct Walk {
    of: Of,
    /// Rows of horizons in it, of whatever agent.
    rows: usize,
    walked: Arc<Walked>,
    /// Those after it, by their begin, agent, and process and generation.
    tail: BTreeMap<(i64, AgentUid, u64), Varied>,
    /// Time at which the last report came that is among them.
    until: Option<UnixMillis>,
}

/// Memory of an experiment, to be looked at by one at a time.
fn kept_of<T: Default>(
    all: &Mutex<HashMap<ExperimentId, Arc<AtOnce<T>>>>,
    id: ExperimentId,
) -> Arc<AtOnce<T>> {
    let mut all = lock(all);
    if all.len() >= EXPERIMENTS && !all.contains_key(&id) {
        // A replica that does not decide never hears that one is over.
        all.retain(|_, kept| Arc::strong_count(kept) > 1);
    }
    Arc::clone(all.entry(id).or_default())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Guardrails and agents that a walk holds for.
#[derive(Clone, Debug, PartialEq)]
struct Of {
    guardrails: Vec<Guardrail>,
    alpha: f64,
    length: Duration,
    /// Agents in order, the time after which their horizons count, and whether they do.
    agents: Vec<(AgentUid, i64, bool)>,
}

impl Walks {
    /// Forgets all experiments but these.
    pub fn retain(&self, these: &[ExperimentId]) {
        lock(&self.walks).retain(|id, _| these.contains(id));
        self.reads.retain(these);
    }

    /// Gives agents the figures that varied by chance, if a guardrail asks, but for those that were walked. `since` is the time
    /// after which each agent's count, Unix nanoseconds by our clock. Returns what was walked.
    ///
    /// # Errors
    /// The store's.
    pub async fn measure(
        &self,
        reader: &mut Connection,
        experiment: &Experiment,
        agents: &mut [AgentEvidence],
        since: impl Fn(AgentUid) -> i64,
    ) -> Result<Option<Arc<Walked>>, StoreError> {
        let spec = &experiment.spec;
        let guardrails: Vec<Guardrail> =
            spec.policy.all_guardrails().map(Cow::into_owned).filter(|one| one.quantity.varies()).collect();
        if guardrails.is_empty() {
            return Ok(None);
        }
        let agents_of = agents.iter().map(|agent| (agent.uid, since(agent.uid), agent.in_conflict)).collect();
        let of = Of { guardrails, alpha: spec.policy.alpha, length: spec.report_every, agents: agents_of };
        let kept = kept_of(&self.walks, experiment.id);
        // Who looks at the same time waits, and then finds it read.
        let mut kept = kept.lock().await;
        let mut walk = kept.take().filter(|walk| walk.of == of).unwrap_or_else(|| Walk::new(of));
        walk.look(reader, experiment).await?;
        let measured = walk.of.measured(walk.tail.iter().map(|((start, uid, _), one)| (*uid, *start, one)));
        for (agent, measured) in agents.iter_mut().zip(measured) {
            agent.measured = measured;
        }
        let walked = Arc::clone(&walk.walked);
        *kept = Some(walk);
        Ok(Some(walked))
    }
}

impl Walk {
    fn new(of: Of) -> Self {
        Self { of, rows: 0, walked: Arc::default(), tail: BTreeMap::new(), until: None }
    }

    /// Reads what has come since the last look; everything, where that is not all that is new.
    async fn look(&mut self, reader: &mut Connection, experiment: &Experiment) -> Result<(), StoreError> {
        if let Some(until) = self.until {
            let of = (experiment.tenant_id, experiment.id);
            let some =
                windows::varied_since(reader, of, (until.before(LATE), [self.after(), i64::MAX])).await?;
            let all = some.all;
            self.take(some);
            if !self.is_other(all) {
                return self.walk(reader, experiment).await;
            }
        }
        let all = self.go_on(reader, experiment).await?;
        if self.is_other(all) {
            *self = Self::new(self.of.clone());
            self.go_on(reader, experiment).await?;
        }
        Ok(())
    }

    /// Begin of the first horizon that was not walked.
    fn after(&self) -> i64 {
        if self.walked.before() == 0 { i64::MIN } else { self.of.begin(self.walked.before()) }
    }

    fn take(&mut self, some: windows::AllVaried) {
        self.until = self.until.max(some.latest);
        self.tail.extend(some.rows.into_iter().map(|(uid, one)| ((one.start, uid, one.of), one)));
    }

    /// Walks all but the latest horizons, a part of them at a time, and reads the rest. Returns the number of all.
    async fn go_on(&mut self, reader: &mut Connection, experiment: &Experiment) -> Result<usize, StoreError> {
        let of = (experiment.tenant_id, experiment.id);
        self.tail.clear();
        if let Some(bounds) = sums::bounds(reader, of).await? {
            let at_once = u64::try_from(ROWS / self.of.agents.len().max(1)).unwrap_or(0).max(LATEST);
            while let Some(before) = self.next(&bounds, at_once) {
                let some = windows::varied(reader, of, [self.after(), self.of.begin(before)]).await?;
                self.take(some);
                self.walk_before(experiment, before, &bounds);
            }
        }
        let rest = windows::varied(reader, of, [self.after(), i64::MAX]).await?;
        let all = rest.all;
        self.take(rest);
        Ok(all)
    }

    /// Walks what was read and is not of the latest horizons any more.
    async fn walk(&mut self, reader: &mut Connection, experiment: &Experiment) -> Result<(), StoreError> {
        if let Some(bounds) = sums::bounds(reader, (experiment.tenant_id, experiment.id)).await? {
            while let Some(before) = self.next(&bounds, u64::MAX) {
                self.walk_before(experiment, before, &bounds);
            }
        }
        Ok(())
    }

    /// The horizon before which all is to be walked next; nothing where the rest is of the latest ones.
    fn next(&self, bounds: &Bounds, at_once: u64) -> Option<u64> {
        let from = self.walked.before().max(self.of.number(bounds.from));
        let last = self.of.number(bounds.to - 1);
        (last.saturating_sub(from) >= 2 * LATEST).then(|| (last - LATEST).min(from.saturating_add(at_once)))
    }

    fn walk_before(&mut self, experiment: &Experiment, before: u64, bounds: &Bounds) {
        let first = AgentUid(Uuid::nil());
        let rest = self.tail.split_off(&(self.of.begin(before), first, 0));
        let some = std::mem::replace(&mut self.tail, rest);
        self.rows += some.len();
        let hosts = self.of.measured(some.iter().map(|((start, uid, _), one)| (*uid, *start, one)));
        let mirror_ends = bounds.mirror_ends.map(|end| self.of.number(end - 1));
        self.walked = Arc::new(self.walked.and(&hosts, &experiment.spec, before, mirror_ends));
    }

    /// Tells whether what is known is not all: something came late among what was walked, or longer after it was sent than others.
    fn is_other(&self, all: usize) -> bool {
        let mirror_goes_on = self.walked.has_begun() && self.tail.values().any(|one| one.mirror);
        mirror_goes_on || self.rows + self.tail.len() != all
    }
}

impl Of {
    fn length(&self) -> i64 {
        i64::try_from(self.length.as_nanos()).unwrap_or(i64::MAX).max(1)
    }

    fn number(&self, at: i64) -> u64 {
        u64::try_from(at / self.length()).unwrap_or(0)
    }

    fn begin(&self, number: u64) -> i64 {
        i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(self.length())
    }

    /// Figures of each agent, one of each horizon, where a restart or a step made two begin in it.
    fn measured<'a>(&self, rows: impl Iterator<Item = (AgentUid, i64, &'a Varied)>) -> Vec<Vec<Measured>> {
        let places: HashMap<AgentUid, usize> =
            self.agents.iter().enumerate().map(|(at, one)| (one.0, at)).collect();
        let mut hosts: Vec<Vec<Measured>> = vec![Vec::new(); self.agents.len()];
        for (uid, start, Varied { mirror, nanos_per_point, latency_p99, .. }) in rows {
            let (mirror, nanos_per_point, latency_p99) = (*mirror, *nanos_per_point, *latency_p99);
            let Some(&place) = places.get(&uid) else { continue };
            let (_, since, in_conflict) = self.agents[place];
            if start < since || in_conflict {
                continue;
            }
            let horizon = self.number(start);
            if hosts[place].last().is_none_or(|last| last.horizon < horizon) {
                hosts[place].push(Measured { horizon, mirror, nanos_per_point, latency_p99 });
            }
        }
        hosts
    }
}
