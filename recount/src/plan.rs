//! Knowledge about one trial that its config states: what a person would know who wrote it.

use super::series::Series;

/// Series that an aggregating candidate makes of one; nothing if it drops it.
pub type Becomes = fn(&Series) -> Option<Series>;

/// Relation of the candidate's points to the input's.
#[derive(Clone, Copy, Debug)]
pub enum Ancestry {
    /// Each is made of the input point that has its number.
    Same,
    /// Each is made of all points of the batch whose series become its own.
    Merged(Becomes),
}

/// Aggregate of a lens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Sum.
    Sum,
    /// Mean of a series.
    Avg,
    /// Largest value.
    Max,
    /// Least value.
    Min,
    /// Number of processes.
    Count,
    /// Increase a second.
    Rate,
}

/// Figure of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Number of observations.
    Count,
    /// Sum of observations.
    Sum,
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub struct Lens<'a> {
    /// Name.
    pub name: &'a str,
    /// Metric.
    pub metric: &'a str,
    /// Attribute by which it groups, or [`OWNER`](super::owner::OWNER).
    pub group_by: &'a str,
    /// Function, by its word.
    pub function: Function,
    /// Figure by which a distribution enters.
    pub value: Figure,
    /// Look-back, nanoseconds.
    pub lookback: u64,
    /// Limit of the error; none of one that describes.
    pub max_error: Option<f64>,
    /// Time from which on it looks, Unix nanoseconds; 0 for the beginning.
    pub since: u64,
}

impl Figure {
    /// Its word in a config.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
        }
    }
}

impl Function {
    /// Its word in a config.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Count => "count",
            Self::Rate => "rate",
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Relation of the baseline's points to the input's, and of the candidate's.
    pub ancestry: [Ancestry; 2],
    /// Panels.
    pub lenses: &'static [Lens<'static>],
    /// True if the config names no panels: `lenses` are the default ones, and each other metric has a total by owner.
    pub defaults: bool,
    /// Executables that are critical.
    pub critical: &'static [&'static str],
    /// Metrics that are required of them.
    pub required: &'static [&'static str],
    /// Resource attributes that the backend makes labels of; nothing for all.
    pub promoted: Option<&'static [&'static str]>,
    /// Time for which stages hold points back, nanoseconds.
    pub hold: u64,
    /// Series that they hold back.
    pub held: fn(&Series) -> bool,
    /// Scrapes after which every stage has state.
    pub warm_up: u64,
}
