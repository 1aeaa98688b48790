//! Series as a backend bills them.

use std::collections::{BTreeMap, BTreeSet};

use super::history::Made;
use super::plan::Plan;
use super::point::Measure;
use super::series::{Form, Series};

/// Distinct identities.
#[must_use]
pub fn identities(made: &[Made]) -> u64 {
    made.iter().map(|made| &*made.point.series).collect::<BTreeSet<&Series>>().len() as u64
}

/// Active series as billed: without attributes that are no labels, histograms as buckets, sum and count. The stretch must
/// be shorter than twenty minutes.
#[must_use]
pub fn billed(made: &[Made], plan: &Plan) -> u64 {
    let mut series: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    for made in made {
        let of = &made.point.series;
        let parts = match (&made.point.measure, of.kind.form) {
            (Measure::Distribution { entries, .. }, Form::Histogram | Form::Summary) => entries + 2,
            _ => 1,
        };
        series.entry(label_set(of, plan)).or_insert(parts);
    }
    series.values().sum()
}

fn label_set(series: &Series, plan: &Plan) -> Vec<String> {
    let Some(promoted) = plan.promoted else { return vec![format!("{series:?}")] };
    let resource = series.resource.only(promoted);
    let labels = series.attributes.0.iter().chain(&resource.0);
    let mut set: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    set.sort();
    set.insert(0, series.metric.clone());
    set
}
