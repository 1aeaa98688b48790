//! Distributions of values of any scale in bounded memory.
//!
//! DDSketch (Masson, Rim & Lee: DDSketch, VLDB 12:12, 2019): every quantile within 2 % of the true value, merged
//! or not. Bins are as wide as γ = 1.040816, 512 for either sign: 8.8 decades. Where values spread farther, the
//! smallest magnitudes of that sign share the lowest bin and their quantiles are too large; the largest 8.8
//! decades stay within the 2 %. Magnitudes up to 1e-9 count as 0.

mod wire;

use std::fmt;

use sketches_ddsketch::{Config, DDSketch};

const ALPHA: f64 = 0.02;
/// For either sign.
const MAX_BINS: u32 = 512;
const SMALLEST: f64 = 1e-9;
/// Largest count that the encoding, in f64, counts one by one.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// See the module.
#[derive(Clone)]
pub struct Values(DDSketch);

/// Reason for which a value or a sketch cannot be taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ValuesError {
    /// A value that is no number.
    #[error("expected a finite value, found {0}")]
    NotFinite(f64),
    /// The sketch is full.
    #[error("expected fewer than 2^53 values together, found more")]
    TooMany,
    /// A sketch of other parameters: its bins mean other values.
    #[error("expected a sketch of γ = {expected}, found γ = {found}")]
    Parameters {
        /// γ of this one.
        expected: f64,
        /// γ of the other.
        found: f64,
    },
    /// Bytes that end too early.
    #[error("the sketch ends after {0} bytes, in the middle of a field")]
    Truncated(usize),
    /// Bytes that are no sketch of ours.
    #[error("no valid sketch: {reason} (before byte {at})")]
    Invalid {
        /// Offset at which reading stopped.
        at: usize,
        /// Content that was expected.
        reason: &'static str,
    },
}

impl Default for Values {
    fn default() -> Self {
        Self(DDSketch::new(config()))
    }
}

fn config() -> Config {
    Config::new(ALPHA, MAX_BINS, SMALLEST)
}

impl Values {
    /// Adds one value, in its metric's unit.
    pub fn add(&mut self, value: f64) -> Result<(), ValuesError> {
        if !value.is_finite() {
            return Err(ValuesError::NotFinite(value));
        }
        if self.count() >= MAX_COUNT {
            return Err(ValuesError::TooMany);
        }
        self.0.add(value);
        Ok(())
    }

    /// Adds everything that `other` holds: associative, commutative, the empty sketch is the identity; an error
    /// changes nothing.
    pub fn merge(&mut self, other: &Self) -> Result<(), ValuesError> {
        if self.count() + other.count() > MAX_COUNT {
            return Err(ValuesError::TooMany);
        }
        #[expect(clippy::expect_used, reason = "every sketch here has the same parameters")]
        self.0.merge(&other.0).expect("the same parameters");
        Ok(())
    }

    /// Number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The value below which the share `q` lies, within 2 % (see the module); smallest and largest exactly. None
    /// of an empty sketch, and for a `q` outside [0, 1].
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (min, max) = self.0.min().zip(self.0.max())?;
        // A bin's middle can lie beyond what was seen.
        self.0.quantile(q).ok().flatten().map(|value| value.clamp(min, max))
    }

    /// (value, count) of every bin in use, ascending: each value within 2 % of those that it stands for.
    #[must_use]
    pub fn bins(&self) -> Vec<(f64, u64)> {
        wire::Parts::of(&self.0).bins()
    }

    /// The sketch in DataDog's portable encoding: some 3 bytes a bin in use.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_java_bytes()
    }

    /// Reads what [`Self::to_bytes`] wrote. Anything else is an error: other parameters, bytes missing or left
    /// over, bins too many or out of order, counts and extremes that do not fit them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ValuesError> {
        wire::Parts::read(bytes)?.sketch().map(Self)
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("count", &self.count()).field("bins", &self.bins()).finish()
    }
}

/// Equal where every bin and both extremes are.
impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        wire::Parts::of(&self.0) == wire::Parts::of(&other.0)
    }
}

#[cfg(test)]
mod tests;
