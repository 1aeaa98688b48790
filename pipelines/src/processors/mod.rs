//! Work of the stages of a pipeline on a batch.
//!
//! Each processor has the Collector's name, config and semantics. Decoding a config compiles everything in
//! it, so that whatever decodes also builds and no batch can find a mistake in a config.

mod adaptive;
mod attributes;
mod cumulativetodelta;
mod deltatorate;
mod filter;
mod groupbyattrs;
mod interval;
mod metricstransform;
mod priority;
mod resource;
mod rollup;
mod topk;
mod transform;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Batch;
use crate::aggregate::Aggregation;
use crate::batch::{Encoded, Keep};
use crate::config::Scope;
use crate::cost::Inspection;
use crate::stage::{StageBatch, StageError, State};
use crate::yaml::Node;

pub use adaptive::Adaptive;
pub use attributes::Attributes;
pub use cumulativetodelta::CumulativeToDelta;
pub use deltatorate::DeltaToRate;
pub use filter::Filter;
pub use groupbyattrs::GroupByAttrs;
pub use interval::Interval;
pub use metricstransform::MetricsTransform;
pub use priority::Priority;
pub use resource::Resource;
pub use rollup::Rollup;
pub use topk::TopK;
pub use transform::Transform;

pub use crate::stage::{
    Flush, HeldPoints, Pipeline, Pressure, Refusal, RuleCount, RuleStats, SeriesSet, StageCount, StateSize,
    Variants, hand_over,
};

pub(crate) use filter::{CachedFilter, DecisionCache};

/// The types that run as stages.
pub const SUPPORTED: [&str; 13] = [
    "filter",
    "transform",
    "attributes",
    "resource",
    "groupbyattrs",
    "cumulativetodelta",
    "deltatorate",
    "interval",
    "metricstransform",
    "rollup",
    "topk",
    "adaptive",
    "priority",
];

/// The one name of a type that has two spellings.
pub fn canonical(kind: &str) -> &str {
    match kind {
        "cumulative_to_delta" => "cumulativetodelta",
        "delta_to_rate" => "deltatorate",
        "metrics_transform" => "metricstransform",
        other => other,
    }
}

/// A processor with its config.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Processor {
    /// Drops what conditions name.
    Filter(Filter),
    /// Edits the attributes of data points.
    Attributes(Attributes),
    /// Edits the attributes of resources.
    Resource(Resource),
    /// Moves attributes of data points to their resource and merges what becomes equal.
    GroupByAttrs(GroupByAttrs),
    /// Runs statements.
    Transform(Transform),
    /// Turns cumulative values into deltas.
    CumulativeToDelta(CumulativeToDelta),
    /// Turns deltas into rates.
    DeltaToRate(DeltaToRate),
    /// Holds points back until an interval ends.
    Interval(Interval),
    /// Renames, copies, combines and regroups metrics.
    MetricsTransform(MetricsTransform),
    /// Collapses resources into one.
    Rollup(Rollup),
    /// Keeps the busiest units.
    TopK(TopK),
    /// Keeps a share of the units that falls with the load.
    Adaptive(Adaptive),
    /// Writes classes as attributes.
    Priority(Priority),
}

impl Processor {
    /// Decodes the config of a processor of a supported type.
    pub(crate) fn decode(kind: &str, config: &Node, problems: &mut Inspection) -> Option<Self> {
        match kind {
            "filter" => Filter::decode(config, problems).map(Self::Filter),
            "attributes" => Attributes::decode(config, problems).map(Self::Attributes),
            "resource" => Resource::decode(config, problems).map(Self::Resource),
            "transform" => Transform::decode(config, problems).map(Self::Transform),
            "groupbyattrs" => GroupByAttrs::decode(config, problems).map(Self::GroupByAttrs),
            "cumulativetodelta" => CumulativeToDelta::decode(config, problems).map(Self::CumulativeToDelta),
            "deltatorate" => DeltaToRate::decode(config, problems).map(Self::DeltaToRate),
            "interval" => Interval::decode(config, problems).map(Self::Interval),
            "metricstransform" => MetricsTransform::decode(config, problems).map(Self::MetricsTransform),
            "topk" => TopK::decode(config, problems).map(Self::TopK),
            "adaptive" => Adaptive::decode(config, problems).map(Self::Adaptive),
            "priority" => Priority::decode(config, problems).map(Self::Priority),
            "rollup" => Rollup::decode(config, problems).map(Self::Rollup),
            _ => None,
        }
    }

    /// Returns whether a stock Collector has the processor.
    pub fn portable(&self) -> bool {
        !matches!(self, Self::Rollup(_) | Self::TopK(_) | Self::Adaptive(_) | Self::Priority(_))
    }

    /// The unit that it must see whole.
    pub fn scope(&self) -> Scope {
        match self {
            Self::GroupByAttrs(_) | Self::Rollup(_) | Self::TopK(_) => Scope::Host,
            Self::Adaptive(_) | Self::Priority(_) => Scope::Process,
            _ => Scope::Point,
        }
    }

    /// The longest that it keeps a point.
    pub fn hold(&self) -> Duration {
        match self {
            Self::Interval(interval) => interval.hold(),
            _ => Duration::ZERO,
        }
    }

    /// What of a batch it may keep back, as a request: nothing of what it always passes on.
    pub(crate) fn may_hold(&self, batch: &Batch) -> Encoded {
        match self {
            Self::Interval(interval) => interval.may_hold(batch),
            _ => batch.encode(Keep::All),
        }
    }

    /// Names of the functions by which it merges points.
    pub fn merge_functions(&self) -> BTreeSet<&'static str> {
        match self {
            Self::MetricsTransform(transform) => transform.aggregations().map(Aggregation::name).collect(),
            Self::Transform(transform) => transform.aggregations().map(Aggregation::name).collect(),
            Self::Rollup(rollup) => rollup.functions().collect(),
            Self::TopK(_) => BTreeSet::from(["sum"]),
            _ => BTreeSet::new(),
        }
    }

    /// Number of scrapes that it needs before it has its state.
    pub fn warm_up(&self) -> u32 {
        match self {
            Self::CumulativeToDelta(_) => 1,
            Self::Rollup(_) | Self::TopK(_) | Self::Adaptive(_) => 2,
            Self::Priority(priority) => priority.warm_up(),
            _ => 0,
        }
    }

    /// Its rules, each as it is written in the config.
    pub(crate) fn rules(&self) -> &[String] {
        match self {
            Self::Filter(filter) => filter.rules(),
            Self::Transform(transform) => transform.rules(),
            Self::Attributes(attributes) => attributes.rules(),
            Self::Resource(resource) => resource.rules(),
            Self::GroupByAttrs(group) => group.rules(),
            Self::CumulativeToDelta(deltas) => deltas.rules(),
            Self::DeltaToRate(rate) => rate.rules(),
            Self::Interval(interval) => interval.rules(),
            Self::MetricsTransform(transform) => transform.rules(),
            Self::Rollup(rollup) => rollup.rules(),
            Self::TopK(topk) => topk.rules(),
            Self::Adaptive(adaptive) => adaptive.rules(),
            Self::Priority(priority) => priority.rules(),
        }
    }

    /// The filter that it is, if that asks about resources before anything else.
    pub(crate) fn resource_filter(&self) -> Option<&Filter> {
        match self {
            Self::Filter(filter) => Some(filter).filter(|filter| filter.begins_with_resources()),
            _ => None,
        }
    }

    /// Returns whether it must know what its output came from when that has long been sent.
    pub(crate) fn remembers_input(&self) -> bool {
        matches!(self, Self::Interval(_))
    }

    pub(crate) fn is_identity(&self) -> bool {
        match self {
            Self::Filter(filter) => filter.is_identity(),
            Self::Transform(transform) => transform.is_identity(),
            _ => false,
        }
    }

    /// Makes its state, if it has one, from `start` on, Unix nanoseconds.
    pub(crate) fn start(&self, start: u64) -> Option<Box<dyn State>> {
        match self {
            Self::CumulativeToDelta(config) => {
                Some(Box::new(cumulativetodelta::DeltaState::new(config.clone(), start)))
            }
            Self::Interval(config) => Some(Box::new(interval::IntervalState::new(config.clone(), start))),
            Self::TopK(config) => Some(Box::new(topk::TopKState::new(config.clone(), start))),
            Self::Adaptive(config) => Some(Box::new(adaptive::AdaptiveState::new(config.clone(), start))),
            Self::Priority(config) => Some(Box::new(priority::PriorityState::new(config.clone()))),
            Self::Rollup(config) => Some(Box::new(rollup::RollupState::new(config.clone(), start))),
            _ => None,
        }
    }

    /// Edits a batch in place; for processors without a memory.
    pub(crate) fn run(&self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { batch, now, tallies, stop, .. } = turn;
        match self {
            Self::Filter(filter) => return filter.run(batch, now, tallies, stop),
            Self::Transform(transform) => return transform.run(batch, now, tallies, stop),
            Self::Attributes(attributes) => attributes.run(batch, tallies, stop),
            Self::Resource(resource) => resource.run(batch, tallies),
            Self::GroupByAttrs(group) => group.run(batch, tallies),
            Self::DeltaToRate(rate) => return rate.run(batch, tallies),
            Self::MetricsTransform(transform) => return transform.run(batch, tallies),
            // These run by their state.
            Self::CumulativeToDelta(_)
            | Self::Interval(_)
            | Self::Rollup(_)
            | Self::TopK(_)
            | Self::Adaptive(_)
            | Self::Priority(_) => {}
        }
        Ok(())
    }
}
