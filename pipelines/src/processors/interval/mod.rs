//! `interval`: holds back cumulative monotonic sums, gauges and histograms, and sends each series' latest point when
//! the interval ends.
//!
//! **Scope**: a data point. **State**: the latest point of each series, encoded, until the interval ends. **Bound**:
//! [`MAX_POINTS`] points and [`MAX_BYTES`] bytes of them, and half of the memory there is; past it a point of a new series passes at
//! once, counted as evicted. **Hold**: the interval. **Warm-up**: none. **Restart**: what is held is sent on shutdown; a crash loses
//! it, as it does in the Collector, unless its inputs were kept and are played again.

mod buffer;
mod homes;

use std::time::Duration;

use crate::Batch;
use crate::batch::{Encoded, Keep, MetricKind, MetricRow, Path};
use crate::cost::Inspection;
use crate::ottl::{Context, Failure};
use crate::stage::{Effect, Flush, Pressure, StageBatch, StageError, State, StateSize, Tallies, Ticks};
use crate::yaml::{Node, Problem, keep};

use buffer::{Admission, IntervalBuffer};

/// Number of points that are held.
pub const MAX_POINTS: usize = 1 << 20;
/// Number of bytes of encoded points that are held.
pub const MAX_BYTES: usize = 256 << 20;

/// The config of an `interval` processor.
#[derive(Debug, Clone)]
pub struct Interval {
    interval: Duration,
    pass_gauges: bool,
    pass_summaries: bool,
    /// The interval, as the one rule that is counted.
    rule: [String; 1],
}

impl Interval {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        fields.refuse_null(&["interval"], problems);
        let mut interval = Duration::from_secs(60);
        if let Some(node) = fields.take("interval")
            && let Some(duration) = keep(node.duration(), problems)
        {
            if duration.is_zero() {
                let problem = Problem::new(node.location, "an interval of nothing");
                problems.push(problem.expected("a duration of more than 0, such as 60s"));
            }
            interval = duration;
        }
        let (mut pass_gauges, mut pass_summaries) = (false, false);
        if let Some(mut pass) = fields.take("pass_through").and_then(|node| keep(node.map(), problems)) {
            let mut flag = |key| pass.take(key).and_then(|node| keep(node.bool(), problems)).unwrap_or(false);
            (pass_gauges, pass_summaries) = (flag("gauge"), flag("summary"));
            pass.finish(problems);
        }
        fields.finish(problems);
        let rule = [format!("interval: {interval:?}")];
        Some(Self { interval, pass_gauges, pass_summaries, rule })
    }

    /// The rules. A point counts as dropped if another of its series was sent in its place.
    pub(super) fn rules(&self) -> &[String] {
        &self.rule
    }

    /// Time that a point may wait.
    pub(super) fn hold(&self) -> Duration {
        self.interval
    }

    /// What of a batch it holds if there is room, as a request.
    pub(super) fn may_hold(&self, batch: &Batch) -> Encoded {
        let mut scopes = batch.resources().iter().flat_map(|resource| batch.scopes(resource));
        if scopes.all(|scope| batch.metrics(scope).iter().all(|metric| self.holds(metric))) {
            return batch.encode(Keep::All);
        }
        let mut held = Batch::default();
        held.copy_from(batch);
        held.retain_metrics(|batch, path| self.holds(batch.metric_at(path.metric)));
        held.drop_empty();
        held.encode(Keep::All)
    }

    fn holds(&self, metric: &MetricRow) -> bool {
        match metric.kind {
            MetricKind::None => false,
            MetricKind::Gauge => !self.pass_gauges,
            MetricKind::Summary => !self.pass_summaries,
            MetricKind::Sum => metric.monotonic && metric.temporality == 2,
            MetricKind::Histogram | MetricKind::ExponentialHistogram => metric.temporality == 2,
        }
    }
}

/// State of an `interval`.
#[derive(Debug, Clone)]
pub(super) struct IntervalState {
    config: Interval,
    ticks: Option<Ticks>,
    held: IntervalBuffer,
    /// Points that passed at once for want of room.
    passed: u64,
    /// Metrics of the batch at hand that are held whole.
    taken: Vec<usize>,
}

impl IntervalState {
    pub(super) fn new(config: Interval, start: u64) -> Self {
        let ticks = Ticks::new(start, config.interval);
        Self { config, ticks, held: IntervalBuffer::default(), passed: 0, taken: Vec::new() }
    }

    fn metric(&mut self, input: &Batch, batch: &mut Batch, at: Path, tallies: &mut Tallies<'_>) {
        let Some(metric) = self.held.metric(batch, at) else {
            self.passed += batch.metric_at(at.metric).points.len() as u64;
            return;
        };
        let (kind, before) = (batch.metric_at(at.metric).kind, batch.metric_at(at.metric).points.len());
        batch.rework_points(at, |batch, index, point| {
            let effect = match self.held.point(input, batch, metric, kind, &point) {
                Admission::NoRoom => {
                    self.passed += 1;
                    return Some(point);
                }
                Admission::First => Effect::Changed,
                Admission::Another => Effect::Dropped,
            };
            tallies.count(0, effect, batch, Path { point: index, ..at }, Context::DataPoint);
            None
        });
        if before == 0 || batch.metric_at(at.metric).points.is_empty() {
            self.taken.push(at.metric);
        }
    }

    fn flush(&mut self, at: u64) -> Option<Flush> {
        self.held.flush(at)
    }
}

impl State for IntervalState {
    fn run(&mut self, turn: StageBatch<'_>) -> Result<(), StageError> {
        let StageBatch { input, batch, now, number, mut tallies, .. } = turn;
        batch.identify();
        self.held.begin(input, number);
        self.taken.clear();
        // A tick that something waits for is not over before it was asked for.
        if let Some(ticks) = self.ticks.as_mut().filter(|_| self.held.is_empty()) {
            ticks.pass(now);
        }
        let mut untyped = false;
        for resource in 0..batch.resources().len() {
            for scope in batch.resource_at(resource).scopes.range() {
                for metric in batch.scope_at(scope).metrics.range() {
                    untyped |= batch.metric_at(metric).kind == MetricKind::None;
                    if self.config.holds(batch.metric_at(metric)) {
                        let at = Path { resource, scope, metric, point: 0 };
                        self.metric(input, batch, at, &mut tallies);
                    }
                }
            }
        }
        // Scopes that stages gave other metrics do not stand in the order of the arena.
        self.taken.sort_unstable();
        batch.retain_metrics(|_, path| self.taken.binary_search(&path.metric).is_err());
        batch.drop_empty();
        if untyped {
            let why = Failure("a metric has no type");
            return Err(StageError { passes_on: true, ..StageError::new("holding metrics back", why) });
        }
        Ok(())
    }

    fn due(&self) -> Option<u64> {
        self.ticks.filter(|_| !self.held.is_empty()).map(Ticks::next)
    }

    fn fire(&mut self, at: u64, until: u64) -> Option<Flush> {
        if let Some(ticks) = &mut self.ticks {
            ticks.pass(until);
        }
        self.flush(at)
    }

    fn finish(&mut self, at: u64, from: Option<u64>) -> Option<Flush> {
        match from {
            None => self.flush(at),
            Some(number) => self.held.flush_before(number, at),
        }
    }

    fn held(&self, from: Option<u64>) -> Option<(Batch, Vec<u64>, u64)> {
        self.held.by_resource(from)
    }

    fn press(&mut self, pressure: Pressure) {
        // What is sent of it stands beside it for a while.
        self.held.may_grow(pressure < Pressure::Half);
    }

    fn kept(&self) -> StateSize {
        let held = self.held.len() as u64;
        StateSize { series: held, held, evicted: self.passed }
    }

    fn bytes(&self) -> usize {
        self.held.memory()
    }

    fn copy(&self) -> Box<dyn State> {
        Box::new(self.clone())
    }
}
