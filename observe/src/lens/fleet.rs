//! Reports of several hosts and stretches, put together by group name.
//!
//! Stretches of one host follow each other: sums over instants and increases add. Hosts stand beside each other: sums,
//! counts and rates add, a mean goes by its sum and count, a maximum or minimum is a host's. A report names as many groups as
//! it has room for; what a group may have in reports that do not name it is bounded by the largest that is not named there, so
//! that an answer is only given where nothing that was left out could change it ([`judge`](FleetLens::judge)).

mod added;
mod judge;

use std::collections::BTreeMap;

use added::Added;
pub use judge::{FleetCounts, LensAnswer};

use super::groups::{bucket, is_bucket};
use super::{LensError, LensReport, Measured, Unnamed};

/// A lens over the fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetLens {
    /// Its name.
    pub name: String,
    /// True if figures are increases over the stretch rather than means over its instants.
    pub increases: bool,
    /// Hosts with a report in which it was measured.
    pub hosts: u64,
    /// Hosts whose reports all say that it was not measured.
    pub hosts_not_measured: u64,
    /// State of one of those, where no host measured it.
    pub not_measured: Option<Measured>,
    /// All groups together.
    pub total: LensError,
    /// Groups that a report names.
    pub groups: Vec<FleetGroup>,
    /// Groups of reports that do not name them, added up.
    pub unnamed: Unnamed,
    /// The most groups that one report counts as lost, whether it names them or not.
    pub most_lost: u64,
    /// True if some host had series that did not fit.
    pub truncated: bool,
}

/// One group over the fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetGroup {
    /// Its figures, of the reports that name it.
    pub figures: LensError,
    /// True if a report may have left it out.
    pub incomplete: bool,
    /// Bound of |baseline| in the reports that may have left it out, in the figure's unit.
    pub baseline_left_out: f64,
    /// Bound of |candidate − baseline| in them.
    pub difference_left_out: f64,
}

/// Reports of one host.
#[derive(Default)]
struct Host<'a> {
    total: Added,
    groups: BTreeMap<&'a str, Added>,
    seconds: f64,
    /// End of its last report in which it was measured.
    end: u64,
    measured: bool,
}

impl FleetLens {
    /// Puts reports of one lens together, each with what tells its host from others; those of one host are of different
    /// stretches.
    pub fn of<'a, K: Ord + Copy>(reports: impl IntoIterator<Item = (K, &'a LensReport)>) -> Self {
        let mut reports: Vec<(K, &LensReport)> = reports.into_iter().collect();
        reports.sort_by_key(|(host, report)| (*host, report.start, report.end));
        let Some((_, first)) = reports.first() else { return Self::default() };
        let measured =
            || reports.iter().map(|(_, report)| *report).filter(|report| report.measured.is_measured());
        let kind = measured().next().unwrap_or(first);
        let mut hosts: BTreeMap<K, Host<'a>> = BTreeMap::new();
        for (host, report) in &reports {
            hosts.entry(*host).or_default().add(report);
        }
        let mut fleet = Self {
            name: kind.name.clone(),
            increases: measured().any(|report| report.increases),
            hosts: hosts.values().filter(|host| host.measured).count() as u64,
            hosts_not_measured: hosts.values().filter(|host| !host.measured).count() as u64,
            most_lost: measured().map(|report| report.groups_lost).max().unwrap_or(0),
            truncated: reports.iter().any(|(_, report)| report.truncated),
            ..Self::default()
        };
        if fleet.hosts == 0 {
            fleet.not_measured = reports.iter().map(|(_, report)| report.measured.clone()).max();
        }
        let seconds = hosts.values().map(|host| host.seconds).fold(0.0, f64::max);
        let (mut total, mut groups) = (Added::default(), BTreeMap::<&str, Added>::new());
        for host in hosts.values() {
            total.beside(&host.total, kind.function);
            for (name, added) in &host.groups {
                groups.entry(name).or_default().beside(added, kind.function);
            }
        }
        fleet.total = total.figures("", kind.function, fleet.increases, seconds);
        let reports: Vec<&LensReport> = measured().collect();
        fleet.unnamed = unnamed(&reports);
        let left_out = LeftOut::of(&reports);
        fleet.groups = groups
            .iter()
            .map(|(name, added)| {
                let figures = added.figures(name, kind.function, fleet.increases, seconds);
                left_out.group(figures, fleet.increases)
            })
            .collect();
        fleet
    }
}

impl<'a> Host<'a> {
    /// Adds a report; those of a host come in the order of their stretches.
    fn add(&mut self, report: &'a LensReport) {
        if !report.measured.is_measured() {
            return;
        }
        let goes_on = self.measured && report.start == self.end;
        self.measured = true;
        self.end = report.end;
        self.seconds += report.seconds;
        self.total.next(&report.total, goes_on);
        let named: BTreeMap<&str, &LensError> =
            report.named().map(|group| (group.group.as_str(), group)).collect();
        for (_, added) in self.groups.iter_mut().filter(|(name, _)| !named.contains_key(*name)) {
            added.pass(goes_on);
        }
        for (name, group) in named {
            self.groups.entry(name).or_default().next(group, goes_on);
        }
    }
}

fn unnamed(reports: &[&LensReport]) -> Unnamed {
    let mut all = Unnamed::default();
    for report in reports {
        all.beside(&report.unnamed);
    }
    all
}

/// Bounds of what reports left out.
struct LeftOut<'a> {
    /// Of all reports together: the number that left something out, and what a group may have there at most.
    all: (u64, f64, f64),
    /// The same of the reports that name a group.
    naming: BTreeMap<&'a str, (u64, f64, f64)>,
    /// Buckets: |baseline| and |candidate − baseline| that a name in them may have.
    buckets: BTreeMap<&'a str, (f64, f64)>,
}

impl<'a> LeftOut<'a> {
    fn of(reports: &[&'a LensReport]) -> Self {
        let add = |to: &mut (u64, f64, f64), unnamed: &Unnamed| {
            to.0 += u64::from(unnamed.groups > 0);
            to.1 += unnamed.most_baseline;
            to.2 += unnamed.most_difference;
        };
        let mut left_out = Self { all: (0, 0.0, 0.0), naming: BTreeMap::new(), buckets: BTreeMap::new() };
        for report in reports {
            add(&mut left_out.all, &report.unnamed);
            for group in report.named() {
                add(left_out.naming.entry(&group.group).or_default(), &report.unnamed);
                if is_bucket(&group.group) {
                    let bound = left_out.buckets.entry(&group.group).or_default();
                    let both = [group.baseline, group.candidate];
                    let [baseline, candidate] = both.map(|figure| group.weight_of(figure, report.increases));
                    *bound = (bound.0 + baseline, bound.1 + baseline + candidate);
                }
            }
        }
        left_out
    }

    fn group(&self, figures: LensError, increases: bool) -> FleetGroup {
        let naming = self.naming.get(figures.group.as_str()).copied().unwrap_or_default();
        let mut bound = (self.all.1 - naming.1, self.all.2 - naming.2);
        let mut incomplete = self.all.0 > naming.0;
        if !is_bucket(&figures.group)
            && let Some((baseline, difference)) = self.buckets.get(bucket(&figures.group).as_str())
        {
            incomplete = true;
            bound = (bound.0 + baseline, bound.1 + difference);
        }
        let instants = if increases { 1.0 } else { figures.instants.max(1) as f64 };
        FleetGroup {
            incomplete,
            baseline_left_out: if incomplete { bound.0.max(0.0) / instants } else { 0.0 },
            difference_left_out: if incomplete { bound.1.max(0.0) / instants } else { 0.0 },
            figures,
        }
    }
}
