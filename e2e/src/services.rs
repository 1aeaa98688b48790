//! Traffic without a process: services, pods, a host, resources of other attributes, and one without any.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Number of each kind that there are several of.
const EACH: usize = 12;
/// Number of resources of a scrape.
pub const RESOURCES: usize = 3 * EACH + 2;

/// What nobody looks at goes; the rest stays.
pub const QUIETER: &str = "processors:
  filter/debug: { metrics: { metric: ['name == \"app.debug\"'] } }
service: { pipelines: { metrics: { processors: [filter/debug] } } }
";

/// A scrape of all that runs at a place, at this time, Unix nanoseconds; counters have come to `count`.
#[must_use]
pub fn scrape(place: u64, now: u64, count: u64) -> ExportMetricsServiceRequest {
    let mut resources = vec![Vec::new(), vec![("host.name", format!("host-{place}"))]];
    for number in 0..EACH {
        let service = [
            ("service.name", format!("cart-{number}")),
            ("service.instance.id", format!("{place}-{number}")),
        ];
        let pod = [
            ("k8s.namespace.name", "payments".to_owned()),
            ("k8s.pod.name", format!("checkout-{place}-{number}")),
        ];
        let sensor = [("rack", format!("{place}")), ("sensor", format!("{number}"))];
        resources.extend([service, pod, sensor].map(|attributes| attributes.to_vec()));
    }
    let place = text(("place", place.to_string()));
    let resource_metrics = resources.into_iter().map(|attributes| {
        let attributes = attributes.into_iter().map(text).collect();
        let resource = Some(Resource { attributes, ..Default::default() });
        let metrics = metrics(&place, now, count);
        let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
        ResourceMetrics { resource, scope_metrics, ..Default::default() }
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

fn metrics(place: &KeyValue, now: u64, count: u64) -> Vec<Metric> {
    let point = |value: f64| NumberDataPoint {
        time_unix_nano: now,
        start_time_unix_nano: 1,
        attributes: vec![place.clone()],
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    };
    let gauge = |name: &str, value| {
        let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point(value)] }));
        Metric { name: name.to_owned(), data, ..Default::default() }
    };
    let data_points = vec![point(count as f64)];
    let sum = Sum { data_points, aggregation_temporality: 2, is_monotonic: true };
    let requests =
        Metric { name: "requests".to_owned(), data: Some(metric::Data::Sum(sum)), ..Default::default() };
    vec![requests, gauge("queue.length", 7.0), gauge("app.debug", 1.0)]
}

fn text((key, value): (&str, String)) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}
