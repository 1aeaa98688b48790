//! The slow interpreter's stages that remember: deltas and intervals; and the machine that runs all of them.

use std::collections::HashMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Request;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};

use crate::choices::Stage;
use crate::{metrics, reference};

pub const SECOND: u64 = 1_000_000_000;
/// Seconds that points wait.
pub const INTERVAL: u64 = 20;

/// A series as text, with its start time and whether it is of doubles; its last time and value.
type Deltas = HashMap<(String, u64, bool), (u64, Value)>;

enum Memory {
    None,
    Deltas(Deltas),
    Held { request: Request, due: u64 },
}

/// The stages with what they remember.
pub struct Machine<'s>(Vec<(&'s Stage, Memory)>);

/// Outcome of a stage: whether the batch goes on.
type Outcome = Result<(), ()>;

impl<'s> Machine<'s> {
    pub fn new(stages: &'s [Stage]) -> Self {
        let memory = |stage: &Stage| match stage {
            Stage::Deltas(_) => Memory::Deltas(HashMap::new()),
            Stage::Interval => Memory::Held { request: Request::default(), due: INTERVAL * SECOND },
            _ => Memory::None,
        };
        Self(stages.iter().map(|stage| (stage, memory(stage))).collect())
    }

    /// The output, if the batch is not refused.
    pub fn process(&mut self, mut request: Request, now: u64) -> Option<Request> {
        self.from(0, &mut request, now).ok().map(|()| request)
    }

    fn from(&mut self, place: usize, request: &mut Request, now: u64) -> Outcome {
        self.0[place..].iter_mut().try_for_each(|(stage, memory)| match (&**stage, memory) {
            (Stage::Deltas(initial), Memory::Deltas(last)) => {
                deltas(initial, last, request);
                Ok(())
            }
            (Stage::Interval, Memory::Held { request: held, due }) => {
                while held.resource_metrics.is_empty() && *due <= now {
                    *due += INTERVAL * SECOND;
                }
                hold(held, request);
                Ok(())
            }
            (Stage::Rates(names), _) => metrics::rates(names, request),
            (Stage::Group(keys), _) => {
                metrics::group(keys, request);
                Ok(())
            }
            (Stage::Metrics(changes), _) => {
                metrics::change(changes, request);
                Ok(())
            }
            (stage, _) => {
                reference::run(stage, request);
                Ok(())
            }
        })
    }

    /// The flushes until `now`, in the order of time.
    pub fn advance(&mut self, now: u64) -> Vec<Request> {
        let mut flushes = Vec::new();
        loop {
            let due = self.0.iter().enumerate().filter_map(|(place, (_, memory))| match memory {
                Memory::Held { request, due } if !request.resource_metrics.is_empty() => Some((*due, place)),
                _ => None,
            });
            let Some((at, place)) = due.min().filter(|(at, _)| *at <= now) else { return flushes };
            flushes.extend(self.flush(place, at));
        }
    }

    /// Flushes what waits, stage by stage.
    pub fn finish(&mut self, now: u64) -> Vec<Request> {
        let mut flushes = self.advance(now);
        for place in 0..self.0.len() {
            flushes.extend(self.flush(place, now));
        }
        flushes
    }

    fn flush(&mut self, place: usize, at: u64) -> Option<Request> {
        let Memory::Held { request, due } = &mut self.0[place].1 else { return None };
        let mut request = std::mem::take(request);
        while *due <= at {
            *due += INTERVAL * SECOND;
        }
        if request.resource_metrics.is_empty() {
            return None;
        }
        self.from(place + 1, &mut request, at).ok()?;
        (!request.resource_metrics.is_empty()).then_some(request)
    }
}

/// Attributes as text, in order of their keys.
pub fn set_of(attributes: &[KeyValue]) -> String {
    let mut attributes = attributes.to_vec();
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
    format!("{attributes:?}")
}

fn resource_key(resource: &ResourceMetrics) -> String {
    set_of(&resource.resource.clone().unwrap_or_default().attributes)
}

fn metric_key(metric: &Metric) -> String {
    let data = match &metric.data {
        Some(Data::Sum(sum)) => format!("{} {}", sum.aggregation_temporality, sum.is_monotonic),
        Some(Data::Gauge(_)) => "gauge".to_owned(),
        other => panic!("no such metric is held: {other:?}"),
    };
    format!("{} {} {data}", metric.name, metric.unit)
}

fn deltas(initial: &str, known: &mut Deltas, request: &mut Request) {
    for resource in &mut request.resource_metrics {
        let key = resource_key(resource);
        for scope in &mut resource.scope_metrics {
            let key = format!("{key} {:?}", scope.scope);
            scope.metrics.retain_mut(|metric| {
                if !matches!(&metric.data, Some(Data::Sum(sum)) if sum.is_monotonic && sum.aggregation_temporality == 2)
                {
                    return true;
                }
                let key = format!("{key} {}", metric_key(metric));
                reference::points(metric).retain_mut(|point| delta(initial, known, &key, point));
                let Some(Data::Sum(sum)) = &mut metric.data else { panic!("it was a sum") };
                sum.aggregation_temporality = 1;
                !sum.data_points.is_empty()
            });
        }
    }
    reference::drop_empty(request);
}

fn delta(initial: &str, known: &mut Deltas, key: &str, point: &mut NumberDataPoint) -> bool {
    let value = point.value.unwrap_or(Value::AsInt(0));
    let double = matches!(value, Value::AsDouble(_));
    let key = format!("{key} {}", set_of(&point.attributes));
    let start = point.start_time_unix_nano;
    let Some((time, last)) = known.insert((key, start, double), (point.time_unix_nano, value)) else {
        point.value = Some(value);
        if initial == "keep" {
            point.start_time_unix_nano = 0;
        }
        return initial == "keep" || initial == "auto" && point.time_unix_nano != start;
    };
    point.start_time_unix_nano = time;
    point.value = match (last, value) {
        (Value::AsInt(last), Value::AsInt(value)) if value >= last => Some(Value::AsInt(value - last)),
        (Value::AsDouble(last), Value::AsDouble(value)) if value >= last => {
            Some(Value::AsDouble(value - last))
        }
        _ => return false,
    };
    true
}

/// Takes what waits out of a request.
fn hold(held: &mut Request, request: &mut Request) {
    for resource in &mut request.resource_metrics {
        let like = ResourceMetrics { scope_metrics: Vec::new(), ..resource.clone() };
        for scope in &mut resource.scope_metrics {
            let at = ScopeMetrics { metrics: Vec::new(), ..scope.clone() };
            scope.metrics.retain_mut(|metric| {
                let waits = match &metric.data {
                    Some(Data::Gauge(_)) => true,
                    Some(Data::Sum(sum)) => sum.is_monotonic && sum.aggregation_temporality == 2,
                    _ => false,
                };
                if waits {
                    put(place(held, &like, &at, metric), std::mem::take(reference::points(metric)));
                }
                !waits
            });
        }
    }
    reference::drop_empty(request);
}

/// The metric that waits under the same resource and scope; made if there is none.
fn place<'h>(
    held: &'h mut Request,
    resource: &ResourceMetrics,
    scope: &ScopeMetrics,
    metric: &Metric,
) -> &'h mut Metric {
    let resources = &mut held.resource_metrics;
    let found = resources.iter().position(|known| resource_key(known) == resource_key(resource));
    let found = found.unwrap_or_else(|| {
        resources.push(resource.clone());
        resources.len() - 1
    });
    let scopes = &mut resources[found].scope_metrics;
    let found = scopes.iter().position(|known| known.scope == scope.scope).unwrap_or_else(|| {
        scopes.push(scope.clone());
        scopes.len() - 1
    });
    let metrics = &mut scopes[found].metrics;
    let found = metrics.iter().position(|known| metric_key(known) == metric_key(metric));
    let found = found.unwrap_or_else(|| {
        let mut empty = metric.clone();
        reference::points(&mut empty).clear();
        metrics.push(empty);
        metrics.len() - 1
    });
    &mut metrics[found]
}

/// The newest point of each series stays.
fn put(metric: &mut Metric, points: Vec<NumberDataPoint>) {
    let known = reference::points(metric);
    for point in points {
        match known.iter_mut().find(|known| set_of(&known.attributes) == set_of(&point.attributes)) {
            Some(known) if point.time_unix_nano > known.time_unix_nano => *known = point,
            Some(_) => {}
            None => known.push(point),
        }
    }
}
