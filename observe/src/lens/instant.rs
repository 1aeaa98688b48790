//! Evaluation of all lenses at one instant, the end of a window.
//!
//! The tracked series of both variants are walked once. Where a stage holds points back, a group that has just come up, or
//! that the baseline has just ceased to show, does not count at the instant: the candidate could not show it yet, or shows it
//! a hold longer. What does not count for a group does not count for the total either.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashSet;

use super::class::{Class, ClassSum};
use super::group_rows::GroupRows;
use super::groups::{Groups, LensGroups, Part};
use super::shares::{OfLens, Share, Shares, Shown as SeriesShown};
use super::spreads::Spreads;
use super::sum::Sum;
use super::table::{Figures, Group, LensTable, Side};
use super::track::LensSeries;
use super::{LensFunction, LensInstant};
use crate::distribution::Sketches;

/// Parts of a hold in which the baseline's increase is kept.
const PARTS_OF_HOLD: u64 = 8;

/// Evaluator of the lenses, with what it remembers of each group from instant to instant.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    /// By lens and group.
    lives: Vec<Vec<Life>>,
    cells: Vec<Vec<[Cell; 2]>>,
    /// By class of series, of the baseline and of the candidate.
    sums: [Vec<ClassSum>; 2],
    counted: Counted,
    /// By lens: true if series with an increase have entered it, baseline and candidate.
    increases: Vec<[bool; 2]>,
    /// By place of the first lens on a metric: the numbers that describe its series in the window, baseline and candidate.
    described: Vec<[Vec<f64>; 2]>,
    /// What single entities have in the window, where a sample is followed.
    shares: Option<Shares>,
    /// Time up to which some entity of the sample may not be there whole, because a series of it found no room.
    unsteady: u64,
}

/// Life of a group.
#[derive(Debug, Default)]
struct Life {
    /// Instant at which it came up; 0 while nobody shows it.
    born: u64,
    /// Instant at which the baseline last showed it.
    last: u64,
    /// The baseline's increases within the last hold, each with the end of its windows.
    recent: VecDeque<(u64, f64)>,
}

/// A variant's part in a group at this instant.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    sum: Sum,
    size: f64,
    /// The largest or the least value; of counts the number of processes.
    peak: f64,
    members: u64,
    increase: Sum,
    increase_size: f64,
}

/// The stretch of a window, and the scrape interval observed so far, Unix nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub start: u64,
    pub end: u64,
    pub interval: u64,
    /// Sample that was followed; nothing where all was.
    pub share: Option<Share>,
}

impl Panels {
    /// The lenses at the end of a window, and the increases within it.
    pub fn evaluate(
        &mut self,
        groups: &mut Groups,
        looked: [&mut LensSeries; 2],
        window: Window,
    ) -> LensTable {
        groups.look_for_names();
        self.lives.resize_with(groups.lenses.len(), Vec::new);
        self.cells.resize_with(groups.lenses.len(), Vec::new);
        self.increases.resize(groups.lenses.len(), [false; 2]);
        for (cells, known) in self.cells.iter_mut().zip(&groups.lenses) {
            cells.clear();
            cells.resize(known.names.len(), Default::default());
        }
        for sums in &mut self.sums {
            sums.clear();
            sums.resize(groups.classes.all.len(), ClassSum::default());
        }
        self.counted.clear();
        self.described.resize_with(groups.asked, Default::default);
        self.described.iter_mut().flatten().for_each(Vec::clear);
        self.shares = window.share.map(|share| Shares::new(share, &groups.lenses));
        if std::mem::take(&mut groups.left_out) {
            // What found none comes again with the next scrape.
            self.unsteady = window.end.saturating_add(window.interval);
        }
        let mut no_value = [Vec::new(), Vec::new()];
        for (at, looked) in looked.into_iter().enumerate() {
            self.gather(at, looked, groups, window.end);
            self.enter(at, groups);
            no_value[at] = looked.take_no_values(groups);
        }
        self.counted.settle(&mut self.cells);
        let grace = Grace::of(groups, window);
        let mut table = LensTable {
            start: window.start,
            end: window.end,
            truncated: groups.truncated,
            ..LensTable::default()
        };
        let mut all_folded = Vec::with_capacity(groups.lenses.len());
        for (place, known) in groups.lenses.iter().enumerate() {
            let (cells, lives) = (&self.cells[place], &mut self.lives[place]);
            lives.resize_with(known.names.len(), Life::default);
            let mut folded = Folded::of(known, cells, lives, grace);
            if known.lens.function == LensFunction::Count {
                folded.set_processes(|at, counting| self.counted.total(place, at, counting));
            }
            all_folded.push(folded);
        }
        let mut spreads = self.shares.take().map(|shares| {
            let counting = |lens: u16, group: u16| all_folded[usize::from(lens)].counting[usize::from(group)];
            let is_steady = window.start >= self.unsteady;
            if is_steady { shares.spreads(counting) } else { BTreeMap::new() }
        });
        for ((place, known), folded) in groups.lenses.iter().enumerate().zip(all_folded) {
            let mut figures = folded.figures(known.lens.function, window.end);
            let count = |of: &Vec<u64>| of.get(place).copied().unwrap_or_default();
            figures.no_value = no_value.each_ref().map(count);
            figures.increases = self.increases[place];
            if let Some(spreads) = spreads.as_mut().filter(|_| place < groups.asked) {
                set_spreads(&mut figures, known, spreads.remove(&(place as u16)).unwrap_or_default());
            }
            if place < groups.asked {
                table.lenses.push(figures);
            } else {
                table.arrivals.insert(known.lens.metric.as_str().into(), figures);
            }
        }
        table
    }

    /// Adds a variant's series up by class.
    #[inline(never)]
    fn gather(&mut self, at: usize, looked: &mut LensSeries, groups: &Groups, end: u64) {
        let (classes, sums) = (groups.classes.all.as_slice(), self.sums[at].as_mut_slice());
        let LensSeries { classes: entered, processes, members, looks, pasts, .. } = looked;
        // Plain indices: nearly every series is in one class, and slices of one cost more than the sum.
        for (series, (entered, look)) in entered.iter().zip(looks).enumerate() {
            let places = entered.places();
            let came = look.take_came();
            let (number, increases) = (look.number(), look.take_increases(|| &mut pasts[series]));
            if came && let Some(numbers) = self.described.get_mut(usize::from(classes[places.start].first)) {
                numbers[at].push(number);
            }
            for place in places {
                let class = &classes[place];
                let shown = sums[place].add(class, look, increases, end);
                if let Some(shares) = &mut self.shares {
                    let value = shown.then_some(number);
                    shares.add(at, class, members[series], SeriesShown { value, increases });
                }
                if shown && !class.counts.is_empty() {
                    self.counted.add(at, class, processes[series]);
                }
            }
        }
    }

    /// Adds a variant's classes up by lens and group.
    fn enter(&mut self, at: usize, groups: &Groups) {
        for (class, sum) in groups.classes.all.iter().zip(&self.sums[at]) {
            for (lens, group, part) in &class.ways {
                let (lens, group) = (usize::from(*lens), usize::from(*group));
                self.increases[lens][at] |= sum.any && matches!(part, Part::Increase | Part::SumIncrease);
                self.cells[lens][group][at].take(sum, *part, groups.lenses[lens].lens.function);
            }
        }
    }

    /// The values of each metric that the lenses which were asked for look at, in the window that was last evaluated.
    pub fn sketches(&self) -> BTreeMap<u16, Sketches> {
        let metrics =
            (0..).zip(&self.described).filter(|(_, numbers)| numbers.iter().any(|of| !of.is_empty()));
        metrics.map(|(first, numbers)| (first, Sketches::of(numbers))).collect()
    }
}

/// Puts the spreads of a lens to its groups and to their total.
fn set_spreads(figures: &mut Figures, known: &LensGroups, mut of: OfLens) {
    let mixed = of.total.mixed;
    let boxed = |of: Option<Spreads>| Some(Box::new(of.unwrap_or(Spreads { mixed, ..Spreads::default() })));
    let places = known.by_name.iter().map(|place| (known.names[usize::from(*place)].clone(), *place));
    let places: BTreeMap<_, u16> = places.collect();
    for (name, group) in figures.groups.iter_mut() {
        group.spreads = boxed(places.get(name).and_then(|place| of.groups.remove(place)));
    }
    figures.total.spreads = boxed(Some(of.total));
}

impl Cell {
    /// Adds the series of a class, which enter in this way.
    fn take(&mut self, class: &ClassSum, part: Part, function: LensFunction) {
        if let Some(which) = [Part::Increase, Part::SumIncrease].iter().position(|one| *one == part) {
            self.increase.merge(class.increases[which]);
            self.increase_size += class.increase_sizes[which];
        }
        if part == Part::Value {
            let peak = if function == LensFunction::Min { class.least } else { class.most };
            let (sum, size, members) = (class.values, class.size, class.shown);
            self.join(&Self { sum, size, peak, members, ..Self::default() }, function);
        } else {
            self.members += class.shown;
        }
    }

    /// Adds another group's.
    fn join(&mut self, other: &Self, function: LensFunction) {
        self.peak = match function {
            _ if other.members == 0 => self.peak,
            _ if self.members == 0 => other.peak,
            LensFunction::Min => self.peak.min(other.peak),
            _ => self.peak.max(other.peak),
        };
        self.sum.merge(other.sum);
        self.size += other.size;
        self.members += other.members;
    }
}

/// Processes that are shown, by lens, variant and group: each counts once in a group, and once in the total.
#[derive(Debug, Default)]
struct Counted {
    shown: HashSet<Shown>,
    last: Option<Shown>,
}

/// Lens, variant, group and process.
type Shown = (u16, u8, u16, u64);

impl Counted {
    fn clear(&mut self) {
        self.shown.clear();
        self.last = None;
    }

    /// Adds a series of this process. Those of one process mostly come one after the other.
    fn add(&mut self, at: usize, class: &Class, process: u64) {
        for (lens, group) in &class.counts {
            let shown = (*lens, at as u8, *group, process);
            if self.last.replace(shown) != Some(shown) {
                self.shown.insert(shown);
            }
        }
    }

    fn settle(&self, cells: &mut [Vec<[Cell; 2]>]) {
        for (lens, at, group, _) in &self.shown {
            cells[usize::from(*lens)][usize::from(*group)][usize::from(*at)].peak += 1.0;
        }
    }

    /// Number of a variant's processes in the groups of a lens that count.
    fn total(&self, lens: usize, at: usize, counts: &[bool]) -> f64 {
        let of = self.shown.iter().filter(|(l, a, ..)| (usize::from(*l), usize::from(*a)) == (lens, at));
        let those = of.filter(|(.., group, _)| counts[usize::from(*group)]);
        let processes: HashSet<u64> = those.map(|(.., process)| *process).collect();
        processes.len() as f64
    }
}

/// Time in which a group does not count, where a stage gathers state: a hold and one scrape, however many scrapes it takes
/// until the stage has its state. What a panel misses for longer, people miss.
#[derive(Clone, Copy)]
struct Grace {
    window: Window,
    hold: u64,
    /// From a group's birth, and from when the baseline ceased to show it.
    length: u64,
}

impl Grace {
    fn of(groups: &Groups, window: Window) -> Self {
        let hold = groups.hold_nanos;
        // The interval is a median of three digits, whose last one is rounded up: an instant one scrape later counts.
        let scrape = window.interval - window.interval / 1_000;
        let length = if groups.gathers { hold.saturating_add(scrape) } else { 0 };
        Self { window, hold, length }
    }
}

impl Life {
    /// Takes an instant in; returns true if it counts for the group.
    fn counts(&mut self, [baseline, candidate]: [bool; 2], grace: Grace) -> bool {
        let (now, length) = (grace.window.end, grace.length);
        if baseline {
            self.last = now;
        }
        if !baseline && !candidate {
            self.born = 0;
            return false;
        }
        if self.born == 0 {
            self.born = now;
        }
        let young = now < self.born.saturating_add(length);
        let fading = !baseline && self.last > 0 && now < self.last.saturating_add(length);
        length == 0 || !(young || fading)
    }

    /// The baseline's increase within a hold before the window and before its end; `increase` is that of the window.
    fn edges(&mut self, increase: f64, grace: Grace) -> [f64; 2] {
        if grace.hold == 0 {
            return [0.0; 2];
        }
        let Grace { window, hold, .. } = grace;
        let within = |recent: &VecDeque<(u64, f64)>, end: u64| {
            let since = end.saturating_sub(hold);
            recent.iter().filter(|(at, _)| *at > since).map(|(_, increase)| increase).sum()
        };
        let before = within(&self.recent, window.start);
        match self.recent.back_mut() {
            // Windows much shorter than a hold lie together, and count as long as the last of them does.
            Some((at, part))
                if *at / (hold / PARTS_OF_HOLD).max(1) == window.end / (hold / PARTS_OF_HOLD).max(1) =>
            {
                (*at, *part) = (window.end, *part + increase);
            }
            _ => self.recent.push_back((window.end, increase)),
        }
        while self.recent.front().is_some_and(|(at, _)| *at <= window.end.saturating_sub(hold)) {
            self.recent.pop_front();
        }
        [before, within(&self.recent, window.end)]
    }
}

/// The groups of a lens at the end of a window.
struct Folded {
    figures: Figures,
    /// By place: those that count at this instant.
    counting: Vec<bool>,
    /// All that count together.
    total: [Cell; 2],
}

impl Folded {
    fn of(known: &LensGroups, cells: &[[Cell; 2]], lives: &mut [Life], grace: Grace) -> Self {
        let groups = GroupRows::with_room(cells.len());
        let figures = Figures { entry: known.entry.clone(), groups, ..Figures::default() };
        let mut folded = Self { figures, counting: vec![false; cells.len()], total: Default::default() };
        for place in known.by_name.iter().map(|place| usize::from(*place)) {
            let (cells, life) = (&cells[place], &mut lives[place]);
            let shown = cells.each_ref().map(|cell| cell.members > 0);
            folded.counting[place] = life.counts(shown, grace);
            let edges = life.edges(cells[0].increase_size, grace);
            let rose = cells.iter().any(|cell| cell.increase_size > 0.0);
            if shown != [false; 2] || rose || edges != [0.0; 2] {
                let group = folded.group(known, place, cells, edges, grace.window.end);
                folded.figures.groups.push(known.names[place].clone(), group);
            }
        }
        folded
    }

    fn group(
        &mut self,
        known: &LensGroups,
        place: usize,
        cells: &[Cell; 2],
        edges: [f64; 2],
        end: u64,
    ) -> Group {
        let (function, total) = (known.lens.function, &mut self.figures.total);
        let mut group = Group { edges, ..Group::default() };
        for at in [0, 1] {
            group.sides[at].increase = cells[at].increase;
            group.sides[at].size.add(cells[at].increase_size);
            total.sides[at].merge(&group.sides[at]);
            total.edges[at] += edges[at];
        }
        if self.counting[place] {
            group.take_instant(cells, function, end);
            self.total.iter_mut().zip(cells).for_each(|(all, cell)| all.join(cell, function));
        } else if cells.iter().any(|cell| cell.members > 0) {
            group.young = 1;
            group.newborn.add(cells[0].increase_size);
            total.newborn.add(cells[0].increase_size);
        }
        group
    }

    /// Sets the total of a lens that counts: a process of several groups counts once.
    fn set_processes(&mut self, count: impl Fn(usize, &[bool]) -> f64) {
        for at in [0, 1] {
            self.total[at].peak = count(at, &self.counting);
        }
    }

    fn figures(mut self, function: LensFunction, end: u64) -> Figures {
        if self.total.iter().any(|cell| cell.members > 0) {
            self.figures.total.take_instant(&self.total, function, end);
        }
        self.figures
    }
}

impl Group {
    /// Adds an instant that counts.
    fn take_instant(&mut self, cells: &[Cell; 2], function: LensFunction, end: u64) {
        let shown = cells.each_ref().map(|cell| cell.members > 0);
        self.instants += 1;
        self.gaps += u64::from(shown[0] && !shown[1]);
        let (mut figures, mut size) = ([0.0; 2], 0.0_f64);
        for at in [0, 1] {
            let most;
            (figures[at], most) = self.sides[at].take_instant(&cells[at], function);
            size = size.max(most);
        }
        self.worst = LensInstant::worse(self.worst, LensInstant::of(end, figures, size));
    }
}

impl Side {
    /// Adds what a variant shows at an instant; returns the figure, and what its absolute terms come to in its unit.
    fn take_instant(&mut self, cell: &Cell, function: LensFunction) -> (f64, f64) {
        let members = cell.members.max(1) as f64;
        let (term, size, figure) = match function {
            LensFunction::Avg => (cell.sum, cell.size, cell.sum.value() / members),
            LensFunction::Sum | LensFunction::Rate => (cell.sum, cell.size, cell.sum.value()),
            LensFunction::Max | LensFunction::Min | LensFunction::Count => {
                let mut peak = Sum::default();
                peak.add(cell.peak);
                (peak, cell.peak.abs(), cell.peak)
            }
        };
        self.values.merge(term);
        self.size.add(size);
        self.members += cell.members;
        self.most = self.most.max(cell.members);
        self.shown += u64::from(cell.members > 0);
        (figure, if function == LensFunction::Avg { size / members } else { size })
    }
}
