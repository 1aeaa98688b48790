//! Limits of the candidate and its observation: what they may take of the machine and how long units wait for them.

use std::time::Duration;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidateLimits {
    /// Share of the agent's CPU, above 0 and at most 1.
    pub cpu: f64,
    /// Bytes of batches that wait for it or are in it.
    pub memory: usize,
    /// Time for which units of a split wait for the candidate before the baseline's output leaves for them.
    pub max_added_latency: Duration,
}

impl Default for CandidateLimits {
    fn default() -> Self {
        Self { cpu: 0.25, memory: 64 << 20, max_added_latency: Duration::from_millis(50) }
    }
}

impl CandidateLimits {
    /// Cores that it may take: a share of those that the agent has, by the machine or by its cgroup.
    pub fn cores(&self) -> f64 {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.cpu * all as f64
    }

    /// Its share of the CPU, for a person.
    pub fn share(&self) -> String {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let percent = (self.cpu * 100_000.0).round() / 1_000.0;
        format!("{percent} % of {all} cores")
    }
}
