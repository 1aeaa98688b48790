//! The sink as a client sees it, and the laws of its keys.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, logs_service_client::LogsServiceClient,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, Sum};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tonic::{Code, Request};

use super::*;
use crate::profile::{Host, Profile, Role};
use crate::scrape::MetricSet;

const START: u64 = 1_790_000_000_000_000_000;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn scrape() -> ExportMetricsServiceRequest {
    Host::new(Profile::Realistic, Role::Web, "web-1", 40, 9).scrape(START)
}

fn from(
    variant: &str,
    generation: &str,
    request: ExportMetricsServiceRequest,
) -> Request<ExportMetricsServiceRequest> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("x-phoenix-variant", variant.parse().unwrap());
    request.metadata_mut().insert("x-phoenix-generation", generation.parse().unwrap());
    request
}

#[tokio::test]
async fn points_are_counted_by_variant_and_generation_and_doubles_are_found_across_them() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let mut client = MetricsServiceClient::connect(sink.endpoint()).await.unwrap();
    let answer = client.export(from("baseline", "7", scrape())).await.unwrap().into_inner();
    assert_eq!(answer.partial_success, None, "a full success leaves it unset");
    let mut half = scrape();
    half.resource_metrics.truncate(20);
    client.export(from("candidate", "7", half)).await.unwrap();
    client.export(ExportMetricsServiceRequest::default()).await.unwrap();
    let counts = sink.counts();
    let rows: Vec<_> = counts
        .origins
        .iter()
        .map(|e| {
            (e.origin.variant.as_str(), e.origin.generation.as_str(), e.counts.requests, e.counts.points)
        })
        .collect();
    assert_eq!(rows, [("baseline", "7", 1, 280), ("candidate", "7", 1, 140), ("none", "none", 1, 0)]);
    assert_eq!((counts.requests, counts.points, counts.points_of("candidate")), (3, 420, 140));
    assert_eq!((counts.distinct_points, counts.duplicate_points, counts.exact), (280, 140, true));
    assert!(counts.executables["baseline"].contains("nginx"));
    assert!(counts.executables["candidate"].len() < counts.executables["baseline"].len());
}

#[tokio::test]
async fn past_its_bound_the_sink_says_that_it_is_not_exact() {
    let options = SinkOptions { max_keys: 100, max_recorded: 30 };
    let sink = Sink::bind_with(loopback(), options).await.unwrap();
    let mut client = MetricsServiceClient::connect(sink.endpoint()).await.unwrap();
    client.export(scrape()).await.unwrap();
    let counts = sink.counts();
    assert_eq!((counts.points, counts.distinct_points, counts.exact), (280, 100, false));
    let recorded = sink.recorded();
    assert_eq!(recorded.len(), 30);
    assert!(recorded.iter().zip(point_keys(&scrape())).all(|(recorded, key)| recorded.key == key));
}

#[tokio::test]
async fn without_room_for_keys_points_are_still_counted_exactly() {
    let options = SinkOptions { max_keys: 0, max_recorded: 0 };
    let sink = Sink::bind_with(loopback(), options).await.unwrap();
    let mut client = MetricsServiceClient::connect(sink.endpoint()).await.unwrap();
    client.export(scrape()).await.unwrap();
    let counts = sink.counts();
    assert_eq!((counts.points, counts.distinct_points, counts.exact), (280, 0, false));
}

#[tokio::test]
async fn spans_and_log_records_are_counted_and_a_message_over_64_mib_is_taken() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let spans = ScopeSpans { spans: vec![Span::default(); 3], ..ScopeSpans::default() };
    let resource_spans = vec![ResourceSpans { scope_spans: vec![spans], ..ResourceSpans::default() }];
    let mut traces = TraceServiceClient::connect(sink.endpoint()).await.unwrap();
    traces.export(ExportTraceServiceRequest { resource_spans }).await.unwrap();
    let body = Some(AnyValue { value: Some(Value::BytesValue(vec![7; 65 << 20])) });
    let log = LogRecord { body, ..LogRecord::default() };
    let records = ScopeLogs { log_records: vec![log; 1], ..ScopeLogs::default() };
    let resource_logs = vec![ResourceLogs { scope_logs: vec![records], ..ResourceLogs::default() }];
    let mut logs = LogsServiceClient::connect(sink.endpoint()).await.unwrap();
    logs.export(ExportLogsServiceRequest { resource_logs }).await.unwrap();
    let counts = &sink.counts().origins[0].counts;
    assert_eq!((counts.requests, counts.spans, counts.log_records, counts.points), (2, 3, 1, 0));
    assert!(counts.bytes > 65 << 20);
}

#[tokio::test]
async fn a_failure_hits_as_many_requests_as_asked_for_and_healing_ends_it() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let mut client = MetricsServiceClient::connect(sink.endpoint()).await.unwrap();
    sink.inject(Failure::Unavailable, When::Next(2));
    for expected in [Some(Code::Unavailable), Some(Code::Unavailable), None] {
        assert_eq!(client.export(scrape()).await.err().map(|status| status.code()), expected);
    }
    sink.inject(Failure::InvalidArgument, When::Fraction(0.25));
    let mut failed = 0;
    for _ in 0..8 {
        failed += u32::from(client.export(scrape()).await.is_err());
    }
    assert_eq!(failed, 2);
    sink.inject(Failure::Unavailable, When::Fraction(1.0));
    sink.heal();
    assert!(client.export(scrape()).await.is_ok());
    assert_eq!(sink.counts().failed_requests, 4);
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let sink = Sink::bind(loopback()).await.unwrap();
    let error = Sink::bind(sink.addr).await.unwrap_err().to_string();
    assert!(error.contains(&sink.addr.to_string()), "{error}");
}

/// A change to one scrape.
type Edit = fn(&mut ExportMetricsServiceRequest);

fn first_sum(request: &mut ExportMetricsServiceRequest) -> &mut Sum {
    match &mut request.resource_metrics[0].scope_metrics[0].metrics[0].data {
        Some(Data::Sum(sum)) => sum,
        other => panic!("{other:?}"),
    }
}

fn first_point(request: &mut ExportMetricsServiceRequest) -> &mut NumberDataPoint {
    &mut first_sum(request).data_points[0]
}

fn resource(request: &mut ExportMetricsServiceRequest) -> &mut Vec<KeyValue> {
    &mut request.resource_metrics[0].resource.as_mut().unwrap().attributes
}

fn set(attribute: &mut KeyValue, value: Value) {
    attribute.value = Some(AnyValue { value: Some(value) });
}

fn first_key_after(edit: Edit) -> PointKey {
    let mut request = Host::new(Profile::Realistic, Role::Web, "web-1", 1, 9)
        .with_metrics(MetricSet::Default)
        .scrape(START);
    edit(&mut request);
    point_keys(&request)[0]
}

#[test]
fn what_does_not_belong_to_a_series_does_not_change_its_key() {
    let same: [(&str, Edit); 5] = [
        ("order of attributes", |r| resource(r).reverse()),
        ("start time", |r| first_point(r).start_time_unix_nano += 1),
        ("description", |r| r.resource_metrics[0].scope_metrics[0].metrics[0].description.push('x')),
        ("schema URL", |r| r.resource_metrics[0].schema_url.push('x')),
        ("value", |r| first_point(r).value = None),
    ];
    for (what, edit) in same {
        assert_eq!(first_key_after(edit), first_key_after(|_| {}), "{what}");
    }
}

#[test]
fn what_belongs_to_a_series_changes_its_key() {
    let other: [(&str, Edit); 12] = [
        ("resource attribute's value", |r| set(&mut resource(r)[0], Value::IntValue(2))),
        ("its type", |r| set(&mut resource(r)[0], Value::StringValue("1".into()))),
        ("its key", |r| resource(r)[0].key.push('x')),
        ("one attribute fewer", |r| drop(resource(r).pop())),
        ("array against text", |r| {
            let text = AnyValue { value: Some(Value::StringValue("1".into())) };
            set(&mut resource(r)[0], Value::ArrayValue(ArrayValue { values: vec![text] }));
        }),
        ("scope's version", |r| {
            r.resource_metrics[0].scope_metrics[0].scope.as_mut().unwrap().version.push('x');
        }),
        ("name", |r| r.resource_metrics[0].scope_metrics[0].metrics[0].name.push('x')),
        ("unit", |r| r.resource_metrics[0].scope_metrics[0].metrics[0].unit.push('x')),
        ("temporality", |r| first_sum(r).aggregation_temporality = 1),
        ("monotonicity", |r| first_sum(r).is_monotonic = false),
        ("point attribute", |r| set(&mut first_point(r).attributes[0], Value::StringValue("x".into()))),
        ("an attribute's move from point to resource", |r| {
            let moved = first_point(r).attributes.remove(0);
            resource(r).push(moved);
        }),
    ];
    for (what, edit) in other {
        assert_ne!(first_key_after(edit).series, first_key_after(|_| {}).series, "{what}");
    }
    let later = first_key_after(|r| first_point(r).time_unix_nano += 1);
    let first = first_key_after(|_| {});
    assert_eq!(later.series, first.series);
    assert_ne!(later, first);
}
