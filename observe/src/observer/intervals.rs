//! Intervals between the points of each resource, and their median: the scrape interval that is observed.

use drift::Latency;

/// See the module. Looking for the median takes longer than anything else of a small window, so it is kept as long as no
/// interval is added.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    all: Latency,
    /// The median of all, where it is known.
    known: Option<Option<u64>>,
}

impl Intervals {
    /// Adds an interval in nanoseconds.
    pub fn add(&mut self, nanos: u64) {
        self.all.record(nanos);
        self.known = None;
    }

    /// Median, nanoseconds; none before there is an interval.
    pub fn median(&self) -> Option<u64> {
        self.known.unwrap_or_else(|| self.all.median())
    }

    /// Looks for the median, so that it is known until the next interval.
    pub fn settle(&mut self) {
        self.known = Some(self.median());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_all_intervals_also_of_those_added_after_it_was_settled() {
        let mut intervals = Intervals::default();
        intervals.settle();
        assert_eq!(intervals.median(), None);
        intervals.add(1_000);
        assert_eq!(intervals.median(), Some(1_000));
        intervals.settle();
        [2_000, 2_000].into_iter().for_each(|nanos| intervals.add(nanos));
        assert_eq!(intervals.median().map(|nanos| nanos / 10), Some(200));
    }
}
