//! Collisions as an agent meets them: hosts behind one agent, states and devices, requests that come again.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod across;

use std::sync::Arc;

use crate::processors::pipeline;
use observe::{Comparison, Observer, Repeats, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
const WITHOUT_HOST: &str = "resource/a: { attributes: [ { key: host.name, action: delete } ] }";
const WITHOUT_STATE: &str = "attributes/a: { actions: [ { key: state, action: delete } ] }";

/// The comparison of two pipelines, each of at most one processor, on requests that come a second apart.
fn compared(variants: [&str; 2], requests: &[ExportMetricsServiceRequest]) -> Comparison {
    let settings = Arc::new(Settings::default());
    let mut observer = Observer::new(settings.clone(), START);
    Comparison::of(&watched(&mut observer, variants, requests), &settings)
}

/// All that an observer sees of two pipelines, each of at most one processor, on requests that come a second apart.
fn watched(
    observer: &mut Observer,
    variants: [&str; 2],
    requests: &[ExportMetricsServiceRequest],
) -> Summary {
    let mut variants = variants.map(|one| match one {
        "" => pipeline(&[], 0),
        processor => pipeline(&[processor], 0),
    });
    let mut total = Summary::default();
    for (at, request) in requests.iter().enumerate() {
        let now = START + at as u64 * SECOND;
        observer.roll(now).into_iter().for_each(|window| total.merge(&window));
        let mut input = Batch::parse(request.encode_to_vec().into()).expect("a request");
        input.identify();
        observer.input(&input, now);
        for variant in Variant::BOTH {
            let mut output = Batch::default();
            variants[variant.index()].process(&input, now, &mut output).expect("a pipeline that works");
            output.identify();
            observer.output(variant, &input, &output, output.encoded_len() as u64);
        }
    }
    total.merge(&observer.cut(START + 3600 * SECOND));
    total
}

fn attribute((key, value): &(&str, &str)) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue((*value).to_owned())) });
    KeyValue { key: (*key).to_owned(), value, ..KeyValue::default() }
}

fn request(resource: &[(&str, &str)], metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let attributes = resource.iter().map(attribute).collect();
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
}

/// Attributes, value and time in milliseconds of a point.
type Point<'a> = (&'a [(&'a str, &'a str)], f64, u64);

fn gauge(name: &str, points: &[Point<'_>]) -> Metric {
    let point = |(attributes, value, millis): &Point<'_>| NumberDataPoint {
        attributes: attributes.iter().map(attribute).collect(),
        time_unix_nano: START + millis * 1_000_000,
        value: Some(Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: points.iter().map(point).collect() }));
    Metric { name: name.to_owned(), data, ..Metric::default() }
}

fn of_host(host: &str, millis: u64, value: f64) -> ExportMetricsServiceRequest {
    let metrics = (0..20).map(|at| gauge(&format!("m{at}"), &[(&[], value, millis)])).collect();
    request(&[("host.name", host)], metrics)
}

#[test]
fn two_hosts_behind_one_agent_that_write_over_each_other_collide_on_every_identity() {
    let turns = |round: u64| [of_host("web-1", round * 1000, 1.0), of_host("web-2", round * 1000 + 7, 2.0)];
    let requests: Vec<_> = (0..3).flat_map(turns).collect();
    let found = compared(["", WITHOUT_HOST], &requests);
    assert_eq!((found.candidate.collisions.value, found.candidate.collisions.exact), (20, true));
    assert_eq!((found.candidate_only_collisions.value, found.baseline.collisions.value), (20, 0));
    assert_eq!(found.collisions[0].writers, ["host web-1", "host web-2"]);
}

#[test]
fn a_host_that_takes_the_place_of_another_for_good_collides_with_nothing() {
    let hosts = ["web-1", "web-1", "web-2", "web-2", "web-2"];
    let requests: Vec<_> = hosts.iter().zip(0..).map(|(host, at)| of_host(host, at * 1000, 1.0)).collect();
    assert_eq!(compared(["", WITHOUT_HOST], &requests).candidate.collisions.value, 0);
}

/// The states of one host at one time.
fn states(millis: u64) -> ExportMetricsServiceRequest {
    let point = |state: &'static [(&str, &str)], value: f64| (state, value, millis);
    let points = [point(&[("state", "idle")], 1.0), point(&[("state", "user")], 1.0)];
    request(&[("host.name", "web-1")], vec![gauge("cpu", &points)])
}

#[test]
fn deleting_what_tells_the_series_of_one_entity_apart_collides() {
    let found = compared(["", WITHOUT_STATE], &[states(0)]);
    assert_eq!(found.candidate_only_collisions.value, 1);
    assert_eq!(found.collisions[0].writers, ["host web-1", "host web-1"]);
    assert_eq!(found.candidate.repeats, Repeats::default(), "a collision is no conflict");
}

#[test]
fn a_state_that_changes_is_a_turn_of_one_entity_and_collides_with_nothing() {
    let of = |at: u64| {
        let state: &[(&str, &str)] =
            if at.is_multiple_of(2) { &[("state", "up")] } else { &[("state", "down")] };
        request(&[("host.name", "web-1")], vec![gauge("link", &[(state, 1.0, at * 1000)])])
    };
    let requests: Vec<_> = (0..9).map(of).collect();
    let found = compared(["", WITHOUT_STATE], &requests);
    assert_eq!((found.candidate.collisions.value, found.lost_by_candidate.value), (0, 0));
}

#[test]
fn what_the_baseline_does_to_the_same_series_is_no_fault_of_the_candidate() {
    let found = compared([WITHOUT_STATE, WITHOUT_STATE], &[states(0), states(1000)]);
    assert_eq!((found.baseline.collisions.value, found.candidate.collisions.value), (1, 1));
    assert_eq!((found.candidate_only_collisions.value, found.baseline_collisions.len()), (0, 1));
    assert!(found.differs_by_nothing());
}

#[test]
fn a_series_that_the_candidate_adds_to_those_that_collide_in_the_baseline_is_its_fault() {
    let of = |host: &str| {
        let mut request = states(0);
        request.resource_metrics[0].resource =
            Some(Resource { attributes: vec![attribute(&("host.name", host))], ..Resource::default() });
        request
    };
    let both = "transform/b: { metric_statements: [ { context: datapoint, statements: ['delete_key(attributes, \"state\")', 'delete_key(resource.attributes, \"host.name\")'] } ] }";
    let found = compared([WITHOUT_STATE, both], &[of("web-1"), of("web-2")]);
    assert_eq!((found.baseline.collisions.value, found.candidate.collisions.value), (2, 1));
    assert_eq!(found.candidate_only_collisions.value, 1);
}

/// A histogram whose point has such a sum.
fn histogram(sum: f64) -> ExportMetricsServiceRequest {
    let point = HistogramDataPoint {
        time_unix_nano: START,
        count: 2,
        sum: Some(sum),
        ..HistogramDataPoint::default()
    };
    let data = Some(Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 }));
    request(&[], vec![Metric { name: "h".to_owned(), data, ..Metric::default() }])
}

#[test]
fn a_request_that_comes_again_is_duplicates_and_neither_collides_nor_loses_anything() {
    let broken = request(&[], vec![gauge("broken", &[(&[], f64::NAN, 0)])]);
    let once = [states(0), of_host("web-2", 500, 1.0), histogram(3.0), broken];
    let requests: Vec<_> = once.iter().chain(&once).cloned().collect();
    let found = compared(["", WITHOUT_HOST], &requests);
    assert_eq!((found.candidate.collisions.value, found.lost_by_candidate.value), (0, 0));
    let all = Repeats { duplicates: 24, conflicts: 0 };
    assert_eq!((found.baseline.repeats, found.candidate.repeats), (all, all));
}

#[test]
fn another_value_of_the_same_series_and_time_is_a_conflict_of_both_variants() {
    let requests = [of_host("web-1", 0, 1.0), of_host("web-1", 0, 2.0), histogram(3.0), histogram(4.0)];
    let found = compared(["", ""], &requests);
    let all = Repeats { duplicates: 0, conflicts: 21 };
    assert_eq!((found.baseline.repeats, found.candidate.repeats), (all, all));
    assert_eq!((found.baseline.collisions.value, found.candidate.collisions.value), (0, 0));
}

#[test]
fn processes_of_equal_pid_on_two_hosts_collide_where_the_host_is_deleted() {
    let of = |host: &str, millis: u64| {
        let resource = [("host.name", host), ("process.pid", "7"), ("process.executable.name", "java")];
        request(&resource, vec![gauge("memory", &[(&[], 1.0, millis)])])
    };
    let turns = |round: u64| [of("web-1", round * 1000), of("web-2", round * 1000 + 7)];
    let found = compared(["", WITHOUT_HOST], &(0..2).flat_map(turns).collect::<Vec<_>>());
    assert_eq!(found.candidate_only_collisions.value, 1);
    assert_eq!(found.collisions[0].writers, ["java (pid 7) on web-1", "java (pid 7) on web-2"]);
}

#[test]
fn series_of_no_process_are_named_by_their_entity_where_they_are_lost() {
    let load = || vec![gauge("load", &[(&[], 1.0, 0)])];
    let pod = [("k8s.namespace.name", "payments"), ("k8s.pod.name", "checkout-7d")];
    let drop = "filter/all: { metrics: { metric: ['name == \"load\"'] } }";
    let found = compared(["", drop], &[request(&pod, load()), request(&[], load())]);
    let lost: Vec<_> = found.lost_samples.into_iter().map(|lost| lost.process).collect();
    assert_eq!(lost, ["a resource without attributes", "pod payments/checkout-7d"]);
}
