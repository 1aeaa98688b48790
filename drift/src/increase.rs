//! Increases of cumulative counters, resets handled.

/// Last value of one cumulative, monotonic series.
///
/// A value below the last one, or another start time, is a reset: the counter started again from zero, so its
/// whole value is the increase (OTLP data model, "Resets and gaps").
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counter {
    last: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    start: u64,
    time: u64,
    value: f64,
}

impl Counter {
    /// The increase since the last observation. `start` and `time` are Unix nanoseconds, `since` is when
    /// watching began: a series first seen counts from zero if it started no earlier, else from its first
    /// value. A point that is not newer than the last one, or has no finite value, increases nothing.
    #[inline]
    pub fn observe(&mut self, start: u64, time: u64, value: f64, since: u64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        let increase = match self.last {
            None if start != 0 && start >= since => value,
            None => 0.0,
            Some(last) if time <= last.time => return 0.0,
            Some(last) if start != last.start || value < last.value => value,
            Some(last) => value - last.value,
        };
        self.last = Some(Seen { start, time, value });
        increase
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_series_that_ran_before_counts_from_its_first_value() {
        let mut counter = Counter::default();
        assert_eq!(counter.observe(5, 110, 40.0, 100), 0.0);
        assert_eq!(counter.observe(5, 120, 42.5, 100), 2.5);
        assert_eq!(counter.observe(5, 120, 50.0, 100), 0.0, "the same time again says nothing new");
    }

    #[test]
    fn a_series_born_while_watching_counts_from_zero() {
        assert_eq!(Counter::default().observe(105, 110, 3.0, 100), 3.0);
    }

    #[test]
    fn a_reset_counts_the_new_value_whole() {
        let mut counter = Counter::default();
        counter.observe(5, 110, 40.0, 100);
        assert_eq!(counter.observe(5, 120, 4.0, 100), 4.0, "fell: restarted from zero");
        assert_eq!(counter.observe(125, 130, 9.0, 100), 9.0, "another start time: restarted, though it rose");
        assert_eq!(counter.observe(125, 140, f64::NAN, 100), 0.0);
    }

    proptest! {
        #[test]
        fn increases_add_up_to_what_a_counter_gained(steps in proptest::collection::vec(0_u32..1000, 1..50)) {
            let mut counter = Counter::default();
            let (mut value, mut total) = (0.0, 0.0);
            for (time, step) in steps.iter().enumerate() {
                value += f64::from(*step);
                total += counter.observe(1, time as u64 + 1, value, 1);
            }
            prop_assert_eq!(total, value);
        }
    }
}
