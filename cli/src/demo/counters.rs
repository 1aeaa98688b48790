//! The counters of an act: what everybody who touched points says about them.
//!
//! Four parties count, none of them sees another's counters: the sources what was acknowledged to them, the
//! agents' counters what came in and what destinations confirmed, the agents' windows what was assigned and
//! left, and the sink what arrived.

use std::collections::{BTreeMap, BTreeSet};

use observe::{Comparison, Report, Variant};
use serde::Serialize;
use simulator::sender::SenderCounts;
use simulator::sink::SinkCounts;
use tokio::time::Instant;

use super::processes::Processes;
use super::prometheus::Samples;
use super::rollout::Rollout;

/// An agent's own counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meters {
    /// Points taken from senders.
    pub accepted: u64,
    /// Points that the destination confirmed, by variant.
    pub sent: [u64; 2],
    /// Points that the destination did not take.
    pub failed: u64,
    /// Points of attempts that ended without saying how.
    pub doubtful: u64,
    /// Points that stages held and that nothing sends any more.
    pub lost_held: u64,
    /// Points that rules dropped while their pipeline was the candidate, by rule.
    pub dropped_by_rule: BTreeMap<String, u64>,
    /// Points that rules dropped while their pipeline was in charge.
    pub dropped_in_charge: u64,
    /// CPU time of the process, seconds.
    pub cpu_seconds: f64,
    /// Its resident memory, bytes.
    pub resident_bytes: u64,
}

impl Meters {
    /// Reads them.
    pub fn of(samples: &Samples) -> Self {
        let by_variant =
            |name: &str| Variant::BOTH.map(|variant| samples.count(name, &[("variant", variant.name())]));
        const DROPPED: &str = "phoenix_rule_dropped_points_total";
        let of = |variant: Variant| [("variant", variant.name())];
        Self {
            accepted: samples.count("otelcol_receiver_accepted_metric_points", &[]),
            sent: by_variant("otelcol_exporter_sent_metric_points"),
            failed: samples.count("otelcol_exporter_send_failed_metric_points", &[])
                + samples.count("phoenix_exporter_rejected_points_total", &[]),
            doubtful: samples.count("phoenix_exporter_maybe_doubled_points_total", &[]),
            lost_held: samples.count("phoenix_lost_held_points_total", &[]),
            dropped_by_rule: samples.by(DROPPED, &of(Variant::Candidate), "rule"),
            dropped_in_charge: samples.count(DROPPED, &of(Variant::Baseline)),
            cpu_seconds: samples.sum("otelcol_process_cpu_seconds", &[]),
            resident_bytes: samples.count("otelcol_process_memory_rss", &[]),
        }
    }

    /// Counts after `earlier`; the memory is that of now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let minus =
            |now: [u64; 2], then: [u64; 2]| [now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1])];
        let dropped = |(rule, count): (&String, &u64)| {
            let before = earlier.dropped_by_rule.get(rule).copied().unwrap_or_default();
            (rule.clone(), count.saturating_sub(before))
        };
        Self {
            accepted: self.accepted.saturating_sub(earlier.accepted),
            sent: minus(self.sent, earlier.sent),
            failed: self.failed.saturating_sub(earlier.failed),
            doubtful: self.doubtful.saturating_sub(earlier.doubtful),
            lost_held: self.lost_held.saturating_sub(earlier.lost_held),
            dropped_by_rule: self.dropped_by_rule.iter().map(dropped).filter(|(_, n)| *n > 0).collect(),
            dropped_in_charge: self.dropped_in_charge.saturating_sub(earlier.dropped_in_charge),
            cpu_seconds: self.cpu_seconds - earlier.cpu_seconds,
            resident_bytes: self.resident_bytes,
        }
    }
}

/// All meters of one moment, and what had arrived by then.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Time of the reading.
    pub at: Instant,
    /// By agent.
    pub meters: Vec<Meters>,
    /// Counts of the sink at that time.
    pub sink: SinkCounts,
}

impl Reading {
    /// Reads everybody's.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn take(processes: &Processes) -> anyhow::Result<Self> {
        let mut meters = Vec::new();
        for agent in &processes.agents {
            meters.push(Meters::of(&agent.metrics().await?));
        }
        Ok(Self { at: Instant::now(), meters, sink: processes.sink_counts().await? })
    }
}

/// Cost of an agent to its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OwnCost {
    /// Share of one core, over the act.
    pub cores: f64,
    /// Resident memory at its end, bytes.
    pub resident_bytes: u64,
}

/// One agent's part of the counters.
#[derive(Clone, Debug, Default)]
pub struct AgentCounters {
    /// Its name.
    pub name: String,
    /// Report of its source.
    pub source: SenderCounts,
    /// Its counts in this act.
    pub meters: Meters,
    /// Points that left it while something was compared, by generation and variant, from its windows.
    pub left: BTreeMap<u64, [u64; 2]>,
    /// Comparison of the last generation of the last experiment.
    pub generation: Comparison,
    /// Comparison of all generations of that experiment.
    pub total: Comparison,
    /// Its own cost.
    pub own: OwnCost,
}

/// The counters of an act, closed: sources have stopped and queues are empty.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// By agent.
    pub agents: Vec<AgentCounters>,
    /// Arrivals before the act.
    pub before: SinkCounts,
    /// All that ever arrived.
    pub sink: SinkCounts,
}

impl Counters {
    /// Stops the sources, waits until nothing is on its way, and asks everybody.
    ///
    /// # Errors
    /// When somebody does not answer or queues do not drain.
    pub async fn close(
        processes: &mut Processes,
        rollout: &mut Rollout,
        opened: Reading,
    ) -> anyhow::Result<Self> {
        let busy = Reading::take(processes).await?;
        let sources = processes.stop_sources().await?;
        let reports = rollout.drained(processes).await?;
        let closed = Reading::take(processes).await?;
        let seconds = (busy.at - opened.at).as_secs_f64();
        let mut agents = Vec::new();
        for (at, (source, report)) in sources.into_iter().zip(reports).enumerate() {
            let Report { generation, experiment_total: total, .. } = report;
            let cores = (busy.meters[at].cpu_seconds - opened.meters[at].cpu_seconds) / seconds;
            agents.push(AgentCounters {
                name: processes.agents[at].part.name.to_owned(),
                source,
                meters: closed.meters[at].since(&opened.meters[at]),
                left: rollout.left(at),
                generation,
                total,
                own: OwnCost { cores, resident_bytes: busy.meters[at].resident_bytes },
            });
        }
        Ok(Self { agents, before: opened.sink, sink: closed.sink })
    }

    /// The generations in which something was compared.
    pub fn compared(&self) -> BTreeSet<u64> {
        self.agents.iter().flat_map(|agent| agent.left.keys().copied()).collect()
    }

    /// Points of one generation and variant that arrived in this act.
    pub fn arrived(&self, generation: u64, variant: Variant) -> u64 {
        self.arrived_of(variant, |told| told == generation.to_string())
    }

    /// Points of one variant that arrived in this act, of generations in which nothing was compared.
    pub fn arrived_besides(&self, variant: Variant) -> u64 {
        let compared: Vec<String> = self.compared().iter().map(u64::to_string).collect();
        self.arrived_of(variant, |told| !compared.iter().any(|compared| compared == told))
    }

    fn arrived_of(&self, variant: Variant, generation: impl Fn(&str) -> bool) -> u64 {
        let sum = |counts: &SinkCounts| {
            let of = |origin: &simulator::sink::Origin| {
                origin.variant == variant.name() && generation(&origin.generation)
            };
            let entries = counts.origins.iter().filter(|entry| of(&entry.origin));
            entries.map(|entry| entry.counts.points).sum::<u64>()
        };
        sum(&self.sink) - sum(&self.before)
    }
}
