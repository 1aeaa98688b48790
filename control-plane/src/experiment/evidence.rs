//! Findings of the agents of a step so far.

use std::collections::BTreeSet;

use proto::Findings;

use super::guardrail::Quantity;
use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// One agent of a step.
#[derive(Clone, Debug)]
pub struct AgentEvidence {
    /// Its uid.
    pub uid: AgentUid,
    /// Name of its host.
    pub host: String,
    /// True if it runs the step's generation.
    pub applied: bool,
    /// Reason for which it does not.
    pub failed: Option<String>,
    /// Reason for which it cut the candidate out by itself, as it said over the control channel.
    pub cut: Option<String>,
    /// Time at which it was last heard of.
    pub last_seen: Option<UnixMillis>,
    /// Its findings in the horizons of this step, oldest first; the last ones, if there are many.
    pub horizons: Vec<Findings>,
    /// Horizons of this step in all.
    pub count: u32,
    /// Units that the split lost: the horizons in which it did are void, and not among these.
    pub void: BTreeSet<String>,
    /// Figures that varied by chance, in every horizon since the experiment began, oldest first.
    pub measured: Vec<Measured>,
}

/// Figures that varied by chance in one horizon: relative errors, none where there was nothing to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The number of the horizon: its start over its length.
    pub horizon: u64,
    /// True if it is of the mirror step.
    pub mirror: bool,
    /// Of the time in the pipeline for a point.
    pub nanos_per_point: Option<f64>,
    /// Of what 99 of 100 batches wait.
    pub latency_p99: Option<f64>,
}

impl Measured {
    /// The one that a guardrail looks at.
    #[must_use]
    pub fn of(&self, quantity: Quantity) -> Option<f64> {
        match quantity {
            Quantity::NanosPerPoint => self.nanos_per_point,
            Quantity::LatencyP99 => self.latency_p99,
            _ => None,
        }
    }
}

impl AgentEvidence {
    /// The latest horizon.
    #[must_use]
    pub fn last(&self) -> Option<&Findings> {
        self.horizons.last()
    }
}

/// All of them: the agents frozen when the step began, whether they were heard of or not.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// One for each.
    pub agents: Vec<AgentEvidence>,
}

impl Evidence {
    /// Agents with at least one judged horizon in this step.
    pub fn reporting(&self) -> impl Iterator<Item = &AgentEvidence> {
        self.agents.iter().filter(|agent| agent.count > 0)
    }

    /// Agents with fewer than `horizons` judged horizons in this step.
    pub fn behind(&self, horizons: u32) -> impl Iterator<Item = &AgentEvidence> {
        self.agents.iter().filter(move |agent| agent.count < horizons)
    }
}
