//! A seeded model of one host and its processes.
//!
//! Same profile, role, host, size and seed, same sequence of steps and times: byte-identical scrapes. Within
//! a process's life its identity is constant and its counters never decrease; living pids are unique; the
//! number of processes is constant, because a process that dies is replaced in the same step.

mod catalog;
mod command_line;
mod host;
mod process;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use catalog::{Class, Executable, Role, catalog};
pub use host::Host;

/// Behavior of the processes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// An ordinary server: about 3 % of the replaceable processes die each minute.
    Realistic,
    /// As `Realistic`, but every replaceable process has a long command line of its own.
    HighCardinality,
    /// Three in ten of the replaceable processes die every ten seconds.
    HighChurn,
}

impl Profile {
    /// Probability that a replaceable process of weight 1 dies within `elapsed`.
    pub(super) fn death_probability(self, elapsed: Duration, weight: f64) -> f64 {
        let per_second = match self {
            Self::Realistic | Self::HighCardinality => -(0.97_f64.ln()) / 60.0,
            Self::HighChurn => -(0.7_f64.ln()) / 10.0,
        };
        1.0 - (-per_second * weight * elapsed.as_secs_f64()).exp()
    }
}
