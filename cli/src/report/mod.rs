//! Tables of the figures that agents measured of two pipelines: for the demo, and for the results of an experiment.

mod delivery;
mod distributions;
pub mod fates;
pub mod named;
pub mod numbers;
mod rules;
pub mod sides;
#[cfg(test)]
mod tests;

use observe::Comparison;

pub use delivery::delivery;
pub use distributions::distributions;
pub use rules::rules;

/// Figures that an agent measured.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// Its host.
    pub name: &'a str,
    /// Both pipelines on it.
    pub comparison: &'a Comparison,
}

impl<'a> Measured<'a> {
    /// `comparison`, measured on the host of this name.
    pub const fn of(name: &'a str, comparison: &'a Comparison) -> Self {
        Self { name, comparison }
    }
}
