//! The error rate that a test is allowed.

use serde::{Deserialize, Serialize};

/// The probability of a false alarm that is accepted over all looks together, strictly between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Alpha(f64);

/// An error rate that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("expected an error rate strictly between 0 and 1, found {0}")]
pub struct AlphaError(f64);

impl Alpha {
    /// Of a number strictly between 0 and 1; anything else is an error.
    pub fn new(alpha: f64) -> Result<Self, AlphaError> {
        if alpha > 0.0 && alpha < 1.0 { Ok(Self(alpha)) } else { Err(AlphaError(alpha)) }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// ln(1/α): what the logarithm of an e-value has to reach (Ville's inequality).
    #[must_use]
    pub fn log_threshold(self) -> f64 {
        -self.0.ln()
    }
}

impl TryFrom<f64> for Alpha {
    type Error = AlphaError;

    fn try_from(alpha: f64) -> Result<Self, AlphaError> {
        Self::new(alpha)
    }
}

impl From<Alpha> for f64 {
    fn from(alpha: Alpha) -> Self {
        alpha.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_strictly_between_0_and_1_is_an_error_rate() {
        for wrong in [0.0, 1.0, -0.05, f64::NAN, f64::INFINITY] {
            assert!(Alpha::new(wrong).is_err(), "{wrong}");
        }
        let alpha = Alpha::new(0.05).unwrap();
        assert!((alpha.log_threshold() - 20.0_f64.ln()).abs() < 1e-12);
        assert_eq!(serde_json::from_str::<Alpha>("0.05").unwrap(), alpha);
        assert!(serde_json::from_str::<Alpha>("5").is_err());
    }
}
