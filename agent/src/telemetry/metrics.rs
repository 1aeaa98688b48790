//! The agent's own metrics, in Prometheus' text format.
//!
//! Names the Collector has are the Collector's, to the letter, with the ends that its reader is told to give them, and mean the
//! same; ours begin with `phoenix_`. A request that is turned away counts as one item: that happens on its headers, before anyone
//! could count what is in it.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use observe::Variant;
use procfs::Current as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::counters::{
    ConnectionMetrics, EngineMetrics, ExporterMetrics, RECEIVER, ReceiverMetrics, ReceiverOutcome,
};
use super::durations::Durations;
use super::labels::{
    ConnectionLabels, ExporterLabels, ExporterSignalLabels, OutcomeLabels, PipelineLabel, PlainCounter,
    PlainSeconds, QueueLabels, ReasonLabel, ReceiverLabels, RefusalLabels,
};
use super::name_style::NameStyle;
use crate::signal::Signal;

/// Every family there is; handles for the hot paths are made from it once.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    /// The same under names without the ends that a Prometheus reader asks for.
    plain: Registry,
    /// Held while gauges are set and read.
    reading: Mutex<()>,
    accepted: [Family<ReceiverLabels, PlainCounter>; 3],
    not_taken: [[Family<ReceiverLabels, PlainCounter>; 3]; 2],
    outcomes: Family<OutcomeLabels, PlainCounter>,
    enqueue_failed: [Family<QueueLabels, PlainCounter>; 3],
    refused: Family<RefusalLabels, Counter>,
    requests: Family<ReceiverLabels, Durations>,
    repaired: Family<ReceiverLabels, PlainCounter>,
    refused_connections: Family<ConnectionLabels, Counter>,
    sent: [Family<ExporterLabels, PlainCounter>; 3],
    send_failed: [Family<ExporterLabels, PlainCounter>; 3],
    rejected: Family<ExporterSignalLabels, Counter>,
    maybe_doubled: Family<ExporterSignalLabels, Counter>,
    retried: Family<ExporterSignalLabels, Counter>,
    attempts: Family<QueueLabels, Durations>,
    engine: EngineMetrics,
    queue_size: Family<QueueLabels, Gauge>,
    queue_capacity: Family<QueueLabels, Gauge>,
    lost: Family<ReasonLabel, PlainCounter>,
    held_lost: PlainCounter,
    held_left: Family<PipelineLabel, Gauge>,
    storage_bytes: Family<QueueLabels, Gauge>,
    storage_failing: Family<QueueLabels, Gauge>,
    storage_damaged: Family<QueueLabels, PlainCounter>,
    storage_unwritten: Family<QueueLabels, PlainCounter>,
    storage_expired: Family<QueueLabels, PlainCounter>,
    budget_used: Gauge,
    budget_limit: Gauge,
    generation: Gauge,
    config_taken: Gauge,
    local_override_pending: Gauge,
    fleet_connected: Gauge,
    fleet_turned_away: Counter,
    reports_waiting: Gauge,
    reports_dropped: PlainCounter,
    reports_rejected: PlainCounter,
    own_failed: Counter,
    own_rejected: Counter,
    rss: Gauge,
    cpu: PlainSeconds,
    uptime: PlainSeconds,
}

/// Values of the gauges, read when someone asks.
#[derive(Debug, Default)]
pub struct GaugeValues {
    /// Exporter, requests queued, requests it can queue.
    pub queues: Vec<(String, usize, usize)>,
    /// Bytes held and bytes that may be held.
    pub budget: (usize, usize),
    /// The generation in charge.
    pub generation: u64,
    /// True if there is a session with the control plane.
    pub connected: bool,
    /// Reports kept, dropped past the bound, and rejected by the control plane.
    pub reports: (usize, u64, u64),
    /// Points lost to crashes and to shutdowns, over the life of the data directory.
    pub lost: (u64, u64),
    /// The most points that crashes have lost of what stages held in memory, over the life of the data directory.
    pub held_lost: u64,
    /// Queues on disk.
    pub storage: Vec<StorageValues>,
    /// Points that stages of a pipeline held when an agent died, and that no pipeline takes.
    pub held_left: Vec<(String, u64)>,
    /// True if the config that was read last was not taken.
    pub config_refused: bool,
    /// True if the file's pipeline was changed while a pushed one is in its place.
    pub local_override_pending: bool,
}

/// Values of a queue on disk.
#[derive(Debug)]
pub struct StorageValues {
    /// Its exporter.
    pub exporter: String,
    /// Bytes of its files.
    pub disk_bytes: u64,
    /// True if it takes nothing now.
    pub is_failing: bool,
    /// Bytes that could not be read, since the start.
    pub damaged_bytes: u64,
    /// Items that were accepted and could not be written, since the start.
    pub unwritten_items: u64,
    /// Items that were dropped because they were too old, since the start.
    pub expired_items: u64,
}

impl Metrics {
    /// All families, registered; those of the Collector under names of this style.
    pub fn new(names: NameStyle) -> Self {
        let metrics = Self::default();
        let [registry, plain] = [names, NameStyle::default()].map(|names| metrics.registered(names));
        Self { registry, plain, ..metrics }
    }

    fn registered(&self, names: NameStyle) -> Registry {
        let mut registry = Registry::default();
        let (m, r) = (self, &mut registry);
        m.register_items(r, names);
        r.register("phoenix_receiver_refused_requests", "Requests turned away", m.refused.clone());
        let help = "Time from a request's head to its answer, in seconds";
        r.register("phoenix_receiver_request_duration_seconds", help, m.requests.clone());
        let help = "Texts that were not UTF-8 and messages that stood twice, of requests that were taken";
        r.register("phoenix_receiver_repairs_total", help, m.repaired.clone());
        let help = "Connections turned away, or ended because they were silent for too long";
        r.register("phoenix_refused_connections", help, m.refused_connections.clone());
        let help = "Items refused for good inside requests that were taken (partial success)";
        r.register("phoenix_exporter_rejected_points", help, m.rejected.clone());
        let help = "Items of attempts whose end is unknown: delivered once or twice";
        r.register("phoenix_exporter_maybe_doubled_points", help, m.maybe_doubled.clone());
        r.register("phoenix_exporter_retried_requests", "Attempts after the first", m.retried.clone());
        let help = "Time that an attempt to send takes, whatever comes of it, in seconds";
        r.register("phoenix_exporter_attempt_duration_seconds", help, m.attempts.clone());
        m.engine.register(r, names);
        r.register(
            "otelcol_exporter_queue_size",
            "Requests, or what the queue counts, in it",
            m.queue_size.clone(),
        );
        r.register(
            "otelcol_exporter_queue_capacity",
            "Requests, or what the queue counts, that fit",
            m.queue_capacity.clone(),
        );
        let help = "Acknowledged items never confirmed, over the life of the data directory";
        r.register("phoenix_points_lost_total", help, m.lost.clone());
        let help = "Points that stages held in memory when an agent died, over the life of the data directory: at most so many are lost";
        r.register("phoenix_held_points_lost_at_most_total", help, m.held_lost.clone());
        m.register_storage(r);
        r.register("phoenix_budget_used_bytes", "Bytes held", m.budget_used.clone());
        r.register("phoenix_budget_limit_bytes", "Bytes that may be held", m.budget_limit.clone());
        r.register("phoenix_generation", "The generation in charge", m.generation.clone());
        let help = "Whether the config that was read last was taken; else the one before is in force";
        r.register("phoenix_config_last_reload_successful", help, m.config_taken.clone());
        let help = "Whether the pipeline of the file was changed while a pushed one is in its place";
        r.register("phoenix_local_override_pending", help, m.local_override_pending.clone());
        let help = "Whether there is a session with the control plane";
        r.register("phoenix_fleet_connected", help, m.fleet_connected.clone());
        let help = "Attempts to reach the control plane that something turned away without its proof";
        r.register("phoenix_fleet_turned_away", help, m.fleet_turned_away.clone());
        let help = "Reports that the control plane has not acknowledged";
        r.register("phoenix_fleet_reports_waiting", help, m.reports_waiting.clone());
        let help = "Reports dropped because too many were waiting";
        r.register("phoenix_fleet_reports_dropped_total", help, m.reports_dropped.clone());
        let help = "Reports that the control plane will never take";
        r.register("phoenix_fleet_reports_rejected_total", help, m.reports_rejected.clone());
        let help = "Messages of the agent's own metrics that their receiver did not take";
        r.register("phoenix_own_metrics_failed_messages", help, m.own_failed.clone());
        let help =
            "Points of the agent's own metrics that their receiver refused out of messages that it took";
        r.register("phoenix_own_metrics_rejected_points", help, m.own_rejected.clone());
        let rss = names.gauge_in("otelcol_process_memory_rss", "bytes");
        r.register(rss, "Resident memory in bytes", m.rss.clone());
        let cpu = names.counter_in("otelcol_process_cpu_seconds", "seconds");
        r.register(cpu, "CPU time, user and system", m.cpu.clone());
        let uptime = names.counter_in("otelcol_process_uptime", "seconds");
        r.register(uptime, "Time since the start in seconds", m.uptime.clone());
        registry
    }

    /// Registers what is counted in items, by signal, and the ends of requests.
    fn register_items(&self, r: &mut Registry, names: NameStyle) {
        for signal in Signal::ALL {
            let (i, item) = (signal.index(), signal.item());
            let [refused, failed] = &self.not_taken;
            let of_receiver = [
                ("accepted", format!("{item} taken from senders"), &self.accepted[i]),
                (
                    "refused",
                    format!("{item} turned away, one for each request: they are not counted before"),
                    &refused[i],
                ),
                (
                    "failed",
                    format!(
                        "{item} taken whose sender was told that they are not delivered, one for each request"
                    ),
                    &failed[i],
                ),
            ];
            for (what, help, family) in of_receiver {
                r.register(names.counter(&format!("otelcol_receiver_{what}_{item}")), help, family.clone());
            }
            let help = format!("{item} a destination confirmed");
            r.register(names.counter(&format!("otelcol_exporter_sent_{item}")), help, self.sent[i].clone());
            let help = format!("{item} a destination refused for good, or given up after retries");
            let failed = self.send_failed[i].clone();
            r.register(names.counter(&format!("otelcol_exporter_send_failed_{item}")), help, failed);
            let help = format!(
                "{item} that found the queue full, one for each request: they are not counted before"
            );
            let failed = self.enqueue_failed[i].clone();
            r.register(names.counter(&format!("otelcol_exporter_enqueue_failed_{item}")), help, failed);
        }
        r.register(
            names.counter("otelcol_receiver_requests"),
            "Requests by how they ended",
            self.outcomes.clone(),
        );
    }

    fn register_storage(&self, r: &mut Registry) {
        let help = "Points that stages held when an agent died, and that wait on disk because no pipeline takes them";
        r.register("phoenix_held_left_points", help, self.held_left.clone());
        let help = "Bytes of a queue's files on disk, those set aside for it included";
        r.register("phoenix_storage_bytes", help, self.storage_bytes.clone());
        let help = "Whether a queue on disk takes nothing now";
        r.register("phoenix_storage_failing", help, self.storage_failing.clone());
        let help = "Bytes of a queue's files that could not be read";
        r.register("phoenix_storage_damaged_bytes", help, self.storage_damaged.clone());
        let help = "Items that were accepted and could not be written to disk";
        r.register("phoenix_storage_unwritten_items", help, self.storage_unwritten.clone());
        let help = "Items that were dropped because they had waited on disk for longer than max_queue_age";
        r.register("phoenix_storage_expired_items", help, self.storage_expired.clone());
    }

    /// Counters of a receiver on `transport`.
    pub fn receiver(&self, transport: &'static str) -> ReceiverMetrics {
        let labels = ReceiverLabels { receiver: RECEIVER, transport };
        let of = |families: &[Family<ReceiverLabels, PlainCounter>; 3]| {
            std::array::from_fn(|i| families[i].get_or_create_owned(&labels))
        };
        ReceiverMetrics {
            transport,
            accepted: of(&self.accepted),
            not_taken: [of(&self.not_taken[0]), of(&self.not_taken[1])],
            outcomes: ReceiverOutcome::ALL.map(|outcome| {
                let labels = OutcomeLabels { receiver: RECEIVER, transport, outcome: outcome.name() };
                self.outcomes.get_or_create_owned(&labels)
            }),
            enqueue_failed: self.enqueue_failed.clone(),
            refused: self.refused.clone(),
            repaired: self.repaired.get_or_create_owned(&labels),
            connections: self.connections(transport),
            durations: self.requests.get_or_create_owned(&labels),
        }
    }

    /// Counters of the connections of `listener`.
    pub fn connections(&self, listener: &'static str) -> ConnectionMetrics {
        ConnectionMetrics { listener, refused: self.refused_connections.clone() }
    }

    /// Counters of `exporter`.
    pub fn exporter(&self, exporter: &str) -> ExporterMetrics {
        for family in &self.enqueue_failed {
            drop(family.get_or_create(&QueueLabels { exporter: exporter.to_owned() }));
        }
        let per_variant = |families: &[Family<ExporterLabels, PlainCounter>; 3]| {
            std::array::from_fn(|signal| {
                Variant::BOTH.map(|variant| {
                    let labels = ExporterLabels { exporter: exporter.into(), variant: variant.name() };
                    families[signal].get_or_create_owned(&labels)
                })
            })
        };
        ExporterMetrics {
            exporter: exporter.into(),
            sent: per_variant(&self.sent),
            failed: per_variant(&self.send_failed),
            rejected: self.rejected.clone(),
            maybe_doubled: self.maybe_doubled.clone(),
            retried: self.retried.clone(),
            attempts: self.attempts.get_or_create_owned(&QueueLabels { exporter: exporter.into() }),
        }
    }

    /// Counters of the engine of `pipeline`.
    pub fn engine(&self, pipeline: &str) -> EngineMetrics {
        self.engine.of_pipeline(pipeline)
    }

    /// Counter of the attempts to reach the control plane that were turned away.
    pub fn turned_away(&self) -> Counter {
        self.fleet_turned_away.clone()
    }

    /// Counters of the messages of the agent's own metrics that failed, and of points that were refused out of others.
    pub fn own_metrics(&self) -> [Counter; 2] {
        [self.own_failed.clone(), self.own_rejected.clone()]
    }

    /// The text of `/metrics`.
    pub fn render(&self, values: &GaugeValues) -> String {
        self.text(&self.registry, values)
    }

    /// The same text, with names as the Collector's documentation lists them whatever the reader of `/metrics` is told.
    pub fn render_plain(&self, values: &GaugeValues) -> String {
        self.text(&self.plain, values)
    }

    fn text(&self, registry: &Registry, values: &GaugeValues) -> String {
        let _one_at_a_time = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.set(values);
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
            let _always_fits = text.write_str("# encoding failed\n");
        }
        text
    }

    fn set(&self, values: &GaugeValues) {
        for (exporter, size, capacity) in &values.queues {
            let labels = QueueLabels { exporter: exporter.clone() };
            self.queue_size.get_or_create(&labels).set(*size as i64);
            self.queue_capacity.get_or_create(&labels).set(*capacity as i64);
        }
        self.held_left.clear();
        for (pipeline, points) in &values.held_left {
            let labels = PipelineLabel { pipeline: pipeline.as_str().into() };
            self.held_left.get_or_create(&labels).inc_by(*points as i64);
        }
        for queue in &values.storage {
            let labels = QueueLabels { exporter: queue.exporter.clone() };
            self.storage_bytes.get_or_create(&labels).set(queue.disk_bytes as i64);
            self.storage_failing.get_or_create(&labels).set(i64::from(queue.is_failing));
            self.storage_damaged.get_or_create(&labels).set(queue.damaged_bytes);
            self.storage_unwritten.get_or_create(&labels).set(queue.unwritten_items);
            self.storage_expired.get_or_create(&labels).set(queue.expired_items);
        }
        for (reason, lost) in [("crash", values.lost.0), ("shutdown", values.lost.1)] {
            self.lost.get_or_create(&ReasonLabel { reason }).set(lost);
        }
        self.held_lost.set(values.held_lost);
        self.budget_used.set(values.budget.0 as i64);
        self.budget_limit.set(values.budget.1 as i64);
        self.generation.set(values.generation as i64);
        self.config_taken.set(i64::from(!values.config_refused));
        self.local_override_pending.set(i64::from(values.local_override_pending));
        self.fleet_connected.set(i64::from(values.connected));
        let (waiting, dropped, rejected) = values.reports;
        self.reports_waiting.set(waiting as i64);
        self.reports_dropped.set(dropped);
        self.reports_rejected.set(rejected);
        if let Ok(stat) = procfs::process::Process::myself().and_then(|process| process.stat()) {
            self.rss.set((stat.rss * procfs::page_size()) as i64);
            self.cpu.set((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64);
            let now = procfs::Uptime::current().map(|uptime| uptime.uptime).unwrap_or_default();
            self.uptime.set(now - stat.starttime as f64 / procfs::ticks_per_second() as f64);
        }
    }
}
