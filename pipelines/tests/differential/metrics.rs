//! The slow interpreter's stages that turn metrics into others: rates, grouping, and changes of whole metrics.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Request;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::choices::{Label, MetricChange};
use crate::memory::{SECOND, set_of};
use crate::reference::{drop_empty, points, set};

/// Delta sums become gauges; a point without a value refuses the batch.
pub fn rates(names: &[String], request: &mut Request) -> Result<(), ()> {
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        let Some(Data::Sum(sum)) = &mut metric.data else { continue };
        if sum.aggregation_temporality != 1 || !names.contains(&metric.name) {
            continue;
        }
        for point in &mut sum.data_points {
            let value = match point.value.ok_or(())? {
                Value::AsInt(value) => value as f64,
                Value::AsDouble(value) => value,
            };
            let nanos = point.time_unix_nano.saturating_sub(point.start_time_unix_nano);
            let seconds = (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9;
            point.value = Some(Value::AsDouble(if nanos == 0 { 0.0 } else { value / seconds }));
        }
        if !metric.unit.is_empty() {
            metric.unit.push_str("/s");
        }
        metric.data = Some(Data::Gauge(Gauge { data_points: std::mem::take(&mut sum.data_points) }));
    }
    Ok(())
}

/// Attributes move from points to resources, and what becomes equal is merged.
pub fn group(keys: &[String], request: &mut Request) {
    let mut grouped = Vec::<ResourceMetrics>::new();
    for resource in std::mem::take(&mut request.resource_metrics) {
        let attributes = resource.resource.unwrap_or_default().attributes;
        for mut scope in resource.scope_metrics {
            for mut metric in std::mem::take(&mut scope.metrics) {
                if metric.data.is_none() {
                    continue;
                }
                for point in std::mem::take(points(&mut metric)) {
                    move_point(keys, &attributes, &scope, &metric, point, &mut grouped);
                }
            }
        }
    }
    request.resource_metrics = grouped;
}

fn move_point(
    keys: &[String],
    attributes: &[KeyValue],
    scope: &ScopeMetrics,
    metric: &Metric,
    mut point: NumberDataPoint,
    grouped: &mut Vec<ResourceMetrics>,
) {
    let (moved, stay): (Vec<_>, Vec<_>) =
        std::mem::take(&mut point.attributes).into_iter().partition(|one| keys.contains(&one.key));
    point.attributes = stay;
    let mut attributes = attributes.to_vec();
    attributes.retain(|one| moved.iter().all(|other| other.key != one.key));
    attributes.extend(moved);
    let own = |known: &ResourceMetrics| set_of(&known.resource.clone().unwrap_or_default().attributes);
    let found = grouped.iter().position(|known| own(known) == set_of(&attributes)).unwrap_or_else(|| {
        let resource = Some(Resource { attributes, ..Resource::default() });
        grouped.push(ResourceMetrics { resource, ..ResourceMetrics::default() });
        grouped.len() - 1
    });
    let scopes = &mut grouped[found].scope_metrics;
    let found = scopes.iter().position(|known| known.scope == scope.scope).unwrap_or_else(|| {
        scopes.push(scope.clone());
        scopes.len() - 1
    });
    let metrics = &mut scopes[found].metrics;
    let kind = |metric: &Metric| (metric.name.clone(), matches!(metric.data, Some(Data::Gauge(_))));
    let found = metrics.iter().position(|known| kind(known) == kind(metric)).unwrap_or_else(|| {
        metrics.push(metric.clone());
        metrics.len() - 1
    });
    points(&mut metrics[found]).push(point);
}

/// Transforms, scope by scope.
pub fn change(changes: &[MetricChange], request: &mut Request) {
    for scope in request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics) {
        for change in changes {
            if change.insert {
                let named = scope.metrics.iter().filter(|metric| metric.name == change.include);
                let mut copies: Vec<Metric> = named.cloned().collect();
                copies.retain_mut(|metric| apply(change, metric));
                scope.metrics.extend(copies);
            } else {
                scope.metrics.retain_mut(|metric| metric.name != change.include || apply(change, metric));
            }
        }
    }
    drop_empty(request);
}

/// Changes a metric. False if it had points and has none any more.
fn apply(change: &MetricChange, metric: &mut Metric) -> bool {
    if !change.new_name.is_empty() {
        metric.name.clone_from(&change.new_name);
    }
    if metric.data.is_none() {
        return true;
    }
    let points = points(metric);
    let before = points.len();
    match &change.label {
        Some(Label::Add(key, value)) => {
            let missing = |point: &&mut NumberDataPoint| point.attributes.iter().all(|one| one.key != *key);
            points.iter_mut().filter(missing).for_each(|point| set(&mut point.attributes, key, value));
        }
        Some(Label::Change(key, old, new)) => {
            let has = |point: &&mut NumberDataPoint| text_of(point, key).is_some_and(|text| text == *old);
            points.iter_mut().filter(has).for_each(|point| set(&mut point.attributes, key, new));
        }
        Some(Label::Drop(key, value)) => {
            points.retain(|point| text_of(point, key).is_none_or(|text| text != *value));
        }
        None => {}
    }
    before == 0 || !points.is_empty()
}

/// The text of a label, the empty one for what is no text; none where there is no such label.
fn text_of(point: &NumberDataPoint, key: &str) -> Option<String> {
    let found = point.attributes.iter().find(|one| one.key == key)?;
    match found.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => Some(text.clone()),
        _ => Some(String::new()),
    }
}
