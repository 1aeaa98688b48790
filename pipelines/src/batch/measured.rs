//! Measurement of a point: all that it says but for the attributes that name its series.

use xxhash_rust::xxh3::xxh3_128;

use super::data::{Exponential, Histogram, Summary};
use super::rows::{MetricKind, MetricRow, Number, PointRow};
use super::{Batch, ResourceRow, ScopeRow};

/// Values of a data point. Two points of one type that are measured alike differ in their attributes and exemplars only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// `time_unix_nano`.
    pub time: u64,
    /// `start_time_unix_nano`; 0 where unknown.
    pub start: u64,
    /// OTLP's data point flags.
    pub flags: u32,
    /// The value of a gauge's or sum's point.
    pub value: Number,
    /// The distribution of a point of any other kind.
    pub distribution: Option<Distribution>,
}

/// Count and sum of a distribution, and what tells its other fields from others'.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distribution {
    /// Number of values in it.
    pub count: u64,
    /// Their sum; not a number where it has none.
    pub sum: f64,
    /// Hash of buckets or quantiles, scale, least and largest value.
    pub rest: u128,
}

impl Batch {
    /// The values of a point of this batch, which belongs to a metric of `kind`.
    #[must_use]
    pub fn measured(&self, kind: MetricKind, point: &PointRow) -> Measured {
        let PointRow { time, start, flags, value, .. } = *point;
        Measured { time, start, flags, value, distribution: self.distribution(kind, point) }
    }

    fn distribution(&self, kind: MetricKind, point: &PointRow) -> Option<Distribution> {
        let raw = self.bytes(point.raw);
        let mut rest = Vec::new();
        let (count, sum) = match kind {
            MetricKind::None | MetricKind::Gauge | MetricKind::Sum => return None,
            MetricKind::Histogram => {
                let mut read = Histogram::read(raw);
                (read.exemplars, read.flags) = (Vec::new(), 0);
                read.write(&mut rest);
                (read.count, read.sum)
            }
            MetricKind::ExponentialHistogram => {
                let mut read = Exponential::read(raw);
                (read.exemplars, read.flags) = (Vec::new(), 0);
                read.write(&mut rest);
                (read.count, read.sum)
            }
            MetricKind::Summary => {
                let read = Summary { flags: 0, ..Summary::read(raw) };
                read.write(&mut rest);
                (read.count, Some(read.sum))
            }
        };
        Some(Distribution { count, sum: sum.unwrap_or(f64::NAN), rest: xxh3_128(&rest) })
    }
}

impl PointRow {
    /// Returns whether a stage has edited it; if not, it is measured like its input point.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched.any()
    }
}

impl ResourceRow {
    /// Digest of its attributes, once the batch is identified.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }
}

impl ScopeRow {
    /// Digest of its name, version and attributes, once the batch is identified.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }
}

impl MetricRow {
    /// Digest of its name, unit, type and temporality, once the batch is identified.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.digest
    }
}
