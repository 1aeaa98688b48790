//! Series in words.

use crate::Batch;
use crate::batch::{Path, Value};

/// A series in words, as it is when the rule meets it: `cpu.time{nginx pid=7, state=user}`.
pub(super) fn label(batch: &Batch, path: Path) -> String {
    let resource = batch.resource_at(path.resource).attrs;
    let named = |key: &str| batch.attribute(resource, key.as_bytes());
    let mut words: Vec<String> = match (named("process.executable.name"), named("process.pid")) {
        (None, None) => batch
            .attributes(resource)
            .iter()
            .take(3)
            .map(|row| pair(batch.bytes(row.key), batch.value(row.value)))
            .collect(),
        (name, pid) => {
            let process: Vec<String> =
                name.map(text).into_iter().chain(pid.map(|pid| format!("pid={}", text(pid)))).collect();
            vec![process.join(" ")]
        }
    };
    let attributes = batch.attributes(batch.point_at(path.point).attrs).iter().take(5);
    words.extend(attributes.map(|row| pair(batch.bytes(row.key), batch.value(row.value))));
    format!("{}{{{}}}", clip(batch.bytes(batch.metric_at(path.metric).name)), words.join(", "))
}

fn pair(key: &[u8], value: Value<'_>) -> String {
    format!("{}={}", clip(key), text(value))
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => clip(text),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => "…".to_owned(),
    }
}

/// A text of somebody else's, short enough to be shown.
fn clip(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(60).collect()
}
