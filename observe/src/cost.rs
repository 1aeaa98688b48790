//! Cost of running a pipeline, and of keeping its output.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use drift::Latency;
use pipelines::Batch;
use pipelines::batch::{AttrRow, MetricKind, MetricRow, PointRow, Rows};
use serde::{Deserialize, Serialize};

use crate::outputs::Billed;

/// Work that one variant took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// Time inside the pipeline, nanoseconds.
    pub nanos: u64,
    /// Input points it took that time for.
    pub points: u64,
    /// Batches it failed on: an error or a panic, after which the baseline's output left instead.
    pub failures: u64,
    /// Time that each batch waited for it.
    pub latency: Latency,
}

impl Cost {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.nanos += other.nanos;
        self.points += other.points;
        self.failures += other.failures;
        self.latency.merge(&other.latency);
    }
}

/// A price model: what a month of a series costs. The figures are the reader's own contract, not ours; the
/// defaults only give the report a scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// US dollars a month for 1,000 active series.
    pub usd_per_1000_active_series: f64,
    /// US dollars for a gigabyte (10⁹ bytes) of uncompressed OTLP.
    pub usd_per_gigabyte: f64,
    /// The resource attributes that the backend makes labels of: on Prometheus and its like the others do not tell
    /// series apart, and dropping them saves none. Nothing where all of them are labels.
    #[serde(default)]
    pub promoted_attributes: Option<Vec<String>>,
    /// Source of the figures.
    pub source: String,
}

impl Default for Price {
    fn default() -> Self {
        Self {
            usd_per_1000_active_series: 8.0,
            usd_per_gigabyte: 0.0,
            promoted_attributes: None,
            source:
                "example: 8 USD a month for 1,000 active series, bytes free; set `phoenix.price` to yours"
                    .to_owned(),
        }
    }
}

impl Price {
    /// Series of this point as the backend counts it.
    pub(crate) fn billed(
        &self,
        batch: &Batch,
        resource: Rows,
        metric: &MetricRow,
        point: &PointRow,
    ) -> Billed {
        // Of a histogram a series a bucket, of a summary one a quantile, and of both the sum and the count.
        let series = match metric.kind {
            MetricKind::Histogram | MetricKind::Summary => batch.entry_count(metric, point).saturating_add(2),
            _ => 1,
        };
        let Some(promoted) = &self.promoted_attributes else { return Billed { as_one: 0, series } };
        let label =
            |attr: &AttrRow| (batch.text(attr.key).to_owned(), format!("{:?}", batch.value(attr.value)));
        let is_promoted = |attr: &&AttrRow| promoted.iter().any(|name| name == batch.text(attr.key));
        let resource = batch.attributes(resource).iter().filter(is_promoted);
        let mut labels: Vec<(String, String)> =
            batch.attributes(point.attrs).iter().chain(resource).map(label).collect();
        labels.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (batch.text(metric.name), labels).hash(&mut hasher);
        Billed { as_one: hasher.finish(), series }
    }

    /// US dollars a month for so many active series and so many bytes a second.
    #[must_use]
    pub fn monthly(&self, active_series: u64, bytes_per_second: f64) -> f64 {
        const SECONDS_A_MONTH: f64 = 730.0 * 3600.0;
        let gigabytes = bytes_per_second * SECONDS_A_MONTH / 1e9;
        active_series as f64 / 1000.0 * self.usd_per_1000_active_series + gigabytes * self.usd_per_gigabyte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_priced_by_series_and_by_bytes() {
        let price = Price {
            usd_per_1000_active_series: 10.0,
            usd_per_gigabyte: 0.5,
            promoted_attributes: None,
            source: String::new(),
        };
        assert_eq!(price.monthly(2_500, 0.0), 25.0);
        // 1,000 bytes a second are 2.628 GB in 730 hours.
        assert!((price.monthly(0, 1000.0) - 1.314).abs() < 1e-9);
    }
}
