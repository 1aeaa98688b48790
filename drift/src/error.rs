//! Error of a total.

/// Relative error of `candidate` against `baseline`: (candidate − baseline) / |baseline|, so −0.25 says that a
/// quarter is missing. Zero against zero is no error; anything else against zero has none to state.
#[must_use]
pub fn relative_error(baseline: f64, candidate: f64) -> Option<f64> {
    if baseline == candidate {
        return Some(0.0);
    }
    let error = (candidate - baseline) / baseline.abs();
    error.is_finite().then_some(error)
}

/// Relative error where a difference of at most `least`, in the quantity's unit, counts as none: what is past a relative margin
/// is then past the absolute one, too. A latency that rises from 1 to 3 µs has tripled and hurts nobody.
#[must_use]
pub fn relative_error_beyond(baseline: f64, candidate: f64, least: f64) -> Option<f64> {
    if (candidate - baseline).abs() <= least { Some(0.0) } else { relative_error(baseline, candidate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_relative_to_the_baseline_and_signed() {
        assert_eq!(relative_error(200.0, 150.0), Some(-0.25));
        assert_eq!(relative_error(-200.0, -150.0), Some(0.25));
        assert_eq!(relative_error(0.0, 0.0), Some(0.0));
        assert_eq!(relative_error(0.0, 1.0), None);
        assert_eq!(relative_error(f64::NAN, 1.0), None);
    }

    #[test]
    fn a_difference_below_the_absolute_margin_is_none_and_one_beyond_it_counts_in_full() {
        let of_nanos = |baseline: f64, candidate: f64| relative_error_beyond(baseline, candidate, 1e6);
        assert_eq!(of_nanos(1e3, 3e3), Some(0.0), "1 to 3 µs");
        assert_eq!(of_nanos(1e3, 2e6), Some(1999.0), "1 µs to 2 ms");
        assert_eq!(of_nanos(1e9, 1e9 + 2e6), Some(0.002), "2 ms of a second");
        assert_eq!(of_nanos(2e6, 1e3), Some(-0.9995));
        assert_eq!((of_nanos(0.0, 5e5), of_nanos(0.0, 5e6)), (Some(0.0), None));
        assert_eq!(of_nanos(f64::NAN, 1.0), None);
    }
}
