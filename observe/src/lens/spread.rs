//! Spread over the entities of a sample: what a figure of all may be, where a sample of the entities was followed.
//!
//! Entities are followed by a hash, each with the same chance and whatever the others are. So the sums of the sample times its
//! share are right on average, and (candidate − baseline) / baseline of them is a ratio of two such sums. How far it may be off
//! follows from what single entities have, by Bernstein's bound: from the root of the sum of their squares and from the
//! largest. Both of a sum of stretches are at most the sums of those of the stretches, so that stretches add up.
//!
//! This tells of what some followed entity has ([`Sampled::interval`]). What none of them has may be anything, and
//! [`Sample::most_beside`] tells in how many series it may be. Who says that a figure is past a limit reckons with it
//! ([`Sampled::surely`]): of a group of which one entity is followed, and lost, the others may be there.
//!
//! [`Sample::most_beside`]: crate::Sample::most_beside

use serde::{Deserialize, Serialize};

use super::sum::Sum;

/// Chance of an interval that does not have the figure in it: half of 5 %, of which the other half is that of what is unseen
/// ([`Sample::most_beside`](crate::Sample::most_beside)).
const MISSED: f64 = 0.025;
/// Differences below this share of what an entity has are none.
const ROUNDING: f64 = 1e-9;

/// What single entities have: the root of the sum of the squares, and the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// Root of the sum of the squares.
    pub norm: f64,
    /// The largest.
    pub most: f64,
}

/// Figures of all entities, estimated from a sample of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampled {
    /// Sums of all, baseline and candidate; those of the sample times its share.
    pub sums: [f64; 2],
    /// What entities have of candidate − baseline.
    pub difference: Reach,
    /// What they have of the baseline.
    pub baseline: Reach,
    /// What they have of the candidate.
    pub candidate: Reach,
}

/// One sum over entities, of a stretch in which a sample was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    sums: [Sum; 2],
    /// Of candidate − baseline, of the baseline, and of the candidate.
    reaches: [Reach; 3],
    /// True if some entity was followed.
    told: bool,
}

impl Reach {
    fn add(&mut self, other: Self) {
        self.norm += other.norm;
        self.most += other.most;
    }

    /// How far a sum may be off that misses in one of so many cases, e^`log`.
    fn off(self, log: f64) -> f64 {
        (2.0 * log).sqrt() * self.norm + log * self.most
    }
}

impl Spread {
    /// Spread of a window in which one in so many was followed, of what each entity has in both variants.
    pub fn of(entities: impl IntoIterator<Item = [f64; 2]>, one_in: f64) -> Self {
        let mut spread = Self::default();
        for [baseline, candidate] in entities {
            spread.told = true;
            // Sums over many terms round differently in different orders.
            let rounds = (candidate - baseline).abs() <= ROUNDING * baseline.abs().max(candidate.abs());
            let candidate = if rounds { baseline } else { candidate };
            for (reach, part) in spread.reaches.iter_mut().zip([candidate - baseline, baseline, candidate]) {
                reach.norm += part * part;
                reach.most = reach.most.max(part.abs());
            }
            spread.sums[0].add(baseline * one_in);
            spread.sums[1].add(candidate * one_in);
        }
        // The variance of a sum of entities that are each followed with the chance p is Σ x² (1 − p) / p, estimated by that of
        // the sample over p.
        let scale = one_in * (1.0 - 1.0 / one_in).max(0.0).sqrt();
        for reach in &mut spread.reaches {
            (reach.norm, reach.most) = (reach.norm.sqrt() * scale, reach.most * scale);
        }
        spread
    }

    /// That of a stretch in which all were followed, with these sums.
    pub fn of_all(sums: [Sum; 2]) -> Self {
        Self { sums, told: true, ..Self::default() }
    }

    pub fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(other.sums).for_each(|(mine, theirs)| mine.merge(theirs));
        self.reaches.iter_mut().zip(other.reaches).for_each(|(mine, theirs)| mine.add(theirs));
        self.told |= other.told;
    }

    /// Figures of it; nothing where no entity was followed.
    pub fn read(&self) -> Option<Sampled> {
        let [difference, baseline, candidate] = self.reaches;
        self.told.then(|| Sampled { sums: self.sums.map(Sum::value), difference, baseline, candidate })
    }
}

impl Sampled {
    /// Figures of which all is known.
    #[must_use]
    pub fn exact(baseline: f64, candidate: f64) -> Self {
        Self { sums: [baseline, candidate], ..Self::default() }
    }

    /// The same in another unit: each figure over a number; as it is where that is 0.
    #[must_use]
    pub fn per(self, number: f64) -> Self {
        let over = |figure: f64| if number > 0.0 { figure / number } else { figure };
        let reach = |of: Reach| Reach { norm: over(of.norm), most: over(of.most) };
        let [difference, baseline, candidate] = [self.difference, self.baseline, self.candidate].map(reach);
        Self { sums: self.sums.map(over), difference, baseline, candidate }
    }

    /// Those of two hosts, whose entities are followed independently.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        self.sums.iter_mut().zip(other.sums).for_each(|(mine, theirs)| *mine += theirs);
        self.difference.add(other.difference);
        self.baseline.add(other.baseline);
        self.candidate.add(other.candidate);
        self
    }

    /// Relative error, (candidate − baseline) / |baseline|; endless where the baseline has nothing.
    #[must_use]
    pub fn error(&self) -> f64 {
        let [baseline, candidate] = self.sums;
        match candidate - baseline {
            0.0 => 0.0,
            difference if baseline == 0.0 => f64::INFINITY.copysign(difference),
            difference => difference / baseline.abs(),
        }
    }

    /// Interval of the error of a mean, of those of its sum and of the number by which that is divided.
    #[must_use]
    pub fn error_of_mean(&self, sum: [f64; 2], number: [f64; 2]) -> [f64; 2] {
        let sign = if self.sums[0] == 0.0 { 0.0 } else { self.sums[0].signum() };
        let ends = [sum, number].concat();
        if ends.iter().any(|end| end.is_infinite()) || number[0] <= -1.0 {
            return [f64::NEG_INFINITY, f64::INFINITY];
        }
        let errors =
            sum.into_iter().flat_map(|sum| number.map(|number| (sign + sum) / (1.0 + number) - sign));
        errors.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], error| {
            [least.min(error), most.max(error)]
        })
    }

    /// Share of another figure's baseline that this one's has at least, with what no entity followed is like.
    #[must_use]
    pub fn least_share_of(&self, whole: &Self, figures: u64) -> f64 {
        let log = missed(figures);
        let [part, all] = [self, whole].map(|of| (of.sums[0].abs(), of.baseline.off(log)));
        let [least, most] = [(part.0 - part.1).max(0.0), all.0 + all.1];
        if most > 0.0 { least / most * (1.0 - whole.unseen(figures)) } else { 0.0 }
    }

    /// Interval in which the relative error lies of all entities that are like some of those followed, at 95 % for so many
    /// figures together.
    #[must_use]
    pub fn interval(&self, figures: u64) -> [f64; 2] {
        let log = missed(figures);
        let (error, baseline) = (self.error(), self.sums[0].abs());
        let off = self.baseline.off(log);
        // The error of all, r, is off by the sum over entities of difference − r × baseline, which is candidate −
        // (1 + r) × baseline, over the baseline; and r itself is at most that far from the error of the sample.
        let share = |of: Reach, times: f64| of.off(log) + if times == 0.0 { 0.0 } else { times.abs() * off };
        let kept = if baseline == 0.0 { 0.0 } else { self.sums[1] / self.sums[0] };
        let apart = share(self.difference, error).min(share(self.candidate, kept));
        if apart == 0.0 {
            return [error; 2];
        }
        let rest = baseline - off;
        if error.is_infinite() || rest <= 0.0 {
            return [f64::NEG_INFINITY, f64::INFINITY];
        }
        [error - apart / rest, error + apart / rest]
    }

    /// The same, with what entities may be that none of those followed is like: unchanged, or changed the other way by as much as
    /// they come to.
    #[must_use]
    pub fn surely(&self, figures: u64) -> [f64; 2] {
        let [least, most] = self.interval(figures);
        if least == f64::NEG_INFINITY {
            return [least, most];
        }
        let apart = self.unseen(figures) * (1.0 + self.error().abs());
        [least - apart, most + apart]
    }

    /// Share of the baseline that entities may have which none of those followed is like.
    fn unseen(&self, figures: u64) -> f64 {
        if self.baseline.norm == 0.0 {
            return 0.0;
        }
        let entities = (self.sums[0] / self.baseline.norm).powi(2);
        1.0 - (-missed(figures) / entities).exp()
    }
}

/// Logarithm of the number of cases of which one is missed, where so many figures are looked at together.
fn missed(figures: u64) -> f64 {
    (figures.max(1) as f64 / MISSED).ln()
}

#[cfg(test)]
mod tests;
