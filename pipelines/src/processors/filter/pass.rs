//! One pass over a batch: a few rules about the rows of one context.
//!
//! A rule that reads nothing below the metric is evaluated once a metric, however many points it is asked
//! about; likewise for scopes and resources. It is not evaluated at all where there is no row to ask about.

use crate::Batch;
use crate::batch::{MetricKind, Path};
use crate::ottl::{Condition, Context, Failure, Level, NO_CACHE, Row};
use crate::stage::config::ErrorMode;
use crate::stage::{Effect, Stop, Tallies};

use super::EmptyRows;
use super::legacy::Properties;

/// One pass: rules about the rows of one context.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub context: Context,
    pub error_mode: ErrorMode,
    pub rules: Vec<Rule>,
    pub empty: EmptyRows,
}

/// Rule that drops a row.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// A condition that holds.
    Condition(Condition),
    /// A list of properties that it has (`exclude`), or lacks (`include`).
    Properties { name: String, drop_if: bool, properties: Properties },
}

impl Rule {
    /// The level of what is asked first, and the condition if that is its gate alone.
    fn gate(&self) -> (Level, Option<&Condition>) {
        match self {
            Self::Condition(condition) => match condition.gate() {
                Some(level) => (level, Some(condition)),
                None => (condition.level(), None),
            },
            Self::Properties { properties, .. } => (properties.level(), None),
        }
    }

    fn drops(&self, row: &Row<'_>) -> Result<bool, Failure> {
        match self {
            Self::Condition(condition) => condition.holds(row),
            Self::Properties { drop_if, properties, .. } => Ok(properties.hold(row)? == *drop_if),
        }
    }
}

impl Pass {
    pub(super) fn rules(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| match rule {
            Rule::Condition(condition) => condition.text().to_owned(),
            Rule::Properties { name, .. } => name.clone(),
        })
    }

    /// Returns whether what a rule says of a row depends on the time.
    pub(super) fn asks_clock(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Condition(condition) if condition.asks_clock()))
    }

    /// The first rule that drops a resource, if none before it fails.
    pub(super) fn drops_resource(&self, batch: &Batch, resource: usize, now: u64) -> Option<usize> {
        let row = Row {
            batch,
            resource: batch.resource_at(resource),
            scope: None,
            metric: None,
            point: None,
            exemplar: None,
            cache: &NO_CACHE,
            now,
        };
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.drops(&row) {
                Ok(true) => return Some(index),
                Ok(false) => {}
                Err(_) if self.error_mode == ErrorMode::Ignore => {}
                Err(_) => return None,
            }
        }
        None
    }

    pub(super) fn run(
        &self,
        batch: &mut Batch,
        now: u64,
        tallies: Tallies<'_>,
        stop: &Stop<'_>,
    ) -> Result<(), (usize, Failure)> {
        let mut asking =
            PassRun { pass: self, now, answers: vec![None; self.rules.len()], tallies, stop, failure: None };
        match self.context {
            Context::Resource => batch.retain_resources(|batch, resource| {
                let path = Path { resource, ..Path::default() };
                asking.keeps(batch, path)
            }),
            Context::Scope => batch.retain_scopes(|batch, path| asking.keeps(batch, path)),
            Context::Metric => batch.retain_metrics(|batch, path| asking.keeps(batch, path)),
            // No filter asks about exemplars.
            Context::Exemplar => {}
            Context::DataPoint => {
                batch.retain_points(|batch, path, decisions| {
                    if asking.may_drop(batch, path) {
                        let points = batch.metric_at(path.metric).points.range();
                        decisions.extend(points.map(|point| asking.keeps(batch, Path { point, ..path })));
                    }
                });
                batch.retain_metrics(|batch, path| {
                    let metric = batch.metric_at(path.metric);
                    metric.kind == MetricKind::None || !metric.points.is_empty()
                });
            }
        }
        let failure = asking.failure;
        if self.empty == EmptyRows::Scopes {
            batch.retain_scopes(|batch, path| !batch.scope_at(path.scope).metrics.is_empty());
        }
        if self.empty != EmptyRows::Stays {
            batch.retain_resources(|batch, resource| !batch.resource_at(resource).scopes.is_empty());
        }
        failure.map_or(Ok(()), Err)
    }
}

/// A pass under way.
struct PassRun<'p> {
    pass: &'p Pass,
    now: u64,
    /// Last answer of each rule, and the row of its level that it was about.
    answers: Vec<Option<(usize, Result<bool, Failure>)>>,
    tallies: Tallies<'p>,
    stop: &'p Stop<'p>,
    /// The first failure that is to be propagated.
    failure: Option<(usize, Failure)>,
}

impl PassRun<'_> {
    /// Returns whether some rule may drop a point of a metric: most say no of a metric at once.
    fn may_drop(&mut self, batch: &Batch, path: Path) -> bool {
        let row = self.row(batch, path, Context::Metric);
        let stop = self.stop;
        let mut rules = self.pass.rules.iter().zip(&mut self.answers);
        rules.any(|(rule, last)| {
            if stop.before(1) {
                return false;
            }
            let (level, gated) = rule.gate();
            let ask = || gated.map_or_else(|| rule.drops(&row), |gated| gated.gate_holds(&row));
            level > Level::Metric || once(last, level, path, ask) != Ok(false)
        })
    }

    fn row<'b>(&self, batch: &'b Batch, path: Path, context: Context) -> Row<'b> {
        Row {
            batch,
            resource: batch.resource_at(path.resource),
            scope: (context >= Context::Scope).then(|| batch.scope_at(path.scope)),
            metric: (context >= Context::Metric).then(|| batch.metric_at(path.metric)),
            point: (context >= Context::DataPoint).then(|| batch.point_at(path.point)),
            exemplar: None,
            cache: &NO_CACHE,
            now: self.now,
        }
    }

    fn keeps(&mut self, batch: &Batch, path: Path) -> bool {
        let context = self.pass.context;
        let row = self.row(batch, path, context);
        for (index, rule) in self.pass.rules.iter().enumerate() {
            if self.stop.before(1) {
                return true;
            }
            let answer = answer(rule, &mut self.answers[index], path, &row);
            match answer {
                Ok(false) => {}
                Ok(true) => {
                    self.tallies.count(index, Effect::Dropped, batch, path, context);
                    return false;
                }
                Err(_) if self.pass.error_mode == ErrorMode::Ignore => {}
                Err(why) => {
                    self.failure.get_or_insert((index, why));
                    return true;
                }
            }
        }
        true
    }
}

/// Asks a rule, or remembers what it said about the same row of its level.
fn answer(
    rule: &Rule,
    last: &mut Option<(usize, Result<bool, Failure>)>,
    path: Path,
    row: &Row<'_>,
) -> Result<bool, Failure> {
    match rule.gate() {
        (level, Some(gated)) => {
            Ok(once(last, level, path, || gated.gate_holds(row))? && gated.holds_behind_gate(row)?)
        }
        (level, None) => once(last, level, path, || rule.drops(row)),
    }
}

/// Asks, or remembers what was said about the same row of a level.
fn once(
    last: &mut Option<(usize, Result<bool, Failure>)>,
    level: Level,
    path: Path,
    ask: impl FnOnce() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let about = match level {
        Level::Constant => 0,
        Level::Resource => path.resource,
        Level::Scope => path.scope,
        Level::Metric => path.metric,
        Level::DataPoint | Level::Always => return ask(),
    };
    match last {
        Some((index, answer)) if *index == about => *answer,
        _ => last.insert((about, ask())).1,
    }
}
