//! The config of `adaptive`.
//!
//! ```yaml
//! adaptive:
//!   measure: points_per_second        # or series
//!   levels:                           # from easy to hard; the last has no up_to
//!     - { name: full, keep: 1.0, up_to: 1000 }
//!     - { name: half, keep: 0.5, up_to: 5000 }
//!     - { name: little, keep: 0.1 }
//!   budget: 2000                      # in place of up_to: series that may leave
//!   always: ['attributes["process.priority"] == "critical"']
//!   margin: 0.1
//!   stay: 30s
//!   window: 10s
//!   attribute: phoenix.adaptive.level
//! ```

use std::time::Duration;

use crate::cost::Inspection;
use crate::stage::config::ResourceConditions;
use crate::stage::unit::PROCESS;
use crate::yaml::{Node, Problem, keep};

/// The config of an `adaptive` processor.
#[derive(Debug, Clone)]
pub struct Adaptive {
    pub(super) measure: Measure,
    pub(super) levels: Vec<Level>,
    budget: Option<f64>,
    pub(super) always: ResourceConditions,
    pub(super) unit: Vec<String>,
    pub(super) margin: f64,
    pub(super) stay: Duration,
    pub(super) window: Duration,
    pub(super) attribute: String,
    /// Each level, as a rule that is counted.
    rules: Vec<String>,
}

/// Quantity that the load is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Points,
    Series,
}

/// One level.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub name: String,
    /// The share of the units that is kept.
    pub keep: f64,
    /// The load up to which it holds.
    up_to: Option<f64>,
}

impl Adaptive {
    pub(in super::super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let words = [("points_per_second", Measure::Points), ("series", Measure::Series)];
        let measure = fields.take("measure").and_then(|node| keep(node.one_of("measure", &words), problems));
        let budget = fields.take("budget").and_then(|node| keep(node.float(), problems));
        let mut levels = Vec::new();
        let list = keep(fields.required("levels"), problems);
        for item in list.and_then(|list| keep(list.list(), problems)).unwrap_or_default() {
            levels.extend(level(item, problems));
        }
        let always = ResourceConditions::decode(&mut fields, "always", problems);
        let unit = fields.take("unit").map(|node| node.texts(problems));
        let margin = fields.take("margin").and_then(|node| keep(node.float(), problems));
        let mut duration = |key, default| {
            let given = fields.take(key).and_then(|node| keep(node.duration(), problems));
            given.unwrap_or(Duration::from_secs(default))
        };
        let (stay, window) = (duration("stay", 30), duration("window", 10).max(Duration::from_secs(1)));
        let attribute = fields.take("attribute").and_then(|node| keep(node.text(), problems));
        let attribute = attribute.unwrap_or("phoenix.adaptive.level").to_owned();
        fields.finish(problems);
        let measure = measure.unwrap_or(if budget.is_some() { Measure::Series } else { Measure::Points });
        let rules =
            levels.iter().map(|level: &Level| format!("level {}: keep {}", level.name, level.keep)).collect();
        let adaptive = Self {
            rules,
            measure,
            levels,
            budget,
            always,
            unit: unit.unwrap_or_else(|| PROCESS.map(str::to_owned).to_vec()),
            margin: margin.unwrap_or(0.1).max(0.0),
            stay,
            window,
            attribute,
        };
        if let Some(problem) = adaptive.problem() {
            problems.push(Problem::new(list.unwrap_or(config).location, problem));
        }
        Some(adaptive)
    }

    /// The rules, one a level: points that it drops are counted, not those that it is written to.
    pub(in super::super) fn rules(&self) -> &[String] {
        &self.rules
    }

    fn problem(&self) -> Option<&'static str> {
        let (last, before) = self.levels.split_last()?;
        let harder = self.levels.windows(2).all(|pair| pair[1].keep <= pair[0].keep);
        let rising = before.windows(2).all(|pair| pair[0].up_to <= pair[1].up_to);
        match self.budget {
            _ if !harder => Some("levels that keep more under a higher load"),
            Some(_) if self.measure != Measure::Series => Some("a budget is of series: measure them"),
            Some(_) if self.levels.iter().any(|level| level.up_to.is_some()) => Some("both budget and up_to"),
            None if before.iter().any(|level| level.up_to.is_none()) => {
                Some("a level but the last lacks up_to")
            }
            None if last.up_to.is_some() => Some("the last level has up_to: nothing would hold above it"),
            None if !rising => Some("up_to falls from one level to the next"),
            _ => None,
        }
    }

    /// The level for a load.
    pub(super) fn level(&self, load: f64) -> usize {
        let fits = |level: &Level| match self.budget {
            Some(budget) => load * level.keep <= budget,
            None => level.up_to.is_none_or(|most| load <= most),
        };
        let hardest = self.levels.len().saturating_sub(1);
        self.levels.iter().position(fits).unwrap_or(hardest)
    }
}

fn level(node: &Node, problems: &mut Inspection) -> Option<Level> {
    let mut fields = keep(node.map(), problems)?;
    let name = keep(fields.required("name").and_then(Node::text), problems).map(str::to_owned);
    let share = keep(fields.required("keep"), problems);
    let kept = share.and_then(|node| keep(node.float(), problems));
    let up_to = fields.take("up_to").and_then(|node| keep(node.float(), problems));
    fields.finish(problems);
    if let (Some(node), Some(kept)) = (share, kept)
        && !(0.0..=1.0).contains(&kept)
    {
        problems.push(Problem::new(node.location, "no share").expected("a number from 0 to 1"));
    }
    Some(Level { name: name?, keep: kept?, up_to })
}
