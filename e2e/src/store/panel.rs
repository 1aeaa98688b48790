//! Panels: a lens over what both variants made, evaluated at the end of every window.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::process;
use super::history::{History, Window};
use super::plan::{Function, Lens};
use super::series::{Kind, Series};
use super::track::Track;

/// Group of series without the attribute.
pub const WITHOUT: &str = "(none)";

/// What a variant shows of a group over the stretch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side {
    /// Sum of the figures at instants.
    pub values: f64,
    /// Sum of absolute values.
    pub size: f64,
    /// Increase over the stretch.
    pub increase: f64,
    /// Instants at which it shows the group.
    pub shown: u64,
    /// Series at each instant, added up.
    pub members: u64,
}

/// One group, or all together.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Baseline and candidate.
    pub sides: [Side; 2],
    /// Instants at which either shows it.
    pub instants: u64,
    /// Instants at which the baseline does and the candidate does not.
    pub gaps: u64,
    /// Instant at which the figures are furthest apart, and by how much.
    pub worst: Option<(u64, f64)>,
    /// Its figures over the stretch.
    pub figures: [f64; 2],
}

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
}

/// Track of each series of a variant that has a part in the panel, with its group.
type Tracks<'a> = Vec<(&'a Series, String, Track<'a>)>;

/// What a variant shows of a group at an instant.
#[derive(Clone, Debug, Default)]
struct Cell {
    values: Vec<f64>,
    processes: BTreeSet<[String; 3]>,
    members: u64,
}

impl Panel {
    /// A lens over the judged windows of a history whose stages hold nothing back.
    #[must_use]
    pub fn of(history: &History, lens: &Lens) -> Self {
        let tracks = [0, 1].map(|at| tracks(history, lens, at));
        let mut panel = Self::default();
        for window in history.judged() {
            panel.look(lens, &tracks, *window, history.since());
        }
        let counts = lens.function == Function::Count;
        let rising = |at: usize| !counts && tracks[at].iter().any(|(series, ..)| series.kind.increases());
        panel.increases = rising(0) || (rising(1) && panel.total.sides[0].members == 0);
        let (increases, seconds) = (panel.increases, panel.seconds);
        for group in panel.groups.values_mut().chain([&mut panel.total]) {
            group.figures = [0, 1].map(|at| group.figure(at, lens.function, increases, seconds));
        }
        // One of which nothing was shown and nothing rose is none.
        panel
            .groups
            .retain(|_, group| group.instants > 0 || group.sides.iter().any(|side| side.increase != 0.0));
        panel
    }

    fn look(&mut self, lens: &Lens, tracks: &[Tracks<'_>; 2], window: Window, since: u64) {
        self.seconds += (window.end - window.start) as f64 / 1e9;
        let mut cells: BTreeMap<String, [Cell; 2]> = BTreeMap::new();
        for (at, tracks) in tracks.iter().enumerate() {
            for (series, name, track) in tracks {
                self.no_value[at] += track.no_value([window.start, window.end]);
                if series.kind.increases() && lens.function != Function::Count {
                    let rise = track.increase(window.end, since) - track.increase(window.start, since);
                    for group in [self.groups.entry(name.clone()).or_default(), &mut self.total] {
                        group.sides[at].increase += rise;
                        group.sides[at].size += rise.abs();
                    }
                }
                if let Some(point) = track.shown(window.end, lens.lookback) {
                    let cell = &mut cells.entry(name.clone()).or_default()[at];
                    cell.members += 1;
                    cell.processes.insert(process(&series.resource));
                    if series.kind.has_value() {
                        cell.values.extend(point.measure.number());
                    }
                }
            }
        }
        let mut all: [Cell; 2] = Default::default();
        for (name, cells) in cells {
            for (all, cell) in all.iter_mut().zip(&cells) {
                all.values.extend(&cell.values);
                all.processes.extend(cell.processes.iter().cloned());
                all.members += cell.members;
            }
            self.groups.entry(name).or_default().take(&cells, lens.function, window.end);
        }
        if all.iter().any(|cell| cell.members > 0) {
            self.total.take(&all, lens.function, window.end);
        }
    }
}

impl Group {
    fn take(&mut self, cells: &[Cell; 2], function: Function, instant: u64) {
        self.instants += 1;
        self.gaps += u64::from(cells[0].members > 0 && cells[1].members == 0);
        let mut figures = [0.0; 2];
        let mut size: f64 = 0.0;
        for at in [0, 1] {
            let cell = &cells[at];
            let side = &mut self.sides[at];
            let term = cell.term(function);
            let mean = function == Function::Avg && cell.members > 0;
            figures[at] = if mean { term / cell.members as f64 } else { term };
            side.values += term;
            side.size += cell.size(function);
            side.members += cell.members;
            side.shown += u64::from(cell.members > 0);
            size = size.max(cell.size(function));
        }
        let apart = (figures[1] - figures[0]).abs();
        if apart > 1e-9 * size && self.worst.is_none_or(|(_, most)| apart > most) {
            self.worst = Some((instant, apart));
        }
    }

    fn figure(&self, at: usize, function: Function, increases: bool, seconds: f64) -> f64 {
        let side = &self.sides[at];
        let over = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
        let (shown, members, instants) = (side.shown as f64, side.members as f64, self.instants as f64);
        match function {
            Function::Rate => over(side.increase, seconds),
            // Increase of a series: of the mean number of those that were there.
            Function::Avg if increases => over(side.increase, over(members, shown)),
            // Mean of a series, and nothing at instants at which the variant shows none.
            Function::Avg => over(over(side.values, members) * shown, instants),
            Function::Sum if increases => side.increase,
            _ => over(side.values, instants),
        }
    }

    /// Tells whether the baseline shows it and the candidate never does.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.sides[0].shown > 0 && self.sides[1].shown == 0
    }

    /// Tells whether the candidate shows it and the baseline never does.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.sides[1].shown > 0 && self.sides[0].shown == 0
    }

    /// Tells whether the variants differ in it at all; `increases` tells what its figures are.
    #[must_use]
    pub fn differs(&self, increases: bool) -> bool {
        let [one, other] = &self.sides;
        let apart = (self.figures[1] - self.figures[0]).abs();
        let size = if increases { one.size.max(other.size) } else { self.figures[0].abs() };
        let worst = !increases && self.worst.is_some();
        apart > 1e-9 * size || worst || one.shown != other.shown || self.gaps > 0
    }
}

impl Cell {
    /// What enters the sum over instants: of a mean the sum of the values.
    fn term(&self, function: Function) -> f64 {
        match function {
            Function::Count => self.processes.len() as f64,
            Function::Max => self.values.iter().copied().reduce(f64::max).unwrap_or(0.0),
            Function::Min => self.values.iter().copied().reduce(f64::min).unwrap_or(0.0),
            Function::Sum | Function::Avg | Function::Rate => self.values.iter().sum(),
        }
    }

    fn size(&self, function: Function) -> f64 {
        match function {
            Function::Count | Function::Max | Function::Min => self.term(function).abs(),
            _ => self.values.iter().map(|value| value.abs()).sum(),
        }
    }
}

/// Tells whether a function has a meaning for series of a kind.
fn fits(function: Function, kind: Kind) -> bool {
    match function {
        Function::Count => true,
        Function::Sum | Function::Avg => kind.has_value() || kind.increases(),
        Function::Max | Function::Min => kind.has_value(),
        Function::Rate => kind.increases(),
    }
}

fn tracks<'a>(history: &'a History, lens: &Lens, at: usize) -> Tracks<'a> {
    let mut tracks: BTreeMap<&Series, Track<'a>> = BTreeMap::new();
    for made in &history.made[at] {
        let series = &*made.point.series;
        if series.metric == lens.metric && fits(lens.function, series.kind) {
            tracks.entry(series).or_default().0.push(made);
        }
    }
    let group = |series: &Series| series.said(lens.group_by).unwrap_or_else(|| WITHOUT.to_owned());
    tracks.into_iter().map(|(series, track)| (series, group(series), track)).collect()
}
