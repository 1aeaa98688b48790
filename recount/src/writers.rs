//! Writers of output series: which identities collide, and which points came again.

use std::collections::{BTreeMap, BTreeSet};

use super::entity::entity;
use super::history::{History, Made};
use super::series::Series;

/// Points of one output series.
type Written<'a> = Vec<&'a Made>;

/// Two input series that write one output series.
type Pair<'a> = [&'a Series; 2];

/// A pair, and when it was last seen to collide.
type Seen<'a> = (Pair<'a>, u64);

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
    /// Writers of what a variant made until the end of a stretch, of which something in the stretch collides or came again.
    #[must_use]
    pub fn of(history: &'a History, at: usize, [from, to]: [u64; 2]) -> Self {
        let mut by_series: BTreeMap<&Series, Written<'a>> = BTreeMap::new();
        for made in history.made[at].iter().filter(|made| made.admitted < to) {
            by_series.entry(&made.point.series).or_default().push(made);
        }
        let mut all = Self::default();
        for (series, written) in by_series {
            let found = at_one_time(history, &written).into_iter().chain(over_time(history, &written));
            let pairs: BTreeSet<Pair<'_>> =
                found.filter(|(_, last)| *last >= from).map(|(pair, _)| pair).collect();
            if !pairs.is_empty() {
                all.colliding.insert(series, pairs);
            }
            all.count_again(history, &written, from);
        }
        all
    }

    fn count_again(&mut self, history: &'a History, written: &Written<'a>, from: u64) {
        for (place, made) in written.iter().enumerate().filter(|(_, made)| made.admitted >= from) {
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
fn at_one_time<'a>(history: &'a History, written: &Written<'a>) -> Vec<Seen<'a>> {
    let mut by_time: BTreeMap<u64, (BTreeSet<&Series>, u64)> = BTreeMap::new();
    for made in written.iter().filter(|made| !made.merged) {
        let (writers, last) = by_time.entry(made.point.time).or_default();
        writers.insert(writer(history, made));
        *last = made.admitted.max(*last);
    }
    let mut pairs = Vec::new();
    for (writers, last) in by_time.values() {
        let all: Vec<&Series> = writers.iter().copied().collect();
        for (at, one) in all.iter().enumerate() {
            pairs.extend(all[..at].iter().map(|other| ([*other, *one], *last)));
        }
    }
    pairs
}

/// Changes between two entities from which on they collide: each is seen again after the other.
const AGAIN: usize = 4;
/// The same in order of admission where times do not tell: what is late, or of another clock, comes back once without harm.
const AND_AGAIN: usize = 6;

/// Two entities each of which is seen again after the other.
fn over_time<'a>(history: &'a History, written: &Written<'a>) -> Vec<Seen<'a>> {
    let mut admitted = written.clone();
    admitted.retain(|made| !made.merged);
    let mut ordered = admitted.clone();
    ordered.sort_by_key(|made| made.point.time);
    let mut pairs = alternating(history, &ordered, AGAIN);
    pairs.extend(alternating(history, &admitted, AND_AGAIN));
    pairs
}

/// A turn of an entity: the input series that it began with, and when.
type Turn<'a> = (Vec<String>, &'a Series, u64);

/// Pairs of entities that take turns at least so many times.
fn alternating<'a>(history: &'a History, written: &[&'a Made], least: usize) -> Vec<Seen<'a>> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for made in written {
        let series = writer(history, made);
        let of = entity(&series.resource);
        if turns.last().is_none_or(|(last, ..)| *last != of) {
            turns.push((of, series, made.admitted));
        }
    }
    let mut pairs = Vec::new();
    for (at, (one, mine, _)) in turns.iter().enumerate() {
        for (other, theirs, _) in turns[at + 1..].iter().filter(|(other, ..)| other != one) {
            let mut of_two: Vec<&Turn<'a>> =
                turns.iter().filter(|(of, ..)| of == one || of == other).collect();
            of_two.dedup_by_key(|(of, ..)| of);
            let last = of_two.iter().map(|(.., time)| *time).max();
            if of_two.len() >= least {
                pairs.push(([*mine, *theirs], last.unwrap_or_default()));
            }
        }
    }
    pairs
}
