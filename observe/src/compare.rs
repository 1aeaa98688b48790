//! A comparison: what a summary says, in the words and numbers that a person or a machine reads.

use std::collections::BTreeMap;

use drift::{Count, LatencySummary, relative_error};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::audit::Missing;
use crate::changed::ValueChanges;
use crate::collision::Collision;
use crate::critical::Hidden;
use crate::delivery::DeliveryReport;
use crate::distribution::DistributionReport;
use crate::fates::SeriesFates;
use crate::label::Label;
use crate::lens::{Figures, Lens, LensReport, MAX_ARRIVALS, UnwatchedMetrics};
use crate::marks::{Fate, Marks};
use crate::{Price, Repeats, RuleReport, Sample, Settings, Summary, Variant, Volume};

/// The most colliding identities that are named.
const MAX_COLLISIONS: usize = 20;

/// The most lost series that are shown.
const MAX_SAMPLES: usize = 10;

/// Comparison of what both variants made of the same input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparison {
    /// Windows it rests on.
    pub windows: u32,
    /// Time that they took, seconds.
    pub seconds: f64,
    /// True if every count in it was counted one by one. If not, nothing here may be called exact.
    pub exact: bool,
    /// Input.
    pub input: Volume,
    /// Distinct series that came in.
    pub input_series: Count,
    /// Points without the unit's attributes.
    pub unassigned_points: u64,
    /// The pipeline in charge.
    pub baseline: VariantReport,
    /// The pipeline that is tried.
    pub candidate: VariantReport,
    /// Savings of the candidate against the baseline.
    pub saving: Saving,
    /// Fates of the baseline's series, one each.
    pub fates: SeriesFates,
    /// Values that the candidate changes.
    pub changed: ValueChanges,
    /// Series of the baseline of which the candidate keeps nothing.
    pub lost_by_candidate: Count,
    /// Those, by metric and executable, heaviest first, at most 50 rows.
    pub lost: Vec<NamedCount>,
    /// Up to ten of them.
    pub lost_samples: Vec<SeriesSample>,
    /// Up to twenty colliding identities of the candidate, those that only it has first.
    pub collisions: Vec<Collision>,
    /// Colliding identities of the candidate whose writers do not collide in the baseline's output.
    pub candidate_only_collisions: Count,
    /// Up to twenty colliding identities of the baseline.
    pub baseline_collisions: Vec<Collision>,
    /// The aggregates that people look at.
    pub lenses: Vec<LensReport>,
    /// Metrics that came in and that no lens looks at, although one stands for all others.
    pub unwatched: UnwatchedMetrics,
    /// The values of the metrics under lenses: they describe, and decide nothing.
    pub distributions: Vec<DistributionReport>,
    /// Units of which something was made and nothing left: with one, nothing here may be believed.
    pub missing: Missing,
    /// Coverage of critical processes: how many stay visible.
    pub coverage: Coverage,
    /// Price on which the monthly figures rest.
    pub price: Price,
    /// The sample that it rests on, where more series came in than are followed one by one.
    pub sample: Option<Sample>,
}

/// One variant's side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VariantReport {
    /// Its output for the whole input, delivered or not.
    pub output: Volume,
    /// Points and bytes that left by it.
    pub delivered: Volume,
    /// Distinct series it put out.
    pub series: Count,
    /// Series it put out in the trailing twenty minutes.
    pub active_series: u64,
    /// US dollars a month, by the stated price.
    pub monthly_usd: f64,
    /// Input series of which it kept nothing.
    pub lost: Count,
    /// Output identities with several writers.
    pub collisions: Count,
    /// Points that came again in its output.
    pub repeats: Repeats,
    /// Input points of the units assigned to it; those without a unit are the baseline's on top.
    pub assigned_points: u64,
    /// Units assigned to it.
    pub units: Count,
    /// Units of which something left by it.
    pub units_delivered: Count,
    /// Time in its pipeline for each input point, nanoseconds; none before any was measured, and of a candidate that got a part
    /// of a batch.
    pub nanos_per_point: Option<f64>,
    /// Time that each batch waited for its pipeline; none of a candidate that got a part of a batch.
    pub latency: LatencySummary,
    /// Batches it failed on.
    pub failures: u64,
    /// Settlement by the destinations of the points that left by it.
    pub delivery: DeliveryReport,
    /// Counts of each rule of its pipeline, in order.
    pub rules: Vec<RuleReport>,
}

/// Shares of the baseline that the candidate saves: 0.7 is 70 %. None where the baseline had nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saving {
    /// Of data points.
    pub points: Option<f64>,
    /// Of bytes.
    pub bytes: Option<f64>,
    /// Of the series that a backend bills: active ones, without the attributes that it makes no labels of, and histograms
    /// as their buckets.
    pub billed_series: Option<f64>,
    /// Of distinct identities, whether a backend tells them apart or not.
    pub series: Option<f64>,
    /// US dollars a month.
    pub monthly_usd: f64,
}

/// Number of series of a metric, and their executable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCount {
    /// Metric name.
    pub metric: String,
    /// Executable; empty where the series names none.
    pub executable: String,
    /// Number of series.
    pub series: u64,
}

/// One series by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeriesSample {
    /// Metric name.
    pub metric: String,
    /// The process it is about.
    pub process: String,
    /// The point's attributes.
    pub attributes: String,
}

/// Critical processes of the input, and how many of them each variant still shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coverage {
    /// Critical processes in the input. With none, nothing can be said.
    pub critical: u64,
    /// Those of which the baseline keeps every required metric that came in.
    pub baseline: u64,
    /// Those that the candidate shows wherever the baseline does: in each window, not in one of them.
    pub candidate: u64,
    /// Number of those that the candidate would make vanish, wholly or in part.
    pub vanished_count: u64,
    /// Those, in order of name, at most 100.
    pub vanished: Vec<Vanished>,
}

/// A critical process that a candidate hides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vanished {
    /// Executable, pid and host.
    pub process: String,
    /// True if in some window nothing required is left of it.
    pub wholly: bool,
}

impl Comparison {
    /// Reads a summary.
    #[must_use]
    pub fn of(summary: &Summary, settings: &Settings) -> Self {
        let baseline = VariantReport::of(summary, settings, Variant::Baseline);
        let candidate = VariantReport::of(summary, settings, Variant::Candidate);
        let input_series = summary.input_series();
        let own = summary.collisions[1].count_own();
        let lenses = lenses(summary, settings);
        Self {
            windows: summary.windows,
            seconds: summary.nanos as f64 / 1e9,
            exact: input_series.exact
                && baseline.is_exact()
                && candidate.is_exact()
                && !summary.lenses.truncated,
            input: summary.input,
            input_series,
            unassigned_points: summary.unassigned_points,
            saving: Saving::of(&baseline, &candidate),
            fates: SeriesFates::of(summary),
            changed: ValueChanges::of(summary),
            lost_by_candidate: summary.lost_by_candidate(),
            lost: count_by_name(lost(summary), true),
            lost_samples: samples(summary),
            collisions: summary.collisions[1].first(MAX_COLLISIONS),
            candidate_only_collisions: Count { exact: summary.sampling.is_of_all() && own.exact, ..own },
            baseline_collisions: summary.collisions[0].first(MAX_COLLISIONS),
            unwatched: summary.lenses.unwatched.told(summary.lenses.arrivals.keys(), |metric| {
                lenses.iter().any(|lens| lens.metric == metric)
            }),
            lenses,
            distributions: distributions(summary, settings),
            missing: summary.missing.clone(),
            coverage: Coverage::of(summary),
            price: settings.price.clone(),
            sample: Sample::of(summary),
            baseline,
            candidate,
        }
    }

    /// The same with its savings computed from both variants' counts.
    #[must_use]
    pub fn with_savings(mut self) -> Self {
        self.saving = Saving::of(&self.baseline, &self.candidate);
        self
    }

    /// Tells whether candidate and baseline did exactly the same: the test of an A/A run.
    #[must_use]
    pub fn differs_by_nothing(&self) -> bool {
        let lenses = self.lenses.iter().all(|lens| lens.groups_that_differ == 0);
        let (a, b) = (&self.baseline, &self.candidate);
        let coverage = self.coverage.baseline == self.coverage.candidate && self.coverage.vanished_count == 0;
        a.output == b.output
            && a.series == b.series
            && a.lost == b.lost
            && a.collisions == b.collisions
            && self.candidate_only_collisions.value == 0
            && a.repeats == b.repeats
            && self.lost_by_candidate.value == 0
            && self.fates.of.value == self.fates.as_it_is + self.fates.not_followed
            && self.changed.points == 0
            && b.failures == 0
            && lenses
            && coverage
    }
}

impl Coverage {
    pub(crate) fn of(summary: &Summary) -> Self {
        let mut coverage = Self { critical: summary.critical.len() as u64, ..Self::default() };
        for watched in summary.critical.values() {
            let hidden = watched.hidden != Hidden::Nothing;
            coverage.baseline += u64::from(watched.shown[0]);
            coverage.candidate += u64::from(watched.shown[1] && !hidden);
            if hidden {
                let wholly = watched.hidden == Hidden::Wholly;
                coverage.vanished_count += 1;
                coverage.vanished.push(Vanished { process: watched.process.to_string(), wholly });
            }
        }
        coverage.vanished.sort_unstable();
        coverage.vanished.truncate(100);
        coverage
    }
}

impl SeriesSample {
    pub(crate) fn of(label: &Label) -> Self {
        Self {
            metric: label.metric.to_string(),
            process: label.process.to_string(),
            attributes: label.attributes.to_string(),
        }
    }
}

impl Saving {
    fn of(baseline: &VariantReport, candidate: &VariantReport) -> Self {
        Self {
            points: saved(baseline.output.points, candidate.output.points),
            bytes: saved(baseline.output.bytes, candidate.output.bytes),
            billed_series: saved(baseline.active_series, candidate.active_series),
            series: saved(baseline.series.value, candidate.series.value),
            monthly_usd: baseline.monthly_usd - candidate.monthly_usd,
        }
    }
}

impl VariantReport {
    fn of(summary: &Summary, settings: &Settings, variant: Variant) -> Self {
        let at = variant.index();
        let output = summary.outputs[at];
        let cost = &summary.cost[at];
        let active_series = summary.active.outputs[at];
        // Of a part of each batch its time says nothing about that of the whole.
        let in_part = variant == Variant::Candidate && summary.sampling.is_overloaded();
        let seconds = summary.nanos as f64 / 1e9;
        let bytes_per_second = if seconds > 0.0 { output.bytes as f64 / seconds } else { 0.0 };
        Self {
            output,
            delivered: summary.delivered[at],
            series: summary.output_series(variant),
            active_series,
            monthly_usd: settings.price.monthly(active_series, bytes_per_second),
            lost: summary.lost_by(variant),
            collisions: summary.colliding(variant),
            repeats: summary.repeats[at],
            assigned_points: summary.assigned_points[at],
            units: summary.units[at].count(),
            units_delivered: summary.units_delivered[at].count(),
            nanos_per_point: (cost.points > 0 && !in_part).then(|| cost.nanos as f64 / cost.points as f64),
            latency: if in_part { LatencySummary::default() } else { cost.latency.summary() },
            failures: cost.failures,
            delivery: summary.delivery[at].report(),
            rules: summary.rules[at].report(in_part),
        }
    }

    fn is_exact(&self) -> bool {
        self.series.exact && self.lost.exact && self.collisions.exact
    }
}

pub(crate) fn saved(baseline: u64, candidate: u64) -> Option<f64> {
    relative_error(baseline as f64, candidate as f64).filter(|_| baseline > 0).map(|error| 0.0 - error)
}

/// Names of the baseline's series of which the candidate keeps nothing.
fn lost(summary: &Summary) -> impl Iterator<Item = &Label> {
    let lost = |marks: Marks| marks.fate() == Fate::Lost;
    summary.made[0].seen_where(lost).map(|(label, _)| label)
}

/// Counts series by metric and, where asked, by executable, heaviest first, at most 50 rows.
pub(crate) fn count_by_name<'a>(
    labels: impl Iterator<Item = &'a Label>,
    by_executable: bool,
) -> Vec<NamedCount> {
    // Names are shared: where they lie tells them apart faster than what they say.
    let mut shared: HashMap<(*const u8, *const u8), (&Label, u64)> = HashMap::new();
    for label in labels {
        let executable = if by_executable { label.process.executable.as_ptr() } else { std::ptr::null() };
        shared.entry((label.metric.as_ptr(), executable)).or_insert((label, 0)).1 += 1;
    }
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (label, series) in shared.into_values() {
        let executable = if by_executable { label.process.executable.as_str() } else { "" };
        *counts.entry((&label.metric, executable)).or_default() += series;
    }
    let mut rows: Vec<NamedCount> = counts
        .into_iter()
        .map(|((metric, executable), series)| NamedCount {
            metric: metric.to_owned(),
            executable: executable.to_owned(),
            series,
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.series));
    rows.truncate(50);
    rows
}

fn samples(summary: &Summary) -> Vec<SeriesSample> {
    let mut samples: Vec<&Label> = lost(summary).collect();
    // Of many few are shown.
    let by_name = |a: &&Label, b: &&Label| name_of(a).cmp(&name_of(b));
    if samples.len() > MAX_SAMPLES {
        samples.select_nth_unstable_by(MAX_SAMPLES, by_name);
        samples.truncate(MAX_SAMPLES);
    }
    samples.sort_unstable_by(by_name);
    samples.into_iter().map(SeriesSample::of).collect()
}

/// The parts of a [`SeriesSample`], in their order.
fn name_of(label: &Label) -> (&str, &str, &str) {
    (&label.metric, &label.process.name, &label.attributes)
}

fn lenses(summary: &Summary, settings: &Settings) -> Vec<LensReport> {
    let seconds = summary.nanos as f64 / 1e9;
    let nothing = Figures::default();
    let figures = summary.lenses.lenses.iter().chain(std::iter::repeat(&nothing));
    let read = |(lens, figures): (&Lens, &Figures)| LensReport::read(lens, &summary.lenses, figures, seconds);
    let asked = settings.lenses.iter().zip(figures).filter(|(lens, _)| !lens.is_every());
    let mut reports: Vec<LensReport> = asked.map(read).collect();
    if let Some(every) = settings.lenses.iter().find(|lens| lens.is_every()) {
        let mut arrivals: Vec<_> = summary.lenses.arrivals.iter().collect();
        let most = |figures: &Figures| figures.total.sides.iter().map(|side| side.most).max();
        arrivals.sort_by_key(|(_, figures)| std::cmp::Reverse(most(figures)));
        arrivals.truncate(MAX_ARRIVALS);
        arrivals.sort_by_key(|(metric, _)| *metric);
        for (metric, figures) in arrivals {
            reports.push(LensReport::read(&every.of_metric(metric), &summary.lenses, figures, seconds));
        }
    }
    reports
}

fn distributions(summary: &Summary, settings: &Settings) -> Vec<DistributionReport> {
    let named = summary.values.iter().filter_map(|(lens, values)| {
        let lens = settings.lenses.get(usize::from(*lens))?;
        Some(values.report(&lens.metric))
    });
    named.collect()
}
