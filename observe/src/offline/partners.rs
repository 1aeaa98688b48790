//! Partners: the series of the candidate that is most likely one of the baseline's, where their identities differ.
//!
//! Captures have no provenance. A series is known again by its metric, point attributes and process; by its metric, point
//! attributes and resource; and, whatever its metric is called now, by its entity, its point attributes and its values. A
//! series of the candidate is the partner of one series at most. Of several that these do not tell apart, any is taken.

use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use drift::IdentityHasher;
use hashbrown::{HashMap, HashSet};

use super::capture::{Capture, CapturedSeries};

/// See the module.
pub(super) struct Partners<'a> {
    of: HashMap<u128, &'a CapturedSeries, BuildHasherDefault<IdentityHasher>>,
    /// Series of the baseline that have none, by identity.
    lost: Vec<(u128, &'a CapturedSeries)>,
    /// Series of the candidate that are nobody's.
    left: Vec<&'a CapturedSeries>,
    /// Metrics of the baseline, by their places among shapes.
    metrics: HashSet<u32>,
}

/// Metric and point attributes.
type Name = (Arc<str>, Arc<str>);

impl<'a> Partners<'a> {
    pub fn of(baseline: &'a Capture, candidate: &'a Capture) -> Self {
        let mut partners = Self {
            of: HashMap::default(),
            lost: alone(baseline, candidate),
            left: alone(candidate, baseline).into_iter().map(|(_, seen)| seen).collect(),
            metrics: baseline.series.values().map(|seen| seen.shape.metric()).collect(),
        };
        let of_process = |seen: &CapturedSeries| {
            let [host, executable, pid] = seen.label.process.parts();
            let is_process = !executable.is_empty() || !pid.is_empty();
            is_process.then(|| (name(seen), host, executable, pid))
        };
        partners.pair(of_process, of_process);
        // An output that names no host may mean this one.
        let nowhere = |seen: &CapturedSeries| {
            of_process(seen).map(|(name, _, executable, pid)| (name, executable, pid))
        };
        let unnamed = |seen: &CapturedSeries| seen.label.process.host.is_empty();
        partners.pair(nowhere, |seen| nowhere(seen).filter(|_| unnamed(seen)));
        let of_resource = |seen: &CapturedSeries| Some((name(seen), seen.shape.resource()?));
        partners.pair(of_resource, of_resource);
        let by_values =
            |seen: &CapturedSeries| Some((seen.label.attributes.clone(), entity(seen), values(seen)?));
        let of_metric = |seen: &CapturedSeries| Some((seen.label.metric.clone(), by_values(seen)?));
        partners.pair(of_metric, of_metric);
        partners.pair(by_values, by_values);
        partners
    }

    /// Pairs what has the same key.
    fn pair<K: Hash + Eq>(
        &mut self,
        of_baseline: impl Fn(&CapturedSeries) -> Option<K>,
        of_candidate: impl Fn(&CapturedSeries) -> Option<K>,
    ) {
        let mut known: HashMap<K, Vec<&'a CapturedSeries>> = HashMap::new();
        let mut left = Vec::new();
        for seen in self.left.drain(..).rev() {
            match of_candidate(seen) {
                Some(key) => known.entry(key).or_default().push(seen),
                None => left.push(seen),
            }
        }
        let of = &mut self.of;
        self.lost.retain(|(identity, seen)| {
            let found = of_baseline(seen).and_then(|key| known.get_mut(&key)?.pop());
            found.map(|partner| of.insert(*identity, partner)).is_none()
        });
        left.extend(known.into_values().flatten());
        left.sort_by(|one, other| key_of(one).cmp(&key_of(other)));
        self.left = left;
    }

    /// The one of the baseline's series of this identity.
    pub fn get(&self, identity: u128) -> Option<&'a CapturedSeries> {
        self.of.get(&identity).copied()
    }

    /// Series of the candidate that are nobody's.
    pub fn left(&self) -> impl Iterator<Item = &'a CapturedSeries> + '_ {
        self.left.iter().copied()
    }

    /// Those of metrics that the baseline has not, by name, unit and type. Where series are lost besides, they may be these.
    pub fn of_new_metrics(&self) -> impl Iterator<Item = &'a CapturedSeries> + '_ {
        self.left().filter(|seen| !self.metrics.contains(&seen.shape.metric()))
    }
}

/// Series of a capture that the other has not, in an order that does not depend on anything else.
fn alone<'a>(of: &'a Capture, other: &Capture) -> Vec<(u128, &'a CapturedSeries)> {
    let mut alone: Vec<(u128, &CapturedSeries)> = of
        .series
        .iter()
        .filter(|(identity, _)| !other.series.contains_key(*identity))
        .map(|(identity, seen)| (*identity, seen))
        .collect();
    alone.sort_by(|(_, one), (_, other)| key_of(one).cmp(&key_of(other)));
    alone
}

fn key_of(seen: &CapturedSeries) -> impl Ord + '_ {
    (&seen.label.metric, &seen.label.attributes, &seen.label.process.name)
}

fn name(seen: &CapturedSeries) -> Name {
    (seen.label.metric.clone(), seen.label.attributes.clone())
}

/// What it is about: a process by what names it, and anything else by its key.
fn entity(seen: &CapturedSeries) -> ([String; 3], u64) {
    let parts = seen.label.process.parts();
    let is_process = parts[1..].iter().any(|part| !part.is_empty());
    if is_process { (parts, 0) } else { (Default::default(), seen.label.process.entity) }
}

/// Its points as one number; nothing if none is kept.
fn values(seen: &CapturedSeries) -> Option<u64> {
    let mut points: Vec<(u64, u64)> = seen.points.iter().map(|point| (point.time, point.hash)).collect();
    points.sort_unstable();
    let mut hasher = DefaultHasher::new();
    points.hash(&mut hasher);
    (!points.is_empty()).then(|| hasher.finish())
}
