//! L4: how far two distributions lie apart. These numbers describe and decide nothing: under a memory as usual
//! as φ = 0.9, every customary cut-off alarms falsely in most windows, so they are shown beside what they are
//! when nothing changed. Wasserstein-1 and quantiles come first, for they have units.
//!
//! All of them are taken between [`Distribution`]s, which samples, histograms and sketches can be turned into.

mod deciles;
mod distribution;
mod jensen_shannon;

pub use deciles::Deciles;
pub use distribution::{Distribution, kolmogorov_smirnov, wasserstein};
pub use jensen_shannon::jensen_shannon;

/// Reason for which there is no distance.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DistanceError {
    /// Nothing to compare.
    #[error("expected at least one value, found none")]
    Empty,
    /// A value that is no number, or a mass that is none.
    #[error("value {index}: expected {expected}, found {found}")]
    NotANumber {
        /// Index, from 0.
        index: usize,
        /// Expected value.
        expected: &'static str,
        /// Value that came.
        found: f64,
    },
    /// More values than f64 counts one by one.
    #[error("expected at most 2^53 values, found more")]
    TooMany,
    /// Histograms of different bins.
    #[error("expected the same number of bins, found {baseline} and {candidate}")]
    Bins {
        /// Bins of the baseline.
        baseline: usize,
        /// Bins of the candidate.
        candidate: usize,
    },
}

#[cfg(test)]
mod tests;
