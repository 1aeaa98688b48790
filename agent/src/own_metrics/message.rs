//! Messages of OTLP with the agent's own metrics.
//!
//! Names and units are those by which a Collector sends what it counts of itself.

use bytes::Bytes;
use prost::Message as _;

use super::exposition::{Family, Histogram, Kind, Labels, Point, Value};
use super::wire::{
    Any, AnyValue, Data, Gauge, HistogramPoint, Histograms, KeyValue, List, Metric, Number, NumberPoint,
    Request, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum,
};

/// Name of the scope of all metrics.
const SCOPE: &str = "phoenix-agent";
const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;

/// Value of an attribute of the resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// Several.
    List(Vec<Attribute>),
}

/// Metrics of one name, and the time since which they count.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The metrics.
    pub family: Family,
    /// True if they say what was added since the last message.
    pub is_delta: bool,
    /// Time since which they count, in nanoseconds; 0 where that is not known.
    pub since: u64,
}

/// The message of these metrics, which were read at a time in nanoseconds, and the number of their points.
pub fn message(resource: &[(String, Attribute)], counted: Vec<Counted>, at: u64) -> (Bytes, u64) {
    let points = counted.iter().map(|one| one.family.points.len() as u64).sum();
    let attributes = resource.iter().map(|(key, value)| attribute(key.clone(), value.clone())).collect();
    let scope = Scope { name: SCOPE.into(), version: env!("CARGO_PKG_VERSION").into() };
    let metrics = counted.into_iter().map(|one| metric(one, at)).collect();
    let request = Request {
        resources: vec![ResourceMetrics {
            resource: Some(Resource { attributes }),
            scopes: vec![ScopeMetrics { scope: Some(scope), metrics }],
        }],
    };
    (request.encode_to_vec().into(), points)
}

fn metric(Counted { family, is_delta, since }: Counted, at: u64) -> Metric {
    let Family { name, help, kind, points } = family;
    let temporality = if is_delta { DELTA } else { CUMULATIVE };
    let data = match kind {
        Kind::Gauge => Data::Gauge(Gauge { points: numbers(points, 0, at) }),
        Kind::Sum => Data::Sum(Sum { points: numbers(points, since, at), temporality, is_monotonic: true }),
        Kind::Histogram => Data::Histogram(Histograms { points: histograms(points, since, at), temporality }),
    };
    Metric { unit: unit(&name).to_owned(), name, description: help, data: Some(data) }
}

fn numbers(points: Vec<Point>, start: u64, at: u64) -> Vec<NumberPoint> {
    let number = |Point { labels, value }| {
        let value = match value {
            Value::Int(int) => Number::Int(int),
            Value::Double(double) => Number::Double(double),
            Value::Histogram(_) => return None,
        };
        Some(NumberPoint { attributes: attributes(labels), start, at, value: Some(value) })
    };
    points.into_iter().filter_map(number).collect()
}

fn histograms(points: Vec<Point>, start: u64, at: u64) -> Vec<HistogramPoint> {
    let histogram = |Point { labels, value }| {
        let Value::Histogram(Histogram { sum, count, bounds, buckets }) = value else { return None };
        let attributes = attributes(labels);
        Some(HistogramPoint { attributes, start, at, count, sum: Some(sum), buckets, bounds })
    };
    points.into_iter().filter_map(histogram).collect()
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(key, value)| attribute(key, Attribute::Text(value))).collect()
}

fn attribute(key: String, value: Attribute) -> KeyValue {
    KeyValue { key, value: Some(any(value)) }
}

fn any(value: Attribute) -> AnyValue {
    let value = match value {
        Attribute::Text(text) => Any::Text(text),
        Attribute::Bool(bool) => Any::Bool(bool),
        Attribute::Int(int) => Any::Int(int),
        Attribute::Double(double) => Any::Double(double),
        Attribute::List(all) => Any::List(List { values: all.into_iter().map(any).collect() }),
    };
    AnyValue { value: Some(value) }
}

/// Unit of a metric, by the end of its name; nothing where it counts nothing or says a state.
fn unit(name: &str) -> &'static str {
    const ENDS: [(&str, &str); 14] = [
        ("_seconds", "s"),
        ("_process_uptime", "s"),
        ("_bytes", "By"),
        ("_memory_rss", "By"),
        ("_points", "{datapoint}"),
        ("_points_lost", "{datapoint}"),
        ("_points_lost_at_most", "{datapoint}"),
        ("_spans", "{span}"),
        ("_log_records", "{record}"),
        ("_items", "{item}"),
        ("_requests", "{request}"),
        ("_batches", "{batch}"),
        ("_series", "{series}"),
        ("_connections", "{connection}"),
    ];
    if name.starts_with("otelcol_exporter_queue_") {
        return "{batch}";
    }
    ENDS.iter().find(|(end, _)| name.ends_with(end)).map_or("", |(_, unit)| *unit)
}

#[cfg(test)]
mod tests;
