//! Names for series: made once, when a series is first seen, and shared from then on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashSet;
use pipelines::Batch;
use pipelines::batch::{Rows, Value};
use serde::{Deserialize, Serialize};

/// Process that a series is about, as far as its resource tells. Empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Process {
    pub host: String,
    pub executable: String,
    pub pid: String,
}

impl Process {
    pub fn of(batch: &Batch, resource: Rows) -> Self {
        let text = |key: &str| batch.attribute(resource, key.as_bytes()).map(value_text).unwrap_or_default();
        let host = ["host.id", "host.name", "k8s.node.name"].iter().map(|key| text(key));
        Self {
            host: host.into_iter().find(|host| !host.is_empty()).unwrap_or_default(),
            executable: text("process.executable.name"),
            pid: text("process.pid"),
        }
    }

    /// A number that tells it from others.
    pub fn number(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.executable.is_empty() { "(no executable)" } else { &self.executable };
        f.write_str(name)?;
        if !self.pid.is_empty() {
            write!(f, " (pid {})", self.pid)?;
        }
        if !self.host.is_empty() {
            write!(f, " on {}", self.host)?;
        }
        Ok(())
    }
}

/// The names of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Label {
    pub metric: Arc<str>,
    pub process: Arc<Process>,
    /// The point's own attributes, `key=value` joined by commas.
    pub attributes: Arc<str>,
}

/// Shares equal texts and processes. Beyond [`MAX_SHARED`] it still answers, without sharing.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    texts: HashSet<Arc<str>>,
    processes: HashSet<Arc<Process>>,
}

const MAX_SHARED: usize = 65_536;

impl Labels {
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.texts.get(text) {
            return shared.clone();
        }
        let made: Arc<str> = text.into();
        if self.texts.len() < MAX_SHARED {
            self.texts.insert(made.clone());
        }
        made
    }

    pub fn process(&mut self, process: Process) -> Arc<Process> {
        if let Some(shared) = self.processes.get(&process) {
            return shared.clone();
        }
        let made = Arc::new(process);
        if self.processes.len() < MAX_SHARED {
            self.processes.insert(made.clone());
        }
        made
    }

    /// Forgets what nobody but this holds any more.
    pub fn sweep(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
        self.processes.retain(|process| Arc::strong_count(process) > 1);
    }

    pub fn attributes(&mut self, batch: &Batch, rows: Rows) -> Arc<str> {
        let pairs: Vec<String> = batch
            .attributes(rows)
            .iter()
            .map(|attr| format!("{}={}", batch.text(attr.key), value_text(batch.value(attr.value))))
            .collect();
        self.text(&pairs.join(","))
    }
}

/// A value as text, shortened to what a report can show.
pub(crate) fn value_text(value: Value<'_>) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => String::from_utf8_lossy(text).chars().take(120).collect(),
        Value::Bool(bit) => bit.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bytes(bytes) => format!("({} bytes)", bytes.len()),
        Value::List(_) => "(list)".to_owned(),
        Value::Map(_) => "(map)".to_owned(),
    }
}
