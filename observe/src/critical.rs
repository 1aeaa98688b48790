//! Critical coverage: do the processes that must stay visible stay visible?
//!
//! Counted over the critical processes of the *input*. A required metric is shown if provenance leads to an output whose
//! identity still names the process by executable and pid (or by its executable alone, where the criterion says so). A
//! process of which the baseline shows in a window all required metrics that came in must be shown so by the candidate in
//! that window: one window in which it is not is enough for it to have vanished. With no critical process in the input
//! there is nothing to cover, which is neither 100 % nor a failure.

use std::sync::Arc;

use hashbrown::HashMap;
use pipelines::yaml::{Node, Problem, keep};
use serde::{Deserialize, Serialize};

use crate::convention::counterpart;
use crate::label::Process;
use crate::outputs::Names;

/// Granularity at which a critical process must still be named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// Each process: its executable, by which people look for it, and its pid must still be told.
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
    /// Metric names, of either semantic convention; at most 32.
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

    /// The bit of a metric of a process with this executable, where both are named, the metric under either of its names.
    pub(crate) fn bit(&self, executable: &str, metric: &str) -> Option<u32> {
        let also = counterpart(metric);
        let place = self.metrics.iter().position(|name| name == metric || Some(name.as_str()) == also)?;
        self.executables.iter().any(|name| name == executable).then(|| 1 << place)
    }
}

/// One critical process in a stretch of judged windows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Watched {
    pub process: Arc<Process>,
    /// Variants that showed all its required metrics that came in, in some window.
    pub shown: [bool; 2],
    /// Windows in which the baseline showed it and the candidate did not: the worst of them.
    pub hidden: Hidden,
}

/// Part of a critical process that a candidate hides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hidden {
    #[default]
    Nothing,
    /// Some of its required metrics.
    Partly,
    /// All of them.
    Wholly,
}

impl Watched {
    /// Of the required metrics that came in, and those that each variant shows, one bit each.
    pub fn of(process: Arc<Process>, required: u32, shows: [u32; 2]) -> Self {
        let shown = shows.map(|bits| bits & required == required);
        let hidden = match shown {
            [true, false] if shows[1] & required == 0 => Hidden::Wholly,
            [true, false] => Hidden::Partly,
            _ => Hidden::Nothing,
        };
        Self { process, shown, hidden }
    }
}

/// Critical process that an observer follows.
#[derive(Clone, Debug)]
pub(crate) struct CriticalTrack {
    pub process: Arc<Process>,
    pub granularity: Granularity,
    /// Required metrics that came in the open window, one bit each.
    pub required: u32,
    /// Those of them that each variant showed in it.
    pub kept: [u32; 2],
    /// Begin of the window in which it was first seen, and end of the one in which it was last.
    first: u64,
    seen: u64,
    /// End of the window in which each variant last showed each metric.
    last: Vec<[u64; 2]>,
    /// True if a stage may still hold the first points of it back.
    pending: bool,
}

impl CriticalTrack {
    pub fn new(process: Arc<Process>, granularity: Granularity) -> Self {
        let (required, kept, last) = (0, [0; 2], Vec::new());
        Self { process, granularity, required, kept, first: 0, seen: 0, last, pending: false }
    }

    /// Tells whether an output that names so much still shows this process.
    pub fn is_named_by(&self, names: Names) -> bool {
        match self.granularity {
            Granularity::Process => names.pid && names.executable,
            Granularity::Executable => names.executable,
        }
    }

    /// Judges it at the end of a window, if it can be judged. Where stages hold points for `hold`, a metric is shown for so
    /// long and a window more, and what was first seen later than that is judged afterward, even if it is gone by then.
    pub fn judge(&mut self, [start, end]: [u64; 2], hold: u64, came: bool) -> Option<Watched> {
        let wait = if hold > 0 { hold.saturating_add(end.saturating_sub(start)) } else { 0 };
        if came {
            self.came([start, end], wait);
        }
        if !came && !self.pending {
            return None;
        }
        let shows = [0, 1].map(|variant| self.shown_since(end.saturating_sub(wait), variant));
        let shown_by_candidate = shows[1] & self.required == self.required;
        self.pending = !shown_by_candidate && end.saturating_sub(self.first) < wait;
        (!self.pending).then(|| Watched::of(self.process.clone(), self.required, shows))
    }

    fn came(&mut self, [start, end]: [u64; 2], wait: u64) {
        if self.seen.saturating_add(wait) < start || self.seen == 0 {
            self.first = start;
        }
        self.seen = end;
        self.last.resize(
            MAX_METRICS.min(32 - self.required.leading_zeros() as usize).max(self.last.len()),
            [0; 2],
        );
        for (metric, last) in self.last.iter_mut().enumerate() {
            for (last, kept) in last.iter_mut().zip(self.kept) {
                *last = if kept & 1 << metric == 0 { *last } else { end };
            }
        }
    }

    /// Metrics that a variant showed in a window that ended at this time or later.
    fn shown_since(&self, time: u64, variant: usize) -> u32 {
        let shown =
            self.last.iter().enumerate().filter(|(_, last)| last[variant] > 0 && last[variant] >= time);
        shown.fold(0, |bits, (metric, _)| bits | 1 << metric)
    }
}

/// The critical processes that were judged.
pub(crate) type CriticalTable = HashMap<Arc<Process>, Watched>;

pub(crate) fn merge(mine: &mut CriticalTable, other: &CriticalTable) {
    for (process, watched) in other {
        match mine.get_mut(process) {
            None => {
                mine.insert(process.clone(), watched.clone());
            }
            Some(known) => {
                known.shown = [known.shown[0] | watched.shown[0], known.shown[1] | watched.shown[1]];
                known.hidden = known.hidden.max(watched.hidden);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judgments of windows of ten seconds, each of the metrics that came and those that were shown.
    fn judged(hold: u64, windows: &[(u32, [u32; 2])]) -> Vec<Option<(bool, Hidden)>> {
        let mut followed = CriticalTrack::new(Arc::default(), Granularity::Process);
        let judge = |(at, (required, kept)): (u64, &(u32, [u32; 2]))| {
            let came = *required > 0;
            if came {
                (followed.required, followed.kept) = (*required, *kept);
            }
            let window = [1_000 + at * 10, 1_010 + at * 10];
            followed.judge(window, hold, came).map(|watched| (watched.shown[0], watched.hidden))
        };
        (0..).zip(windows).map(judge).collect()
    }

    #[test]
    fn a_process_that_the_candidate_hides_in_one_window_of_many_has_vanished() {
        let shown = (3, [3, 3]);
        let found = judged(0, &[shown, (3, [3, 1]), (3, [3, 0]), shown]);
        let hidden: Vec<_> = found.iter().map(|found| found.expect("judged").1).collect();
        assert_eq!(hidden, [Hidden::Nothing, Hidden::Partly, Hidden::Wholly, Hidden::Nothing]);
        let one = |required, shows| {
            let process = Arc::<Process>::default();
            CriticalTable::from_iter([(process.clone(), Watched::of(process, required, shows))])
        };
        let (mut first, mut second) = (one(3, [3, 3]), one(3, [3, 0]));
        let (kept, hidden) = (first.clone(), second.clone());
        merge(&mut first, &hidden);
        merge(&mut second, &kept);
        assert_eq!(first, second, "in any order");
        assert_eq!(first[&Arc::<Process>::default()].hidden, Hidden::Wholly);
    }

    #[test]
    fn what_the_baseline_does_not_show_either_is_not_hidden() {
        assert_eq!(judged(0, &[(3, [1, 0])]), [Some((false, Hidden::Nothing))]);
    }

    #[test]
    fn what_a_stage_may_hold_back_is_judged_when_that_time_is_over() {
        let held = (1, [1, 0]);
        let shown = judged(20, &[held, held, (1, [1, 1]), held, held, (1, [1, 1])]);
        assert!(shown[..2].iter().all(Option::is_none));
        assert!(shown[2..].iter().all(|found| *found == Some((true, Hidden::Nothing))));
        let never = judged(20, &[held, held, held, held]);
        assert_eq!(never[1..], [None, Some((true, Hidden::Wholly)), Some((true, Hidden::Wholly))]);
        let gone = judged(20, &[held, (0, [0; 2]), (0, [0; 2]), (0, [0; 2])]);
        assert_eq!(gone, [None, None, Some((true, Hidden::Wholly)), None], "gone before it was ever shown");
        let stops = judged(20, &[(1, [1, 1]), held, held, held, held]);
        assert_eq!(stops.last(), Some(&Some((true, Hidden::Wholly))), "it was shown too long ago");
    }
}
