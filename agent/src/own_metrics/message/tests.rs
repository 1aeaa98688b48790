//! Messages as those read them who have the `.proto`.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, number_data_point};

use super::*;

fn family(name: &str, kind: Kind, value: Value) -> Family {
    let points = vec![Point { labels: vec![("exporter".into(), "otlp/eu".into())], value }];
    Family { name: name.into(), help: format!("Help of {name}"), kind, points }
}

/// The metrics of a message with this one, whose resource has every type of attribute.
fn sent(family: Family, is_delta: bool) -> (ExportMetricsServiceRequest, u64) {
    let all = Attribute::List(vec![Attribute::Int(1), Attribute::Double(0.5)]);
    let resource = [
        ("service.name".to_owned(), Attribute::Text("phoenix-agent".into())),
        ("is.edge".to_owned(), Attribute::Bool(true)),
        ("all".to_owned(), all),
    ];
    let (bytes, points) = message(&resource, vec![Counted { family, is_delta, since: 100 }], 200);
    (ExportMetricsServiceRequest::decode(bytes).expect("OTLP"), points)
}

fn metric(family: Family, is_delta: bool) -> Metric {
    let (request, points) = sent(family, is_delta);
    assert_eq!(points, 1);
    request.resource_metrics[0].scope_metrics[0].metrics[0].clone()
}

#[test]
fn a_message_names_who_sends_it() {
    let (request, _) = sent(family("a", Kind::Gauge, Value::Int(1)), false);
    let [of_resource] = &request.resource_metrics[..] else { panic!("one resource") };
    let attributes = &of_resource.resource.as_ref().expect("a resource").attributes;
    let of = |at: usize| {
        let attribute: &opentelemetry_proto::tonic::common::v1::KeyValue = &attributes[at];
        (attribute.key.as_str(), attribute.value.clone().and_then(|value| value.value).expect("a value"))
    };
    assert_eq!(of(0), ("service.name", any_value::Value::StringValue("phoenix-agent".into())));
    assert_eq!(of(1), ("is.edge", any_value::Value::BoolValue(true)));
    let ("all", any_value::Value::ArrayValue(list)) = of(2) else { panic!("a list") };
    let values: Vec<_> = list.values.into_iter().filter_map(|value| value.value).collect();
    assert_eq!(values, [any_value::Value::IntValue(1), any_value::Value::DoubleValue(0.5)]);
    let scope = of_resource.scope_metrics[0].scope.as_ref().expect("a scope");
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("phoenix-agent", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_only_grows_is_a_sum_with_its_start_and_what_does_not_is_a_gauge_without() {
    let sum = metric(family("otelcol_exporter_sent_metric_points", Kind::Sum, Value::Int(7)), false);
    assert_eq!((sum.unit.as_str(), sum.description.starts_with("Help of")), ("{datapoint}", true));
    let Some(Data::Sum(data)) = sum.data else { panic!("a sum") };
    assert_eq!((data.is_monotonic, data.aggregation_temporality), (true, 2));
    let point = &data.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (100, 200));
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(7)));
    assert_eq!((point.attributes[0].key.as_str(), point.attributes.len()), ("exporter", 1));
    let gauge = metric(family("otelcol_process_memory_rss", Kind::Gauge, Value::Double(0.5)), false);
    assert_eq!(gauge.unit, "By");
    let Some(Data::Gauge(data)) = gauge.data else { panic!("a gauge") };
    let point = &data.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (0, 200));
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(0.5)));
    let delta = metric(family("otelcol_process_uptime", Kind::Sum, Value::Int(7)), true);
    assert_eq!(delta.unit, "s");
    let Some(Data::Sum(data)) = delta.data else { panic!("a sum") };
    assert_eq!(data.aggregation_temporality, 1);
}

#[test]
fn a_distribution_has_its_bounds_and_counts() {
    let histogram = Histogram { sum: 2.5, count: 3, bounds: vec![0.1, 1.0], buckets: vec![1, 0, 2] };
    let metric = metric(family("phoenix_x_seconds", Kind::Histogram, Value::Histogram(histogram)), false);
    assert_eq!(metric.unit, "s");
    let Some(Data::Histogram(data)) = metric.data else { panic!("a histogram") };
    assert_eq!(data.aggregation_temporality, 2);
    let point = &data.data_points[0];
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (100, 200));
    assert_eq!((point.count, point.sum, &point.bucket_counts[..]), (3, Some(2.5), &[1, 0, 2][..]));
    assert_eq!((&point.explicit_bounds[..], point.attributes.len()), (&[0.1, 1.0][..], 1));
}

#[test]
fn units_are_those_by_which_a_collector_sends_the_same() {
    for (name, expected) in [
        ("otelcol_receiver_accepted_spans", "{span}"),
        ("otelcol_receiver_refused_log_records", "{record}"),
        ("otelcol_receiver_requests", "{request}"),
        ("otelcol_processor_incoming_items", "{item}"),
        ("otelcol_exporter_queue_size", "{batch}"),
        ("otelcol_exporter_queue_capacity", "{batch}"),
        ("otelcol_process_cpu_seconds", "s"),
        ("phoenix_budget_used_bytes", "By"),
        ("phoenix_points_lost", "{datapoint}"),
        ("phoenix_generation", ""),
    ] {
        assert_eq!(unit(name), expected, "{name}");
    }
}
