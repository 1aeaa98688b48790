//! Wire form of one scrape of a host's processes.
//!
//! The shape is that of the OpenTelemetry Collector's `hostmetrics` receiver with its `process` scraper:
//! one `ResourceMetrics` per process in ascending pid order, one scope, metrics in alphabetical order with
//! their points together. Both sources (the model and `/proc`) go through it, so that they cannot differ.

mod convention;
mod metrics;
mod reading;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};

pub use convention::Convention;
pub(crate) use metrics::Shaper;
pub(crate) use reading::{CpuSeconds, Identity, Memory, Pair, Usage};

/// The scope name of the Collector's process scraper.
pub const SCOPE_NAME: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/processscraper";

/// The scope version, where a Collector states the version of its own build.
pub const SCOPE_VERSION: &str = "0.139.0";

/// The schema URL of every `ResourceMetrics`: the scraper still speaks semantic conventions 1.9.0.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.9.0";

/// Metrics of the scraper that are switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricSet {
    /// The scraper's default: 7 points a process.
    #[default]
    Default,
    /// Every metric the scraper has on Linux: 21 points a process, 18 at a process's first scrape, because
    /// `process.cpu.utilization` needs an earlier one.
    All,
}

impl MetricSet {
    /// Data points of one fully readable process from its second scrape on.
    pub fn points_per_process(self) -> usize {
        match self {
            Self::Default => 7,
            Self::All => 21,
        }
    }
}

/// Something that can be scraped.
pub trait Source: Send {
    /// Scrapes once; every point carries `now_unix_nanos`, which must not decrease between calls.
    ///
    /// # Errors
    /// When nothing at all could be read; single unreadable processes or fields are the source's to count.
    fn collect(&mut self, now_unix_nanos: u64) -> Result<ExportMetricsServiceRequest, ScrapeError>;
}

/// Reason for which a scrape yielded nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// `/proc` or one of its host-wide files could not be read.
    #[error("cannot read {what} of this machine's /proc: {source}")]
    Proc {
        /// Part that was being read.
        what: &'static str,
        /// Error of the reader.
        source: procfs::ProcError,
    },
}

/// Number of data points in a request, of every metric type.
pub fn point_count(request: &ExportMetricsServiceRequest) -> u64 {
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    metrics.map(|metric| points_of(metric) as u64).sum()
}

fn points_of(metric: &Metric) -> usize {
    match &metric.data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    }
}
