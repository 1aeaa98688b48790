//! Answer of a limit over the fleet: given only where nothing that a report left out could change it.

use super::{FleetGroup, FleetLens};
use crate::lens::{LensError, LensLimit, Measured};

/// Answer to a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LensAnswer {
    /// Every group is within it, whatever was left out.
    Met,
    /// It is passed, whatever was left out.
    Violated,
    /// Neither can be said.
    #[default]
    NotMeasured,
}

/// Groups of the fleet, counted against a limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FleetCounts {
    /// The answer.
    pub answer: LensAnswer,
    /// Groups that were judged by themselves.
    pub judged: u64,
    /// Names of those that are beyond the limit for sure, the furthest first.
    pub beyond: Vec<String>,
    /// Names of those of which what was left out could change the answer.
    pub undecided: Vec<String>,
    /// Names of the groups that are lost for sure.
    pub lost: Vec<String>,
    /// Groups that may be lost too: those that reports do not name.
    pub maybe_lost: u64,
    /// Smaller groups, judged together: their summed differences and the baseline's sum, of the named ones.
    pub small: [f64; 2],
    /// True if the small ones together are beyond the limit; none where it cannot be said.
    pub small_beyond: Option<bool>,
    /// True if the total is.
    pub total_beyond: bool,
    /// The largest share of a figure that stages hold back, where nothing but that keeps the answer open: it explains a difference
    /// which the candidate does not make, and as well hides one which it makes.
    pub held_back: Option<f64>,
    /// State of the lens, where no host measured it.
    pub not_measured: Option<Measured>,
}

impl FleetLens {
    /// Holds the lens against a limit.
    #[must_use]
    pub fn judge(&self, limit: &LensLimit) -> FleetCounts {
        let mut counts = FleetCounts { not_measured: self.not_measured.clone(), ..FleetCounts::default() };
        if self.hosts == 0 {
            return counts;
        }
        let total = &self.total;
        counts.total_beyond = limit.is_passed(total.difference(), total.baseline, total.tolerance);
        let named: f64 = self.groups.iter().map(|group| group.figures.weight(self.increases)).sum();
        let share = limit.min_group_share * (named + self.unnamed.baseline);
        let mut small = Small::new(self, share, named);
        let mut beyond: Vec<(f64, &str)> = Vec::new();
        for group in &self.groups {
            let name = group.figures.group.as_str();
            let lost = group.figures.is_lost();
            counts.maybe_lost += u64::from(lost && group.incomplete);
            if lost && !group.incomplete {
                counts.lost.push(name.to_owned());
            }
            match group.size(share, self.increases) {
                Size::Small if lost && !group.incomplete => {}
                // Of what never counted nothing is judged, unless it differs.
                Size::Small if group.figures.instants == 0 && !group.figures.differs() => {}
                Size::Small => small.add(group, !lost),
                Size::Unknown => small.add(group, false),
                Size::Large => {}
            }
            match group.is_beyond(limit, share, self.increases) {
                Some(true) => {
                    beyond.push((group.figures.weight_of(group.figures.difference(), self.increases), name));
                }
                Some(false) => {}
                None => counts.undecided.push(name.to_owned()),
            }
            counts.judged += u64::from(!matches!(group.size(share, self.increases), Size::Small));
        }
        beyond.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        counts.beyond = beyond.into_iter().map(|(_, name)| name.to_owned()).collect();
        counts.maybe_lost += self.unnamed.lost;
        counts.small = [small.difference[0], small.baseline[0]];
        counts.small_beyond = small.is_beyond(limit);
        let held_back =
            self.held_back(limit, share).into_iter().chain(small.held_back(limit)).reduce(f64::max);
        counts.answer = self.answer(limit, &counts, share, small.sound);
        if counts.answer == LensAnswer::Met && held_back.is_some() {
            (counts.answer, counts.held_back) = (LensAnswer::NotMeasured, held_back);
        }
        counts
    }

    /// `sound` tells whether shares are known: if groups were left out, whether all figures have one sign.
    fn answer(&self, limit: &LensLimit, counts: &FleetCounts, share: f64, sound: bool) -> LensAnswer {
        let lost = counts.lost.len() as u64;
        let by_share = !counts.beyond.is_empty() || counts.small_beyond == Some(true);
        let violated = counts.total_beyond || lost > limit.max_groups_lost || (by_share && sound);
        if violated && !self.truncated {
            return LensAnswer::Violated;
        }
        // A group that no report names may be large, and far off, on all hosts together.
        let Self { unnamed, .. } = self;
        let most = unnamed.most_difference;
        let hidden =
            unnamed.most_baseline + most >= share && limit.is_passed(most, (share - most).max(0.0), 0.0);
        let differs =
            unnamed.difference > 0.0 || self.groups.iter().any(|group| group.figures.difference() > 0.0);
        let sure = counts.undecided.is_empty()
            && counts.small_beyond == Some(false)
            && lost + counts.maybe_lost <= limit.max_groups_lost
            && !hidden
            && (sound || !differs)
            && !self.truncated;
        if sure { LensAnswer::Met } else { LensAnswer::NotMeasured }
    }

    /// The largest share that is held back of the total, or of a group that is judged by itself, which may be beyond the limit
    /// behind it.
    fn held_back(&self, limit: &LensLimit, share: f64) -> Option<f64> {
        let is_alone = |group: &&FleetGroup| !matches!(group.size(share, self.increases), Size::Small);
        let alone = self.groups.iter().filter(is_alone).map(|group| &group.figures);
        let held = |one: &LensError| held_back(limit, (one.difference(), one.baseline, one.tolerance));
        alone.chain([&self.total]).filter_map(held).reduce(f64::max)
    }
}

/// Share of a figure that is held back, if that may hide a difference beyond the limit.
fn held_back(limit: &LensLimit, (difference, baseline, held): (f64, f64, f64)) -> Option<f64> {
    let may_hide = held > 0.0 && limit.is_passed(difference, baseline, -held);
    may_hide.then(|| if held < baseline.abs() { held / baseline.abs() } else { 1.0 })
}

/// Size of a group against the share from which one is judged by itself.
enum Size {
    Small,
    Large,
    /// What was left out decides.
    Unknown,
}

impl FleetGroup {
    fn size(&self, share: f64, increases: bool) -> Size {
        let figures = &self.figures;
        let weight = |figure: f64| figures.weight_of(figure, increases);
        let (baseline, candidate) = (figures.baseline.abs(), figures.candidate.abs());
        let left_out = self.baseline_left_out + self.difference_left_out;
        if weight(baseline.max(candidate) + left_out) < share {
            Size::Small
        } else if weight((baseline.max(candidate) - left_out).max(0.0)) >= share {
            Size::Large
        } else {
            Size::Unknown
        }
    }

    /// Tells whether it is judged by itself and beyond the limit; none where what was left out decides.
    fn is_beyond(&self, limit: &LensLimit, share: f64, increases: bool) -> Option<bool> {
        let figures = &self.figures;
        let (baseline, difference) = (figures.baseline.abs(), figures.difference());
        let passed =
            |difference: f64, baseline: f64| limit.is_passed(difference, baseline, figures.tolerance);
        let at_least =
            passed((difference - self.difference_left_out).max(0.0), baseline + self.baseline_left_out);
        let at_most =
            passed(difference + self.difference_left_out, (baseline - self.baseline_left_out).max(0.0));
        match (self.size(share, increases), at_least, at_most) {
            (Size::Small, ..) | (_, _, false) => Some(false),
            (Size::Large, true, _) => Some(true),
            _ => None,
        }
    }
}

/// Groups of too small a share together, in weights: at least and at most.
struct Small {
    difference: [f64; 2],
    baseline: [f64; 2],
    tolerance: f64,
    /// Number that makes figures of weights.
    instants: f64,
    increases: bool,
    sound: bool,
}

impl Small {
    /// Of the groups that no report names; `named` is what the others weigh.
    fn new(fleet: &FleetLens, share: f64, named: f64) -> Self {
        let FleetLens { unnamed, total, increases, .. } = fleet;
        // If figures had different signs, their sum were smaller than that of their absolute values.
        let one_sign = named + unnamed.baseline <= total.weight(*increases) * (1.0 + 1e-9);
        let all_small = unnamed.most_baseline + unnamed.most_difference < share && one_sign;
        // What one host leaves out may be of a group that another names, and that is not small.
        let elsewhere =
            fleet.groups.iter().filter(|group| !matches!(group.size(share, *increases), Size::Small));
        let elsewhere: f64 =
            elsewhere.map(|group| group.figures.weight_of(group.baseline_left_out, *increases)).sum();
        let surely = if all_small { (unnamed.baseline - elsewhere).max(0.0) } else { 0.0 };
        let instants = if *increases { 1 } else { total.instants.max(1) };
        Self {
            difference: [0.0, unnamed.difference],
            baseline: [surely, unnamed.baseline],
            tolerance: 0.0,
            instants: instants as f64,
            increases: *increases,
            sound: one_sign || unnamed.groups == 0,
        }
    }

    /// Adds a group; `surely` if nothing that was left out makes it another one's.
    fn add(&mut self, group: &FleetGroup, surely: bool) {
        let figures = &group.figures;
        let weight = |figure: f64| figures.weight_of(figure.max(0.0), self.increases);
        if surely {
            self.difference[0] += weight(figures.difference() - group.difference_left_out);
            self.baseline[0] += weight(figures.baseline.abs() - group.baseline_left_out);
        }
        self.difference[1] += weight(figures.difference());
        self.baseline[1] += weight(figures.baseline.abs());
        self.tolerance += weight(figures.tolerance);
    }

    /// Share of them that is held back, if that may hide that they are beyond the limit.
    fn held_back(&self, limit: &LensLimit) -> Option<f64> {
        let of = |sum: f64| sum / self.instants;
        held_back(limit, (of(self.difference[1]), of(self.baseline[0]), of(self.tolerance)))
    }

    /// Tells whether they are beyond the limit; none where what was left out decides.
    fn is_beyond(&self, limit: &LensLimit) -> Option<bool> {
        let passed = |difference: f64, baseline: f64| {
            let tolerance = self.tolerance / self.instants;
            limit.is_passed(difference / self.instants, baseline / self.instants, tolerance)
        };
        match (passed(self.difference[0], self.baseline[1]), passed(self.difference[1], self.baseline[0])) {
            (true, _) => Some(true),
            (_, false) => Some(false),
            _ => None,
        }
    }
}
