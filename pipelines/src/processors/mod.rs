//! What the stages of a pipeline do to a batch.
//!
//! Each processor has the Collector's name, config and semantics. Decoding a config compiles everything in
//! it, so that whatever decodes also builds and no batch can find a mistake in a config.

mod account;
mod actions;
mod attributes;
mod constant;
mod edit;
mod error_mode;
mod failed;
mod filter;
mod groupbyattrs;
mod handover;
mod pipeline;
mod resource;
mod selection;
mod state;
mod transform;

use std::time::Duration;

use crate::config::Scope;
use crate::yaml::{Node, Problem};

pub use account::{RuleAccount, SeriesSeen};
pub use attributes::Attributes;
pub use filter::Filter;
pub use groupbyattrs::GroupByAttrs;
pub use handover::{Variants, hand_over};
pub use pipeline::{Pipeline, Refused, RuleCount};
pub use resource::Resource;
pub use state::{Flush, Kept};
pub use transform::Transform;

use account::{Tallies, Tally};
use failed::Failed;
use state::{State, Turn};

/// The types that run as stages.
pub const SUPPORTED: [&str; 5] = ["filter", "transform", "attributes", "resource", "groupbyattrs"];
/// The types that the language has and this version does not.
pub(crate) const LATER: [&str; 4] = ["metricstransform", "cumulativetodelta", "deltatorate", "interval"];

/// The one name of a type that has two spellings.
pub(crate) fn canonical(kind: &str) -> &str {
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
}

impl Processor {
    /// Decodes the config of a processor of a supported type.
    pub(crate) fn decode(kind: &str, config: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match kind {
            "filter" => Filter::decode(config, problems).map(Self::Filter),
            "attributes" => Attributes::decode(config, problems).map(Self::Attributes),
            "resource" => Resource::decode(config, problems).map(Self::Resource),
            "transform" => Transform::decode(config, problems).map(Self::Transform),
            "groupbyattrs" => GroupByAttrs::decode(config, problems).map(Self::GroupByAttrs),
            _ => None,
        }
    }

    /// The unit that it must see whole.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Filter(_) | Self::Transform(_) | Self::Attributes(_) | Self::Resource(_) => Scope::Point,
            Self::GroupByAttrs(_) => Scope::Host,
        }
    }

    /// The longest that it keeps a point.
    pub fn hold(&self) -> Duration {
        Duration::ZERO
    }

    /// How many scrapes it needs before it has its state.
    pub fn warm_up(&self) -> u32 {
        0
    }

    /// What it accounts by, each as it is written in the config.
    fn rules(&self) -> &[String] {
        match self {
            Self::Filter(filter) => filter.rules(),
            Self::Transform(transform) => transform.rules(),
            Self::Attributes(attributes) => attributes.rules(),
            Self::Resource(resource) => resource.rules(),
            Self::GroupByAttrs(_) => &[],
        }
    }

    fn is_identity(&self) -> bool {
        match self {
            Self::Filter(filter) => filter.is_identity(),
            Self::Transform(transform) => transform.is_identity(),
            Self::Attributes(_) | Self::Resource(_) | Self::GroupByAttrs(_) => false,
        }
    }

    /// What it will remember between batches, if it does, from `start` on, Unix nanoseconds.
    fn start(&self, _start: u64) -> Option<Box<dyn State>> {
        None
    }

    /// Edits a batch in place; for processors without a memory.
    fn run(&self, turn: Turn<'_>, tallies: &mut [Tally]) -> Result<(), Failed> {
        let Turn { batch, now, input } = turn;
        let tallies = Tallies::new(input, tallies);
        match self {
            Self::Filter(filter) => return filter.run(batch, now, tallies),
            Self::Transform(transform) => return transform.run(batch, now, tallies),
            Self::Attributes(attributes) => attributes.run(batch, tallies),
            Self::Resource(resource) => resource.run(batch, tallies),
            Self::GroupByAttrs(group) => group.run(batch),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
