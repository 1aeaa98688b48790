//! Figures of several horizons: of a step, or of the horizons of one time.
//!
//! Points, bytes and the like add up over horizons. Distinct things do not: the same series comes in each. So they, and the
//! lenses, are those of each agent's last horizon with traffic. What harms is not lost by that: of lost series and of
//! collisions the most of any horizon counts, and of critical processes the horizon that shows fewest of them.

use observe::Comparison;

use super::figures::{Figures, saved};

/// One agent's horizons, in whatever order they come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Horizons {
    /// The last with traffic, or the first of all, and its end, Unix nanoseconds by our clock.
    last: Option<(i64, Comparison)>,
    sums: Figures,
    /// End of the horizon of which the critical processes are.
    critical_at: i64,
    inexact: bool,
    kept: u32,
}

/// Parts of [`Horizons`], to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct HorizonsParts {
    /// Number of horizons.
    pub kept: u32,
    /// Sums of what adds up; then what is lost, what collides, and the critical processes.
    pub sums: [u64; Self::SUMS],
    /// True if a count of some horizon is an estimate.
    pub inexact: bool,
    /// End of the horizon that the critical processes are of, Unix nanoseconds by our clock.
    pub critical_at: i64,
    /// End of `last`.
    pub last_at: i64,
    /// The last horizon with traffic, or the first of all.
    pub last: Option<Comparison>,
}

impl HorizonsParts {
    /// Number of sums.
    pub const SUMS: usize = 21;
}

impl Horizons {
    /// Adds a horizon that ended then, Unix nanoseconds by our clock.
    pub fn add(&mut self, end: i64, horizon: Comparison) {
        let one = Figures::of([&horizon]);
        let mut sums = Figures {
            lost: one.lost,
            collisions: one.collisions,
            critical: one.critical,
            ..Figures::default()
        };
        sums.add_volumes(&one);
        let inexact = !horizon.exact;
        self.merge(Self { last: Some((end, horizon)), sums, critical_at: end, inexact, kept: 1 });
    }

    /// Adds those of another stretch of the same agent.
    pub fn merge(&mut self, other: Self) {
        if other.kept == 0 {
            return;
        }
        let sums = &mut self.sums;
        sums.add_volumes(&other.sums);
        sums.lost = sums.lost.max(other.sums.lost);
        sums.collisions = sums.collisions.max(other.sums.collisions);
        let unseen = |[_, baseline, candidate]: [u64; 3]| baseline.saturating_sub(candidate);
        let worst = (unseen(sums.critical), self.critical_at);
        if self.kept == 0 || (unseen(other.sums.critical), other.critical_at) >= worst {
            (sums.critical, self.critical_at) = (other.sums.critical, other.critical_at);
        }
        self.inexact |= other.inexact;
        self.kept += other.kept;
        // With traffic the last one is told, and without any the first.
        let rank = |last: &Option<(i64, Comparison)>| {
            last.as_ref().map(|(end, one)| {
                (one.input.points > 0, if one.input.points > 0 { *end } else { end.saturating_neg() })
            })
        };
        if rank(&other.last) >= rank(&self.last) {
            self.last = other.last;
        }
    }

    /// Number of horizons.
    #[must_use]
    pub fn kept(&self) -> u32 {
        self.kept
    }

    /// Begin and end of the horizon that distinct things are of, Unix nanoseconds by our clock.
    #[must_use]
    pub fn last(&self) -> Option<[i64; 2]> {
        let (end, last) = self.last.as_ref()?;
        Some([end.saturating_sub((last.seconds.max(0.0) * 1e9) as i64), *end])
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> HorizonsParts {
        let one = &self.sums;
        let [a, b] = [[one.windows, one.points_in], [one.unassigned_points, one.failures]];
        let pairs =
            [a, b, one.points, one.bytes, one.delivered, one.settled, one.undelivered, one.wire_bytes];
        let mut sums = [0; HorizonsParts::SUMS];
        let rest = [one.lost, one.collisions].into_iter().chain(one.critical);
        sums.iter_mut().zip(pairs.into_iter().flatten().chain(rest)).for_each(|(sum, one)| *sum = one);
        HorizonsParts {
            kept: self.kept,
            sums,
            inexact: self.inexact,
            critical_at: self.critical_at,
            last_at: self.last.as_ref().map_or(0, |(end, _)| *end),
            last: self.last.as_ref().map(|(_, last)| last.clone()),
        }
    }

    /// Those of parts.
    #[must_use]
    pub fn of_parts(parts: HorizonsParts) -> Self {
        let sums = &parts.sums;
        let pair = |at: usize| [sums[at], sums[at + 1]];
        let figures = Figures {
            windows: sums[0],
            points_in: sums[1],
            unassigned_points: sums[2],
            failures: sums[3],
            points: pair(4),
            bytes: pair(6),
            delivered: pair(8),
            settled: pair(10),
            undelivered: pair(12),
            wire_bytes: pair(14),
            lost: sums[16],
            collisions: sums[17],
            critical: [sums[18], sums[19], sums[20]],
            ..Figures::default()
        };
        Self {
            last: parts.last.map(|last| (parts.last_at, last)),
            sums: figures,
            critical_at: parts.critical_at,
            inexact: parts.inexact,
            kept: parts.kept,
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
        let mut all = Self::of(agents.clone().into_iter().filter_map(|agent| Some(&agent.last.as_ref()?.1)));
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
        (1..).zip(horizons).for_each(|(end, horizon)| all.add(end, horizon.clone()));
        all
    }

    #[test]
    fn in_whatever_order_and_groups_they_come_they_are_the_same_and_their_parts_make_them_again() {
        let all = [
            horizon(0, 0, 0, 3),
            horizon(100, 40, 5, 1),
            horizon(60, 30, 0, 3),
            horizon(7, 3, 9, 1),
            Comparison { exact: false, ..horizon(0, 0, 0, 3) },
        ];
        let whole = agent(&all);
        let one = |at: usize| {
            let mut one = Horizons::default();
            one.add(at as i64 + 1, all[at].clone());
            one
        };
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1], [1, 0, 4, 2, 3]] {
            for split in 0..5 {
                let (mut left, mut right) = (Horizons::default(), Horizons::default());
                order[..split].iter().for_each(|at| left.merge(one(*at)));
                order[split..].iter().for_each(|at| right.merge(Horizons::of_parts(one(*at).parts())));
                left.merge(right);
                assert_eq!(left, whole, "{order:?} {split}");
                assert_eq!(Horizons::of_parts(left.parts()), whole);
            }
        }
        assert_eq!((whole.kept(), whole.sums.lost, whole.sums.critical[2]), (5, 9, 1));
        let none = agent(&[horizon(0, 1, 0, 3), horizon(0, 2, 0, 3)]);
        assert_eq!(none.last.map(|(end, _)| end), Some(1), "the first, where nothing came in");
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
