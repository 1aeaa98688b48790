//! Sums of all agents of an experiment, read at once: what a look needs to know of each, without a statement for each.

use std::collections::{BTreeMap, HashMap};

use super::{Counted, Of, Side, Sum, of_all};
use crate::clock::UnixMillis;
use crate::id::AgentUid;
use crate::store::{Connection, StoreError};

/// See the module.
#[derive(Debug, Default)]
pub struct All(HashMap<AgentUid, Vec<Sum>>);

/// Mark of what an agent has reported: it is another one after each report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    horizons: u32,
    received_at: Option<UnixMillis>,
}

impl All {
    /// Those of an experiment.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(connection: &mut Connection, of: Of) -> Result<Self, StoreError> {
        let mut all: HashMap<AgentUid, Vec<Sum>> = HashMap::new();
        for sum in of_all(connection, of).await? {
            all.entry(sum.key.agent).or_default().push(sum);
        }
        Ok(Self(all))
    }

    fn own(&self, agent: AgentUid) -> &[Sum] {
        self.0.get(&agent).map_or(&[], Vec::as_slice)
    }

    /// Tells whether an agent has reported anything.
    #[must_use]
    pub fn has(&self, agent: AgentUid) -> bool {
        self.0.contains_key(&agent)
    }

    /// Mark of what an agent has reported so far.
    #[must_use]
    pub fn stamp(&self, agent: AgentUid) -> Stamp {
        let own = self.own(agent);
        Stamp {
            horizons: own.iter().map(|sum| sum.counted.counted + sum.counted.idle).sum(),
            received_at: own.iter().filter_map(|sum| sum.counted.received_at).max(),
        }
    }

    /// Begin of the first horizon of each process of an agent, by its id, Unix nanoseconds by the agent's clock.
    #[must_use]
    pub fn boots(&self, agent: AgentUid) -> BTreeMap<String, i64> {
        let mut boots: BTreeMap<String, i64> = BTreeMap::new();
        for sum in self.own(agent) {
            let first = boots.entry(sum.key.boot_id.clone()).or_insert(sum.first_start);
            *first = sum.first_start.min(*first);
        }
        boots
    }

    /// Horizons of an agent in a step that ended after `since`, Unix nanoseconds by our clock. Reads nothing but where that divides
    /// what was added up.
    ///
    /// # Errors
    /// The store's.
    pub async fn counted(
        &self,
        connection: &mut Connection,
        of: Of,
        (agent, step): (AgentUid, &str),
        since: i64,
    ) -> Result<Counted, StoreError> {
        let mut all = Counted::default();
        for sum in self.own(agent).iter().filter(|sum| sum.key.step == step) {
            let since = since.saturating_add(sum.key.clock_offset);
            match sum.side(since) {
                Some(Side::Until) => {}
                Some(Side::After) => all.add(&sum.counted),
                None => all.add(&sum.counted_after(connection, of, since).await?),
            }
        }
        Ok(all)
    }
}
