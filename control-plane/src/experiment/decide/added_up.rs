//! Agents and stretch that the figure of a lens adds up, where some agents had nothing come in for a part of the time: it is no figure of all of it.

use super::Subject;
use crate::clock::UnixMillis;
use crate::experiment::AgentEvidence;
use crate::experiment::words::{counted, listed};

/// A sentence about the agents and the stretch that a lens adds up, of which so many agents have measured it; nothing where each
/// had something come in all the time.
pub(super) fn sentence(looked: &Subject<'_>, agents: u64) -> Option<String> {
    let measuring =
        || looked.evidence.agents.iter().filter(|agent| agent.count > 0 && !agent.horizons.is_empty());
    let idle =
        |agent: &AgentEvidence| format!("{} for {}", agent.host, counted(agent.idle.into(), "horizon"));
    let idle: Vec<String> = measuring().filter(|agent| agent.idle > 0).map(idle).collect();
    if idle.is_empty() {
        return None;
    }
    let found = || measuring().flat_map(|agent| &agent.horizons);
    let begins = found().map(|one| {
        let nanos = (one.horizon.seconds.max(0.0) * 1e9) as u64;
        one.window_end.saturating_sub(nanos)
    });
    let [from, to] = [begins.min()?, found().map(|one| one.window_end).max()?].map(UnixMillis::of_nanos);
    Some(format!(
        "That adds up {} from {from} to {to}, without the time in which nothing came in: on {}.",
        counted(agents, "agent"),
        listed(&idle)
    ))
}
