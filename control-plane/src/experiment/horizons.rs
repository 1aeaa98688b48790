//! Figures of several horizons: of a step, or of the horizons of one time.
//!
//! Points, bytes and the like add up over horizons. Distinct things do not: the same series comes in each. So they, and the
//! lenses, are those of each agent's last horizon with traffic. What harms is not lost by that: of lost series and of
//! collisions the most of any horizon counts, and of critical processes the horizon that shows fewest of them.

use observe::Comparison;

use super::figures::{Figures, saved};

/// One agent's horizons, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Horizons {
    last: Option<Comparison>,
    sums: Figures,
    inexact: bool,
}

impl Horizons {
    /// Adds the next horizon.
    pub fn add(&mut self, horizon: Comparison) {
        let one = Figures::of([&horizon]);
        let sums = &mut self.sums;
        sums.add_volumes(&one);
        sums.lost = sums.lost.max(one.lost);
        sums.collisions = sums.collisions.max(one.collisions);
        let unseen = |[_, baseline, candidate]: [u64; 3]| baseline.saturating_sub(candidate);
        if unseen(one.critical) >= unseen(sums.critical) {
            sums.critical = one.critical;
        }
        self.inexact |= !horizon.exact;
        if one.points_in > 0 || self.last.is_none() {
            self.last = Some(horizon);
        }
    }
}

impl Figures {
    /// Adds what adds up over horizons and over agents.
    fn add_volumes(&mut self, more: &Self) {
        self.windows += more.windows;
        self.points_in += more.points_in;
        self.unassigned_points += more.unassigned_points;
        self.failures += more.failures;
        for (sum, more) in [
            (&mut self.points, more.points),
            (&mut self.bytes, more.bytes),
            (&mut self.delivered, more.delivered),
            (&mut self.settled, more.settled),
            (&mut self.undelivered, more.undelivered),
            (&mut self.wire_bytes, more.wire_bytes),
        ] {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }

    /// Figures of the horizons of different agents.
    pub fn over_horizons<'a>(agents: impl IntoIterator<Item = &'a Horizons> + Clone) -> Self {
        let mut all = Self::of(agents.clone().into_iter().filter_map(|agent| agent.last.as_ref()));
        let mut sums = Self { lenses: std::mem::take(&mut all.lenses), ..Self::default() };
        for agent in agents {
            let more = &agent.sums;
            sums.add_volumes(more);
            sums.lost += more.lost;
            sums.collisions += more.collisions;
            sums.critical.iter_mut().zip(more.critical).for_each(|(sum, more)| *sum += more);
            all.exact &= !agent.inexact;
        }
        Self {
            saving_bytes: saved(sums.bytes[0] as f64, sums.bytes[1] as f64),
            saving_points: saved(sums.points[0] as f64, sums.points[1] as f64),
            agents: all.agents,
            exact: all.exact,
            units: all.units,
            series_in: all.series_in,
            series: all.series,
            active: all.active,
            monthly_usd: all.monthly_usd,
            saving_active: all.saving_active,
            saving_series: all.saving_series,
            saving_cost: all.saving_cost,
            ..sums
        }
    }
}

#[cfg(test)]
mod tests {
    use observe::{Count, Volume};

    use super::*;

    fn horizon(points: u64, series: u64, lost: u64, critical: u64) -> Comparison {
        let mut one = Comparison { windows: 1, exact: true, ..Comparison::default() };
        one.input = Volume { requests: 1, points, bytes: 10 * points };
        one.input_series = Count { value: series, exact: true };
        one.baseline.output = one.input;
        one.candidate.output = Volume { requests: 1, points: points / 2, bytes: 5 * points };
        one.lost_by_candidate = Count { value: lost, exact: true };
        (one.coverage.critical, one.coverage.baseline, one.coverage.candidate) = (3, 3, critical);
        one
    }

    fn agent(horizons: &[Comparison]) -> Horizons {
        let mut all = Horizons::default();
        horizons.iter().cloned().for_each(|horizon| all.add(horizon));
        all
    }

    #[test]
    fn volumes_add_up_distinct_things_do_not_and_no_harm_is_lost() {
        let one = agent(&[horizon(100, 40, 5, 1), horizon(60, 30, 0, 3), horizon(0, 0, 0, 3)]);
        let other = agent(&[horizon(10, 7, 1, 3)]);
        let sum = Figures::over_horizons([&one, &other]);
        assert_eq!((sum.agents, sum.windows, sum.points_in, sum.bytes), (2, 4, 170, [1_700, 850]));
        assert_eq!(sum.series_in, 37, "the last horizon in which something came in");
        assert_eq!((sum.lost, sum.critical), (6, [6, 6, 4]));
        assert_eq!((sum.saving_points, sum.exact), (Some(0.5), true));
        let estimated = agent(&[Comparison { exact: false, ..horizon(1, 1, 0, 3) }, horizon(1, 1, 0, 3)]);
        assert!(!Figures::over_horizons([&one, &estimated]).exact);
        let none = Figures::over_horizons(&[]);
        assert!(!none.exact && none.saving_points.is_none(), "{none:?}");
    }
}
