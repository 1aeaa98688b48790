//! Label sets, and counters for names that do not end in `_total`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// A counter under a name that does not end in `_total`.
#[derive(Clone, Debug, Default)]
pub struct PlainCounter(Arc<AtomicU64>);

impl PlainCounter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes over a count that is kept elsewhere.
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }
}

impl EncodeMetric for PlainCounter {
    fn encode(&self, mut encoder: MetricEncoder) -> std::fmt::Result {
        encoder.encode_gauge(&self.0.load(Ordering::Relaxed))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for PlainCounter {
    const TYPE: MetricType = MetricType::Unknown;
}

/// Seconds that only grow, under a name that does not end in `_total`.
#[derive(Clone, Debug, Default)]
pub struct PlainSeconds(Arc<AtomicU64>);

impl PlainSeconds {
    /// Takes over what is counted elsewhere.
    pub fn set(&self, seconds: f64) {
        self.0.store(seconds.to_bits(), Ordering::Relaxed);
    }
}

impl EncodeMetric for PlainSeconds {
    fn encode(&self, mut encoder: MetricEncoder) -> std::fmt::Result {
        encoder.encode_gauge(&f64::from_bits(self.0.load(Ordering::Relaxed)))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for PlainSeconds {
    const TYPE: MetricType = MetricType::Unknown;
}

/// Receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReceiverLabels {
    pub receiver: &'static str,
    pub transport: &'static str,
}

/// Receiver, and the end of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    pub receiver: &'static str,
    pub transport: &'static str,
    pub outcome: &'static str,
}

/// Receiver and reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    pub transport: &'static str,
    pub signal: &'static str,
    pub reason: &'static str,
}

/// Listener and reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    pub listener: &'static str,
    pub reason: &'static str,
}

/// Exporter and variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExporterLabels {
    pub exporter: String,
    pub variant: &'static str,
}

/// Exporter, signal and variant, for metrics whose names do not tell the signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExporterSignalLabels {
    pub exporter: String,
    pub signal: &'static str,
    pub variant: &'static str,
}

/// Pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PipelineLabel {
    pub pipeline: Arc<str>,
}

/// Variant and its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VariantLabels {
    pub pipeline: Arc<str>,
    pub variant: &'static str,
}

/// Processor of a variant, as the Collector names it, and the variant of its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProcessorLabels {
    pub processor: String,
    pub otel_signal: &'static str,
    pub pipeline: Arc<str>,
    pub variant: &'static str,
}

/// Rule and the variant of its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuleLabels {
    pub pipeline: Arc<str>,
    pub variant: &'static str,
    pub processor: String,
    pub rule: String,
}

/// Level, stage, and the variant of its pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LevelLabels {
    pub pipeline: Arc<str>,
    pub variant: &'static str,
    pub processor: String,
    pub level: String,
}

/// Exporter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueueLabels {
    pub exporter: String,
}

/// Reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    pub reason: &'static str,
}
