//! Writers of output series: which identities collide, and which points came again.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::entity;
use super::history::{History, Made};
use super::series::Series;

/// Points of one output series.
type Written<'a> = Vec<&'a Made>;

/// Two input series that write one output series.
type Pair<'a> = [&'a Series; 2];

/// Writers of one variant.
#[derive(Clone, Debug, Default)]
pub struct Writers<'a> {
    /// Identities that collide, each with the pairs of input series that do.
    pub colliding: BTreeMap<&'a Series, BTreeSet<Pair<'a>>>,
    /// Points of the same series, time and value as one before.
    pub duplicates: u64,
    /// Points of the same series and time as one before, with another value.
    pub conflicts: u64,
}

impl<'a> Writers<'a> {
    /// Writers of what a variant made.
    #[must_use]
    pub fn of(history: &'a History, at: usize) -> Self {
        let mut by_series: BTreeMap<&Series, Written<'a>> = BTreeMap::new();
        for made in &history.made[at] {
            by_series.entry(&made.point.series).or_default().push(made);
        }
        let mut all = Self::default();
        for (series, written) in by_series {
            let pairs = at_one_time(history, &written).into_iter().chain(over_time(history, &written));
            let pairs: BTreeSet<Pair<'_>> = pairs.collect();
            if !pairs.is_empty() {
                all.colliding.insert(series, pairs);
            }
            all.count_again(history, &written);
        }
        all
    }

    fn count_again(&mut self, history: &'a History, written: &Written<'a>) {
        for (place, made) in written.iter().enumerate() {
            let before = || written[..place].iter().filter(|one| one.point.time == made.point.time);
            let again = |one: &&&Made| writer(history, one) == writer(history, made);
            let same = before().filter(again).any(|one| measures_as(one, made));
            let other = before().any(|one| again(&one) && !measures_as(one, made));
            self.duplicates += u64::from(same);
            self.conflicts += u64::from(other && !same);
        }
    }

    /// Identities some of whose pairs do not collide in the output of `baseline`.
    #[must_use]
    pub fn own(&self, history: &History, baseline: &Writers<'_>) -> u64 {
        let shared = |pair: &Pair<'_>| {
            let made = |series: &Series| {
                let of = history.made[0].iter().filter(|made| writer(history, made) == series);
                of.map(|made| &*made.point.series).collect::<BTreeSet<_>>()
            };
            let [one, other] = pair.map(made);
            one.intersection(&other).any(|series| baseline.colliding.contains_key(*series))
        };
        self.colliding.values().filter(|pairs| !pairs.iter().all(shared)).count() as u64
    }
}

/// The input series that writes a point; of an aggregate the first of them.
fn writer<'a>(history: &'a History, made: &Made) -> &'a Series {
    let first = made.of.first().copied().unwrap_or_default();
    &history.input(first).series
}

fn measures_as(one: &Made, other: &Made) -> bool {
    let (one, other) = (&one.point, &other.point);
    let bits = |of: &super::Point| of.measure.number().map(f64::to_bits);
    (one.measure == other.measure || (bits(one).is_some() && bits(one) == bits(other)))
        && one.flags == other.flags
}

/// Two input series at one timestamp, not aggregated.
fn at_one_time<'a>(history: &'a History, written: &Written<'a>) -> Vec<Pair<'a>> {
    let mut by_time: BTreeMap<u64, BTreeSet<&Series>> = BTreeMap::new();
    for made in written.iter().filter(|made| !made.merged) {
        by_time.entry(made.point.time).or_default().insert(writer(history, made));
    }
    let mut pairs = Vec::new();
    for writers in by_time.values() {
        let all: Vec<&Series> = writers.iter().copied().collect();
        pairs.extend(
            all.iter().enumerate().flat_map(|(at, one)| all[..at].iter().map(move |other| [*other, *one])),
        );
    }
    pairs
}

/// Two entities each of which is seen again after the other.
fn over_time<'a>(history: &'a History, written: &Written<'a>) -> Vec<Pair<'a>> {
    let mut ordered = written.clone();
    ordered.retain(|made| !made.merged);
    ordered.sort_by_key(|made| made.point.time);
    let mut turns: Vec<(Vec<String>, &Series)> = Vec::new();
    for made in ordered {
        let series = writer(history, made);
        let of = entity(&series.resource);
        if turns.last().is_none_or(|(last, _)| *last != of) {
            turns.push((of, series));
        }
    }
    let mut pairs = Vec::new();
    for (at, (one, mine)) in turns.iter().enumerate() {
        for (other, theirs) in &turns[at + 1..] {
            let two = turns.iter().filter(|(of, _)| of == one || of == other);
            // Of two alone: one, other, one, other.
            let mut changes: Vec<&Vec<String>> = two.map(|(of, _)| of).collect();
            changes.dedup();
            if one != other && changes.len() >= 4 {
                pairs.push([*mine, *theirs]);
            }
        }
    }
    pairs
}
