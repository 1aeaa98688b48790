//! Changed values: points of one ancestor in both variants that do not measure the same.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{History, Made};
use super::point::{Measure, Point};
use super::series::Series;

/// Changed values of a metric, by the baseline's name of it.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Points.
    pub points: u64,
    /// Series of the baseline.
    pub series: BTreeSet<Series>,
    /// Fields that differ, by their keys in a report.
    pub fields: BTreeSet<&'static str>,
    /// The largest difference of a value, a sum or a count.
    pub absolute: f64,
    /// The largest such difference as a share.
    pub relative: Option<f64>,
}

/// All changed values, by metric, and series that are not compared.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// By metric.
    pub rows: BTreeMap<String, Row>,
    /// Series whose unit or type is another.
    pub not_compared: BTreeSet<Series>,
}

impl Changed {
    /// Changed values in what a history holds.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut descendants: BTreeMap<(usize, usize), [Vec<&Made>; 2]> = BTreeMap::new();
        for at in [0, 1] {
            for made in history.made[at].iter().filter(|made| !made.merged) {
                for of in &made.of {
                    descendants.entry(*of).or_default()[at].push(made);
                }
            }
        }
        let mut all = Self::default();
        for [baseline, candidate] in descendants.values() {
            let [mine] = baseline[..] else { continue };
            let same = |made: &&&Made| made.point.series == mine.point.series;
            let theirs = match candidate[..] {
                [one] => Some(one),
                _ => candidate.iter().find(same).copied(),
            };
            theirs.into_iter().for_each(|theirs| all.compare(&mine.point, &theirs.point));
        }
        all
    }

    fn compare(&mut self, mine: &Point, theirs: &Point) {
        if mine.series.unit != theirs.series.unit || mine.series.kind != theirs.series.kind {
            self.not_compared.insert((*mine.series).clone());
            return;
        }
        let fields = fields(mine, theirs);
        if fields.is_empty() {
            return;
        }
        let row = self.rows.entry(mine.series.metric.clone()).or_default();
        row.points += 1;
        row.series.insert((*mine.series).clone());
        row.fields.extend(fields);
        for (one, other) in numbers(&mine.measure).into_iter().zip(numbers(&theirs.measure)) {
            let apart = (other - one).abs();
            if apart.is_finite() {
                row.absolute = row.absolute.max(apart);
                if one != 0.0 {
                    row.relative = Some(row.relative.unwrap_or(0.0).max(apart / one.abs()));
                }
            }
        }
    }
}

fn fields(mine: &Point, theirs: &Point) -> Vec<&'static str> {
    let value = match (&mine.measure, &theirs.measure) {
        (Measure::Distribution { count, sum, .. }, Measure::Distribution { count: c, sum: s, .. }) => {
            count != c || sum.to_bits() != s.to_bits()
        }
        (Measure::Int(one), Measure::Int(other)) => one != other,
        (one, other) => match (one.number(), other.number()) {
            (Some(one), Some(other)) => one != other && one.to_bits() != other.to_bits(),
            (one, other) => one.is_some() != other.is_some(),
        },
    };
    let rest = match (&mine.measure, &theirs.measure) {
        (Measure::Distribution { rest, .. }, Measure::Distribution { rest: other, .. }) => rest != other,
        _ => false,
    };
    let all = [
        (value, "value"),
        (rest && !value, "distribution"),
        (mine.time != theirs.time, "time"),
        (mine.start != theirs.start, "start"),
        (mine.flags != theirs.flags, "flags"),
    ];
    all.iter().filter(|(differs, _)| *differs).map(|(_, field)| *field).collect()
}

/// Value, or count and sum.
fn numbers(measure: &Measure) -> Vec<f64> {
    match measure {
        Measure::Distribution { count, sum, .. } => vec![*count as f64, *sum],
        other => other.number().into_iter().collect(),
    }
}
