//! Claim of a template, and the values that it is tried with.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::yaml::{Fields, Kind, Node, Problem, keep};

/// A promise that is tested: shares from 0 to 1, errors relative to the baseline's totals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The promise in words.
    pub text: String,
    /// The least share of series that is saved.
    pub series_saved_min: f64,
    /// The greatest share of series that is saved.
    pub series_saved_max: f64,
    /// True if every critical process stays visible under its own name.
    pub criticals_kept: bool,
    /// Relative error that the total of memory may have, if the totals are promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_error: Option<f64>,
    /// Relative error that the total of CPU time may have, if the totals are promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_error: Option<f64>,
}

/// A set of values to try a template with.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// Its name.
    pub name: String,
    /// The values.
    pub values: Map<String, Value>,
    /// Claim with these values, if it is not the template's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

impl Claim {
    pub(super) fn decode(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let text = keep(fields.required("text").and_then(Node::text), problems).map(str::to_owned);
        let saved = keep(fields.required("series_saved"), problems).and_then(|node| {
            let mut saved = keep(node.map(), problems)?;
            let (min, max) = (share(&mut saved, "min", problems), share(&mut saved, "max", problems));
            saved.finish(problems);
            Some((min?, max?))
        });
        let kept = fields.take("criticals_kept").and_then(|node| keep(node.bool(), problems));
        let mut error = |key| fields.take(key).and_then(|node| keep(node.float(), problems));
        let (memory_error, cpu_error) = (error("memory_error"), error("cpu_error"));
        fields.finish(problems);
        let (series_saved_min, series_saved_max) = saved?;
        let criticals_kept = kept.unwrap_or(true);
        Some(Self {
            text: text?,
            series_saved_min,
            series_saved_max,
            criticals_kept,
            memory_error,
            cpu_error,
        })
    }
}

fn share(fields: &mut Fields<'_>, key: &'static str, problems: &mut Vec<Problem>) -> Option<f64> {
    let node = keep(fields.required(key), problems)?;
    let share = keep(node.float(), problems)?;
    if !(0.0..=1.0).contains(&share) {
        problems.push(Problem::new(node.location, format!("{share} is no share")).expected("from 0 to 1"));
        return None;
    }
    Some(share)
}

impl Sample {
    pub(super) fn decode(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let name = keep(fields.required("name").and_then(Node::text), problems).map(str::to_owned);
        let mut values = Map::new();
        if let Some(node) = fields.take("values") {
            for entry in keep(node.entries(), problems).unwrap_or_default() {
                values.insert(entry.key.text.clone(), json(&entry.value));
            }
        }
        let claim = fields.take("claim").and_then(|node| Claim::decode(node, problems));
        fields.finish(problems);
        Some(Self { name: name?, values, claim })
    }
}

/// A value of the file as JSON, as which values come otherwise.
pub(super) fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::from(*value),
        Kind::Int(value) => Value::from(*value),
        Kind::Float(value) => Value::from(*value),
        Kind::Text(text) => Value::from(text.text()),
        Kind::List(items) => items.iter().map(json).collect(),
        Kind::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.text.clone(), json(&entry.value))).collect())
        }
    }
}
