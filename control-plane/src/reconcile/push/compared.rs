//! Baselines that a promotion was compared with: an agent whose own file has another one in charge is not to take it.
//!
//! An agent that was measured is to have the baseline of its last horizon, and one that was not, one of those of the others.
//! Only pipelines of agents' own files are told: what was deployed, and what the experiment itself gave, has taken the place of
//! a file already, and a new agent, or one that has lost its disk, comes with its file.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use proto::promotion::MAX_COMPARED;

use crate::evidence::Baselines;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::{Connection, StoreError, deployments, experiments};

/// See the module. Each experiment is looked at once.
#[derive(Default)]
pub struct Compared(HashMap<(TenantId, ExperimentId), Of>);

/// Baselines of one experiment, and those that are no file's.
#[derive(Default)]
struct Of {
    baselines: Baselines,
    given: HashSet<String>,
}

impl Compared {
    /// Digests of the pipelines of which an agent's file is to have one; none where any will do.
    ///
    /// # Errors
    /// The store's.
    pub async fn with(
        &mut self,
        state: &AppState,
        reader: &mut Connection,
        of: (TenantId, ExperimentId),
        agent: AgentUid,
    ) -> Result<Vec<String>, StoreError> {
        let known = match self.0.entry(of) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Of::read(state, reader, of).await?),
        };
        Ok(known.asked(agent))
    }
}

impl Of {
    async fn read(
        state: &AppState,
        reader: &mut Connection,
        (tenant, id): (TenantId, ExperimentId),
    ) -> Result<Self, StoreError> {
        let Some(experiment) = experiments::get(reader, tenant, id).await? else {
            return Ok(Self::default());
        };
        let mut given = HashSet::new();
        let configs = deployments::configs(reader, tenant).await?;
        for config in configs.iter().chain(&experiment.spec.baseline) {
            given.insert(state.plans.of(config).await);
        }
        Ok(Self { baselines: Baselines::decided_on(reader, &experiment).await?, given })
    }

    fn asked(&self, agent: AgentUid) -> Vec<String> {
        let is_files = |digest: &&str| !digest.is_empty() && !self.given.contains(*digest);
        if let Some(own) = self.baselines.last(agent) {
            return Some(own).filter(is_files).map(str::to_owned).into_iter().collect();
        }
        let all = self.baselines.all();
        let of_files: Vec<String> = all.into_iter().filter(is_files).map(str::to_owned).collect();
        if of_files.len() > MAX_COMPARED { Vec::new() } else { of_files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::windows::Compared as Stretch;

    fn uid(at: u8) -> AgentUid {
        format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().expect("a uid")
    }

    /// What is asked of an agent, where agents have measured with these baselines, and these are no file's.
    fn asked(measured: &[(u8, &str)], given: &[&str], agent: u8) -> Vec<String> {
        let stretch = |(at, baseline): &(u8, &str)| {
            let (agent, baseline) = (uid(*at), (*baseline).to_owned());
            Stretch { agent, baseline, from: 0, to: 1 }
        };
        let baselines = Baselines::reported(measured.iter().map(stretch).collect());
        Of { baselines, given: given.iter().map(|digest| (*digest).to_owned()).collect() }.asked(uid(agent))
    }

    #[test]
    fn an_agent_is_asked_for_its_own_baseline_and_one_that_was_not_measured_for_any_of_the_others() {
        let measured = [(1, "a"), (2, "b"), (3, "b")];
        assert_eq!(asked(&measured, &[], 2), ["b"]);
        assert_eq!(asked(&measured, &[], 9), ["a", "b"]);
        assert!(asked(&[(1, "")], &[], 1).is_empty(), "of a release that names no baseline");
    }

    #[test]
    fn nothing_is_asked_where_what_was_compared_was_pushed_or_where_files_are_of_too_many_kinds() {
        assert!(asked(&[(1, "deployed"), (2, "b")], &["deployed"], 1).is_empty());
        assert_eq!(asked(&[(1, "deployed"), (2, "b")], &["deployed"], 9), ["b"]);
        let digests: Vec<String> = (0..=MAX_COMPARED).map(|at| at.to_string()).collect();
        let measured: Vec<(u8, &str)> = (1..).zip(digests.iter().map(String::as_str)).collect();
        assert!(asked(&measured, &[], 99).is_empty());
        assert_eq!(asked(&measured, &[], 2), ["1"]);
    }
}
