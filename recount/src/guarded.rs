//! Quantities that guardrails and default criteria are about, over the hosts of a fleet, from all points.

use std::collections::BTreeSet;

use super::billed::{billed, identities};
use super::changed::Changed;
use super::critical::Coverage;
use super::fates::{Fate, Fates};
use super::history::{History, Made, Window};
use super::panel::Panel;
use super::plan::{Function, Plan};
use super::series::Series;
use super::writers::Writers;

/// One lens.
#[derive(Clone, Debug)]
pub struct Lens {
    /// Its name.
    pub name: String,
    /// True if figures of hosts add up.
    pub adds_up: bool,
    /// The total of both variants, and the difference that stages explain.
    pub total: [f64; 3],
    /// Error of the total.
    pub error: f64,
    /// Error of each group.
    pub groups: Vec<f64>,
    /// True if it is measured.
    pub measured: bool,
}

/// Everything of one host and stretch.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Points, bytes and series, baseline and candidate.
    pub points: [u64; 2],
    /// See `points`.
    pub bytes: [u64; 2],
    /// See `points`.
    pub series: [u64; 2],
    /// Active series as billed.
    pub billed: [u64; 2],
    /// Series of which the candidate keeps nothing.
    pub lost: u64,
    /// Colliding identities of the candidate whose writers the baseline keeps apart.
    pub own: u64,
    /// Critical processes that the baseline shows, and those of them that the candidate hides.
    pub critical: [u64; 2],
    /// True if a value changes.
    pub changed: bool,
    /// True if a metric gets another name, unit or type.
    pub renamed: bool,
    /// Lenses.
    pub lenses: Vec<Lens>,
}

impl Facts {
    /// Facts of these windows.
    #[must_use]
    pub fn of(history: &History, plan: &Plan, windows: &[Window]) -> Self {
        let part = history.within(windows);
        let [from, to] =
            [windows.first().map_or(0, |first| first.start), windows.last().map_or(0, |last| last.end)];
        let of_both = |of: &dyn Fn(usize) -> u64| [of(0), of(1)];
        let kept: BTreeSet<&Series> =
            part.made[1].iter().flat_map(|made| &made.of).map(|of| &*history.input(*of).series).collect();
        let fates = Fates::of(&part);
        let coverage = Coverage::of(&part, plan);
        let writers = [0, 1].map(|at| Writers::of(history, at, [from, to]));
        let active = |at: usize| {
            let known: Vec<Made> =
                history.made[at].iter().filter(|made| made.admitted < to).cloned().collect();
            billed(&known, plan)
        };
        let moved = |fate: Fate| matches!(fate, Fate::Renamed | Fate::Merged | Fate::Split);
        let another = |part: &&str| ["name", "unit", "type"].contains(part);
        let lens = |lens: &super::plan::Lens<'_>| {
            let panel = Panel::of(history, lens, plan, windows);
            let groups = panel.groups.values().filter(|group| group.instants > 0 || panel.increases);
            Lens {
                name: lens.name.to_owned(),
                adds_up: matches!(lens.function, Function::Sum | Function::Count | Function::Rate),
                total: [panel.total.figures[0], panel.total.figures[1], panel.total.tolerance],
                error: panel.total.error(panel.increases),
                groups: groups.map(|group| group.error(panel.increases)).collect(),
                measured: panel.state == "measured",
            }
        };
        Self {
            points: of_both(&|at| part.made[at].len() as u64),
            bytes: of_both(&|at| part.outputs[at].iter().map(|(_, bytes)| bytes).sum()),
            series: of_both(&|at| identities(&part.made[at])),
            billed: of_both(&active),
            lost: fates.of.keys().filter(|series| !kept.contains(series)).count() as u64,
            own: writers[1].own(history, &writers[0]),
            critical: [coverage.baseline.len() as u64, coverage.hidden.len() as u64],
            changed: !Changed::of(&part).rows.is_empty(),
            renamed: fates
                .of
                .values()
                .any(|told| moved(told.fate) && !told.only_fewer && told.parts.iter().any(another)),
            lenses: plan.lenses.iter().map(lens).collect(),
        }
    }

    /// The lens of this name.
    #[must_use]
    pub fn lens(&self, name: &str) -> Option<&Lens> {
        self.lenses.iter().find(|lens| lens.name == name && lens.measured)
    }
}

/// Relative difference; endless where the first has nothing and the second something.
#[must_use]
pub fn relative([one, other]: [f64; 2]) -> f64 {
    match other - one {
        0.0 => 0.0,
        apart if one == 0.0 => f64::INFINITY.copysign(apart),
        apart => apart / one.abs(),
    }
}
