//! Critical coverage: in every window, the critical processes that the baseline shows and the candidate does not.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::process;
use super::history::{History, Made, Window};
use super::plan::Plan;
use super::series::Series;

/// A process, as host, executable and pid.
pub type Process = [String; 3];

/// Critical processes of a stretch.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Those that came in.
    pub critical: BTreeSet<Process>,
    /// Those that the baseline showed whole in some window.
    pub baseline: BTreeSet<Process>,
    /// Those that the candidate showed whole in some window and hid in none.
    pub candidate: BTreeSet<Process>,
    /// Those that it hid; true if wholly in some window.
    pub hidden: BTreeMap<Process, bool>,
}

impl Coverage {
    /// Coverage in the windows of a history whose stages hold nothing back.
    #[must_use]
    pub fn of(history: &History, plan: &Plan) -> Self {
        let mut all = Self::default();
        history.windows.iter().for_each(|window| all.add(history, *window, plan));
        let hidden = &all.hidden;
        all.candidate.retain(|process| !hidden.contains_key(process));
        all
    }

    fn add(&mut self, history: &History, window: Window, plan: &Plan) {
        let inside = |time: u64| window.start <= time && time < window.end;
        let required = |series: &Series| {
            let [_, executable, _] = process(&series.resource);
            plan.critical.contains(&executable.as_str()) && plan.required.contains(&series.metric.as_str())
        };
        let mut came: BTreeMap<Process, BTreeSet<&str>> = BTreeMap::new();
        for batch in history.batches.iter().filter(|batch| inside(batch.between[0])) {
            for point in batch.points.iter().filter(|point| required(&point.series)) {
                came.entry(process(&point.series.resource)).or_default().insert(&point.series.metric);
            }
        }
        let mut shown: [BTreeMap<Process, BTreeSet<&str>>; 2] = Default::default();
        for (shown, made) in shown.iter_mut().zip(&history.made) {
            for made in made.iter().filter(|made| inside(made.admitted)) {
                for of in made.of.iter().map(|of| &history.input(*of).series) {
                    if required(of) && names(made, of) {
                        shown.entry(process(&of.resource)).or_default().insert(&of.metric);
                    }
                }
            }
        }
        for (process, required) in came {
            let shows = [0, 1].map(|at| shown[at].get(&process).cloned().unwrap_or_default());
            let whole = shows.each_ref().map(|shown| required.is_subset(shown));
            if whole[0] {
                self.baseline.insert(process.clone());
            }
            if whole[1] {
                self.candidate.insert(process.clone());
            }
            if whole[0] && !whole[1] {
                *self.hidden.entry(process.clone()).or_default() |= shows[1].is_empty();
            }
            self.critical.insert(process);
        }
    }
}

/// Tells whether an output point still names the process of its input series: a pid alone is no critical process.
fn names(made: &Made, of: &Series) -> bool {
    let shows = |name: &str| {
        let told = of.resource.said(name);
        told.is_some() && made.point.series.said(name) == told
    };
    shows("process.pid") && shows("process.executable.name")
}
