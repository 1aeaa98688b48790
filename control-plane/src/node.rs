//! Nodes: the identity that endures while the agents on it are replaced, and the times that go with it.
//!
//! An agent says its node as `key=value`, such as `k8s.node.uid=…` or `host.id=…`. It is only claimed: nothing but the
//! enrollment token of the agent before proves that a claim may be met.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// The most bytes of an identity.
const LONGEST: usize = 255;
/// Between an identity and the agent that has it beside another one.
const OWN: char = '#';

/// Identity of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(String);

/// Reason for which a text names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no node: expected key=value, such as host.id=4c4c4544, of at most 255 bytes, without '#' and control characters"
)]
pub struct NotANode(String);

impl Node {
    /// Identity of an agent that is on this node beside another one for good.
    #[must_use]
    pub fn of_its_own(&self, agent: AgentUid) -> Self {
        Self(format!("{}{OWN}{agent}", self.0))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Node {
    type Err = NotANode;

    fn from_str(text: &str) -> Result<Self, NotANode> {
        let wrong = || NotANode(text.chars().take(64).collect());
        let (key, value) = text.split_once('=').ok_or_else(wrong)?;
        let strange = |c: char| c.is_control() || c == OWN;
        if key.is_empty() || value.is_empty() || text.len() > LONGEST || text.contains(strange) {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Times of nodes and their agents.
#[derive(Debug, Clone, Copy)]
pub struct NodeTimes {
    /// Time without a word of a node's agent, after which another one takes its place.
    pub take_over: Duration,
    /// Time without a word of an agent, after which it is archived.
    pub archive: Duration,
    /// Start of this process: before it, nobody could be heard.
    pub started: UnixMillis,
}

impl NodeTimes {
    /// Time for which an agent that was replaced is a conflict if it comes back.
    pub const FORMER: Duration = Duration::from_secs(900);
    /// Time for which a conflict lasts after the agent that was replaced was last heard. It asks every 15 s.
    pub const CONFLICT: Duration = Duration::from_secs(120);

    /// Time for which an agent claims a node that has one, before it joins as a node of its own.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.take_over * 4
    }

    /// Time at which somebody was last heard of, or could have been first.
    #[must_use]
    pub fn heard(&self, at: UnixMillis) -> UnixMillis {
        at.max(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_key_and_a_value_and_nobody_claims_one_that_is_anothers_own() {
        let node: Node = "host.id=4c4c=4544".parse().unwrap();
        assert_eq!(node.to_string(), "host.id=4c4c=4544");
        let uid: AgentUid = "018f4f9e-0000-7000-8000-000000000001".parse().unwrap();
        let own = node.of_its_own(uid).to_string();
        assert_eq!(own, "host.id=4c4c=4544#018f4f9e-0000-7000-8000-000000000001");
        let long = format!("host.id={}", "x".repeat(250));
        for wrong in ["", "abc", "=abc", "host.id=", "host.id=a\nb", own.as_str(), long.as_str()] {
            assert!(wrong.parse::<Node>().is_err(), "{wrong:?}");
        }
    }
}
