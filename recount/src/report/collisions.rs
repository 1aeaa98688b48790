//! Collisions by name: of which identities, and that the writers that are named do collide.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::agreement::Agreement;
use crate::entity;
use crate::history::History;
use crate::series::Series;
use crate::writers::Writers;

/// The most that are named.
const MOST: usize = 20;

/// A name, and names of two writers in order.
type Named = (String, BTreeSet<String>);

/// Compares the names of what collides in a stretch, for both variants.
pub fn compare(all: &mut Agreement, said: &Value, history: &History, stretch: [u64; 2]) {
    for (at, key) in ["baseline_collisions", "collisions"].into_iter().enumerate() {
        let now = Writers::of(history, at, stretch);
        let mut names: Vec<String> = now.colliding.keys().map(|series| name(series)).collect();
        names.sort();
        let said: Vec<Named> =
            said[key].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(read).collect();
        all.count(&format!("{key} named"), names.len().min(MOST) as u64, &json!(said.len()));
        let mut told: Vec<&String> = said.iter().map(|(name, _)| name).collect();
        told.sort();
        if names.len() <= MOST {
            all.value(key, &json!(names), &json!(told));
        } else {
            // Which twenty of them are named is the agent's choice.
            let known = |name: &&String| names.contains(name);
            all.count(
                &format!("{key} that collide"),
                MOST as u64,
                &json!(told.into_iter().filter(known).count()),
            );
        }
        // Two that collided before stand for an identity as long as it does.
        let ever = Writers::of(history, at, [0, stretch[1]]);
        let pairs: BTreeSet<Named> = ever
            .colliding
            .iter()
            .flat_map(|(series, pairs)| {
                pairs
                    .iter()
                    .map(|pair| (name(series), pair.map(|writer| entity::name(&writer.resource)).into()))
            })
            .collect();
        let strangers: Vec<&Named> = said.iter().filter(|named| !pairs.contains(*named)).collect();
        all.value(&format!("{key}: writers that do not collide"), &json!([]), &json!(strangers));
    }
}

/// Metric and attributes of a series.
fn name(series: &Series) -> String {
    let attributes = series.resource.0.iter().chain(&series.attributes.0);
    let parts = attributes.map(|(key, value)| format!("{key}={}", value.text()));
    joined(&series.metric, parts.collect())
}

fn joined(metric: &str, mut parts: Vec<String>) -> String {
    parts.sort();
    format!("{metric} {{{}}}", parts.join(","))
}

fn read(row: &Value) -> Option<Named> {
    let parts = row["series"].as_str()?.split(',').filter(|part| !part.is_empty()).map(str::to_owned);
    let writers = row["writers"].as_array()?.iter().filter_map(|writer| writer.as_str().map(str::to_owned));
    Some((joined(row["metric"].as_str()?, parts.collect()), writers.collect()))
}
