//! Distributions: how many numbers a report tells of each metric, below which value which share of them lies, and how far
//! those of both variants lie apart.

use serde_json::Value;

use crate::agreement::Agreement;
use crate::described::{Bins, described, distances, quantile};
use crate::history::{History, Window};
use crate::plan::Plan;

/// Shares of which a report tells the value.
const SHARES: [f64; 5] = [0.1, 0.5, 0.9, 0.99, 1.0];
/// How far such a value may be off, as a share of the true one.
const ACCURACY: f64 = 0.02;

/// Compares all distributions of a comparison over these windows.
pub fn compare(all: &mut Agreement, said: &Value, (history, plan): (&History, &Plan), windows: &[Window]) {
    let described = described(history, plan.lenses, windows);
    all.count("distributions", described.len() as u64, &super::length(said));
    for (place, (first, numbers)) in described.into_iter().enumerate() {
        let (said, metric) = (&said[place], plan.lenses[first].metric);
        let path = |key: &str| format!("distribution of {metric}: {key}");
        all.value(&path("metric"), &Value::from(metric), &said["metric"]);
        let bins = numbers.each_ref().map(|numbers| Bins::of(numbers));
        for at in [0, 1] {
            all.count(&path("count"), numbers[at].len() as u64, &said["count"][at]);
            for (which, share) in SHARES.into_iter().enumerate() {
                let said = &said["quantiles"][at][which];
                let found = bins[at].as_ref().map_or(0.0, |bins| bins.quantile(share));
                let truth = quantile(&numbers[at], share).unwrap_or(0.0);
                // The largest is told exactly.
                let (found, accuracy) = if share < 1.0 { (found, ACCURACY) } else { (truth, 0.0) };
                all.number(&path(&format!("quantile {share}")), found, said);
                all.about(&path(&format!("value below which {share} lies")), truth, said, accuracy);
            }
        }
        let [Some(baseline), Some(candidate)] = bins else {
            all.value(&path("distances"), &Value::Null, &said["distances"]);
            continue;
        };
        for (key, distance) in distances(&baseline, &candidate) {
            all.about(&path(key), distance, &said["distances"][key], 1e-7);
        }
    }
}
