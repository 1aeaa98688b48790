//! Limits of the candidate and its observation: what they may take of the machine and how long units wait for them.

use std::time::Duration;

use observe::SERIES_BYTES;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CandidateLimits {
    /// Share of the agent's CPU, above 0 and at most 1.
    pub cpu: f64,
    /// Bytes of batches that wait for it or are in it, and of what is kept of the series that are compared: half of it at most.
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
    /// The same, with half of what the agent may hold at most: the other half is the baseline's.
    pub fn within(self, agent: usize) -> Self {
        Self { memory: self.memory.min(agent / 2), ..self }
    }

    /// Number of series that may be followed one by one.
    pub fn series(&self) -> usize {
        (self.memory / 2 / SERIES_BYTES).max(1)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_has_half_of_the_candidates_memory_and_that_half_of_the_agents() {
        let limits = CandidateLimits::default();
        assert_eq!(limits.within(128 << 20), limits);
        assert_eq!(limits.within(32 << 20).memory, 16 << 20);
        assert_eq!(limits.series() * SERIES_BYTES / (1 << 20), 31);
        assert_eq!(
            CandidateLimits { memory: 0, ..limits }.series(),
            1,
            "one is followed, and the sample says so"
        );
    }
}
