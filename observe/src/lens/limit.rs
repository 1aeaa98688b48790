//! Limits of a lens, and the groups counted against them: all of them, whatever a report has room for.

use serde::{Deserialize, Serialize};

use super::{Lens, LensError};

/// Limit of a lens, with its defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LensLimit {
    /// The most that a figure may be off, as a share of the baseline's; none where only lost groups count.
    pub max_error: Option<f64>,
    /// Share of all groups from which a group is judged by itself.
    pub min_group_share: f64,
    /// The most groups that the candidate may never show.
    pub max_groups_lost: u64,
    /// Difference that is allowed whatever its share, in the figure's unit.
    pub absolute_margin: f64,
}

/// Groups of one lens, counted against its limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LensCounts {
    /// Groups that were judged by themselves: those of a share large enough.
    pub judged: u64,
    /// Those of them that are further off than the limit allows.
    pub beyond: u64,
    /// Groups that the baseline shows and the candidate never does, of any share.
    pub lost: u64,
    /// Smaller groups that are judged together: those that are not lost.
    pub small: u64,
    /// Their summed differences, Σ|candidate − baseline|, over instants.
    pub small_difference: f64,
    /// Their summed figures of the baseline, Σ|baseline|, over instants.
    pub small_baseline: f64,
    /// True if the small ones together are further off than the limit allows.
    pub small_beyond: bool,
    /// True if the total is.
    pub total_beyond: bool,
    /// True if any limit of the lens is passed.
    pub violated: bool,
}

impl Lens {
    /// Limit that it has; none where it only describes.
    #[must_use]
    pub fn limit(&self) -> Option<LensLimit> {
        (self.max_error.is_some() || self.max_groups_lost.is_some()).then(|| LensLimit {
            max_error: self.max_error,
            min_group_share: self.min_group_share.unwrap_or(0.01),
            max_groups_lost: self.max_groups_lost.unwrap_or(0),
            absolute_margin: self.absolute_margin.unwrap_or(0.0),
        })
    }

    /// Mistake in it, if there is one: the field, what stands there, and what is expected.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String, &'static str)> {
        let beside = |number: Option<f64>, most: f64| number.filter(|number| !(0.0..=most).contains(number));
        if self.lookback.is_zero() || self.lookback > Self::MAX_LOOKBACK {
            return Some(("lookback", format!("{:?}", self.lookback), "above 0 and at most 24h"));
        }
        if let Some(error) = beside(self.max_error, f64::MAX) {
            return Some(("max_error", error.to_string(), "a share of 0 or more, such as 0.01"));
        }
        if let Some(share) = beside(self.min_group_share, 1.0) {
            return Some(("min_group_share", share.to_string(), "a share from 0 to 1"));
        }
        if let Some(margin) = beside(self.absolute_margin, f64::MAX) {
            return Some(("absolute_margin", margin.to_string(), "0 or more, in the metric's unit"));
        }
        if self.is_every() && self.limit().is_some() {
            return Some(("metric", self.metric.clone(), "one metric where there is a limit"));
        }
        let parts = self.min_group_share.is_some() || self.absolute_margin.is_some();
        (parts && self.max_error.is_none())
            .then(|| ("max_error", "missing".to_owned(), "a limit, where another key refines it"))
    }
}

impl LensLimit {
    /// Tells whether two figures are further apart than this allows; `tolerance` is what may be on its way.
    #[must_use]
    pub fn is_passed(&self, difference: f64, baseline: f64, tolerance: f64) -> bool {
        let Some(max_error) = self.max_error else { return false };
        let allowed = (max_error * baseline.abs()).max(self.absolute_margin);
        // Rounding of the product is no harm.
        difference.abs() - tolerance > allowed * (1.0 + 1e-12)
    }

    /// Counts all groups of a lens, of which `total` is the whole.
    pub(crate) fn count(&self, total: &LensError, groups: &[LensError], flow: bool) -> LensCounts {
        let all: f64 = groups.iter().map(|group| group.weight(flow)).sum();
        let mut counts = LensCounts { total_beyond: self.is_broken_by(total), ..LensCounts::default() };
        let (mut small_tolerance, mut small_instants) = (0.0, 0);
        for group in groups.iter().filter(|group| group.instants > 0 || group.differs()) {
            counts.lost += u64::from(group.is_lost());
            if group.weight(flow).max(group.weight_of(group.candidate, flow)) >= self.min_group_share * all {
                counts.judged += 1;
                counts.beyond += u64::from(self.is_broken_by(group));
            } else if !group.is_lost() {
                counts.small += 1;
                counts.small_baseline += group.weight(flow);
                counts.small_difference += group.weight_of(group.difference(), flow);
                small_tolerance += group.weight_of(group.tolerance, flow);
                small_instants = small_instants.max(if flow { 1 } else { group.instants });
            }
        }
        let per_instant = |sum: f64| sum / small_instants.max(1) as f64;
        counts.small_beyond = self.is_passed(
            per_instant(counts.small_difference),
            per_instant(counts.small_baseline),
            per_instant(small_tolerance),
        );
        counts.violated = counts.total_beyond
            || counts.beyond > 0
            || counts.small_beyond
            || counts.lost > self.max_groups_lost;
        counts
    }

    fn is_broken_by(&self, group: &LensError) -> bool {
        self.is_passed(group.difference(), group.baseline, group.tolerance)
    }
}
