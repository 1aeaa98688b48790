//! Statistics of rules: how many points each dropped or changed, of which series.
//!
//! It is always on. Points are counted per rule; series are told by the identity of the input points that provenance
//! leads to, so they are counted where the input has been identified. A scrape looks much like the one before, so
//! that a series is nearly always where it was last time, which costs a comparison. Sets of series are exact up to a
//! bound and say so when they are not.

use crate::Batch;
use crate::batch::{Inputs, Path};
use crate::config::ComponentId;
use crate::ottl::Context;

use super::series_label::label;
use super::series_set::{BOUND, SeriesSet};

/// Number of series that are shown.
const SAMPLES: usize = 10;

/// Counts of one rule of a stage since they were last taken.
#[derive(Debug, Clone)]
pub struct RuleStats {
    /// The stage that has the rule.
    pub stage: ComponentId,
    /// The rule, as it is written in the config.
    pub rule: String,
    /// Points that it dropped. One that several rules would drop counts for the first.
    pub dropped: u64,
    /// Points that it was applied to and that went on.
    pub changed: u64,
    /// The series of those points, as they came in.
    pub series: SeriesSet,
    /// Labels of up to ten of them.
    pub samples: Vec<String>,
}

/// Counts of one rule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Points dropped since these were last asked for by themselves.
    pub points: u64,
    dropped: u64,
    changed: u64,
    series: SeriesSet,
    samples: Vec<String>,
    /// The series of the last batch, in the order in which they came.
    last: Vec<u64>,
    next: usize,
}

/// Effect of a rule on points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
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

    /// Counts so many points of unknown series as dropped.
    pub(crate) fn drop_points(&mut self, points: u64) {
        self.points += points;
        self.dropped += points;
    }

    pub(crate) fn take(&mut self, stage: &ComponentId, rule: &str) -> RuleStats {
        self.last.clear();
        RuleStats {
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
pub(crate) struct Tallies<'a> {
    input: &'a Batch,
    /// True if the input's series are known.
    identified: bool,
    rules: &'a mut [Tally],
}

impl<'a> Tallies<'a> {
    pub(crate) fn new(input: &'a Batch, rules: &'a mut [Tally]) -> Self {
        rules.iter_mut().for_each(|rule| rule.next = 0);
        let identified = input.all_points().first().is_some_and(|point| point.identity != 0);
        Self { input, identified, rules }
    }

    /// The tallies from rule `first` on.
    pub(crate) fn from(&mut self, first: usize) -> Tallies<'_> {
        let rules = self.rules.get_mut(first..).unwrap_or_default();
        Tallies { input: self.input, identified: self.identified, rules }
    }

    /// Counts an effect of a rule on the row at `path` in a context, and so to all points below it.
    pub(crate) fn count(&mut self, rule: usize, effect: Effect, batch: &Batch, path: Path, context: Context) {
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

/// Calls `each` with every point below a row. Returns how many there are.
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
