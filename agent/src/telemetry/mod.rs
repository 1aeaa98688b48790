//! Counters and state that every room writes; nothing here reads another room but the ground.

mod counters;
mod durations;
mod health;
mod labels;
mod log;
mod metrics;
mod name_style;

pub use counters::{ConnectionMetrics, EngineMetrics, ExporterMetrics, ReceiverMetrics, ReceiverOutcome};
pub use health::{CONNECTED, Condition, Health, HeldLeft, Phase, PipelineRole, PipelineSummary};
pub use log::{LogSettings, log_filter};
pub use metrics::{GaugeValues, Metrics, StorageValues};
pub use name_style::NameStyle;
