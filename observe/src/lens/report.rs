//! Report of one lens over a stretch: figures of both variants, by group.
//!
//! The figure of a lens on values is a mean over the instants at which either variant shows the group; a variant that shows
//! nothing at one of them counts as nothing there. The figure of a lens on counters is the increase over the stretch. What
//! figures are made of stands beside them, so that stretches and hosts can be added up.

use drift::relative_error;
use serde::{Deserialize, Serialize};

use super::arrival::{OWNER, OWNERS};
use super::groups::WITHOUT;
use super::near::nearest;
use super::spread::Sampled;
use super::table::{Entry, Figures, Group, KIND_DISTRIBUTION, KIND_INCREASE, KIND_VALUE, LensTable, Side};
use super::{Lens, LensCounts, LensFunction, Unnamed};
use crate::fates::{AttributeFates, SeriesFates};

/// The most groups that a report names, of those that differ and of the largest others.
const MAX_NAMED: usize = 100;
/// The most groups that a lens without a limit names.
const MAX_DESCRIBED: usize = 8;
/// Differences below this share of the sum of all absolute terms are none.
const ROUNDING: f64 = 1e-9;

/// One lens: what it shows of both variants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LensReport {
    /// Its name.
    pub name: String,
    /// Metric it looks at.
    pub metric: String,
    /// Attribute it groups by.
    pub group_by: String,
    /// Aggregate of the series of each group.
    pub function: LensFunction,
    /// State of the measurement: measured, or the reason for which it was not.
    pub measured: Measured,
    /// True if figures are increases over the stretch rather than means over its instants.
    pub increases: bool,
    /// Begin of the stretch, Unix nanoseconds.
    pub start: u64,
    /// End of it.
    pub end: u64,
    /// Length of its windows together, seconds.
    pub seconds: f64,
    /// The most series that entered it at one instant, baseline and candidate.
    pub members: [u64; 2],
    /// All groups together.
    pub total: LensError,
    /// Groups.
    pub groups: u64,
    /// Groups that differ at all, those with gaps among them.
    pub groups_that_differ: u64,
    /// Groups that the baseline shows and the candidate never does.
    pub groups_lost: u64,
    /// Groups that the candidate shows and the baseline never does.
    pub groups_new: u64,
    /// The groups that differ most, at most 100; of a lens without a limit at most eight.
    pub worst: Vec<LensError>,
    /// The largest of the others, at most 100; none of a lens without a limit.
    pub largest: Vec<LensError>,
    /// Groups that are not named.
    pub unnamed: Unnamed,
    /// All groups counted against the limit, where there is one.
    pub limit: Option<LensCounts>,
    /// Values that were no number, baseline and candidate; they enter nothing.
    pub no_value: [u64; 2],
    /// True if some groups share buckets.
    pub bucketed: bool,
    /// True if some series did not fit, so that it is not of all of them. Earlier releases say so of shared buckets as well.
    pub truncated: bool,
}

/// State of a lens's measurement; of several stretches that were not measured the last in this order is true of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Measured {
    /// Series entered it, and instants count.
    #[default]
    Measured,
    /// The metric did not come in.
    MetricAbsent {
        /// Names like it that did, the nearest first.
        near: Vec<String>,
    },
    /// The metric came in, and neither variant puts it out.
    NotPutOut,
    /// No series of the metric has the attribute.
    AttributeAbsent {
        /// Attributes that they have, at most eight.
        attributes: Vec<String>,
    },
    /// The function has no meaning for the metric's series.
    FunctionUnfit {
        /// Kinds of the series: values, counters or distributions.
        kind: String,
    },
    /// Series have entered it, and no instant of this stretch counts: nothing was shown, or all had just come up.
    NoInstant,
}

/// One group of a lens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LensError {
    /// The group; empty for the total.
    pub group: String,
    /// The baseline's figure, in the metric's unit (a second, of a rate; processes, of a count).
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// (candidate − baseline) / |baseline|; none where the baseline has nothing.
    pub relative_error: Option<f64>,
    /// Sums that the figures are made of: over instants, or of increases; of a mean those of the values.
    pub sums: [f64; 2],
    /// Series at each instant, added up, baseline and candidate.
    pub members: [u64; 2],
    /// Instants at which each shows it.
    pub shown: [u64; 2],
    /// Instants at which either does.
    pub instants: u64,
    /// Instants at which the baseline shows it and the candidate does not.
    pub gaps: u64,
    /// Instant at which the figures are furthest apart; none of increases, and where they never are.
    pub worst: Option<LensInstant>,
    /// The baseline's increase that stages may have held back before the stretch and at its end, in the unit of `sums`.
    pub edges: [f64; 2],
    /// The baseline's increase while the group was young, which a stage may hold back too.
    pub newborn: f64,
    /// Difference that stages which hold points explain, in the figure's unit: of `edges` and `newborn`.
    pub tolerance: f64,
    /// What it comes to of all entities, where the other figures are of a sample: a sum, or that of which it is a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
    /// Number of series by which that is divided, of a mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divisor: Option<Sampled>,
    /// The least and the largest of candidate over baseline of the entities that are followed, of a maximum or a minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratios: Option<[f64; 2]>,
}

/// Figures of both variants at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LensInstant {
    /// Unix nanoseconds.
    pub time: u64,
    /// Baseline and candidate; 0 where it shows nothing.
    pub figures: [f64; 2],
}

/// Function, kind and length in seconds of what figures are made of.
type Basis = (LensFunction, bool, f64);

impl LensInstant {
    /// Figures that differ by more than rounding, of which the absolute terms come to `size`.
    pub(crate) fn of(time: u64, figures: [f64; 2], size: f64) -> Option<Self> {
        ((figures[1] - figures[0]).abs() > ROUNDING * size).then_some(Self { time, figures })
    }

    /// The one at which figures are further apart; of equal ones the first.
    pub(crate) fn worse(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let apart = |of: &Self| (of.figures[1] - of.figures[0]).abs();
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        let order = apart(&a).total_cmp(&apart(&b)).then(b.time.cmp(&a.time));
        let order = order.then(a.figures[0].total_cmp(&b.figures[0]));
        Some(if order.is_ge() { a } else { b })
    }
}

impl LensError {
    /// Name of the group of the series that lack the attribute that the lens groups by.
    pub const UNNAMED: &str = WITHOUT;

    /// Error of a group, from its figures in both variants at one instant.
    #[must_use]
    pub fn of(group: String, baseline: f64, candidate: f64) -> Self {
        Self {
            group,
            sums: [baseline, candidate],
            members: [1; 2],
            shown: [1; 2],
            instants: 1,
            ..Self::default()
        }
        .with_figures(LensFunction::Sum, false, 0.0)
    }

    fn read(name: &str, group: &Group, (function, increases, seconds): Basis, of_sample: bool) -> Self {
        let spreads = of_sample.then(|| group.spreads());
        let sampled = spreads.as_ref().and_then(|of| of.read(function, increases));
        let is_extreme = function.is_of_one();
        let of = |side: &Side| if increases { side.increase.value() } else { side.values.value() };
        let sides = &group.sides;
        let mut read = Self {
            group: name.to_owned(),
            sums: sides.each_ref().map(of),
            members: sides.each_ref().map(|side| side.members),
            shown: sides.each_ref().map(|side| side.shown),
            instants: group.instants,
            gaps: group.gaps,
            worst: group.worst.filter(|_| !increases),
            edges: group.edges,
            newborn: group.newborn.value(),
            ..Self::default()
        };
        // Of a mean over instants at which one variant does not show the group, those of all cannot be told.
        let is_there = read.shown == [read.instants; 2] || read.is_lost();
        if function != LensFunction::Avg || is_there {
            (read.sampled, read.divisor) = (sampled.map(|of| of.0), sampled.and_then(|of| of.1));
        }
        read.ratios = spreads.filter(|_| is_extreme).and_then(|of| of.read_ratios());
        // Sums over many terms round differently in different orders; that is no difference of the candidate's.
        let size = sides.iter().map(|side| side.size.value()).fold(0.0, f64::max);
        let same_basis = function != LensFunction::Avg || read.members[0] == read.members[1];
        if same_basis && (read.sums[1] - read.sums[0]).abs() <= ROUNDING * size {
            read.sums[1] = read.sums[0];
        }
        read.with_figures(function, increases, seconds)
    }

    /// The same with the figures that its sums come to.
    #[must_use]
    pub fn with_figures(mut self, function: LensFunction, increases: bool, seconds: f64) -> Self {
        let [baseline, candidate] =
            [0, 1].map(|at| self.figure(at, self.sums[at], (function, increases, seconds)));
        (self.baseline, self.candidate) = (baseline, candidate);
        self.relative_error = relative_error(baseline, candidate);
        let held = self.edges[0] + self.edges[1] + self.newborn;
        let held = if increases { held } else { 0.0 };
        self.tolerance = self.figure(0, held, (function, increases, seconds));
        self
    }

    /// Figure of a sum.
    fn figure(&self, at: usize, sum: f64, (function, increases, seconds): Basis) -> f64 {
        let over = |sum: f64, count: u64| if count > 0 { sum / count as f64 } else { 0.0 };
        match function {
            LensFunction::Rate if seconds > 0.0 => sum / seconds,
            LensFunction::Rate => 0.0,
            // Of the mean number of series that were there.
            LensFunction::Avg if increases => over(sum * self.shown[at] as f64, self.members[at]),
            LensFunction::Avg if self.shown[at] == self.instants => over(sum, self.members[at]),
            LensFunction::Avg => over(over(sum, self.members[at]) * self.shown[at] as f64, self.instants),
            _ if increases => sum,
            _ => over(sum, self.instants),
        }
    }

    /// |candidate − baseline|.
    #[must_use]
    pub fn difference(&self) -> f64 {
        (self.candidate - self.baseline).abs()
    }

    /// Relative error beyond the difference that stages explain which hold points: (candidate − baseline) / |baseline|, endless
    /// where the baseline has nothing. Of a lost group all of it, even where it came to nothing.
    #[must_use]
    pub fn error(&self) -> f64 {
        let beyond = (self.difference() - self.tolerance).max(0.0).copysign(self.candidate - self.baseline);
        match beyond {
            0.0 if self.is_lost() => -1.0,
            0.0 => 0.0,
            _ if self.baseline == 0.0 => f64::INFINITY.copysign(beyond),
            _ => beyond / self.baseline.abs(),
        }
    }

    /// Tells whether the baseline shows it and the candidate never does.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shown[0] > 0 && self.shown[1] == 0
    }

    /// Tells whether the candidate shows it and the baseline never does.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.shown[1] > 0 && self.shown[0] == 0
    }

    /// Tells whether it is of the series that lack the attribute that the lens groups by.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.group == WITHOUT
    }

    /// Tells whether the variants differ in it at all.
    #[must_use]
    pub fn differs(&self) -> bool {
        let past_noise = self.difference() > ROUNDING * self.baseline.abs().max(self.candidate.abs());
        past_noise || self.worst.is_some() || self.shown[0] != self.shown[1] || self.gaps > 0
    }

    /// |baseline|, as it weighs in shares: over the instants at which the group is shown.
    #[must_use]
    pub fn weight(&self, increases: bool) -> f64 {
        self.weight_of(self.baseline, increases)
    }

    pub(crate) fn weight_of(&self, figure: f64, increases: bool) -> f64 {
        figure.abs() * if increases { 1.0 } else { self.instants as f64 }
    }
}

impl LensReport {
    pub(crate) fn read(lens: &Lens, table: &LensTable, figures: &Figures, seconds: f64) -> Self {
        let increases = figures.are_increases();
        let of_sample = figures.total.spreads.is_some();
        let total = LensError::read("", &figures.total, (lens.function, increases, seconds), of_sample);
        let mut groups = Self::groups(lens, figures, seconds);
        let limit = lens.limit().map(|limit| limit.count(&total, &groups, increases));
        let count = |what: fn(&LensError) -> bool| groups.iter().filter(|group| what(group)).count() as u64;
        let mut report = Self {
            name: lens.name.clone(),
            metric: lens.metric.clone(),
            group_by: lens.group_by.clone(),
            function: lens.function,
            measured: Measured::of(lens, &figures.entry, total.instants),
            increases,
            start: table.start,
            end: table.end,
            seconds,
            members: figures.total.sides.each_ref().map(|side| side.most),
            groups: groups.len() as u64,
            groups_that_differ: count(LensError::differs),
            groups_lost: count(LensError::is_lost),
            groups_new: count(LensError::is_new),
            limit,
            no_value: figures.no_value,
            bucketed: figures.entry.bucketed,
            truncated: table.truncated,
            total,
            ..Self::default()
        };
        let weight = |group: &LensError| group.weight_of(group.difference(), increases);
        groups.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.group.cmp(&b.group)));
        (report.worst, report.largest) = groups.into_iter().partition(LensError::differs);
        report.largest.sort_by(|a, b| b.weight(increases).total_cmp(&a.weight(increases)));
        match report.limit {
            Some(_) => report.naming([MAX_NAMED, MAX_NAMED]),
            None => report.naming([MAX_DESCRIBED, 0]),
        }
    }

    /// All groups, by name.
    pub(crate) fn groups(lens: &Lens, figures: &Figures, seconds: f64) -> Vec<LensError> {
        let basis = (lens.function, figures.are_increases(), seconds);
        let of_sample = figures.total.spreads.is_some();
        let all = figures.groups.iter().map(|(name, group)| LensError::read(name, group, basis, of_sample));
        // What was on its way at an edge is told, too: it explains what the next stretch has of the group.
        let rises = |group: &LensError| basis.1 && (group.sums != [0.0; 2] || group.edges != [0.0; 2]);
        all.filter(|group| group.instants > 0 || rises(group)).collect()
    }

    /// The same with at most so many of the groups that differ named, and of the largest others.
    #[must_use]
    pub fn naming(mut self, [worst, largest]: [usize; 2]) -> Self {
        let of = (self.increases, self.groups);
        let left = self.worst.drain(worst.min(self.worst.len())..);
        left.for_each(|group| self.unnamed.add(&group, of));
        let left = self.largest.drain(largest.min(self.largest.len())..);
        left.for_each(|group| self.unnamed.add(&group, of));
        self
    }

    /// Its total, with what it comes to of all entities in the figure's unit; of one that follows all, that is what it shows.
    /// Totals of hosts add up so. Nothing where a sample has no such figure.
    #[must_use]
    pub fn total_of_all(&self, of_sample: bool) -> Option<LensError> {
        let total = &self.total;
        let per = match (self.increases, self.function) {
            (_, LensFunction::Rate) => self.seconds,
            (true, _) => 1.0,
            (false, _) => total.instants.max(1) as f64,
        };
        let sampled = match total.sampled {
            Some(sampled) => sampled.per(per),
            None if of_sample => return None,
            None => Sampled::exact(total.baseline, total.candidate),
        };
        Some(LensError { sampled: Some(sampled), ..total.clone() })
    }

    /// Tells whether it groups by this attribute; a lens by owner does by each that names one.
    #[must_use]
    pub fn groups_by(&self, attribute: &str) -> bool {
        let names_owner = || OWNERS.iter().any(|(name, _)| *name == attribute);
        if self.group_by == OWNER { names_owner() } else { self.group_by == attribute }
    }

    /// Tells whether groups are others because what it groups by has other values: groups are lost and others are new; or series
    /// have other values of that attribute, and groups are lost, or differ where the total does not.
    #[must_use]
    pub fn is_rewritten<'a>(&self, mut fates: impl Iterator<Item = &'a SeriesFates>) -> bool {
        let new = self.groups_new > 0 || self.named().any(LensError::is_new);
        if self.groups_lost > 0 && new {
            return true;
        }
        let same = self.total.relative_error == Some(0.0);
        let moved = self.groups_lost > 0 || same && self.groups_that_differ > 0;
        let other = |one: &AttributeFates| one.rewritten > 0 && self.groups_by(&one.attribute);
        moved && fates.any(|of| of.by_attribute.iter().any(other))
    }

    /// All groups that it names.
    pub fn named(&self) -> impl Iterator<Item = &LensError> {
        self.worst.iter().chain(&self.largest)
    }
}

impl Measured {
    fn of(lens: &Lens, entry: &Entry, instants: u64) -> Self {
        let fits = fitting(lens.function);
        match entry {
            Entry { kinds: 0, came: false, near, .. } => {
                let near = nearest(&lens.metric, near).iter().map(ToString::to_string).collect();
                Self::MetricAbsent { near }
            }
            Entry { kinds: 0, .. } => Self::NotPutOut,
            Entry { kinds, .. } if kinds & fits == 0 => Self::FunctionUnfit { kind: kind_names(*kinds) },
            Entry { named: false, attributes, .. } => Self::AttributeAbsent {
                attributes: attributes.iter().take(8).map(ToString::to_string).collect(),
            },
            _ if instants == 0 => Self::NoInstant,
            _ => Self::Measured,
        }
    }

    /// Tells whether it was measured.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        matches!(self, Self::Measured)
    }

    /// Reason for which a lens was not measured, and what would help, in a sentence; nothing where it was.
    #[must_use]
    pub fn reason(&self, lens: &LensReport) -> Option<String> {
        let LensReport { name, metric, group_by, function, .. } = lens;
        let none = format!("No series entered the lens {name}");
        Some(match self {
            Self::Measured => return None,
            Self::NoInstant => format!("The lens {name} showed nothing at any instant that counts."),
            Self::MetricAbsent { near } if near.is_empty() => format!("{none}: {metric} did not come in."),
            Self::MetricAbsent { near } => {
                format!("{none}: {metric} did not come in, {} did.", near.join(", "))
            }
            Self::NotPutOut => format!("{none}: {metric} came in, and neither variant puts it out."),
            Self::AttributeAbsent { attributes } if attributes.is_empty() => {
                format!("{none}: nothing has the attribute {group_by}; there are no attributes.")
            }
            Self::AttributeAbsent { attributes } => {
                format!("{none}: nothing has the attribute {group_by}; there are {}.", attributes.join(", "))
            }
            Self::FunctionUnfit { kind } => {
                format!("{none}: {} has no meaning for {kind} such as {metric}.", function.name())
            }
        })
    }
}

/// Kinds of series that a function has a meaning for, a bit each.
fn fitting(function: LensFunction) -> u8 {
    match function {
        LensFunction::Max | LensFunction::Min => KIND_VALUE,
        LensFunction::Rate => KIND_INCREASE | KIND_DISTRIBUTION,
        LensFunction::Sum | LensFunction::Avg | LensFunction::Count => u8::MAX,
    }
}

/// Words for kinds of series.
fn kind_names(kinds: u8) -> String {
    let words = [(KIND_INCREASE, "counters"), (KIND_DISTRIBUTION, "distributions"), (KIND_VALUE, "values")];
    let words = words.into_iter().filter(|(kind, _)| kinds & kind != 0);
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_fits_none_of_two_kinds_is_said_of_both() {
        let lens = Lens::new("most", "x", "host.name", LensFunction::Max);
        let entry = Entry { kinds: KIND_DISTRIBUTION | KIND_INCREASE, came: true, ..Entry::default() };
        let measured = Measured::of(&lens, &entry, 0);
        assert_eq!(measured, Measured::FunctionUnfit { kind: "counters and distributions".to_owned() });
        let entry = Entry { kinds: KIND_DISTRIBUTION, ..entry };
        assert_eq!(
            Measured::of(&lens, &entry, 0),
            Measured::FunctionUnfit { kind: "distributions".to_owned() }
        );
    }
}
