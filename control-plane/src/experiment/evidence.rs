//! Findings of the agents of a step so far.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use observe::Comparison;
use proto::Findings;
use proto::quarantine::QUARANTINED;

use serde::{Deserialize, Serialize};

use super::Spec;
use super::across::AcrossAgents;
use super::basis::is_gone;
use super::guardrail::Quantity;
use super::sequential::Walked;
use super::wave::WAITING;
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
    /// The wave in which the step's content was offered to it, while that is new to its version; [`WAITING`] before.
    pub wave: Option<u8>,
    /// Reason for which it cut the candidate out by itself, as it said over the control channel.
    pub cut: Option<String>,
    /// Time at which it was last heard of.
    pub last_seen: Option<UnixMillis>,
    /// Time at which anything was last heard of it, on either channel, or could have been first.
    pub heard: UnixMillis,
    /// True if it has a connection to the control plane, as far as that is known.
    pub connected: bool,
    /// True if it took the place of another agent on its node since the experiment began.
    pub replaced: bool,
    /// True if another agent claims its node, too: it has no findings here.
    pub in_conflict: bool,
    /// True if the agent is enrolled still, and its owner lets configs be pushed to it.
    pub known: bool,
    /// Its findings in the horizons of this step, oldest first; the last ones, if there are many. They end by our clock.
    pub horizons: Vec<Arc<Findings>>,
    /// Horizons of this step in which something came in.
    pub count: u32,
    /// Horizons of this step in which nothing came in.
    pub idle: u32,
    /// Horizons of this step that count for nothing: the split lost a unit in them, or batches were left out of them.
    pub voided: u32,
    /// Units that the split lost in them, and batches that were left out.
    pub void: BTreeSet<String>,
    /// All that each of its processes has measured since the experiment began to run these two plans, oldest first.
    pub totals: Vec<Arc<Comparison>>,
    /// Time by which its clock is ahead of ours, or behind (negative), milliseconds, the furthest in this step; nothing if
    /// it does not say it.
    pub clock_ahead: Option<i64>,
    /// Its reports that were refused since the experiment began.
    pub refused: RefusedReports,
    /// Figures that varied by chance, in every horizon since the experiment began, oldest first; but for those that
    /// [`Evidence::walked`] has.
    pub measured: Vec<Measured>,
    /// Change of its baseline since the experiment began; what was measured before counts nowhere here.
    pub rebased: Option<Rebased>,
}

/// Baseline of an agent that is another than when the experiment began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebased {
    /// Digest of the one that the experiment began with, in hexadecimal.
    pub from: String,
    /// Digest of the present one.
    pub to: String,
}

/// Reports of an agent that were refused: nothing of them counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedReports {
    /// Number of them.
    pub reports: u32,
    /// Reasons, each once.
    pub reasons: Vec<String>,
    /// Time of the last one.
    pub last_at: Option<UnixMillis>,
}

impl RefusedReports {
    /// Reasons in one text.
    #[must_use]
    pub fn why(&self) -> String {
        self.reasons.join("; ")
    }
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
    /// Tells whether it waits for its wave: it was not asked to run the step yet.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.wave == Some(WAITING)
    }

    /// Reason for which it has the step's content in quarantine: with it, the agent died again and again.
    #[must_use]
    pub fn quarantined(&self) -> Option<&str> {
        self.failed.as_deref()?.strip_prefix(QUARANTINED)
    }

    /// Tells whether evidence is expected of it: it is enrolled, not gone, and the only one that claims its node.
    #[must_use]
    pub fn is_waited_for(&self, spec: &Spec, now: UnixMillis) -> bool {
        self.known && !self.in_conflict && !is_gone(self, spec, now)
    }

    /// The latest horizon.
    #[must_use]
    pub fn last(&self) -> Option<&Findings> {
        self.horizons.last().map(Arc::as_ref)
    }

    /// The same agent without what it has measured: it counts for nothing.
    #[must_use]
    pub fn without_findings(self) -> Self {
        let (horizons, totals, measured, void) = Default::default();
        Self { horizons, totals, measured, void, count: 0, idle: 0, voided: 0, ..self }
    }

    /// Everything in which harm may show: each horizon of the step, and what each process has measured in all, for what
    /// lies between horizons.
    pub fn stretches(&self) -> impl Iterator<Item = &Comparison> {
        let totals = self.totals.iter().map(Arc::as_ref);
        self.horizons.iter().map(|findings| &findings.horizon).chain(totals)
    }

    /// Tells whether it has reported no horizon of the step.
    #[must_use]
    pub fn has_told_nothing(&self) -> bool {
        self.horizons.is_empty() && self.count + self.idle + self.voided == 0 && self.void.is_empty()
    }

    /// Tells whether it reports and nothing came in during this step. Of a horizon that counts for nothing something did.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.count == 0 && self.idle > 0 && self.voided == 0 && self.void.is_empty()
    }
}

/// All of them: the agents frozen when the step began, whether they were heard of or not.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// One for each.
    pub agents: Vec<AgentEvidence>,
    /// Begin of what their horizons are of, while the last one of a step is being collected; else they are of all the step.
    pub since: Option<UnixMillis>,
    /// Stretch in which something came in anywhere, since the experiment began; nothing where nothing did.
    pub stretch: Option<Stretch>,
    /// What was found by comparing agents with each other.
    pub across: AcrossAgents,
    /// Time by which waves delayed the step: it counts from the last offer on.
    pub delay: Duration,
    /// Evidence of what varied by chance in horizons before those that the agents have here, of these agents in this order.
    pub walked: Option<Arc<Walked>>,
}

/// Stretch of time that evidence covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Begin of the first horizon.
    pub from: UnixMillis,
    /// End of the last one.
    pub to: UnixMillis,
    /// Hours of the week in which a horizon began, from 0 (Monday 00:00 UTC) to 167.
    pub hours: BTreeSet<u8>,
}

impl Stretch {
    /// Covers so many hours after each, too: a horizon that is longer than an hour reaches into them.
    #[must_use]
    pub fn lengthened(mut self, hours: u8) -> Self {
        let hours = u16::from(hours.min(167));
        let covered = |hour: &u8| {
            let hour = u16::from(*hour);
            (hour..=hour + hours).map(|hour| u8::try_from(hour % 168).unwrap_or(0))
        };
        self.hours = self.hours.iter().flat_map(covered).collect();
        self
    }
}

impl Evidence {
    /// Agents of which something counts: in this step, or before.
    pub fn counted(&self) -> impl Iterator<Item = &AgentEvidence> {
        self.agents.iter().filter(|agent| agent.count > 0)
    }

    /// Agents from which evidence is expected and fewer than `horizons` horizons of this step count: neither an idle agent
    /// nor one that nobody waits for is one of them.
    pub fn behind(
        &self,
        horizons: u32,
        spec: &Spec,
        now: UnixMillis,
    ) -> impl Iterator<Item = &AgentEvidence> {
        let waited_for = self.agents.iter().filter(move |agent| agent.is_waited_for(spec, now));
        waited_for.filter(move |agent| agent.count < horizons && !agent.is_idle())
    }

    /// Agents that are not there any more: those that are gone, and those whose node two agents claim.
    pub fn absent(&self, spec: &Spec, now: UnixMillis) -> impl Iterator<Item = &AgentEvidence> {
        self.agents.iter().filter(move |agent| agent.known && !agent.is_waited_for(spec, now))
    }
}
