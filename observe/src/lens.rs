//! Lenses: the aggregates that people look at, e.g. memory by executable, as a panel of a dashboard shows them.
//!
//! A lens is `function by (group) (metric)` over a variant's output, as a backend would keep it: evaluated at the end of
//! every window, with a look-back ([`track`], [`instant`]). What is kept of a stretch are sums over instants, which merge by
//! adding ([`table`]), so that the figure of a long stretch is a mean over its instants or a sum of increases, and never the
//! last values of everything that ever lived. [`report`] reads them, [`limit`] judges every group, [`fleet`] adds hosts up.

mod arrival;
mod class;
mod estimate;
mod fleet;
mod group_rows;
mod groups;
mod instant;
mod limit;
mod near;
mod report;
mod shares;
mod spread;
mod spreads;
mod sum;
mod table;
mod track;
mod unnamed;
mod unwatched;

use std::time::Duration;

use pipelines::yaml::{Node, Problem, keep, parse_duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use arrival::MAX_ARRIVALS;
pub use arrival::{EVERY, OWNER, OWNERS};
pub use fleet::{FleetCounts, FleetGroup, FleetLens, LensAnswer};
pub(crate) use groups::{Groups, Under, increases};
pub(crate) use instant::{Panels, Window};
pub use limit::{LensCounts, LensLimit};
pub use report::{LensError, LensInstant, LensReport, Measured};
pub(crate) use shares::Share;
pub use spread::{Reach, Sampled};
pub(crate) use table::{Figures, LensTable};
pub(crate) use track::{LensSeries, SeriesTrack};
pub use unnamed::Unnamed;
pub use unwatched::UnwatchedMetrics;
pub(crate) use unwatched::UnwatchedNames;

/// One aggregate: what a metric comes to by an attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lens {
    /// Name in reports.
    pub name: String,
    /// Metric name; [`EVERY`] for the metrics that no other lens looks at, each by itself.
    pub metric: String,
    /// Attribute of the point or else of its resource; [`OWNER`] for the first that names an owner.
    pub group_by: String,
    /// Aggregate of the series of a group.
    #[serde(default)]
    pub function: LensFunction,
    /// Figure by which a histogram or a summary enters.
    #[serde(default, skip_serializing_if = "LensValue::is_count")]
    pub value: LensValue,
    /// Time for which a series is shown after its last point; above 0 and at most a day.
    #[serde(
        default = "Lens::default_lookback",
        deserialize_with = "read_text",
        serialize_with = "write_text"
    )]
    pub lookback: Duration,
    /// The most that a figure may be off, as a share of the baseline's: of the total, of each group and of the small ones
    /// together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_error: Option<f64>,
    /// Share of all groups from which a group is judged by itself; 0.01 if there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_group_share: Option<f64>,
    /// The most groups that the candidate may never show; 0 if there is a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_groups_lost: Option<u64>,
    /// Difference that is allowed whatever its share, in the figure's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absolute_margin: Option<f64>,
}

/// Aggregate of the series of a group.
///
/// A gauge or a sum that may fall has a value at an instant; a counter or a delta has an increase over a stretch. The
/// figure of a function that has no meaning for what came in is not measured. A histogram or a summary has an increase, of
/// the number of its observations or of their sum ([`LensValue`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensFunction {
    /// Sum: of values the mean over the instants, of counters the increase over the stretch.
    #[default]
    Sum,
    /// Mean of a series, in the same way.
    Avg,
    /// The largest of the values, as a mean over the instants.
    Max,
    /// The least of the values, as a mean over the instants.
    Min,
    /// Number of processes that series are of, as a mean over the instants.
    Count,
    /// Increase a second.
    Rate,
}

/// Figure by which a histogram or a summary enters a lens, as a backend's `_count` and `_sum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensValue {
    /// Number of its observations.
    #[default]
    Count,
    /// Sum of its observations.
    Sum,
}

impl LensValue {
    /// Words and what they mean.
    pub const WORDS: [(&'static str, Self); 2] = [("count", Self::Count), ("sum", Self::Sum)];

    fn is_count(&self) -> bool {
        *self == Self::Count
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
        }
    }
}

impl LensFunction {
    /// Words and what they mean.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("sum", Self::Sum),
        ("avg", Self::Avg),
        ("max", Self::Max),
        ("min", Self::Min),
        ("count", Self::Count),
        ("rate", Self::Rate),
    ];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, function)| *function == self).map_or("sum", |(word, _)| word)
    }

    /// Tells whether one series decides the figure.
    #[must_use]
    pub fn is_of_one(self) -> bool {
        matches!(self, Self::Max | Self::Min)
    }

    /// Tells whether figures of different hosts add up.
    #[must_use]
    pub fn adds_up(self) -> bool {
        matches!(self, Self::Sum | Self::Count | Self::Rate)
    }
}

impl Lens {
    /// Look-back of a lens that names none: five minutes, as dashboards have it.
    pub const LOOKBACK: Duration = Duration::from_secs(300);
    /// The longest look-back.
    pub const MAX_LOOKBACK: Duration = Duration::from_secs(86_400);

    /// An aggregate without a limit, with the default look-back.
    pub fn new(
        name: impl Into<String>,
        metric: impl Into<String>,
        group_by: impl Into<String>,
        function: LensFunction,
    ) -> Self {
        Self {
            name: name.into(),
            metric: metric.into(),
            group_by: group_by.into(),
            function,
            value: LensValue::default(),
            lookback: Self::LOOKBACK,
            max_error: None,
            min_group_share: None,
            max_groups_lost: None,
            absolute_margin: None,
        }
    }

    fn default_lookback() -> Duration {
        Self::LOOKBACK
    }

    /// Of a map with `name`, `metric`, `group_by` and perhaps `function`, `lookback` and limits; what is wrong goes to
    /// `problems`.
    pub fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let mut text = |key| keep(fields.required(key).and_then(Node::text), problems).map(str::to_owned);
        let (name, metric, group_by) = (text("name"), text("metric"), text("group_by"));
        let function = fields.take("function").map(|node| node.one_of("function", &LensFunction::WORDS));
        let function = function.map_or(Some(LensFunction::Sum), |read| keep(read, problems));
        let value = fields.take("value").map(|node| node.one_of("value", &LensValue::WORDS));
        let value = value.map_or(Some(LensValue::Count), |read| keep(read, problems));
        let lookback = fields.take("lookback").map(Node::duration);
        let lookback = lookback.map_or(Some(Self::LOOKBACK), |read| keep(read, problems));
        let mut number = |key| fields.take(key).and_then(|node| keep(node.float(), problems));
        let (max_error, min_group_share) = (number("max_error"), number("min_group_share"));
        let absolute_margin = number("absolute_margin");
        let max_groups_lost = fields.take("max_groups_lost").and_then(|n| keep(n.unsigned(), problems));
        fields.finish(problems);
        let lens = Self {
            value: value?,
            lookback: lookback?,
            max_error,
            min_group_share,
            max_groups_lost,
            absolute_margin,
            ..Self::new(name?, metric?, group_by?, function?)
        };
        if let Some((field, found, expected)) = lens.problem() {
            let message = format!("the {field} of the lens {:?} is {found}", lens.name);
            problems.push(Problem::new(node.location, message).expected(expected));
        }
        Some(lens)
    }

    /// Aggregates that people look at: memory, CPU, disk I/O and the number of processes, with threads and descriptors under
    /// the names of both conventions, and the total by owner of any other metric, of processes or not.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        const EXECUTABLE: (&str, &str) = ("by executable", "process.executable.name");
        const HOST: (&str, &str) = ("by host", "host.name");
        const USER: (&str, &str) = ("by owner", "process.owner");
        let lens = |what: &str, metric: &str, (by, attribute): (&str, &str), function| {
            Self::new(format!("{what} {by}"), metric, attribute, function)
        };
        let sum = LensFunction::Sum;
        vec![
            lens("memory", "process.memory.usage", EXECUTABLE, sum),
            lens("memory", "process.memory.usage", HOST, sum),
            lens("memory", "process.memory.usage", USER, sum),
            lens("cpu", "process.cpu.time", EXECUTABLE, sum),
            lens("cpu", "process.cpu.time", HOST, sum),
            lens("disk I/O", "process.disk.io", HOST, sum),
            lens("processes", "process.cpu.time", EXECUTABLE, LensFunction::Count),
            lens("threads", "process.threads", EXECUTABLE, sum),
            lens("thread count", "process.thread.count", EXECUTABLE, sum),
            lens("descriptors", "process.open_file_descriptors", EXECUTABLE, sum),
            lens("descriptor count", "process.unix.file_descriptor.count", EXECUTABLE, sum),
            lens("other metrics", EVERY, ("by owner", OWNER), sum),
        ]
    }
}

/// A duration as text, such as `300s`.
fn write_text<S: Serializer>(lookback: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match lookback.subsec_nanos() {
        0 => to.serialize_str(&format!("{}s", lookback.as_secs())),
        _ => to.serialize_str(&format!("{}ns", lookback.as_nanos())),
    }
}

fn read_text<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let nanoseconds = parse_duration(&text).and_then(|nanoseconds| u64::try_from(nanoseconds).ok());
    let wrong =
        || serde::de::Error::custom(format!("{text:?} is no duration, expected such as 250ms, 10s, 5m"));
    nanoseconds.map(Duration::from_nanos).ok_or_else(wrong)
}
