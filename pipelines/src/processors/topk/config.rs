//! The config of `topk`.
//!
//! ```yaml
//! topk:
//!   k: 20
//!   by: [process.cpu.time, process.memory.usage]
//!   unit: [process.pid, process.executable.name]   # resource attributes
//!   always: ['attributes["class"] == "critical"']  # kept besides the k
//!   margin: 0.1                                    # a member is this much busier than it is
//!   stay: 30s                                      # and stays at least so long
//!   stale_after: 15s                               # what has not come for so long does not count
//!   other: true                                    # the rest becomes `_other_`
//! ```

use std::time::Duration;

use crate::cost::Inspection;
use crate::stage::config::ResourceConditions;
use crate::stage::unit::PROCESS;
use crate::yaml::{Node, Problem, keep};

/// The config of a `topk` processor.
#[derive(Debug, Clone)]
pub struct TopK {
    pub(super) k: usize,
    pub(super) by: Vec<String>,
    pub(super) unit: Vec<String>,
    pub(super) always: ResourceConditions,
    pub(super) margin: f64,
    pub(super) stay: Duration,
    pub(super) stale_after: Duration,
    pub(super) other: bool,
    /// Choice of who stays, as the one rule that is counted.
    rule: [String; 1],
}

/// Number of metrics that units may be ranked by.
pub(super) const MAX_METRICS: usize = 4;

impl TopK {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let k = keep(fields.required("k").and_then(Node::unsigned), problems);
        let by = keep(fields.required("by"), problems);
        let metrics = by.map(|node| node.texts(problems)).unwrap_or_default();
        if let Some(by) = by
            && !(1..=MAX_METRICS).contains(&metrics.len())
        {
            let problem = Problem::new(by.location, format!("{} metrics to rank by", metrics.len()));
            problems.push(problem.expected(format!("1 to {MAX_METRICS} names of metrics")));
        }
        let unit = fields.take("unit");
        let names = unit.map(|node| node.texts(problems)).unwrap_or_default();
        if let Some(unit) = unit.filter(|_| names.is_empty()) {
            problems.push(Problem::new(unit.location, "a unit of nothing").expected("resource attributes"));
        }
        let always = ResourceConditions::decode(&mut fields, "always", problems);
        let margin = fields.take("margin");
        let by_margin = margin.and_then(|node| keep(node.float(), problems)).unwrap_or(0.1);
        if let Some(margin) = margin.filter(|_| !(0.0..=10.0).contains(&by_margin)) {
            problems.push(Problem::new(margin.location, "a margin of this size").expected("0 to 10"));
        }
        let mut duration = |key, default| match fields.take(key).map(|node| keep(node.duration(), problems)) {
            Some(duration) => duration.unwrap_or_default(),
            None => Duration::from_secs(default),
        };
        let (stay, stale_after) = (duration("stay", 30), duration("stale_after", 15));
        let other = fields.take("other").and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
        fields.finish(problems);
        Some(Self {
            k: usize::try_from(k?).unwrap_or(usize::MAX),
            by: metrics,
            unit: if unit.is_some() { names } else { PROCESS.map(str::to_owned).to_vec() },
            always,
            margin: by_margin,
            stay,
            stale_after,
            other,
            rule: [config.excerpt(&["k", "by", "unit"])],
        })
    }

    /// The rest is dropped by it, or changed where it becomes `_other_`.
    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rule
    }
}
