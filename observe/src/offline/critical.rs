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
    let mut table = CriticalTable::default();
    for seen in baseline.series.values() {
        let (process, metric) = (&seen.label.process, &seen.label.metric);
        let Some((granularity, bit)) = required(settings, process, metric) else { continue };
        let watched = table.entry(process.clone()).or_insert_with(|| Watched {
            process: process.clone(),
            granularity,
            required: 0,
            kept: [0; 2],
        });
        watched.required |= bit;
    }
    for watched in table.values_mut() {
        let kept = [&mine, &theirs].map(|shown| shown.bits(&watched.process, watched.granularity));
        watched.kept = kept.map(|bits| bits & watched.required);
    }
    table
}

fn required(settings: &Settings, process: &Process, metric: &str) -> Option<(Granularity, u32)> {
    let mut criteria = settings.critical.iter();
    criteria.find_map(|one| one.bit(&process.executable, metric).map(|bit| (one.granularity, bit)))
}

/// Required metrics by what names their process.
struct Shown(HashMap<Arc<Process>, u32>);

impl Shown {
    fn of(settings: &Settings, capture: &Capture) -> Self {
        let mut shown: HashMap<Arc<Process>, u32> = HashMap::new();
        for seen in capture.series.values() {
            let process = &seen.label.process;
            if let Some((_, bit)) = required(settings, process, &seen.label.metric) {
                *shown.entry(process.clone()).or_default() |= bit;
                let executable = Process { pid: String::new(), ..(**process).clone() };
                *shown.entry(Arc::new(executable)).or_default() |= bit;
            }
        }
        Self(shown)
    }

    /// Of a process, told by pid or by executable alone; an output that names no host may mean any.
    fn bits(&self, process: &Process, granularity: Granularity) -> u32 {
        let Process { host, executable, pid } = process.clone();
        if granularity == Granularity::Process && pid.is_empty() {
            return 0;
        }
        let pid = if granularity == Granularity::Process { pid } else { String::new() };
        let on = |host: String| Process { host, executable: executable.clone(), pid: pid.clone() };
        let bits = |process: Process| self.0.get(&process).copied().unwrap_or(0);
        bits(on(host)) | bits(on(String::new()))
    }
}
