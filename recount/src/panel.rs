//! Panels: a lens over what both variants made, evaluated at the end of every window.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::process;
use super::group::{Cell, Group};
use super::history::{History, Window};
use super::life::{Grace, Life};
use super::limit::Limit;
use super::owner::{self, OWNER};
use super::plan::{Function, Lens, Plan};
use super::series::{Kind, Series};
use super::track::Track;

/// Group of series without the attribute.
pub const WITHOUT: &str = "(none)";

/// One panel.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// Groups.
    pub groups: BTreeMap<String, Group>,
    /// All together.
    pub total: Group,
    /// True if figures are increases.
    pub increases: bool,
    /// Values that were no number, baseline and candidate.
    pub no_value: [u64; 2],
    /// Length of the windows together, seconds.
    pub seconds: f64,
    /// State of the measurement, by its word in a report.
    pub state: &'static str,
    /// Groups against the limit, where there is one.
    pub limit: Option<Limit>,
    /// The most series that entered it at one instant, baseline and candidate.
    pub most: [u64; 2],
    lives: BTreeMap<String, Life>,
}

/// Track of each series of a variant that has a part in the panel, with its group.
type Tracks<'a> = Vec<(&'a Series, String, Track<'a>)>;

/// Groups at the end of a window: what each variant shows, and the increases within the window.
type Look = BTreeMap<String, ([Cell; 2], [Rise; 2])>;

/// Increase of a variant's series in a window, and the sum of its absolute parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rise {
    /// Increase.
    pub sum: f64,
    /// Absolute parts.
    pub size: f64,
}

impl Panel {
    /// A lens over some windows of a history.
    #[must_use]
    pub fn of(history: &History, lens: &Lens<'_>, plan: &Plan, judged: &[Window]) -> Self {
        let tracks = [0, 1].map(|at| tracks(history, lens, at));
        let mut panel = Self::default();
        for window in history.windows.iter().filter(|window| window.start >= lens.since) {
            // What is shown depends on all that came before.
            let skipped = !judged.iter().any(|judged| judged.start == window.start);
            let window = Window { warming_up: skipped, ..*window };
            let look = panel.look(lens, &tracks, window, history.since);
            panel.take(look, lens, window, Grace::of(history, plan, window.end));
        }
        let counts = lens.function == Function::Count;
        let rising = |at: usize| !counts && tracks[at].iter().any(|(series, ..)| series.kind.increases());
        panel.increases = rising(0) || (rising(1) && panel.total.sides[0].members == 0);
        let (increases, seconds) = (panel.increases, panel.seconds);
        for group in panel.groups.values_mut().chain([&mut panel.total]) {
            group.settle(lens.function, increases, seconds);
        }
        // One of which nothing was shown, nothing rose and nothing was on its way is none.
        let held = |group: &Group| group.edges.is_some_and(|edges| edges != [0.0; 2]);
        let rose = |group: &Group| group.sides.iter().any(|side| side.increase != 0.0) || held(group);
        panel.groups.retain(|_, group| group.instants > 0 || (increases && rose(group)));
        panel.state = panel.state(history, lens);
        panel.limit = lens.max_error.map(|most| Limit::of(&panel, most));
        panel
    }

    /// Whether it was measured, or the reason for which it was not.
    fn state(&self, history: &History, lens: &Lens<'_>) -> &'static str {
        let metric = |series: &&Series| series.metric == lens.metric;
        let points = history.batches.iter().flat_map(|batch| &batch.points);
        let came = points.map(|point| &*point.series).any(|series| metric(&series));
        let looked = || history.made.iter().flatten().filter(|made| made.admitted >= lens.since);
        let put_out = || looked().map(|made| &*made.point.series).filter(metric);
        if put_out().next().is_none() {
            return if came { "not_put_out" } else { "metric_absent" };
        }
        if !put_out().any(|series| fits(lens.function, series.kind)) {
            return "function_unfit";
        }
        if lens.group_by != OWNER && put_out().all(|series| series.said(lens.group_by).is_none()) {
            return "attribute_absent";
        }
        if self.total.instants == 0 { "no_instant" } else { "measured" }
    }

    fn look(&mut self, lens: &Lens<'_>, tracks: &[Tracks<'_>; 2], window: Window, since: u64) -> Look {
        let mut look = Look::default();
        for (at, tracks) in tracks.iter().enumerate() {
            for (series, name, track) in tracks {
                if !window.warming_up {
                    self.no_value[at] += track.no_value([window.start, window.end]);
                }
                let (cells, rises) = look.entry(name.clone()).or_default();
                if series.kind.increases() && lens.function != Function::Count {
                    let rise = track.increase(window.end, since) - track.increase(window.start, since);
                    rises[at].sum += rise;
                    rises[at].size += rise.abs();
                }
                if let Some(point) = track.shown(window.end, lens.lookback) {
                    let number = point.measure.number().filter(|_| series.kind.has_value());
                    cells[at].add(process(&series.resource), number);
                }
            }
        }
        look
    }

    /// Takes an instant in. What does not count for a group does not count for the total either.
    fn take(&mut self, look: Look, lens: &Lens<'_>, window: Window, grace: Grace) {
        let mut all: [Cell; 2] = Default::default();
        let mut edges = [0.0; 2];
        for (name, (cells, rises)) in look {
            let shown = cells.each_ref().map(|cell| cell.members > 0);
            let life = self.lives.entry(name.clone()).or_default();
            let counts = life.counts(shown, window.end, grace);
            let of_life = life.edges(rises[0].size, window, grace);
            (0..2).for_each(|edge| edges[edge] += of_life[edge]);
            if window.warming_up {
                continue;
            }
            let group = self.groups.entry(name).or_default();
            for group in [&mut *group, &mut self.total] {
                group.rise(rises);
                if !counts && shown != [false; 2] {
                    group.newborn += rises[0].size;
                }
            }
            group.take_edges(of_life);
            if counts {
                group.take(&cells, lens.function, window.end);
                all.iter_mut().zip(cells).for_each(|(all, cell)| all.join(cell));
            }
        }
        if window.warming_up {
            return;
        }
        self.seconds += (window.end - window.start) as f64 / 1e9;
        self.total.take_edges(edges);
        (0..2).for_each(|at| self.most[at] = self.most[at].max(all[at].members));
        if all.iter().any(|cell| cell.members > 0) {
            self.total.take(&all, lens.function, window.end);
        }
    }
}

/// Tells whether a function has a meaning for series of a kind.
#[must_use]
pub fn fits(function: Function, kind: Kind) -> bool {
    match function {
        Function::Count => true,
        Function::Sum | Function::Avg => kind.has_value() || kind.increases(),
        Function::Max | Function::Min => kind.has_value(),
        Function::Rate => kind.increases(),
    }
}

fn tracks<'a>(history: &'a History, lens: &Lens<'_>, at: usize) -> Tracks<'a> {
    let mut tracks: BTreeMap<&Series, Track<'a>> = BTreeMap::new();
    let before = history.made[at].iter().filter(|made| made.admitted < lens.since);
    let before: BTreeSet<&Series> = before.map(|made| &*made.point.series).collect();
    for made in history.made[at].iter().filter(|made| made.admitted >= lens.since) {
        let series = &*made.point.series;
        if series.metric == lens.metric && fits(lens.function, series.kind) {
            let before = before.contains(series);
            let track = || Track { points: Vec::new(), figure: lens.value, before };
            tracks.entry(series).or_insert_with(track).points.push(made);
        }
    }
    let group = |series: &Series| owner::group(series, lens.group_by).unwrap_or_else(|| WITHOUT.to_owned());
    tracks.into_iter().map(|(series, track)| (series, group(series), track)).collect()
}
