//! Counters of each room: handles that hot paths count with, each made once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use observe::Variant;
use pipelines::processors::{RuleCount, StageCount, StateSize};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::durations::Durations;
use super::labels::{
    ConnectionLabels, ExporterSignalLabels, LevelLabels, PipelineLabel, PlainCounter, ProcessorLabels,
    QueueLabels, RefusalLabels, RuleLabels, VariantLabels,
};
use super::name_style::NameStyle;
use crate::request::Payload;
use crate::signal::Signal;

/// Id that receivers have in labels.
pub(super) const RECEIVER: &str = "otlp";

/// End of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverOutcome {
    /// Taken.
    Success,
    /// Turned away.
    Refused,
    /// Taken, and not delivered.
    Failure,
}

impl ReceiverOutcome {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Success, Self::Refused, Self::Failure];

    /// The Collector's word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Failure => "failure",
        }
    }
}

/// A receiver's counters.
#[derive(Clone, Debug)]
pub struct ReceiverMetrics {
    pub(super) transport: &'static str,
    pub(super) accepted: [PlainCounter; 3],
    /// Items of requests that were turned away, and of those whose answer told that they are not delivered.
    pub(super) not_taken: [[PlainCounter; 3]; 2],
    /// Requests by [`ReceiverOutcome`], in the order of [`ReceiverOutcome::ALL`].
    pub(super) outcomes: [PlainCounter; 3],
    pub(super) enqueue_failed: [Family<QueueLabels, PlainCounter>; 3],
    pub(super) refused: Family<RefusalLabels, Counter>,
    pub(super) repaired: PlainCounter,
    pub(super) connections: ConnectionMetrics,
    pub(super) durations: Durations,
}

/// Counters of a listener's connections.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    pub(super) listener: &'static str,
    pub(super) refused: Family<ConnectionLabels, Counter>,
}

impl ConnectionMetrics {
    /// Counts a connection that was turned away, or ended because it was silent.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ConnectionLabels { listener: self.listener, reason }).inc();
    }
}

impl ReceiverMetrics {
    /// Counts texts and messages of requests that were repaired.
    pub fn repaired(&self, repairs: u64) {
        self.repaired.add(repairs);
    }

    /// Counts items that were taken.
    pub fn accepted(&self, signal: Signal, items: u64) {
        self.accepted[signal.index()].add(items);
    }

    /// Counts a connection that was turned away, or ended because it was silent.
    pub fn refused_connection(&self, reason: &'static str) {
        self.connections.refused(reason);
    }

    /// Notes the time from a request's head to its answer.
    pub fn took(&self, time: Duration) {
        self.durations.took(time);
    }

    /// Counts a request by how it ended.
    pub fn ended(&self, outcome: ReceiverOutcome) {
        self.outcomes[outcome as usize].add(1);
    }

    /// Counts a request that was turned away; a request for nothing we know has no signal. It counts as one item, because it was
    /// turned away before anyone could count more.
    pub fn refused(&self, signal: Option<Signal>, reason: &'static str) {
        if let Some(signal) = signal {
            self.not_taken[0][signal.index()].add(1);
        }
        self.ended(ReceiverOutcome::Refused);
        let signal = signal.map_or("unknown", Signal::name);
        self.refused.get_or_create(&RefusalLabels { transport: self.transport, signal, reason }).inc();
    }

    /// Counts a request that was taken and whose sender was told that it is not delivered.
    pub fn failed(&self, signal: Signal, reason: &'static str) {
        self.not_taken[1][signal.index()].add(1);
        self.ended(ReceiverOutcome::Failure);
        let signal = signal.name();
        self.refused.get_or_create(&RefusalLabels { transport: self.transport, signal, reason }).inc();
    }

    /// Counts a request that was turned away because the queue of `exporter` had no place for it.
    pub fn not_queued(&self, signal: Signal, exporter: &str) {
        let labels = QueueLabels { exporter: exporter.to_owned() };
        self.enqueue_failed[signal.index()].get_or_create(&labels).add(1);
    }
}

/// An exporter's counters.
#[derive(Clone, Debug)]
pub struct ExporterMetrics {
    pub(super) exporter: String,
    pub(super) sent: [[PlainCounter; 2]; 3],
    pub(super) failed: [[PlainCounter; 2]; 3],
    pub(super) rejected: Family<ExporterSignalLabels, Counter>,
    pub(super) maybe_doubled: Family<ExporterSignalLabels, Counter>,
    pub(super) retried: Family<ExporterSignalLabels, Counter>,
    pub(super) attempts: Durations,
}

impl ExporterMetrics {
    /// Notes the time that an attempt to send took, whatever came of it.
    pub fn attempted(&self, time: Duration) {
        self.attempts.took(time);
    }

    /// Counts the payload's items as confirmed, all but `rejected`.
    pub fn delivered(&self, payload: &Payload, rejected: u64) {
        let rejected = rejected.min(payload.items);
        self.sent[payload.signal.index()][payload.variant.index()].add(payload.items - rejected);
        if rejected > 0 {
            self.rejected.get_or_create(&self.doubt(payload)).inc_by(rejected);
        }
    }

    /// Counts the payload's items as failed: none of them will be confirmed.
    pub fn failed(&self, payload: &Payload) {
        self.failed[payload.signal.index()][payload.variant.index()].add(payload.items);
    }

    /// Counts the items of an attempt that ended without saying how.
    pub fn maybe_doubled(&self, payload: &Payload) {
        self.maybe_doubled.get_or_create(&self.doubt(payload)).inc_by(payload.items);
    }

    /// Counts an attempt after the first.
    pub fn retried(&self, payload: &Payload) {
        self.retried.get_or_create(&self.doubt(payload)).inc();
    }

    fn doubt(&self, payload: &Payload) -> ExporterSignalLabels {
        let (signal, variant) = (payload.signal.name(), payload.variant.name());
        ExporterSignalLabels { exporter: self.exporter.clone(), signal, variant }
    }
}

/// Levels that hold, each with the value 1; those that do not hold are left out.
#[derive(Clone, Debug, Default)]
struct Levels {
    shown: Family<LevelLabels, Gauge>,
    in_force: Arc<Mutex<HashSet<LevelLabels>>>,
}

impl Levels {
    fn set(&self, in_force: HashSet<LevelLabels>) {
        let mut before = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in before.difference(&in_force) {
            self.shown.remove(gone);
        }
        for new in in_force.difference(&before) {
            self.shown.get_or_create(new).set(1);
        }
        *before = in_force;
    }
}

/// Counters of the engine of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct EngineMetrics {
    pipeline: Arc<str>,
    input: Family<PipelineLabel, Counter>,
    unassigned: Counter,
    fell_back: Counter,
    left_out: Counter,
    candidate_one_in: Gauge,
    leaving: Family<VariantLabels, Counter>,
    failures: Family<VariantLabels, Counter>,
    batches: Family<VariantLabels, Durations>,
    dropped: Family<RuleLabels, Counter>,
    flushed: Family<VariantLabels, Counter>,
    shadow_dropped: Counter,
    held: Family<VariantLabels, Gauge>,
    lost_held: Family<VariantLabels, Counter>,
    series: Family<VariantLabels, Gauge>,
    evicted: Family<VariantLabels, Gauge>,
    levels: Levels,
    /// Points that came to processors and left them.
    passed: [Family<ProcessorLabels, PlainCounter>; 2],
}

impl EngineMetrics {
    /// Registers them under their names.
    pub(super) fn register(&self, registry: &mut Registry, names: NameStyle) {
        let [incoming, outgoing] = &self.passed;
        let name = names.counter("otelcol_processor_incoming_items");
        registry.register(name, "Points that came to a processor of a variant", incoming.clone());
        let name = names.counter("otelcol_processor_outgoing_items");
        registry.register(
            name,
            "Points that left a processor of a variant, delivered or not",
            outgoing.clone(),
        );
        registry.register("phoenix_input_points", "Points that pipelines got", self.input.clone());
        let help = "Points whose resource names no unit of the split; the baseline keeps them";
        registry.register("phoenix_unassigned_points", help, self.unassigned.clone());
        let help = "Points of the candidate's units that left as the baseline made them, because it was late or failed";
        registry.register("phoenix_fell_back_points", help, self.fell_back.clone());
        let help = "Batches that found no room beside the candidate and were left out of the comparison";
        registry.register("phoenix_left_out_batches", help, self.left_out.clone());
        let help = "The candidate gets one in so many entities: 1 if all, more where it does not keep up, 0 without one";
        registry.register("phoenix_candidate_one_in", help, self.candidate_one_in.clone());
        registry.register("phoenix_leaving_points", "Points that left by a variant", self.leaving.clone());
        registry.register("phoenix_failed_batches", "Batches a variant failed on", self.failures.clone());
        let help = "CPU time that a batch took in a variant's pipeline while an experiment runs, in seconds";
        registry.register("phoenix_batch_cpu_seconds", help, self.batches.clone());
        let help = "Points dropped by a rule of a variant's pipeline, delivered or not";
        registry.register("phoenix_rule_dropped_points", help, self.dropped.clone());
        let help = "Points that stages had held back and that left by a variant, among those that left";
        registry.register("phoenix_flushed_points", help, self.flushed.clone());
        let help = "Points of the candidate that the shadow's queue had no room for";
        registry.register("phoenix_shadow_dropped_points", help, self.shadow_dropped.clone());
        let help = "Points that wait in a variant's stages";
        registry.register("phoenix_held_points", help, self.held.clone());
        let help = "Points that a variant's stages held for its units and that nothing sends any more";
        registry.register("phoenix_lost_held_points", help, self.lost_held.clone());
        let help = "Series that a variant's stages remember";
        registry.register("phoenix_kept_series", help, self.series.clone());
        let help = "Series that a variant's stages forgot, or did not take, because they were more than their bound or than there was memory for";
        registry.register("phoenix_evicted_series", help, self.evicted.clone());
        let help = "The level in force of a stage of a variant that has levels, always 1";
        registry.register("phoenix_pipeline_level", help, self.levels.shown.clone());
    }

    /// The same, for a pipeline of its own.
    pub(super) fn of_pipeline(&self, pipeline: &str) -> Self {
        let levels = Levels { shown: self.levels.shown.clone(), ..Levels::default() };
        Self { pipeline: pipeline.into(), levels, ..self.clone() }
    }

    fn of(&self, variant: Variant) -> VariantLabels {
        VariantLabels { pipeline: Arc::clone(&self.pipeline), variant: variant.name() }
    }

    /// Shows nothing any more of what the stages of a pipeline keep: it is gone.
    pub fn forget(&self) {
        for variant in Variant::BOTH {
            for gauge in [&self.held, &self.series, &self.evicted] {
                gauge.remove(&self.of(variant));
            }
        }
        self.levels.set(HashSet::new());
    }

    /// Counts a batch: its points, and those that left by the baseline at once.
    pub fn batch(&self, points: u64, left: u64) {
        self.input.get_or_create(&PipelineLabel { pipeline: Arc::clone(&self.pipeline) }).inc_by(points);
        self.left(Variant::Baseline, left);
    }

    /// Notes the CPU time that a batch took in a variant's pipeline.
    pub fn ran(&self, variant: Variant, cpu: Duration) {
        self.batches.get_or_create(&self.of(variant)).took(cpu);
    }

    /// Counts points that left by a variant.
    pub fn left(&self, variant: Variant, points: u64) {
        if points > 0 {
            self.leaving.get_or_create(&self.of(variant)).inc_by(points);
        }
    }

    /// Counts points of the candidate's units that left as the baseline made them.
    pub fn fell_back(&self, points: u64) {
        self.left(Variant::Baseline, points);
        self.fell_back.inc_by(points);
    }

    /// Counts points without a unit.
    pub fn unassigned(&self, points: u64) {
        self.unassigned.inc_by(points);
    }

    /// Counts a batch that was left out of both variants.
    pub fn left_out(&self) {
        self.left_out.inc();
    }

    /// Shows that the candidate gets one in so many entities.
    pub fn candidate_gets(&self, one_in: u32) {
        self.candidate_one_in.set(one_in.into());
    }

    /// Counts points that the shadow's queue had no room for.
    pub fn shadow_dropped(&self, points: u64) {
        self.shadow_dropped.inc_by(points);
    }

    /// Counts points that left by a variant without a batch.
    pub fn flushed(&self, variant: Variant, points: u64) {
        let label = self.of(variant);
        self.leaving.get_or_create(&label).inc_by(points);
        self.flushed.get_or_create(&label).inc_by(points);
    }

    /// Counts points that a variant's stages held for its units and that nothing sends any more.
    pub fn lost_held(&self, variant: Variant, points: u64) {
        self.lost_held.get_or_create(&self.of(variant)).inc_by(points);
    }

    /// Shows what a variant's stages keep.
    pub fn kept(&self, variant: Variant, kept: StateSize) {
        let label = self.of(variant);
        self.held.get_or_create(&label).set(kept.held as i64);
        self.series.get_or_create(&label).set(kept.series as i64);
        self.evicted.get_or_create(&label).set(kept.evicted as i64);
    }

    /// Shows the levels that are in force, each of a variant's stage, and no others.
    pub fn levels(&self, in_force: impl Iterator<Item = (Variant, (String, String))>) {
        self.levels.set(
            in_force
                .map(|(variant, (processor, level))| LevelLabels {
                    pipeline: Arc::clone(&self.pipeline),
                    variant: variant.name(),
                    processor,
                    level,
                })
                .collect(),
        );
    }

    /// Counts a batch on which a variant failed.
    pub fn failed(&self, variant: Variant) {
        self.failures.get_or_create(&self.of(variant)).inc();
    }

    /// Counts points that came to a variant's stages and left them since the last time.
    pub fn stages(&self, variant: Variant, counts: Vec<StageCount>) {
        for StageCount { stage, incoming, outgoing } in counts {
            let (pipeline, processor) = (Arc::clone(&self.pipeline), stage.to_string());
            let labels = ProcessorLabels {
                pipeline,
                variant: variant.name(),
                processor,
                otel_signal: Signal::Metrics.name(),
            };
            for (family, points) in self.passed.iter().zip([incoming, outgoing]) {
                family.get_or_create(&labels).add(points);
            }
        }
    }

    /// Counts points that a variant's rules dropped since the last time.
    pub fn rules(&self, variant: Variant, counts: Vec<RuleCount>) {
        for RuleCount { stage, rule, points } in counts {
            let (pipeline, processor) = (Arc::clone(&self.pipeline), stage.to_string());
            let labels = RuleLabels { pipeline, variant: variant.name(), processor, rule };
            self.dropped.get_or_create(&labels).inc_by(points);
        }
    }
}
