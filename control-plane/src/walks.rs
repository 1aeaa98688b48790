//! Horizons of what varies by chance that were walked before, so that no look walks them again.
//!
//! What was walked is kept in memory and can be made again of the rows, which is what a process does that begins to decide.
//! It holds for the same guardrails, agents and baselines. A horizon that comes late, among those that were walked, is found
//! by the number of all there are: everything is walked anew then, so that the answer is the one of all horizons in order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::experiment::{AgentEvidence, ExperimentId, Guardrail, Measured, Walked};
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::windows::{self, Varied};
use crate::store::{Connection, StoreError, sums};

/// The latest horizons, which are not walked for good: what is late belongs to one of them, as a rule.
const LATEST: u64 = 64;
/// Rows that are read at once.
const ROWS: usize = 262_144;

/// Horizons that were walked, of each experiment.
#[derive(Debug, Default)]
pub struct Walks(Mutex<HashMap<ExperimentId, Walk>>);

/// Horizons that were walked of one.
#[derive(Clone, Debug)]
struct Walk {
    of: Of,
    /// Rows of horizons in it, of whatever agent.
    rows: usize,
    walked: Arc<Walked>,
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| these.contains(id));
    }

    fn of(&self, id: ExperimentId, of: Of) -> Walk {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(&id).filter(|walk| walk.of == of).cloned();
        kept.unwrap_or(Walk { of, rows: 0, walked: Arc::default() })
    }

    fn keep(&self, id: ExperimentId, walk: Walk) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, walk);
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
        let mut walk = self.of(experiment.id, of.clone());
        let mut tail = walk.go_on(reader, experiment).await?;
        if walk.is_other(&tail) {
            walk = Walk { of, rows: 0, walked: Arc::default() };
            tail = walk.go_on(reader, experiment).await?;
        }
        let measured = walk.of.measured(&tail.rows);
        for (agent, measured) in agents.iter_mut().zip(measured) {
            agent.measured = measured;
        }
        let walked = Arc::clone(&walk.walked);
        self.keep(experiment.id, walk);
        Ok(Some(walked))
    }
}

impl Walk {
    /// Walks all but the latest horizons. Returns the rest.
    async fn go_on(
        &mut self,
        reader: &mut Connection,
        experiment: &Experiment,
    ) -> Result<windows::AllVaried, StoreError> {
        let of = (experiment.tenant_id, experiment.id);
        let length = self.of.length();
        let number = |at: i64| u64::try_from(at / length).unwrap_or(0);
        let begin = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(length);
        if let Some(bounds) = sums::bounds(reader, of).await? {
            let mirror_ends = bounds.mirror_ends.map(|end| number(end - 1));
            let last = number(bounds.to - 1);
            let at_once = u64::try_from(ROWS / self.of.agents.len().max(1)).unwrap_or(0).max(LATEST);
            loop {
                let from = self.walked.before().max(number(bounds.from));
                if last.saturating_sub(from) < 2 * LATEST {
                    break;
                }
                let before = (last - LATEST).min(from + at_once);
                let after = if self.walked.before() == 0 { i64::MIN } else { begin(self.walked.before()) };
                let some = windows::varied(reader, of, [after, begin(before)]).await?;
                self.rows += some.rows.len();
                let hosts = self.of.measured(&some.rows);
                self.walked = Arc::new(self.walked.and(&hosts, &experiment.spec, before, mirror_ends));
            }
        }
        let after = if self.walked.before() == 0 { i64::MIN } else { begin(self.walked.before()) };
        windows::varied(reader, of, [after, i64::MAX]).await
    }

    /// Tells whether something came late among what was walked.
    fn is_other(&self, tail: &windows::AllVaried) -> bool {
        let mirror_goes_on = self.walked.has_begun() && tail.rows.iter().any(|(_, one)| one.mirror);
        mirror_goes_on || self.rows + tail.rows.len() != tail.all
    }
}

impl Of {
    fn length(&self) -> i64 {
        i64::try_from(self.length.as_nanos()).unwrap_or(i64::MAX).max(1)
    }

    /// Figures of each agent, one of each horizon, where a restart or a step made two begin in it.
    fn measured(&self, rows: &[(AgentUid, Varied)]) -> Vec<Vec<Measured>> {
        let places: HashMap<AgentUid, usize> =
            self.agents.iter().enumerate().map(|(at, one)| (one.0, at)).collect();
        let mut hosts: Vec<Vec<Measured>> = vec![Vec::new(); self.agents.len()];
        for (uid, Varied { start, mirror, nanos_per_point, latency_p99 }) in rows.iter().copied() {
            let Some(&place) = places.get(&uid) else { continue };
            let (_, since, in_conflict) = self.agents[place];
            if start < since || in_conflict {
                continue;
            }
            let horizon = u64::try_from(start / self.length()).unwrap_or(0);
            if hosts[place].last().is_none_or(|last| last.horizon < horizon) {
                hosts[place].push(Measured { horizon, mirror, nanos_per_point, latency_p99 });
            }
        }
        hosts
    }
}
