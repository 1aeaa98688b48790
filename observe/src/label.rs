//! Names for series: made once, when a series is first seen, and shared from then on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use hashbrown::HashSet;
use pipelines::Batch;
use pipelines::batch::{Rows, Value};
use pipelines::entity::{Entity, Kind};
use pipelines::split::HOST;

/// Process and entity that a series is about, as far as its resource tells. Empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub host: String,
    pub executable: String,
    pub pid: String,
    /// Key of its entity, see [`pipelines::entity`].
    pub entity: u64,
    /// The entity's name for people.
    pub name: String,
}

impl Process {
    /// Of a resource that the agent with this uid received.
    pub fn of(batch: &Batch, resource: Rows, agent_uid: &str) -> Self {
        let [host, executable, pid] = parts_of(batch, resource);
        let Entity { kind, key, name } = Entity::of(batch, resource, agent_uid);
        let process = Self { host, executable, pid, entity: key, name };
        if kind == Kind::Process { process } else { process.named_by_its_parts() }
    }

    /// The same, named by executable, pid and host where it has one of the first two.
    pub fn named_by_its_parts(mut self) -> Self {
        if self.parts()[1..].iter().any(|part| !part.is_empty()) {
            let name = if self.executable.is_empty() { "(no executable)" } else { &self.executable };
            let pid = if self.pid.is_empty() { String::new() } else { format!(" (pid {})", self.pid) };
            let host = if self.host.is_empty() { String::new() } else { format!(" on {}", self.host) };
            self.name = format!("{name}{pid}{host}");
        }
        self
    }

    /// Host, executable and pid: what a process can be known by where its resource was changed.
    pub fn parts(&self) -> [String; 3] {
        [&self.host, &self.executable, &self.pid].map(String::clone)
    }

    /// A number that tells it from other processes.
    pub fn number(&self) -> u64 {
        number_of(&self.parts())
    }
}

/// [`Process::number`] of the process that a resource names.
pub(crate) fn process_number(batch: &Batch, resource: Rows) -> u64 {
    number_of(&parts_of(batch, resource))
}

/// [`Process::parts`] of the process that a resource names.
fn parts_of(batch: &Batch, resource: Rows) -> [String; 3] {
    let host = HOST.iter().map(|key| text_of(batch, resource, key)).find(|host| !host.is_empty());
    [host.unwrap_or_default(), executable_of(batch, resource), text_of(batch, resource, "process.pid")]
}

/// Executable that a resource names; empty if it names none.
pub(crate) fn executable_of(batch: &Batch, resource: Rows) -> String {
    text_of(batch, resource, "process.executable.name")
}

fn text_of(batch: &Batch, resource: Rows, key: &str) -> String {
    batch.attribute(resource, key.as_bytes()).map(value_text).unwrap_or_default()
}

fn number_of(parts: &[String; 3]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
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
        let mut pairs = String::new();
        for attr in batch.attributes(rows) {
            let comma = if pairs.is_empty() { "" } else { "," };
            let value = value_text(batch.value(attr.value));
            pairs.extend([comma, batch.text(attr.key), "=", &value]);
        }
        self.text(&pairs)
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
