//! Units, such as processes: what tells them apart, and how busy they are.

use crate::Batch;
use crate::batch::MetricRow;

use super::saved::Saved;

/// The resource attributes that tell processes apart.
pub(crate) const PROCESS: [&str; 2] = ["process.pid", "process.executable.name"];

/// The key of a resource's unit, which these attributes tell; none if it lacks one of them.
pub(crate) fn unit_key(batch: &Batch, resource: usize, names: &[String]) -> Option<u128> {
    let attrs = batch.resource_at(resource).attrs;
    let all = names.iter().all(|name| batch.find_attribute(attrs, name.as_bytes()).is_some());
    let named = |batch: &Batch, key| names.iter().any(|name| name.as_bytes() == batch.bytes(key));
    all.then(|| batch.set_digest_of(attrs, |batch, attr| named(batch, attr.key)))
}

/// Load of a unit by one metric.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UnitLoad {
    /// The last value: a rate a second for what is counted.
    pub value: f64,
    /// The last reading of a counter, and its time.
    counter: Option<(f64, u64)>,
}

impl UnitLoad {
    /// Reads a unit's metric. Several points are added; a cumulative monotonic sum counts by its rate since the last
    /// reading, or since it began if there was none.
    pub(crate) fn read(&mut self, batch: &Batch, metric: &MetricRow) {
        let (mut sum, mut time, mut start) = (0.0, 0, u64::MAX);
        for point in batch.points(metric) {
            sum += point.value.as_f64().filter(|value| value.is_finite()).unwrap_or(0.0);
            time = time.max(point.time);
            start = start.min(point.start);
        }
        let a_second = |counted: f64, since: u64| {
            let seconds = time.saturating_sub(since) as f64 / 1e9;
            if seconds > 0.0 { counted / seconds } else { 0.0 }
        };
        self.value = match (metric.monotonic, metric.temporality) {
            (true, 2) => match self.counter.replace((sum, time)) {
                Some((last, at)) if sum >= last && time > at => a_second(sum - last, at),
                _ if start > 0 => a_second(sum, start),
                _ => 0.0,
            },
            (true, 1) => a_second(sum, start),
            _ => sum,
        };
    }
}

impl Saved for UnitLoad {
    fn save(&self, out: &mut Vec<u8>) {
        (self.value, self.counter).save(out);
    }

    fn restore(from: &mut &[u8]) -> Option<Self> {
        let (value, counter) = Saved::restore(from)?;
        Some(Self { value, counter })
    }
}
