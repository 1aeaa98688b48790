//! `deltatorate`: turns delta sums into gauges of their rate a second.
//!
//! A point without a value refuses the whole batch. A duration that is not positive gives a rate of 0, and a start
//! time that is missing is 1970.

use crate::Batch;
use crate::batch::{MetricKind, Number, Path, PointRow, Span};
use crate::cost::Inspection;
use crate::ottl::{Context, Failure};
use crate::stage::{Effect, StageError, Tallies};
use crate::yaml::{Node, Problem, keep};

/// The config of a `deltatorate` processor.
#[derive(Debug, Clone)]
pub struct DeltaToRate {
    metrics: Vec<String>,
}

impl DeltaToRate {
    pub(super) fn decode(config: &Node, problems: &mut Inspection) -> Option<Self> {
        let mut fields = keep(config.map(), problems)?;
        let metrics = fields.take("metrics").map(|node| node.texts_or_null(problems)).unwrap_or_default();
        if metrics.is_empty() {
            let problem = Problem::new(config.location, "\"metrics\" is missing");
            problems.push(problem.expected("the names of the delta sums to convert"));
        }
        fields.finish(problems);
        Some(Self { metrics })
    }

    /// The metrics.
    pub(super) fn rules(&self) -> &[String] {
        &self.metrics
    }

    pub(super) fn run(&self, batch: &mut Batch, mut tallies: Tallies<'_>) -> Result<(), StageError> {
        for resource in 0..batch.resources().len() {
            for scope in batch.resource_at(resource).scopes.range() {
                for metric in batch.scope_at(scope).metrics.range() {
                    let row = batch.metric_at(metric);
                    let delta = row.kind == MetricKind::Sum && row.temporality == 1;
                    let named = |name: &String| name.as_bytes() == batch.bytes(row.name);
                    if let Some(rule) = self.metrics.iter().position(named).filter(|_| delta) {
                        let path = Path { resource, scope, metric, point: 0 };
                        tallies.count(rule, Effect::Changed, batch, path, Context::Metric);
                        convert(batch, path)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn convert(batch: &mut Batch, at: Path) -> Result<(), StageError> {
    let mut missing = false;
    batch.rework_points(at, |batch, _, mut point| {
        match point.value.as_f64() {
            Some(value) => point.value = Number::Double(rate(value, &point)),
            None => missing = true,
        }
        Some(batch.touched_point(point))
    });
    if missing {
        let name = batch.text(batch.metric_at(at.metric).name);
        return Err(StageError::new(&format!("the rate of {name}"), Failure("a point has no value")));
    }
    let unit = batch.metric_at(at.metric).unit;
    // What has no unit gets none.
    let a_second = if unit.is_empty() { Vec::new() } else { [batch.bytes(unit), b"/s"].concat() };
    let unit = batch.intern(&a_second);
    batch.edit_metric(at, |metric| {
        metric.unit = unit;
        metric.kind = MetricKind::Gauge;
        (metric.temporality, metric.monotonic) = (0, false);
        metric.data = Span::NONE;
    });
    Ok(())
}

fn rate(value: f64, point: &PointRow) -> f64 {
    let Some(nanos) = point.time.checked_sub(point.start).filter(|nanos| *nanos > 0) else { return 0.0 };
    let nanos = nanos.min(i64::MAX as u64);
    let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
    value / seconds
}
