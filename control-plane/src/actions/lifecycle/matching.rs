//! Agents of an experiment's next step.

use std::collections::HashMap;

use crate::clock::UnixMillis;
use crate::id::AgentUid;
use crate::state::AppState;
use crate::store::experiments::Experiment;
use crate::store::sessions::{self, Member};
use crate::store::{StoreError, Tx};

/// Agents that an experiment's selector matches.
pub(super) struct Matching {
    /// The agents.
    pub(super) agents: Vec<AgentUid>,
    /// Number of those that are left out, because they take nothing that is pushed.
    pub(super) refusing: usize,
    /// Number of those that are left out, because nothing was heard of them for long, or not since another one is on their host.
    pub(super) gone: usize,
}

/// Agents of the next step. One that went in an earlier step is one of them still, so that all that go in an experiment are
/// counted; one that was gone before, or whose host has another agent since, is not.
pub(super) async fn matching(
    state: &AppState,
    tx: &mut Tx,
    experiment: &Experiment,
) -> Result<Matching, StoreError> {
    let members = sessions::of_tenant(tx, experiment.tenant_id).await?;
    let selector = &experiment.spec.selector;
    let present = members.into_iter().filter(|member| !member.archived);
    let matching = present.filter(|member| selector.matches(&member.labels, &member.attributes));
    let (refusing, taking): (Vec<_>, Vec<_>) = matching.partition(|member| member.refuses_configs);
    let before = experiment.state.run().map(|run| run.agents.as_slice()).unwrap_or_default();
    let (now, gone_after) = (state.clock.now(), experiment.spec.policy.gone_after);
    let is_gone = |member: &Member| state.nodes.heard(member.heard).plus(gone_after) < now;
    let successors = successors(&taking);
    let is_replaced = |member: &Member| {
        let since = successors.get(&member.host).filter(|_| member.connected.is_none());
        since.is_some_and(|since| *since > member.heard)
    };
    let (gone, there): (Vec<_>, Vec<_>) = taking
        .iter()
        .partition(|member| !before.contains(&member.uid) && (is_gone(member) || is_replaced(member)));
    let agents = there.into_iter().map(|member| member.uid).collect();
    Ok(Matching { agents, refusing: refusing.len(), gone: gone.len() })
}

/// Time at which the last agent of each host enrolled that is connected: one that was last heard of before is not coming back.
fn successors(members: &[Member]) -> HashMap<String, UnixMillis> {
    let mut last: HashMap<String, UnixMillis> = HashMap::new();
    for member in members.iter().filter(|member| member.connected.is_some()) {
        let enrolled = last.entry(member.host.clone()).or_insert(member.enrolled);
        *enrolled = member.enrolled.max(*enrolled);
    }
    last
}
