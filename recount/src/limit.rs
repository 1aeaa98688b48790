//! The limit of a lens: the total, each group with a share large enough, and the smaller ones together.

use super::group::Group;
use super::panel::Panel;

/// Share of all groups from which a group is judged by itself.
const SHARE: f64 = 0.01;

/// Groups of a panel, counted against its limit; no group may be lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// Groups judged by themselves.
    pub judged: u64,
    /// Those of them that are further off.
    pub beyond: u64,
    /// Groups that the candidate never shows.
    pub lost: u64,
    /// Smaller ones that are not lost.
    pub small: u64,
    /// True if these together are further off.
    pub small_beyond: bool,
    /// True if the total is.
    pub total_beyond: bool,
}

impl Limit {
    /// Counts the groups of a panel whose figures may be off by this share.
    #[must_use]
    pub fn of(panel: &Panel, max_error: f64) -> Self {
        let weight = |group: &Group, figure: f64| group.weight(figure, panel.increases);
        let all: f64 = panel.groups.values().map(|group| weight(group, group.figures[0])).sum();
        let broken = |group: &Group| {
            let [one, other] = group.figures;
            let apart = (other - one).abs() - group.tolerance;
            group.differs(panel.increases) && apart > max_error * one.abs() * (1.0 + 1e-12)
        };
        let mut counts = Self { total_beyond: broken(&panel.total), ..Self::default() };
        let (mut small_difference, mut small_baseline, mut tolerance) = (0.0, 0.0, 0.0);
        // Of what never counted nothing is judged, unless it differs.
        let judged = |group: &&Group| group.instants > 0 || group.differs(panel.increases);
        for group in panel.groups.values().filter(judged) {
            let [one, other] = group.figures;
            counts.lost += u64::from(group.is_lost());
            // What the baseline has nothing of is large by what the candidate has.
            if weight(group, one).max(weight(group, other)) >= SHARE * all {
                counts.judged += 1;
                counts.beyond += u64::from(broken(group));
            } else if !group.is_lost() {
                counts.small += 1;
                small_difference += weight(group, (other - one).abs());
                small_baseline += weight(group, one);
                tolerance += weight(group, group.tolerance);
            }
        }
        counts.small_beyond = small_difference - tolerance > max_error * small_baseline * (1.0 + 1e-12);
        counts
    }

    /// Tells whether any part of the limit is passed.
    #[must_use]
    pub fn violated(&self) -> bool {
        self.total_beyond || self.beyond > 0 || self.small_beyond || self.lost > 0
    }
}
