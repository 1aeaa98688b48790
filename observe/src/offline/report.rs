//! Report of two captures: the exact comparison (L0), and the errors of the lenses' groups.

use drift::Count;
use serde::{Deserialize, Serialize};

use super::capture::{Capture, CapturedSeries};
use super::partners::Partners;
use super::{Offline, ValueDiff, critical};
use crate::collision::RankedCollision;
use crate::compare::count_by_name;
use crate::fate::{FateMarks, Record};
use crate::lens::{Figures, LensReport, LensSeries, LensTable, Panels, Window};
use crate::made::{MarkedSeries, RemovedAttributes};
use crate::marks::Marks;
use crate::outputs::Billed;
use crate::rows::{Rows, Said as _};
use crate::summary::Active;
use crate::{Comparison, NamedCount, Summary, Variant};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfflineReport {
    /// Way in which series were matched, in words: there is no provenance.
    pub matched_by: String,
    /// Comparison like an agent's, as far as captures tell; the baseline stands for the input.
    pub comparison: Comparison,
    /// Series of the candidate that the baseline has not, by identity nor by name.
    pub only_in_candidate: Count,
    /// Those, by metric, heaviest first.
    pub only_in_candidate_by_metric: Vec<NamedCount>,
    /// Those of metrics that the baseline has not, by name, unit and type: series that are lost may be these.
    #[serde(default)]
    pub new_metrics: Vec<NamedCount>,
    /// Values of both, compared one by one.
    pub values: ValueDiff,
    /// Errors of each lens's groups.
    pub groups: Vec<LensGroups>,
}

/// Errors of a lens's groups, candidate against baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LensGroups {
    /// The lens.
    pub lens: String,
    /// Groups that only the candidate has, or that the baseline sums to 0: they have no relative error.
    pub groups_without_error: u64,
    /// Those of the largest absolute error, relative to the baseline's group.
    pub worst_group_error: Option<f64>,
}

impl Offline {
    /// Compares both captures.
    #[must_use]
    pub fn report(&self) -> OfflineReport {
        let [baseline, candidate] = &self.captures;
        let mut values = ValueDiff::new(&self.captures);
        let mut summary = self.summary();
        let partners = Partners::of(baseline, candidate);
        let both = self.stretch_of_both();
        let mut records = Vec::with_capacity(baseline.series.len());
        let mut removed = RemovedAttributes::default();
        let mut made = Vec::with_capacity(baseline.series.len());
        for (identity, seen) in &baseline.series {
            let put_out = Marks::SEEN.and(Marks::DUE);
            let mut marks = put_out;
            let mut made_of = candidate.series.get(identity);
            if let Some(partner) = made_of {
                marks.join(&Marks::AS_IT_IS);
                values.compare(seen, partner);
            } else if let Some(partner) = partners.get(*identity) {
                made_of = Some(partner);
                let change = self.names.shapes.change(&mut removed, seen.shape, partner.shape);
                marks.join(&change);
                match change.has(Marks::OTHER_MEANING) {
                    false => values.compare(seen, partner),
                    true if !change.has(Marks::UNIT) && seen.tracked.counts() && partner.tracked.counts() => {
                        values.compare_increases(seen, partner);
                    }
                    true => values.leave_out(seen),
                }
            }
            if made_of
                .is_some_and(|partner| seen.is_interrupted_in(partner, both, self.settings.window_nanos))
            {
                marks.join(&Marks::INTERRUPTED);
            }
            let mut record = Record::CAME;
            record.kept[0].add(FateMarks::MADE);
            if marks != put_out {
                record.kept[1].add(FateMarks::MADE);
            }
            records.push((*identity, seen.label.clone(), record));
            made.push((*identity, seen.label.clone(), marks));
        }
        summary.fates.records = Rows::of(records.into_iter());
        let (rows, beyond) = (Rows::of(made.into_iter()), baseline.beyond.clone());
        summary.made[0] = MarkedSeries::of(rows, removed, beyond);
        values.settle();
        let left = partners.left().count();
        let only_in_candidate = if baseline.beyond.is_empty() && candidate.beyond.is_empty() {
            Count { value: left as u64, exact: true }
        } else {
            Count { exact: false, ..candidate.made().all().count_without(&baseline.made().all()) }
        };
        OfflineReport {
            matched_by:
                "identity; what is left by metric, resource and point attributes, else by entity and values (captures have no \
                 provenance)"
                    .to_owned(),
            comparison: self.finished(&summary),
            only_in_candidate,
            only_in_candidate_by_metric: count_by_name(partners.left().map(|seen| &seen.label), false),
            new_metrics: count_by_name(partners.of_new_metrics().map(|seen| &seen.label), false),
            values,
            groups: self.groups_of_lenses(&summary),
        }
    }

    /// Stretch that both captures cover, Unix nanoseconds.
    fn stretch_of_both(&self) -> [u64; 2] {
        let [a, b] = [&self.captures[0], &self.captures[1]].map(|capture| capture.span.unwrap_or_default());
        [a.0.max(b.0), a.1.min(b.1)]
    }

    /// Everything but the fates.
    fn summary(&self) -> Summary {
        let mut summary = Summary { windows: 1, ..Summary::default() };
        let spans = self.captures.iter().filter_map(|capture| capture.span);
        let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or_default();
        (summary.start, summary.end, summary.nanos) = (span.0, span.1, span.1 - span.0);
        summary.input = self.captures[0].volume;
        summary.active = Active { at: summary.end, outputs: [0; 2] };
        for variant in Variant::BOTH {
            let (at, capture) = (variant.index(), &self.captures[variant.index()]);
            summary.outputs[at] = capture.volume;
            summary.made[at] = capture.made();
            let billed = capture.series.values().map(|seen| seen.billed);
            let fewer = self.settings.price.promoted_attributes.is_some();
            // Those beyond the bound count as one each.
            let beyond = capture.beyond.count().value;
            summary.active.outputs[at] = Billed::together(billed, fewer) + beyond;
            for (identity, seen) in &capture.series {
                if let Some(collision) = &seen.collision {
                    let of_baseline = self.captures[0].series.get(identity);
                    let shared = at == 1 && of_baseline.is_some_and(|seen| seen.collision.is_some());
                    summary.collisions[at]
                        .add(*identity, RankedCollision { shared, collision: collision.clone() });
                }
            }
        }
        summary.lenses = self.lenses(summary.start, summary.end);
        summary.critical = critical::table(&self.settings, &self.captures[0], &self.captures[1]);
        summary
    }

    /// The lenses at the end of the captures.
    fn lenses(&self, start: u64, end: u64) -> LensTable {
        let mut looked = [&self.captures[0], &self.captures[1]].map(|capture| {
            let mut looked = LensSeries::default();
            for seen in capture.series.values() {
                if let Some(under) = &seen.lens {
                    looked.insert(*under, seen.tracked.clone());
                }
            }
            looked
        });
        let mut groups = self.names.groups.clone();
        groups.truncated = self.captures.iter().any(|capture| !capture.beyond.is_empty());
        let window = Window { start, end, interval: 0, share: None };
        let table = Panels::default().evaluate(&mut groups, looked.each_mut(), window);
        LensTable { unwatched: groups.unwatched(), ..table }
    }

    /// The comparison of a summary, in which series beyond the bound are counted too.
    fn finished(&self, summary: &Summary) -> Comparison {
        let mut comparison = Comparison::of(summary, &self.settings);
        let [baseline, candidate] = &self.captures;
        if !baseline.beyond.is_empty() || !candidate.beyond.is_empty() {
            let (mine, theirs) = (baseline.made().all(), candidate.made().all());
            comparison.exact = false;
            comparison.input_series = mine.count();
            comparison.lost_by_candidate = Count { exact: false, ..mine.count_without(&theirs) };
            comparison.candidate.lost = comparison.lost_by_candidate;
        }
        comparison
    }

    fn groups_of_lenses(&self, summary: &Summary) -> Vec<LensGroups> {
        let of = |(lens, figures): (&crate::Lens, &Figures)| {
            let groups = LensReport::groups(lens, figures, summary.nanos as f64 / 1e9);
            let errors: Vec<f64> = groups.iter().filter_map(|group| group.relative_error).collect();
            LensGroups {
                lens: lens.name.clone(),
                groups_without_error: (groups.len() - errors.len()) as u64,
                worst_group_error: errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())),
            }
        };
        let lenses = &self.settings.lenses;
        lenses.iter().zip(&summary.lenses.lenses).filter(|(lens, _)| !lens.is_every()).map(of).collect()
    }
}

impl Capture {
    /// Its series, of which nothing is known but that they were put out.
    fn made(&self) -> MarkedSeries {
        let seen = |(identity, seen): (&u128, &CapturedSeries)| (*identity, seen.label.clone(), Marks::SEEN);
        MarkedSeries::of(
            Rows::of(self.series.iter().map(seen)),
            RemovedAttributes::default(),
            self.beyond.clone(),
        )
    }
}
