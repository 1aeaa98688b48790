//! Latencies, in nanoseconds, with three significant digits.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A mergeable distribution of durations, from a microsecond's fraction to an hour; longer ones count as an
/// hour. A few durations are kept as they are; a histogram of more takes some 30 kB or more.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    few: Vec<u64>,
    many: Option<Box<Histogram<u64>>>,
}

/// The most durations that are kept as they are.
const FEW: usize = 64;
/// Binary digits after the first that a histogram of three decimal ones tells apart.
const DIGITS: u32 = 10;
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

impl Latency {
    /// Adds one duration in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        let nanos = nanos.min(HOUR_NANOS);
        match &mut self.many {
            // Auto-resizing up to an hour: at most some 350 kB.
            Some(many) => {
                let _ = many.record(nanos);
            }
            None if self.few.len() < FEW => self.few.push(nanos),
            None => {
                let _ = self.many().record(nanos);
            }
        }
    }

    /// Adds everything that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        match &other.many {
            Some(_) if self.few.is_empty() && self.many.is_none() => self.clone_from(other),
            Some(theirs) => drop(self.many().add(&**theirs)),
            None => {}
        }
        other.few.iter().for_each(|nanos| self.record(*nanos));
    }

    /// The distribution in numbers; all zero where nothing was recorded.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        if let Some(many) = &self.many {
            let [p50, p99] = [0.5, 0.99].map(|quantile| many.value_at_quantile(quantile));
            return LatencySummary { count: many.len(), p50, p99, max: many.max() };
        }
        let few = self.sorted();
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| at_quantile(&few, quantile));
        LatencySummary { count: few.len() as u64, p50, p99, max }
    }

    /// Median in nanoseconds; nothing where nothing was recorded.
    #[must_use]
    pub fn median(&self) -> Option<u64> {
        match &self.many {
            Some(many) => Some(many.value_at_quantile(0.5)),
            None => (!self.few.is_empty()).then(|| at_quantile(&self.sorted(), 0.5)),
        }
    }

    fn sorted(&self) -> Vec<u64> {
        let mut few = self.few.clone();
        few.sort_unstable();
        few
    }

    /// The histogram, which from now on takes in all.
    fn many(&mut self) -> &mut Histogram<u64> {
        let few = std::mem::take(&mut self.few);
        self.many.get_or_insert_with(|| Box::new(histogram(&few)))
    }
}

/// The quantile of a few durations, as a histogram of them tells it: the largest one with the same three digits.
fn at_quantile(sorted: &[u64], quantile: f64) -> u64 {
    let at = (quantile * sorted.len() as f64).ceil() as usize;
    let Some(nanos) = sorted.get(at.saturating_sub(1)) else { return 0 };
    let beyond_digits = nanos.checked_ilog2().unwrap_or(0).saturating_sub(DIGITS);
    nanos | ((1 << beyond_digits) - 1)
}

fn histogram(durations: &[u64]) -> Histogram<u64> {
    // Without a maximum the histogram grows with what it sees; the constant is in the range it accepts.
    #[expect(clippy::expect_used, reason = "three significant digits are within the 0 to 5 it takes")]
    let mut histogram = Histogram::new(3).expect("3 significant digits");
    for nanos in durations {
        let _ = histogram.record(*nanos);
    }
    histogram
}

/// As histograms, which few durations and many can be told in.
impl PartialEq for Latency {
    fn eq(&self, other: &Self) -> bool {
        let [mine, theirs] =
            [self, other].map(|of| of.many.as_deref().cloned().unwrap_or_else(|| histogram(&of.few)));
        mine == theirs
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
        fn merging_parts_is_the_whole(a in proptest::collection::vec(0_u64..1 << 40, 0..100),
                                      b in proptest::collection::vec(0_u64..1 << 40, 0..100)) {
            let whole = of(&[a.clone(), b.clone()].concat());
            let (mut ab, mut ba) = (of(&a), of(&b));
            ab.merge(&of(&b));
            ba.merge(&of(&a));
            prop_assert_eq!(ab.summary(), whole.summary());
            prop_assert_eq!(ba.summary(), whole.summary());
            prop_assert_eq!(ab, ba);
        }
    }

    proptest! {
        #[test]
        fn few_durations_are_told_as_a_histogram_of_them_tells_them(
            few in proptest::collection::vec((0_u64..=HOUR_NANOS, 0_u32..42), 0..FEW),
        ) {
            let few: Vec<u64> = few.into_iter().map(|(nanos, shift)| nanos >> shift).collect();
            let (latency, all) = (of(&few), histogram(&few));
            let [p50, p99] = [0.5, 0.99].map(|quantile| all.value_at_quantile(quantile));
            prop_assert!(latency.many.is_none());
            prop_assert_eq!(latency.summary(), LatencySummary { count: all.len(), p50, p99, max: all.max() });
            prop_assert_eq!(latency.median(), (!few.is_empty()).then_some(p50));
        }
    }

    #[test]
    fn quantiles_are_within_a_thousandth_and_the_absurd_is_an_hour() {
        let latency = of(&(1..=10_000).collect::<Vec<_>>());
        let summary = latency.summary();
        assert_eq!((summary.count, latency.median()), (10_000, Some(summary.p50)));
        assert_eq!(of(&[]).median(), None);
        assert!(summary.p50.abs_diff(5_000) <= 5, "{summary:?}");
        assert!(summary.p99.abs_diff(9_900) <= 10, "{summary:?}");
        assert!(of(&[u64::MAX]).summary().max.abs_diff(HOUR_NANOS) <= HOUR_NANOS / 1000);
    }
}
