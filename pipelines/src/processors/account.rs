//! The account: which rule dropped or changed how many points, of which series.
//!
//! It is always on. Points are counted per rule; series are told by the identity of the input points that provenance
//! leads to, so they are counted where the input has been identified. A scrape looks much like the one before, so
//! that a series is nearly always where it was last time, which costs a comparison. Sets of series are exact up to a
//! bound and say so when they are not.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::Batch;
use crate::batch::{Inputs, Path, Value};
use crate::config::ComponentId;
use crate::ottl::Context;

/// Number of series that are told one by one, per rule.
const BOUND: usize = 1 << 16;
/// Number of series that are shown.
const SAMPLES: usize = 10;

/// Counts of one rule of a stage since the account was last taken.
#[derive(Debug, Clone)]
pub struct RuleAccount {
    /// The stage that has the rule.
    pub stage: ComponentId,
    /// The rule, as it is written in the config.
    pub rule: String,
    /// Points that it dropped. One that several rules would drop counts for the first.
    pub dropped: u64,
    /// Points that it was applied to and that went on.
    pub changed: u64,
    /// The series of those points, as they came in.
    pub series: SeriesSeen,
    /// Up to ten of them, in words.
    pub samples: Vec<String>,
}

/// A set of series that becomes a sample of itself past a bound. Merging is associative and commutative.
#[derive(Debug, Clone)]
pub struct SeriesSeen {
    /// Hashes up to this are kept.
    limit: u64,
    kept: HashSet<u64, BuildHasherDefault<Identity>>,
}

impl Default for SeriesSeen {
    fn default() -> Self {
        Self { limit: u64::MAX, kept: HashSet::default() }
    }
}

impl SeriesSeen {
    /// Returns whether the series is new, as far as can be told.
    fn insert(&mut self, hash: u64) -> bool {
        let new = hash <= self.limit && self.kept.insert(hash);
        // Whatever the order, the limit ends as the greatest power of two at which the bound holds.
        while self.kept.len() > BOUND {
            self.shrink(self.limit / 2);
        }
        new
    }

    fn shrink(&mut self, limit: u64) {
        self.limit = self.limit.min(limit);
        self.kept.retain(|hash| *hash <= limit);
    }

    /// Adds what another set has seen.
    pub fn merge(&mut self, other: &Self) {
        if self.kept.is_empty() && self.limit == u64::MAX {
            self.clone_from(other);
            return;
        }
        self.shrink(other.limit);
        for hash in &other.kept {
            self.insert(*hash);
        }
    }

    /// Number of series, and whether each was told.
    pub fn count(&self) -> (u64, bool) {
        let exact = self.limit == u64::MAX;
        let share = self.limit as f64 / u64::MAX as f64;
        let estimate = (self.kept.len() as f64 / share).round() as u64;
        (if exact { self.kept.len() as u64 } else { estimate }, exact)
    }
}

/// Identities are hashes already.
#[derive(Debug, Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Counts of one rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Points dropped since these were last asked for by themselves.
    pub points: u64,
    dropped: u64,
    changed: u64,
    series: SeriesSeen,
    samples: Vec<String>,
    /// The series of the last batch, in the order in which they came.
    last: Vec<u64>,
    next: usize,
}

/// Effect of a rule on points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Dropped,
    Changed,
}

impl Tally {
    #[inline]
    fn see(&mut self, hash: u64, label: impl FnOnce() -> String) {
        if self.last.get(self.next) != Some(&hash) {
            match self.last.get_mut(self.next) {
                Some(last) => *last = hash,
                None if self.next < BOUND => self.last.push(hash),
                None => {}
            }
            if self.series.insert(hash) && self.samples.len() < SAMPLES {
                self.samples.push(label());
            }
        }
        self.next += 1;
    }

    /// So many points of unknown series were dropped.
    pub(super) fn drop_points(&mut self, points: u64) {
        self.points += points;
        self.dropped += points;
    }

    pub(super) fn take(&mut self, stage: &ComponentId, rule: &str) -> RuleAccount {
        self.last.clear();
        RuleAccount {
            stage: stage.clone(),
            rule: rule.to_owned(),
            dropped: std::mem::take(&mut self.dropped),
            changed: std::mem::take(&mut self.changed),
            series: std::mem::take(&mut self.series),
            samples: std::mem::take(&mut self.samples),
        }
    }
}

/// The tallies of a stage's rules while it works on a batch.
#[derive(Debug)]
pub(super) struct Tallies<'a> {
    input: &'a Batch,
    /// True if the input's series are known.
    identified: bool,
    rules: &'a mut [Tally],
}

impl<'a> Tallies<'a> {
    pub(super) fn new(input: &'a Batch, rules: &'a mut [Tally]) -> Self {
        rules.iter_mut().for_each(|rule| rule.next = 0);
        let identified = input.all_points().first().is_some_and(|point| point.identity != 0);
        Self { input, identified, rules }
    }

    /// The tallies from rule `first` on.
    pub(super) fn from(&mut self, first: usize) -> Tallies<'_> {
        let rules = self.rules.get_mut(first..).unwrap_or_default();
        Tallies { input: self.input, identified: self.identified, rules }
    }

    /// A rule did something to the row at `path` in a context, and so to all points below it.
    pub(super) fn count(&mut self, rule: usize, effect: Effect, batch: &Batch, path: Path, context: Context) {
        let Some(tally) = self.rules.get_mut(rule) else { return };
        let (input, identified) = (self.input, self.identified);
        let points = if context >= Context::DataPoint && !identified {
            1
        } else {
            points_below(batch, path, context, |path| {
                if identified {
                    series(input, batch, path, tally);
                }
            })
        };
        match effect {
            Effect::Dropped => {
                tally.points += points;
                tally.dropped += points;
            }
            Effect::Changed => tally.changed += points,
        }
    }
}

/// Calls `each` with every point below a row, and says how many there are.
fn points_below(batch: &Batch, path: Path, context: Context, mut each: impl FnMut(Path)) -> u64 {
    let mut metric = |path: Path| {
        let points = batch.metric_at(path.metric).points;
        points.range().for_each(|point| each(Path { point, ..path }));
        points.len() as u64
    };
    let mut scope = |path: Path| {
        batch.scope_at(path.scope).metrics.range().map(|m| metric(Path { metric: m, ..path })).sum::<u64>()
    };
    match context {
        Context::Resource => {
            let scopes = batch.resource_at(path.resource).scopes.range();
            scopes.map(|s| scope(Path { scope: s, ..path })).sum()
        }
        Context::Scope => scope(path),
        Context::Metric => metric(path),
        Context::DataPoint | Context::Exemplar => {
            each(path);
            1
        }
    }
}

fn series(input: &Batch, batch: &Batch, path: Path, tally: &mut Tally) {
    let mut see = |index: u32| {
        if let Some(point) = input.all_points().get(index as usize) {
            tally.see(point.identity as u64, || label(batch, path));
        }
    };
    match batch.inputs(batch.point_at(path.point)) {
        Inputs::One(index) => see(index),
        Inputs::Many(indexes) => indexes.iter().copied().for_each(see),
    }
}

/// A series in words, as it is when the rule meets it: `cpu.time{nginx pid=7, state=user}`.
fn label(batch: &Batch, path: Path) -> String {
    let resource = batch.resource_at(path.resource).attrs;
    let named = |key: &str| batch.attribute(resource, key.as_bytes());
    let mut words: Vec<String> = match (named("process.executable.name"), named("process.pid")) {
        (None, None) => batch
            .attributes(resource)
            .iter()
            .take(3)
            .map(|row| pair(batch.bytes(row.key), batch.value(row.value)))
            .collect(),
        (name, pid) => {
            let process: Vec<String> =
                name.map(text).into_iter().chain(pid.map(|pid| format!("pid={}", text(pid)))).collect();
            vec![process.join(" ")]
        }
    };
    let attributes = batch.attributes(batch.point_at(path.point).attrs).iter().take(5);
    words.extend(attributes.map(|row| pair(batch.bytes(row.key), batch.value(row.value))));
    format!("{}{{{}}}", clip(batch.bytes(batch.metric_at(path.metric).name)), words.join(", "))
}

fn pair(key: &[u8], value: Value<'_>) -> String {
    format!("{}={}", clip(key), text(value))
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => clip(text),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => "…".to_owned(),
    }
}

/// A text of somebody else's, short enough to be shown.
fn clip(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that lie evenly.
    fn hash(n: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())
    }

    fn seen(range: std::ops::Range<u64>) -> SeriesSeen {
        let mut seen = SeriesSeen::default();
        range.for_each(|n| {
            seen.insert(hash(n));
        });
        seen
    }

    #[test]
    fn a_set_is_exact_up_to_its_bound_and_an_estimate_within_two_percent_beyond() {
        assert_eq!(seen(0..BOUND as u64).count(), (BOUND as u64, true));
        let (count, exact) = seen(0..1_000_000).count();
        assert!(!exact && count.abs_diff(1_000_000) < 20_000, "{count}");
    }

    #[test]
    fn merging_in_any_order_is_seeing_it_all() {
        let parts = [seen(0..50_000), seen(40_000..120_000), seen(110_000..300_000)];
        let merged = |order: [usize; 3]| {
            let mut all = SeriesSeen::default();
            order.iter().for_each(|part| all.merge(&parts[*part]));
            all.count().0
        };
        let whole = seen(0..300_000).count().0;
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            assert!(merged(order).abs_diff(whole) * 50 < whole, "{} {whole}", merged(order));
        }
    }
}
