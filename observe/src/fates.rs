//! Fates of the baseline's series in the candidate's output: one each, and together all of them.
//!
//! Both variants' outputs of the same input are compared, by provenance. A series of the baseline is *as it is* if the
//! candidate made the same identity of the same input; *renamed* if it made another one, told by the parts that differ;
//! *fewer attributes* if nothing but attributes went; *merged* if it made one point of points of several of the baseline's
//! series; *split* if it made several series of it and none of them is the same; *lost* if it made nothing. Of several
//! that hold in a stretch the first counts: split, renamed, merged, fewer attributes, as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use drift::Count;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::label::Label;
use crate::made::Gone;
use crate::marks::{Fate, Marks};
use crate::{Summary, Variant};

/// Rows of a list.
const MAX_ROWS: usize = 50;
/// Names of metrics whose series are interrupted.
const MAX_NAMES: usize = 10;

/// Fates of the series that the baseline put out. All but `of` add up to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SeriesFates {
    /// Distinct series that the baseline put out.
    pub of: Count,
    /// Series that the candidate puts out under the same identity.
    pub as_it_is: u64,
    /// Series that the candidate puts out under another identity, with more than attributes gone.
    pub renamed: u64,
    /// Series that have fewer attributes, and are the same in all else.
    pub fewer_attributes: u64,
    /// Series of which the candidate makes aggregates.
    pub merged: u64,
    /// Distinct series that those become.
    pub merged_into: u64,
    /// Series of which the candidate makes several.
    pub split: u64,
    /// Series of which the candidate makes nothing.
    pub lost: u64,
    /// Series of which nothing can be said: their entities are not in the sample, or they were first seen so late that the
    /// candidate may still hold them back.
    pub not_followed: u64,
    /// Parts that differ, of the renamed, merged and split ones; not of merged ones that only lack attributes.
    pub parts: PartCounts,
    /// Fates by metric, of those that did not all stay as they are, most such series first; at most 50 rows.
    pub by_metric: Vec<MetricFates>,
    /// Attributes that series have no more, or with another value, most series first; at most 32 rows.
    pub by_attribute: Vec<AttributeFates>,
    /// Series of those that are not lost of which the candidate makes nothing for some of the time.
    pub interrupted: InterruptedFates,
}

/// Series of which the candidate makes something, and nothing for a window or more in which the baseline has them, beyond what
/// its stages may hold back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterruptedFates {
    /// Of those that are as they are.
    pub as_it_is: u64,
    /// Of those with another fate.
    pub others: u64,
    /// Names of their metrics, at most ten.
    pub metrics: Vec<String>,
}

/// Number of series by the part that differs. A series counts in each of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartCounts {
    /// The metric's name.
    pub name: u64,
    /// Its unit.
    pub unit: u64,
    /// Its type, temporality or monotonicity.
    #[serde(rename = "type")]
    pub kind: u64,
    /// The resource's attributes.
    pub resource: u64,
    /// The scope's name, version or attributes.
    pub scope: u64,
    /// The point's attributes.
    pub attributes: u64,
    /// Parts that are not known, because there are too many.
    pub unknown: u64,
}

/// Fates of the series of a metric, by the baseline's name of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricFates {
    /// Name of the metric.
    pub metric: String,
    /// See [`SeriesFates`], as all below.
    pub as_it_is: u64,
    /// Renamed.
    pub renamed: u64,
    /// With fewer attributes.
    pub fewer_attributes: u64,
    /// Merged.
    pub merged: u64,
    /// Split.
    pub split: u64,
    /// Lost.
    pub lost: u64,
    /// Of which nothing can be said.
    pub not_followed: u64,
    /// Parts that differ.
    pub parts: PartCounts,
}

/// Number of series that have an attribute no more, or with another value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttributeFates {
    /// Name of the attribute.
    pub attribute: String,
    /// Series whose fate is that they have fewer attributes.
    pub fewer_attributes: u64,
    /// Series that are renamed, merged or split, and have it no more either.
    pub others: u64,
    /// Series that have it with another value.
    pub rewritten: u64,
}

impl PartCounts {
    fn add(&mut self, marks: Marks, series: u64) {
        let parts = [
            (&mut self.name, Marks::NAME),
            (&mut self.unit, Marks::UNIT),
            (&mut self.kind, Marks::TYPE),
            (&mut self.resource, Marks::RESOURCE),
            (&mut self.scope, Marks::SCOPE),
            (&mut self.attributes, Marks::ATTRIBUTES),
            (&mut self.unknown, Marks::UNKNOWN),
        ];
        parts.into_iter().filter(|(_, mark)| marks.has(*mark)).for_each(|(count, _)| *count += series);
    }
}

impl MetricFates {
    /// Adds so many series with these marks.
    fn add(&mut self, marks: Marks, series: u64) {
        let fate = marks.fate();
        *match fate {
            Fate::AsItIs => &mut self.as_it_is,
            Fate::Renamed => &mut self.renamed,
            Fate::FewerAttributes => &mut self.fewer_attributes,
            Fate::Merged => &mut self.merged,
            Fate::Split => &mut self.split,
            Fate::Lost => &mut self.lost,
            Fate::NotFollowed => &mut self.not_followed,
        } += series;
        if matches!(fate, Fate::Renamed | Fate::Merged | Fate::Split) {
            self.parts.add(marks, series);
        }
    }

    /// Number of series that did not stay as they are.
    fn moved(&self) -> u64 {
        self.renamed + self.fewer_attributes + self.merged + self.split + self.lost + self.not_followed
    }
}

impl SeriesFates {
    pub(crate) fn of(summary: &Summary) -> Self {
        let [baseline, candidate] = &summary.made;
        let mut all = MetricFates::default();
        if summary.sampling.is_of_all() {
            baseline.marks().for_each(|marks| all.add(marks, 1));
        } else {
            of_sample(summary).for_each(|(_, marks)| all.add(marks, 1));
        }
        let of = summary.output_series(Variant::Baseline);
        let known = all.as_it_is + all.moved();
        // Where all stay as they are, no name is fetched.
        let tally = if all.moved() > 0 { tally(summary) } else { Tally::default() };
        Self {
            of,
            as_it_is: all.as_it_is,
            renamed: all.renamed,
            fewer_attributes: all.fewer_attributes,
            merged: all.merged,
            merged_into: candidate.marks().filter(|marks| marks.has(Marks::AGGREGATE)).count() as u64,
            split: all.split,
            lost: all.lost,
            not_followed: all.not_followed + of.value.saturating_sub(known),
            parts: all.parts,
            by_metric: by_metric(&tally),
            by_attribute: by_attribute(summary, &tally),
            interrupted: InterruptedFates::of(summary),
        }
    }
}

impl InterruptedFates {
    fn of(summary: &Summary) -> Self {
        let mut all = Self::default();
        if !summary.made[0].marks().any(Marks::is_interrupted) {
            return all;
        }
        let mut metrics = BTreeSet::new();
        for (label, marks) in of_sample(summary).filter(|(_, marks)| marks.is_interrupted()) {
            let as_it_is = marks.fate() == Fate::AsItIs;
            *if as_it_is { &mut all.as_it_is } else { &mut all.others } += 1;
            metrics.insert(&label.metric);
        }
        all.metrics = metrics.into_iter().take(MAX_NAMES).map(ToString::to_string).collect();
        all
    }
}

/// Series of the baseline whose entities are in the sample: critical ones are followed whether they are or not, and would
/// weigh too much.
fn of_sample(summary: &Summary) -> impl Iterator<Item = (&Label, Marks)> {
    let sampling = summary.sampling;
    let rows = summary.made[0].seen_where(|_| true);
    rows.filter(move |(label, _)| sampling.is_of_all() || sampling.follows_entity(label.process.entity))
}

/// Number of series by metric and marks. Names are shared: where they lie tells them apart faster than what they say.
type Tally<'a> = HashMap<(*const u8, Marks), (&'a Arc<str>, u64)>;

fn tally(summary: &Summary) -> Tally<'_> {
    let mut tally = Tally::default();
    for (label, marks) in of_sample(summary) {
        tally.entry((label.metric.as_ptr(), marks)).or_insert((&label.metric, 0)).1 += 1;
    }
    tally
}

fn by_metric(tally: &Tally<'_>) -> Vec<MetricFates> {
    let mut metrics: BTreeMap<&str, MetricFates> = BTreeMap::new();
    for ((_, marks), (metric, series)) in tally {
        metrics.entry(metric).or_default().add(*marks, *series);
    }
    let named = |(metric, row): (&str, MetricFates)| MetricFates { metric: metric.to_owned(), ..row };
    let mut rows: Vec<MetricFates> =
        metrics.into_iter().filter(|(_, row)| row.moved() > 0).map(named).collect();
    rows.sort_unstable_by(|a, b| (b.moved(), &a.metric).cmp(&(a.moved(), &b.metric)));
    rows.truncate(MAX_ROWS);
    rows
}

fn by_attribute(summary: &Summary, tally: &Tally<'_>) -> Vec<AttributeFates> {
    let baseline = &summary.made[0];
    // Few sets of attributes go, each from many series.
    let mut sets: HashMap<u32, [u64; 2]> = HashMap::new();
    for ((_, marks), (_, series)) in tally.iter().filter(|((_, marks), _)| marks.removed != 0) {
        let others = marks.fate() != Fate::FewerAttributes;
        sets.entry(marks.removed).or_default()[usize::from(others)] += series;
    }
    let mut rows: BTreeMap<&str, AttributeFates> = BTreeMap::new();
    for (set, [fewer, others]) in sets {
        for (name, gone) in baseline.removed(set) {
            let row = rows.entry(name).or_default();
            match gone {
                Gone::Removed => {
                    row.fewer_attributes += fewer;
                    row.others += others;
                }
                Gone::Rewritten => row.rewritten += fewer + others,
            }
        }
    }
    let named = |(name, row): (&str, AttributeFates)| AttributeFates { attribute: name.to_owned(), ..row };
    let mut rows: Vec<AttributeFates> = rows.into_iter().map(named).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.fewer_attributes + row.others + row.rewritten));
    rows
}
