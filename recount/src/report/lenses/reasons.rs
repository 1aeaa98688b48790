//! What a report says would help, where a lens was not measured: other metrics, other attributes, what its series are.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::agreement::Agreement;
use crate::history::{History, Window};
use crate::near::near;
use crate::plan::Lens;
use crate::series::Series;

/// The most attributes that are named.
const ATTRIBUTES: usize = 8;

/// Compares what helps, after the windows of a stretch.
pub fn compare(
    all: &mut Agreement,
    said: &Value,
    lens: &Lens<'_>,
    (history, windows): (&History, &[Window]),
) {
    let path = |key: &str| format!("lens {}: {key}", lens.name);
    let until = windows.last().map_or(0, |last| last.end);
    let made = history.made.iter().flatten().filter(|made| made.admitted < until);
    let series = made.map(|made| &*made.point.series).filter(|series| series.metric == lens.metric);
    match said["state"].as_str() {
        Some("metric_absent") => {
            let came = history.batches.iter().filter(|batch| batch.between[0] < until);
            let came =
                came.flat_map(|batch| &batch.points).map(|point| point.series.metric.as_str()).collect();
            all.value(&path("near"), &json!(near(lens.metric, &came)), &said["near"]);
        }
        Some("attribute_absent") => {
            let there: BTreeSet<&str> = series.flat_map(named).collect();
            let told = said["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let told: BTreeSet<&str> = told.iter().filter_map(Value::as_str).collect();
            // Which of too many are told is the agent's choice.
            let is_some = there.len() > ATTRIBUTES && told.len() == ATTRIBUTES && told.is_subset(&there);
            let expected = if is_some { &told } else { &there };
            all.value(&path("attributes"), &json!(expected), &json!(told));
        }
        Some("function_unfit") => {
            let kinds: BTreeSet<&str> = series.map(kind).collect();
            let kinds: Vec<&str> = kinds.into_iter().collect();
            all.value(&path("kind"), &json!(kinds.join(" and ")), &said["kind"]);
        }
        _ => {}
    }
}

/// Attributes of a series that say something.
fn named(series: &Series) -> impl Iterator<Item = &str> {
    let both = [&series.attributes, &series.resource].into_iter();
    let said = both.flat_map(|of| of.0.keys().filter(|name| of.said(name).is_some()));
    said.map(String::as_str)
}

fn kind(series: &Series) -> &'static str {
    match (series.kind.has_value(), series.kind.form) {
        (true, _) => "values",
        (false, crate::series::Form::Sum) => "counters",
        _ => "distributions",
    }
}
