//! The fleet's figures: what the agents found, added up.
//!
//! A series is a host's (fleet identity = host ‖ identity), so distinct series of different agents add up exactly, unless
//! hosts send through several agents.

use std::collections::BTreeMap;

use observe::{Comparison, Count, FleetLens, LensReport};

/// Sums over agents, of one horizon each or of all that each has measured. Shares are from 0 to 1; none where the
/// baseline had nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Agents in it, or processes of agents.
    pub agents: u32,
    /// True if counts of distinct things may count one twice, because an agent was restarted or a series comes through
    /// several.
    pub at_most: bool,
    /// Units assigned to baseline and candidate.
    pub units: [u64; 2],
    /// Points without the unit's attributes.
    pub unassigned_points: u64,
    /// Windows, over all agents.
    pub windows: u64,
    /// True if every count was counted one by one.
    pub exact: bool,
    /// Points that came in.
    pub points_in: u64,
    /// Distinct series that came in.
    pub series_in: u64,
    /// Points, baseline and candidate.
    pub points: [u64; 2],
    /// Bytes of uncompressed OTLP.
    pub bytes: [u64; 2],
    /// Distinct series.
    pub series: [u64; 2],
    /// Active series, as the backend bills them.
    pub active: [u64; 2],
    /// US dollars a month.
    pub monthly_usd: [f64; 2],
    /// Points that left.
    pub delivered: [u64; 2],
    /// Series that the candidate loses.
    pub lost: u64,
    /// Output identities of the candidate with several writers that the baseline keeps apart.
    pub collisions: u64,
    /// Critical processes: came in, shown by the baseline, shown by the candidate.
    pub critical: [u64; 3],
    /// Batches the candidate failed on.
    pub failures: u64,
    /// Points that destinations settled, baseline and candidate.
    pub settled: [u64; 2],
    /// Those of them that did not arrive: rejected, refused or given up.
    pub undelivered: [u64; 2],
    /// Bytes as they were sent, compressed.
    pub wire_bytes: [u64; 2],
    /// Share of active series saved, as the backend bills them.
    pub saving_active: Option<f64>,
    /// Share of distinct series saved.
    pub saving_series: Option<f64>,
    /// Share of bytes saved.
    pub saving_bytes: Option<f64>,
    /// Share of points saved.
    pub saving_points: Option<f64>,
    /// Share of the monthly cost saved.
    pub saving_cost: Option<f64>,
    /// Each lens's total.
    pub lenses: Vec<LensFigure>,
}

/// A lens's total over the fleet, in the metric's unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LensFigure {
    /// Its name.
    pub name: String,
    /// The baseline's figure.
    pub baseline: f64,
    /// The candidate's.
    pub candidate: f64,
    /// (candidate − baseline) / |baseline|; none where the baseline has nothing.
    pub relative_error: Option<f64>,
}

impl Figures {
    /// Adds up comparisons of different agents.
    pub fn of<'a>(comparisons: impl IntoIterator<Item = &'a Comparison>) -> Self {
        let mut sum = Self { exact: true, ..Self::default() };
        let mut lenses: BTreeMap<&str, Vec<&LensReport>> = BTreeMap::new();
        for comparison in comparisons {
            sum.add(comparison);
            for lens in &comparison.lenses {
                lenses.entry(&lens.name).or_default().push(lens);
            }
        }
        sum.exact &= sum.agents > 0;
        sum.lenses = lenses.into_iter().map(|(name, hosts)| LensFigure::of(name, &hosts)).collect();
        sum.saving_active = saved(sum.active[0] as f64, sum.active[1] as f64);
        sum.saving_series = saved(sum.series[0] as f64, sum.series[1] as f64);
        sum.saving_bytes = saved(sum.bytes[0] as f64, sum.bytes[1] as f64);
        sum.saving_points = saved(sum.points[0] as f64, sum.points[1] as f64);
        sum.saving_cost = saved(sum.monthly_usd[0], sum.monthly_usd[1]);
        sum
    }

    /// Adds up what all processes of agents have measured; `last` is of the last process of each. What is billed is what
    /// the last ones have, and of what earlier ones counted some may be counted twice.
    pub fn over_processes<'a>(
        last: Self,
        all: impl IntoIterator<Item = &'a Comparison>,
        restarted: bool,
    ) -> Self {
        let all = Self {
            agents: last.agents,
            active: last.active,
            monthly_usd: last.monthly_usd,
            saving_active: last.saving_active,
            saving_cost: last.saving_cost,
            ..Self::of(all)
        };
        all.upper_bounds_if(restarted)
    }

    /// The same figures; where some series come through several agents, counts of distinct ones are upper bounds.
    #[must_use]
    pub fn overlapping(self, overlaps: bool) -> Self {
        self.upper_bounds_if(overlaps)
    }

    /// An upper bound is no exact count.
    fn upper_bounds_if(self, they_are: bool) -> Self {
        Self { exact: self.exact && !they_are, at_most: self.at_most || they_are, ..self }
    }

    fn add(&mut self, comparison: &Comparison) {
        self.agents += 1;
        self.windows += u64::from(comparison.windows);
        self.exact &= comparison.exact;
        self.points_in += comparison.input.points;
        self.unassigned_points += comparison.unassigned_points;
        self.series_in += comparison.input_series.value;
        for (at, variant) in [&comparison.baseline, &comparison.candidate].into_iter().enumerate() {
            self.points[at] += variant.output.points;
            self.bytes[at] += variant.output.bytes;
            self.series[at] += variant.series.value;
            self.units[at] += variant.units.value;
            self.active[at] += variant.active_series;
            self.monthly_usd[at] += variant.monthly_usd;
            self.delivered[at] += variant.delivered.points;
            let [settled, lost] = variant.delivery.settled_and_lost();
            self.settled[at] += settled;
            self.undelivered[at] += lost;
            self.wire_bytes[at] += variant.delivery.wire_bytes;
        }
        let Count { value, .. } = comparison.lost_by_candidate;
        self.lost += value;
        self.collisions += comparison.candidate_only_collisions.value;
        let coverage = &comparison.coverage;
        for (sum, more) in
            self.critical.iter_mut().zip([coverage.critical, coverage.baseline, coverage.candidate])
        {
            *sum += more;
        }
        self.failures += comparison.candidate.failures;
    }

    /// Points of the candidate's that did not arrive, as a share of those that are settled.
    #[must_use]
    pub fn error_rate(&self) -> Option<f64> {
        (self.settled[1] > 0).then(|| self.undelivered[1] as f64 / self.settled[1] as f64)
    }

    /// Series that the candidate loses, as a share of the baseline's.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        (self.series[0] > 0).then(|| self.lost as f64 / self.series[0] as f64)
    }
}

impl LensFigure {
    fn of(name: &str, hosts: &[&LensReport]) -> Self {
        // Each is a host's: which one it is does not matter to a sum.
        let names: Vec<String> = (0..hosts.len()).map(|host| host.to_string()).collect();
        let total = FleetLens::of(names.iter().map(String::as_str).zip(hosts.iter().copied())).total;
        let relative_error = total.relative_error.filter(|_| total.baseline != 0.0);
        Self { name: name.to_owned(), baseline: total.baseline, candidate: total.candidate, relative_error }
    }
}

pub(super) fn saved(baseline: f64, candidate: f64) -> Option<f64> {
    (baseline > 0.0).then(|| 1.0 - candidate / baseline)
}
