//! Figures of one group of a panel.

use std::collections::BTreeSet;

use super::panel::Rise;
use super::plan::Function;

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
    /// Difference that stages which hold points explain.
    pub tolerance: f64,
    /// The baseline's increase while it did not count.
    pub newborn: f64,
    /// The baseline's increase in the last hold before the stretch and before its end.
    pub edges: Option<[f64; 2]>,
}

/// What a variant shows of a group at an instant.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    values: Vec<f64>,
    processes: BTreeSet<[String; 3]>,
    /// Series.
    pub members: u64,
}

impl Group {
    /// Adds increases of a window.
    pub fn rise(&mut self, rises: [Rise; 2]) {
        for (side, rise) in self.sides.iter_mut().zip(rises) {
            side.increase += rise.sum;
            side.size += rise.size;
        }
    }

    /// Takes the increase at the edges of a window: the first stands for the stretch's beginning, the last for its end.
    pub fn take_edges(&mut self, [before, end]: [f64; 2]) {
        self.edges = Some([self.edges.map_or(before, |[first, _]| first), end]);
    }

    /// Takes an instant that counts.
    pub fn take(&mut self, cells: &[Cell; 2], function: Function, instant: u64) {
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

    /// Works its figures out, of a stretch of so many seconds.
    pub fn settle(&mut self, function: Function, increases: bool, seconds: f64) {
        let figures = |of: [f64; 2]| [0, 1].map(|at| self.figure(at, of[at], (function, increases, seconds)));
        let held = self.edges.unwrap_or_default().iter().sum::<f64>() + self.newborn;
        let tolerance = if increases { figures([held; 2])[0] } else { 0.0 };
        (self.figures, self.tolerance) = (figures(self.sums(increases)), tolerance);
    }

    fn figure(&self, at: usize, sum: f64, (function, increases, seconds): (Function, bool, f64)) -> f64 {
        let side = &self.sides[at];
        let over = |sum: f64, count: f64| if count > 0.0 { sum / count } else { 0.0 };
        let (shown, members, instants) = (side.shown as f64, side.members as f64, self.instants as f64);
        match function {
            Function::Rate => over(sum, seconds),
            // Increase of a series: of the mean number of those that were there.
            Function::Avg if increases => over(sum, over(members, shown)),
            // Mean of a series, and nothing at instants at which the variant shows none.
            Function::Avg => over(over(sum, members) * shown, instants),
            Function::Sum if increases => sum,
            _ => over(sum, instants),
        }
    }

    /// Weight of a figure of it in shares: a mean stands for as many instants as it is shown at.
    #[must_use]
    pub fn weight(&self, figure: f64, increases: bool) -> f64 {
        figure.abs() * if increases { 1.0 } else { self.instants as f64 }
    }

    /// Sums that its figures are made of.
    #[must_use]
    pub fn sums(&self, increases: bool) -> [f64; 2] {
        self.sides.map(|side| if increases { side.increase } else { side.values })
    }

    /// Share of the baseline's figure by which the candidate's is off, beyond what stages explain.
    #[must_use]
    pub fn error(&self, increases: bool) -> f64 {
        let [one, other] = self.figures;
        let apart = (other - one).abs() - self.tolerance;
        let sign = if other < one { -1.0 } else { 1.0 };
        if apart <= 0.0 || !self.differs(increases) {
            return if self.is_lost() { -1.0 } else { 0.0 };
        }
        if one == 0.0 { sign * f64::INFINITY } else { sign * apart / one.abs() }
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
    /// Adds a series of a process, with its value if it has one.
    pub fn add(&mut self, process: [String; 3], value: Option<f64>) {
        self.members += 1;
        self.processes.insert(process);
        self.values.extend(value);
    }

    /// Adds another group's.
    pub fn join(&mut self, other: Self) {
        self.members += other.members;
        self.processes.extend(other.processes);
        self.values.extend(other.values);
    }

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
