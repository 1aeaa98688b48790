//! Critical coverage: do the processes that must stay visible stay visible?
//!
//! Counted over the critical processes of the *input*. A required metric is kept if provenance leads to an
//! output whose identity still names the process (or only its executable, where the criterion says so). With no
//! critical process in the input there is nothing to cover, which is neither 100 % nor a failure.

use std::sync::Arc;

use hashbrown::HashMap;
use pipelines::yaml::{Node, Problem, keep};
use serde::{Deserialize, Serialize};

use crate::label::Process;
use crate::outputs::Names;

/// Granularity at which a critical process must still be named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// Each process: its pid must still be told.
    #[default]
    Process,
    /// The executable is enough.
    Executable,
}

/// One criterion: which processes are critical, and which of their metrics are required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Critical {
    /// Exact values of `process.executable.name`.
    pub executables: Vec<String>,
    /// Metric names; at most 32.
    pub metrics: Vec<String>,
    /// Granularity at which it must still be named.
    #[serde(default)]
    pub granularity: Granularity,
}

/// More required metrics than this are refused by [`Critical::problem`].
const MAX_METRICS: usize = 32;

impl Default for Critical {
    fn default() -> Self {
        let executables = "nginx apache2 haproxy envoy postgres mysqld mongod redis-server java-elasticsearch \
                           kafka rabbitmq nats-server kubelet dockerd containerd apache mysql mongodb redis \
                           elasticsearch nats";
        Self {
            executables: executables.split_whitespace().map(str::to_owned).collect(),
            metrics: vec!["process.cpu.time".to_owned(), "process.memory.usage".to_owned()],
            granularity: Granularity::Process,
        }
    }
}

impl Critical {
    /// Of a map with `executables`, `metrics` and `granularity`, each as by default where it is not said; what is
    /// wrong goes to `problems`.
    pub fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut fields = keep(node.map(), problems)?;
        let mut critical = Self::default();
        if let Some(node) = fields.take("executables") {
            critical.executables = node.texts(problems);
        }
        if let Some(node) = fields.take("metrics") {
            critical.metrics = node.texts(problems);
        }
        if let Some(node) = fields.take("granularity") {
            let words = [("process", Granularity::Process), ("executable", Granularity::Executable)];
            critical.granularity = keep(node.one_of("granularity", &words), problems)?;
        }
        fields.finish(problems);
        if let Some(problem) = critical.problem() {
            problems.push(Problem::new(node.location, "this criterion says nothing").expected(problem));
        }
        Some(critical)
    }

    /// Mistake in the criterion, if there is one.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.executables.is_empty() {
            return Some("expected at least one executable name");
        }
        match self.metrics.len() {
            1..=MAX_METRICS => None,
            _ => Some("expected 1 to 32 metric names"),
        }
    }

    /// The bit of metric `name` of a process with this executable, where both are named.
    pub(crate) fn bit(&self, executable: &str, metric: &str) -> Option<u32> {
        let place = self.metrics.iter().position(|name| name == metric)?;
        self.executables.iter().any(|name| name == executable).then(|| 1 << place)
    }
}

/// Appearances of one critical process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watched {
    pub process: Arc<Process>,
    pub granularity: Granularity,
    /// Required metrics that the input held, one bit each.
    pub required: u32,
    /// Those of them that each variant kept.
    pub kept: [u32; 2],
}

impl Watched {
    /// Tells whether an output that names so much still shows this process.
    pub fn is_named_by(&self, names: Names) -> bool {
        match self.granularity {
            Granularity::Process => names.pid,
            Granularity::Executable => names.executable,
        }
    }
}

/// The critical processes that were seen.
pub(crate) type CriticalTable = HashMap<Arc<Process>, Watched>;

pub(crate) fn merge(mine: &mut CriticalTable, other: &CriticalTable) {
    for (process, watched) in other {
        match mine.get_mut(process) {
            None => {
                mine.insert(process.clone(), watched.clone());
            }
            Some(known) => {
                known.required |= watched.required;
                known.kept[0] |= watched.kept[0];
                known.kept[1] |= watched.kept[1];
            }
        }
    }
}
