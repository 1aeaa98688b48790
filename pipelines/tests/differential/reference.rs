//! The slow interpreter: what the stages mean, over decoded structs, one point after the other.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::{
    Metric, NumberDataPoint, metric::Data, number_data_point::Value,
};

use crate::choices::{Action, Condition, Edit, Stage, Statement};

/// Runs a stage that neither remembers nor regroups anything.
pub fn run(stage: &Stage, request: &mut ExportMetricsServiceRequest) {
    match stage {
        Stage::Filter(conditions) => filter(conditions, request),
        Stage::Resources(conditions) => {
            let (none, point) = (String::new(), NumberDataPoint::default());
            request.resource_metrics.retain(|resource| {
                let attributes = resource.resource.clone().unwrap_or_default().attributes;
                !conditions.iter().any(|one| holds(one, &attributes, &none, &point))
            });
            request.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
        }
        Stage::Attributes(actions) => each(request, |_, _, point| act(actions, &mut point.attributes)),
        Stage::Resource(actions) => {
            for resource in &mut request.resource_metrics {
                act(actions, &mut resource.resource.get_or_insert_default().attributes);
            }
        }
        Stage::Transform(statements) => each(request, |resource, metric, point| {
            statements.iter().for_each(|statement| apply(statement, resource, metric, point));
        }),
        other => panic!("{other:?} is run elsewhere"),
    }
}

/// Drops scopes without metrics, and resources without scopes.
pub fn drop_empty(request: &mut ExportMetricsServiceRequest) {
    for resource in &mut request.resource_metrics {
        resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
    }
    request.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
}

pub fn points(metric: &mut Metric) -> &mut Vec<NumberDataPoint> {
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => &mut gauge.data_points,
        Some(Data::Sum(sum)) => &mut sum.data_points,
        other => panic!("no such metric is made: {other:?}"),
    }
}

/// Calls `visit` with every point, its metric without points, and its resource's attributes.
fn each(
    request: &mut ExportMetricsServiceRequest,
    mut visit: impl FnMut(&mut Vec<KeyValue>, &mut Metric, &mut NumberDataPoint),
) {
    for resource in &mut request.resource_metrics {
        let attributes = &mut resource.resource.get_or_insert_default().attributes;
        for metric in resource.scope_metrics.iter_mut().flat_map(|scope| &mut scope.metrics) {
            if metric.data.is_none() {
                continue;
            }
            let mut taken = std::mem::take(points(metric));
            taken.iter_mut().for_each(|point| visit(attributes, metric, point));
            *points(metric) = taken;
        }
    }
}

fn filter(conditions: &[Condition], request: &mut ExportMetricsServiceRequest) {
    for resource in &mut request.resource_metrics {
        let attributes = resource.resource.clone().unwrap_or_default().attributes;
        for scope in &mut resource.scope_metrics {
            scope.metrics.retain_mut(|metric| {
                if metric.data.is_none() {
                    return true;
                }
                let name = metric.name.clone();
                points(metric)
                    .retain(|point| !conditions.iter().any(|c| holds(c, &attributes, &name, point)));
                !points(metric).is_empty()
            });
        }
        resource.scope_metrics.retain(|scope| !scope.metrics.is_empty());
    }
    request.resource_metrics.retain(|resource| !resource.scope_metrics.is_empty());
}

fn apply(
    statement: &Statement,
    resource: &mut Vec<KeyValue>,
    metric: &mut Metric,
    point: &mut NumberDataPoint,
) {
    let holds = |condition: &Condition| holds(condition, resource, &metric.name, point);
    if !statement.condition.as_ref().is_none_or(holds) {
        return;
    }
    match &statement.edit {
        Edit::SetPoint(key, value) => set(&mut point.attributes, key, value),
        Edit::DeletePoint(key) => point.attributes.retain(|one| one.key != *key),
        Edit::SetDescription(text) => metric.description.clone_from(text),
        Edit::SetResource(key, value) => set(resource, key, value),
    }
}

pub fn set(attributes: &mut Vec<KeyValue>, key: &str, value: &str) {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    match attributes.iter_mut().find(|one| one.key == key) {
        Some(one) => one.value = value,
        None => attributes.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() }),
    }
}

fn act(actions: &[Action], attributes: &mut Vec<KeyValue>) {
    for Action { verb, key, value } in actions {
        let present = attributes.iter().any(|one| one.key == *key);
        match *verb {
            "delete" => attributes.retain(|one| one.key != *key),
            "insert" if present => {}
            "update" if !present => {}
            _ => set(attributes, key, value),
        }
    }
}

fn holds(condition: &Condition, resource: &[KeyValue], name: &str, point: &NumberDataPoint) -> bool {
    let is = |attributes: &[KeyValue], key: &str, text: &str| {
        let found =
            attributes.iter().find(|one| one.key == key).and_then(|one| one.value.as_ref()?.value.as_ref());
        matches!(found, Some(Any::StringValue(found)) if found == text)
    };
    match condition {
        Condition::Name(text) => name == text,
        Condition::Int(op, wanted) => {
            let value = if let Some(Value::AsInt(value)) = point.value { value } else { 0 };
            match *op {
                "<" => value < *wanted,
                "==" => value == *wanted,
                _ => value >= *wanted,
            }
        }
        Condition::Point(key, text) => is(&point.attributes, key, text),
        Condition::Resource(key, text) => is(resource, key, text),
        Condition::Not(inner) => !holds(inner, resource, name, point),
        Condition::And(both) => both.iter().all(|one| holds(one, resource, name, point)),
        Condition::Or(both) => both.iter().any(|one| holds(one, resource, name, point)),
    }
}
