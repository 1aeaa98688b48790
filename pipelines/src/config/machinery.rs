//! `batch` and `memory_limiter`: processors that set what the agent's own machinery does.
//!
//! They are no stages. Keys and defaults are the Collector's.

use std::time::Duration;

use crate::cost::Inspection;
use crate::yaml::{Node, Problem, keep};

/// Settings of `batch`: the size of outgoing requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// Time a request waits for company; 200 ms by default.
    pub timeout: Duration,
    /// Number of points that make a request without waiting; 8192 by default, 0 for no batching by size.
    pub send_batch_size: u64,
    /// Limit of the points of a request; 0 for any number.
    pub send_batch_max_size: u64,
    /// Request metadata by which batches are kept apart.
    pub metadata_keys: Vec<String>,
    /// Limit of the combinations of metadata; 1000 by default.
    pub metadata_cardinality_limit: u64,
}

impl BatchSettings {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let timeout = fields.take("timeout").and_then(|node| keep(node.duration(), problems));
        let mut count = |key| fields.take(key).and_then(|node| keep(node.unsigned(), problems));
        let size = count("send_batch_size").unwrap_or(8192);
        let max = count("send_batch_max_size").unwrap_or(0);
        let cardinality = count("metadata_cardinality_limit").unwrap_or(1000);
        let keys = fields.take("metadata_keys").map(|node| node.texts_or_null(problems)).unwrap_or_default();
        let lower: Vec<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        if let Some((_, twice)) = lower.iter().enumerate().find(|(at, key)| lower[..*at].contains(key)) {
            let message = format!("{twice:?} stands twice in metadata_keys");
            problems.push(Problem::new(config.location, message).expected("each once, in any case"));
        }
        fields.finish(problems);
        if max > 0 && max < size {
            let message = format!("send_batch_max_size is {max} and send_batch_size {size}");
            problems
                .push(Problem::new(config.location, message).expected("send_batch_max_size not below it"));
        }
        Some(Self {
            timeout: timeout.unwrap_or(Duration::from_millis(200)),
            send_batch_size: size,
            send_batch_max_size: max,
            metadata_keys: keys,
            metadata_cardinality_limit: cardinality,
        })
    }
}

/// Settings of `memory_limiter`: the process's memory. Either mebibytes or percentages are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimiter {
    /// Interval at which memory is measured.
    pub check_interval: Duration,
    /// The hard limit in MiB; 0 if percentages decide.
    pub limit_mib: u64,
    /// The soft limit is this many MiB below the hard one; a fifth of it by default.
    pub spike_limit_mib: u64,
    /// The hard limit in percent of the memory there is; 0 if mebibytes decide.
    pub limit_percentage: u64,
    /// The soft limit is this many percent below the hard one.
    pub spike_limit_percentage: u64,
}

impl MemoryLimiter {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let before = problems.len();
        let mut fields = keep(config.map(), problems)?;
        let interval = fields.take("check_interval").and_then(|node| keep(node.duration(), problems));
        let mut count = |key| fields.take(key).and_then(|node| keep(node.unsigned(), problems)).unwrap_or(0);
        let limit_mib = count("limit_mib");
        let spike_limit_mib = count("spike_limit_mib");
        let limit_percentage = count("limit_percentage");
        let spike_limit_percentage = count("spike_limit_percentage");
        for key in [
            "min_gc_interval_when_soft_limited",
            "min_gc_interval_when_hard_limited",
            "max_gc_interval_when_soft_limited",
            "max_gc_interval_when_hard_limited",
        ] {
            // There is no garbage collector here to restrain; a Collector's file may still say so.
            fields.take(key).and_then(|node| keep(node.duration(), problems));
        }
        fields.finish(problems);
        let settings = Self {
            check_interval: interval.unwrap_or_default(),
            limit_mib,
            spike_limit_mib: if spike_limit_mib == 0 { limit_mib / 5 } else { spike_limit_mib },
            limit_percentage,
            spike_limit_percentage,
        };
        if problems.len() == before {
            settings.validate(config, problems);
        }
        Some(settings)
    }

    fn validate(&self, config: &Node, problems: &mut Inspection) {
        let wrong = if self.check_interval.is_zero() {
            "check_interval must be more than 0"
        } else if self.limit_mib == 0 && self.limit_percentage == 0 {
            "limit_mib or limit_percentage must be set"
        } else if self.limit_percentage > 100 || self.spike_limit_percentage > 100 {
            "a percentage is at most 100"
        } else if self.limit_mib > 0 && self.spike_limit_mib >= self.limit_mib {
            "spike_limit_mib must be below limit_mib"
        } else if self.limit_percentage > 0 && self.spike_limit_percentage >= self.limit_percentage {
            "spike_limit_percentage must be below limit_percentage"
        } else {
            return;
        };
        problems.push(Problem::new(config.location, wrong));
    }
}
