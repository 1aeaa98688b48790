//! Latencies, in nanoseconds, with three significant digits.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A mergeable distribution of durations, from a microsecond's fraction to an hour; longer ones count as an
/// hour.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
}

const HOUR_NANOS: u64 = 3_600_000_000_000;

/// A distribution in a few numbers, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// Number of durations.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

impl Default for Latency {
    fn default() -> Self {
        // Without a maximum the histogram grows with what it sees; the constant is in the range it accepts.
        #[expect(clippy::expect_used, reason = "three significant digits are within the 0 to 5 it takes")]
        let histogram = Histogram::new(3).expect("3 significant digits");
        Self { histogram }
    }
}

impl Latency {
    /// Adds one duration in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        // Auto-resizing up to an hour: at most some 350 kB.
        let _ = self.histogram.record(nanos.min(HOUR_NANOS));
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        let _ = self.histogram.add(&other.histogram);
    }

    /// The distribution in numbers; all zero where nothing was recorded.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.histogram.len(),
            p50: self.histogram.value_at_quantile(0.5),
            p99: self.histogram.value_at_quantile(0.99),
            max: self.histogram.max(),
        }
    }
}

impl PartialEq for Latency {
    fn eq(&self, other: &Self) -> bool {
        self.histogram == other.histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Latency {
        let mut latency = Latency::default();
        values.iter().for_each(|value| latency.record(*value));
        latency
    }

    proptest! {
        #[test]
        fn merging_parts_is_the_whole(a in proptest::collection::vec(0_u64..1 << 40, 0..40),
                                      b in proptest::collection::vec(0_u64..1 << 40, 0..40)) {
            let whole = of(&[a.clone(), b.clone()].concat());
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(ab.summary(), whole.summary());
            prop_assert_eq!(ba.summary(), whole.summary());
        }
    }

    #[test]
    fn quantiles_are_within_a_thousandth_and_the_absurd_is_an_hour() {
        let latency = of(&(1..=10_000).collect::<Vec<_>>());
        let summary = latency.summary();
        assert_eq!(summary.count, 10_000);
        assert!(summary.p50.abs_diff(5_000) <= 5, "{summary:?}");
        assert!(summary.p99.abs_diff(9_900) <= 10, "{summary:?}");
        assert!(of(&[u64::MAX]).summary().max.abs_diff(HOUR_NANOS) <= HOUR_NANOS / 1000);
    }
}
