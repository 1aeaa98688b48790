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
}
