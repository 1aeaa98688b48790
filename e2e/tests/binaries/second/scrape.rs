//! Parts of requests: resources, metrics and points. Every point but a summary's carries a number of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use recount::point::exemplar;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other point has.
pub fn number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A text attribute.
pub fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Some(Any::StringValue(value.to_owned())))
}

/// An attribute that is a whole number.
pub fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Some(Any::IntValue(value)))
}

/// An attribute.
pub fn attribute(key: &str, value: Option<Any>) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value }), ..KeyValue::default() }
}

/// A point of a number.
pub fn point(attributes: Vec<KeyValue>, [start, time]: [u64; 2], value: Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(value),
        exemplars: vec![exemplar(number())],
        ..NumberDataPoint::default()
    }
}

/// A gauge.
pub fn gauge(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

/// A sum: temporality 1 is delta, 2 cumulative.
pub fn sum(
    name: &str,
    unit: &str,
    (temporality, is_monotonic): (i32, bool),
    points: Vec<NumberDataPoint>,
) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: temporality, is_monotonic };
    metric(name, unit, Data::Sum(sum))
}

/// A metric.
pub fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

/// A resource with its metrics in one scope.
pub fn resource(attributes: Vec<KeyValue>, metrics: Vec<Metric>) -> ResourceMetrics {
    let scope =
        InstrumentationScope { name: "scraper".to_owned(), version: "1".to_owned(), ..Default::default() };
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

/// A request.
pub fn request(resource_metrics: Vec<ResourceMetrics>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest { resource_metrics }
}
