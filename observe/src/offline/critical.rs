//! Critical coverage of a capture: which processes it names with which required metrics.

use std::sync::Arc;

use hashbrown::HashMap;

use super::capture::Capture;
use crate::Settings;
use crate::critical::{CriticalTable, Granularity, Watched};
use crate::label::Process;

/// The critical processes of the baseline, and what each capture shows of them.
pub(super) fn table(settings: &Settings, baseline: &Capture, candidate: &Capture) -> CriticalTable {
    let [mine, theirs] = [baseline, candidate].map(|capture| Shown::of(settings, capture));
    let mut came: HashMap<Arc<Process>, (Granularity, u32)> = HashMap::new();
    for seen in baseline.series.values() {
        let (process, metric) = (&seen.label.process, &seen.label.metric);
        let Some((granularity, bit)) = required(settings, process, metric) else { continue };
        came.entry(process.clone()).or_insert((granularity, 0)).1 |= bit;
    }
    let watched = |(process, (granularity, required)): (Arc<Process>, (Granularity, u32))| {
        let shows = [&mine, &theirs].map(|shown| shown.bits(&process, granularity));
        (process.clone(), Watched::of(process, required, shows))
    };
    came.into_iter().map(watched).collect()
}

fn required(settings: &Settings, process: &Process, metric: &str) -> Option<(Granularity, u32)> {
    let mut criteria = settings.critical.iter();
    criteria.find_map(|one| one.bit(&process.executable, metric).map(|bit| (one.granularity, bit)))
}

/// Host, executable and pid.
type Named = [String; 3];

/// Required metrics by what names their process.
struct Shown(HashMap<Named, u32>);

impl Shown {
    fn of(settings: &Settings, capture: &Capture) -> Self {
        let mut shown: HashMap<Named, u32> = HashMap::new();
        for seen in capture.series.values() {
            let process = &seen.label.process;
            if let Some((_, bit)) = required(settings, process, &seen.label.metric) {
                let [host, executable, pid] = process.parts();
                *shown.entry([host.clone(), executable.clone(), pid]).or_default() |= bit;
                *shown.entry([host, executable, String::new()]).or_default() |= bit;
            }
        }
        Self(shown)
    }

    /// Of a process, told by pid or by executable alone; an output that names no host may mean any.
    fn bits(&self, process: &Process, granularity: Granularity) -> u32 {
        let [host, executable, pid] = process.parts();
        if granularity == Granularity::Process && pid.is_empty() {
            return 0;
        }
        let pid = if granularity == Granularity::Process { pid } else { String::new() };
        let bits = |host| self.0.get(&[host, executable.clone(), pid.clone()]).copied().unwrap_or(0);
        bits(host) | bits(String::new())
    }
}
