//! `service`: which components make up which pipeline.

use std::fmt;

use crate::cost::MAX_PIPELINES;
use crate::yaml::{Location, Node, Problem, keep};

use super::{ComponentId, Reference};

/// Signal that a pipeline carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Metrics: what Phoenix experiments on.
    Metrics,
    /// Traces, passed through.
    Traces,
    /// Logs, passed through.
    Logs,
    /// Profiles; in pasted files only.
    Profiles,
}

const SIGNALS: [Signal; 4] = [Signal::Metrics, Signal::Traces, Signal::Logs, Signal::Profiles];

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Profiles => "profiles",
        })
    }
}

/// One pipeline of `service.pipelines`.
#[derive(Debug, Clone)]
pub struct PipelineEntry {
    /// `signal` or `signal/name`.
    pub id: String,
    /// Signal it carries.
    pub signal: Signal,
    /// Name after the slash; empty if there is none.
    pub name: String,
    /// Location of the id.
    pub location: Location,
    /// Its receivers, in order; connectors among them.
    pub receivers: Vec<Reference>,
    /// Its processors, in the order in which they run.
    pub processors: Vec<Reference>,
    /// Its exporters, in order; connectors among them.
    pub exporters: Vec<Reference>,
}

/// Reads `service.pipelines`.
pub(super) fn pipelines(node: &Node, problems: &mut Vec<Problem>) -> Vec<PipelineEntry> {
    let mut pipelines = Vec::<PipelineEntry>::new();
    let entries = keep(node.entries(), problems).unwrap_or_default();
    if let Some(first) = entries.get(MAX_PIPELINES) {
        let message = format!("{} pipelines are defined", entries.len());
        problems.push(Problem::new(first.key.location, message).expected(format!("at most {MAX_PIPELINES}")));
    }
    for entry in entries.iter().take(MAX_PIPELINES) {
        let at = entry.key.location;
        let Some(id) = keep(ComponentId::parse(&entry.key.text, at), problems) else { continue };
        let Some(signal) = SIGNALS.into_iter().find(|signal| signal.to_string() == id.kind()) else {
            let known = ["metrics", "traces", "logs", "profiles"];
            problems.push(Problem::unknown(at, "signal", id.kind(), known));
            continue;
        };
        let Some(mut fields) = keep(entry.value.map(), problems) else { continue };
        let mut take = |key| fields.take(key).map(|node| references(node, problems)).unwrap_or_default();
        let (receivers, processors, exporters) = (take("receivers"), take("processors"), take("exporters"));
        fields.finish(problems);
        let (name, id) = (id.name().to_owned(), id.as_str().to_owned());
        pipelines.push(PipelineEntry { id, signal, name, location: at, receivers, processors, exporters });
    }
    pipelines
}

/// Reads a list of component ids.
pub(super) fn references(node: &Node, problems: &mut Vec<Problem>) -> Vec<Reference> {
    let items = keep(node.list(), problems).unwrap_or_default();
    items.iter().filter_map(|item| keep(Reference::parse(item), problems)).collect()
}
