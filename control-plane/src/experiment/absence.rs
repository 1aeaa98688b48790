//! Absence of agents between two verdicts: who has gone missing, and who is back.
//!
//! A verdict's basis says who is absent: missing, or gone. So each change is told once, whatever restarts meanwhile.

use super::basis::{is_gone, is_missing};
use super::{AgentEvidence, Basis, Evidence, Spec};
use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// Change of an agent's presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The agent.
    pub uid: AgentUid,
    /// Name of its host.
    pub host: String,
    /// True if it is absent from now on, false if it is back.
    pub absent: bool,
    /// Time since which no report of it has come: that of its last one, or the begin of the step.
    pub heard: UnixMillis,
}

impl Absence {
    /// The change in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { host, heard, absent, .. } = self;
        if *absent {
            format!("Agent {host} is missing: no report of it has come since {heard}.")
        } else {
            format!("Agent {host} is back.")
        }
    }
}

/// Tells whether evidence of an agent is waited for in vain, or no more.
pub(super) fn is_absent(agent: &AgentEvidence, spec: &Spec, now: UnixMillis) -> bool {
    is_gone(agent, spec, now) || (agent.is_waited_for(spec, now) && is_missing(agent, spec, now))
}

/// Changes from one verdict's basis to the next one's, by the evidence of the next. An agent that is no part of the step any
/// more, or of which nothing is expected, is not back.
#[must_use]
pub fn turned(before: Option<&Basis>, next: &Basis, evidence: &Evidence) -> Vec<Absence> {
    let before = before.map(|basis| basis.absent.as_slice()).unwrap_or_default();
    let turned = |agent: &AgentEvidence| {
        let (was, is) = (before.contains(&agent.uid), next.absent.contains(&agent.uid));
        let comes = is || (agent.known && !agent.in_conflict);
        (was != is && comes).then(|| Absence {
            uid: agent.uid,
            host: agent.host.clone(),
            absent: is,
            heard: agent.last_seen.unwrap_or(agent.heard),
        })
    };
    evidence.agents.iter().filter_map(turned).collect()
}
