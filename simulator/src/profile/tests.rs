//! Tests of the model's promises: determinism, the scraper's shape, and the laws of a process's life.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, ResourceMetrics, metric::Data};
use proptest::prelude::*;
use prost::Message;

use super::{Class, Host, Profile, Role, catalog};
use crate::scrape::{Convention, MetricSet, SCHEMA_URL, SCOPE_NAME, point_count};
use crate::sink::point_keys;

const START: u64 = 1_790_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// `n` scrapes, ten seconds apart.
fn scrapes(mut host: Host, n: u64) -> Vec<ExportMetricsServiceRequest> {
    let mut all = Vec::new();
    for i in 0..n {
        all.push(host.scrape(START + i * 10 * SECOND));
        host.step(Duration::from_secs(10));
    }
    all
}

fn attribute(resource: &ResourceMetrics, key: &str) -> Option<Attribute> {
    let attributes = &resource.resource.as_ref()?.attributes;
    attributes.iter().find(|a| a.key == key)?.value.clone()?.value
}

fn text(resource: &ResourceMetrics, key: &str) -> String {
    match attribute(resource, key) {
        Some(Attribute::StringValue(text)) => text,
        other => panic!("{key} is {other:?}"),
    }
}

fn pid(resource: &ResourceMetrics) -> i64 {
    match attribute(resource, "process.pid") {
        Some(Attribute::IntValue(pid)) => pid,
        other => panic!("process.pid is {other:?}"),
    }
}

fn pids(request: &ExportMetricsServiceRequest) -> Vec<i64> {
    request.resource_metrics.iter().map(pid).collect()
}

/// (pid, start time, metric, its attributes) → value, of the monotonic sums.
fn counters(request: &ExportMetricsServiceRequest) -> BTreeMap<(i64, u64, String, String), f64> {
    let mut all = BTreeMap::new();
    for resource in &request.resource_metrics {
        for metric in &resource.scope_metrics[0].metrics {
            let Some(Data::Sum(sum)) = &metric.data else { continue };
            for point in sum.data_points.iter().filter(|_| sum.is_monotonic) {
                let value = match point.value {
                    Some(Value::AsInt(v)) => v as f64,
                    Some(Value::AsDouble(v)) => v,
                    None => panic!("{} has a point without a value", metric.name),
                };
                let key = (
                    pid(resource),
                    point.start_time_unix_nano,
                    metric.name.clone(),
                    format!("{:?}", point.attributes),
                );
                all.insert(key, value);
            }
        }
    }
    all
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Realistic), Just(Profile::HighCardinality), Just(Profile::HighChurn)]
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Web), Just(Role::Batch)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_seed_gives_byte_identical_scrapes_and_another_seed_does_not(
        profile in profiles(), role in roles(), n in 1_usize..200, seed: u64,
    ) {
        let bytes = |seed| -> Vec<Vec<u8>> {
            let host = Host::new(profile, role, "h", n, seed).with_metrics(MetricSet::All);
            scrapes(host, 4).iter().map(Message::encode_to_vec).collect()
        };
        prop_assert_eq!(bytes(seed), bytes(seed));
        prop_assert_ne!(bytes(seed), bytes(seed ^ 1));
    }

    #[test]
    fn counters_never_decrease_within_a_life_and_living_pids_are_unique_and_ascending(
        profile in profiles(), role in roles(), n in 1_usize..200, seed: u64,
    ) {
        let host = Host::new(profile, role, "h", n, seed).with_metrics(MetricSet::All);
        let mut before = BTreeMap::new();
        for request in scrapes(host, 8) {
            let pids = pids(&request);
            prop_assert_eq!(pids.len(), n);
            prop_assert!(pids.is_sorted_by(|a, b| a < b), "{:?}", pids);
            let now = counters(&request);
            for (key, value) in &now {
                prop_assert!(*value >= 0.0);
                prop_assert!(before.get(key).is_none_or(|earlier| earlier <= value), "{:?}", key);
            }
            before = now;
        }
    }

    #[test]
    fn every_point_of_a_scrape_is_a_series_of_its_own(profile in profiles(), role in roles(), n in 1_usize..200, seed: u64) {
        let host = Host::new(profile, role, "h", n, seed).with_metrics(MetricSet::All);
        for request in scrapes(host, 2) {
            let series: HashSet<_> = point_keys(&request).into_iter().map(|key| key.series).collect();
            prop_assert_eq!(series.len() as u64, point_count(&request));
        }
    }

    #[test]
    fn a_start_time_is_constant_and_not_after_any_point(profile in profiles(), seed: u64) {
        let mut starts = BTreeMap::new();
        for request in scrapes(Host::new(profile, Role::Web, "h", 80, seed), 6) {
            for resource in &request.resource_metrics {
                for metric in &resource.scope_metrics[0].metrics {
                    let Some(Data::Sum(sum)) = &metric.data else { panic!("the default set has sums only") };
                    for point in &sum.data_points {
                        prop_assert!(point.start_time_unix_nano <= point.time_unix_nano);
                        let start = *starts.entry(pid(resource)).or_insert(point.start_time_unix_nano);
                        prop_assert_eq!(start, point.start_time_unix_nano);
                    }
                }
            }
        }
    }
}

#[test]
fn a_process_has_7_points_by_default_and_21_with_everything_on_from_its_second_scrape() {
    let default = scrapes(Host::new(Profile::Realistic, Role::Web, "h", 120, 1), 2);
    assert_eq!(default.iter().map(point_count).collect::<Vec<_>>(), [840, 840]);

    // Without any time between the scrapes nobody dies; utilization needs a positive interval, though.
    let mut host = Host::new(Profile::Realistic, Role::Web, "h", 120, 1).with_metrics(MetricSet::All);
    assert_eq!(point_count(&host.scrape(START)), 120 * 18);
    assert_eq!(point_count(&host.scrape(START + SECOND)), 120 * 21);
    assert_eq!(host.points_per_scrape(), 120 * 21);
}

#[test]
fn the_shape_is_the_collectors() {
    let mut host = Host::new(Profile::Realistic, Role::Web, "web-1", 60, 3).with_metrics(MetricSet::All);
    host.scrape(START);
    let request = host.scrape(START + 10 * SECOND);
    let expected = [
        ("process.context_switches", "{count}", "counter int type=involuntary,voluntary"),
        ("process.cpu.time", "s", "counter double state=user,system,wait"),
        ("process.cpu.utilization", "1", "gauge double state=user,system,wait"),
        ("process.disk.io", "By", "counter int direction=read,write"),
        ("process.disk.operations", "{operations}", "counter int direction=read,write"),
        ("process.memory.usage", "By", "updown int -"),
        ("process.memory.utilization", "1", "gauge double -"),
        ("process.memory.virtual", "By", "updown int -"),
        ("process.open_file_descriptors", "{count}", "updown int -"),
        ("process.paging.faults", "{faults}", "counter int type=major,minor"),
        ("process.signals_pending", "{signals}", "updown int -"),
        ("process.threads", "{threads}", "updown int -"),
        ("process.uptime", "s", "gauge double -"),
    ];
    for resource in &request.resource_metrics {
        assert_eq!(resource.schema_url, SCHEMA_URL);
        assert_eq!(resource.scope_metrics.len(), 1);
        let scope = &resource.scope_metrics[0];
        assert_eq!(scope.scope.as_ref().map(|s| s.name.as_str()), Some(SCOPE_NAME));
        assert_eq!(text(resource, "host.name"), "web-1");
        let keys: Vec<_> =
            resource.resource.iter().flat_map(|r| &r.attributes).map(|a| a.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "process.pid",
                "process.parent_pid",
                "process.executable.name",
                "process.executable.path",
                "process.command",
                "process.command_line",
                "process.owner",
                "host.name",
            ]
        );
        let seen: Vec<_> =
            scope.metrics.iter().map(|m| (m.name.as_str(), m.unit.as_str(), kind(m.data.as_ref()))).collect();
        let expected: Vec<_> = expected.iter().map(|(n, u, k)| (*n, *u, (*k).to_owned())).collect();
        assert_eq!(seen, expected);
    }
}

/// A metric's type in words, so that a whole table of them can be compared.
fn kind(data: Option<&Data>) -> String {
    let (name, points) = match data {
        Some(Data::Gauge(gauge)) => ("gauge", &gauge.data_points),
        Some(Data::Sum(sum)) => {
            assert_eq!(sum.aggregation_temporality, i32::from(AggregationTemporality::Cumulative));
            (if sum.is_monotonic { "counter" } else { "updown" }, &sum.data_points)
        }
        other => panic!("{other:?}"),
    };
    let number =
        if points.iter().all(|p| matches!(p.value, Some(Value::AsInt(_)))) { "int" } else { "double" };
    let mut key = "-".to_owned();
    let mut values = Vec::new();
    for attribute in points.iter().flat_map(|p| &p.attributes) {
        let value = attribute.value.as_ref().and_then(|v| v.value.as_ref());
        let Some(Attribute::StringValue(value)) = value else { panic!("{attribute:?}") };
        key = format!("{}=", attribute.key);
        values.push(value.clone());
    }
    format!("{name} {number} {key}{}", values.join(","))
}

/// Share of the first scrape's processes that are gone after `seconds`.
fn gone_after(profile: Profile, seconds: u64) -> f64 {
    let mut host = Host::new(profile, Role::Web, "h", 400, 11);
    let before: BTreeSet<_> = pids(&host.scrape(START)).into_iter().collect();
    for _ in 0..seconds / 10 {
        host.step(Duration::from_secs(10));
    }
    let after: BTreeSet<_> = pids(&host.scrape(START + seconds * SECOND)).into_iter().collect();
    before.difference(&after).count() as f64 / before.len() as f64
}

#[test]
fn each_profile_churns_as_it_says() {
    assert!((0.005..0.08).contains(&gone_after(Profile::Realistic, 60)));
    assert!((0.005..0.08).contains(&gone_after(Profile::HighCardinality, 60)));
    assert!((0.15..0.45).contains(&gone_after(Profile::HighChurn, 10)));
}

#[test]
fn high_cardinality_has_a_long_command_line_of_its_own_for_nearly_every_process() {
    let distinct = |profile| {
        let request = Host::new(profile, Role::Batch, "h", 300, 5).scrape(START);
        let lines: Vec<_> =
            request.resource_metrics.iter().map(|r| text(r, "process.command_line")).collect();
        let mean = lines.iter().map(String::len).sum::<usize>() / lines.len();
        (lines.iter().collect::<HashSet<_>>().len(), mean)
    };
    let (realistic, short) = distinct(Profile::Realistic);
    let (high, long) = distinct(Profile::HighCardinality);
    assert!(high > realistic && high >= 250, "{high} against {realistic}");
    assert!(long > 400 && short < 120, "{long} against {short}");
}

#[test]
fn both_roles_run_every_class_and_several_pids_of_their_main_service() {
    for (role, service) in [(Role::Web, "nginx"), (Role::Batch, "postgres")] {
        for class in [Class::Critical, Class::High, Class::Medium, Class::Low] {
            assert!(catalog().iter().any(|e| e.class == class && e.runs_on(role)), "{role:?} {class:?}");
        }
        let request = Host::new(Profile::Realistic, role, "h", 120, 2).scrape(START);
        let of_service: Vec<_> = request
            .resource_metrics
            .iter()
            .filter(|r| text(r, "process.executable.name") == service)
            .collect();
        assert!(of_service.len() >= 3, "{} of {service}", of_service.len());
        let parent = Some(Attribute::IntValue(pid(of_service[0])));
        assert!(of_service[1..].iter().all(|child| attribute(child, "process.parent_pid") == parent));
    }
}

#[test]
fn each_convention_has_its_names_and_both_at_once_have_all_of_them() {
    let scraped = |convention: Convention| {
        let host = Host::new(Profile::Realistic, Role::Web, "h", 20, 1).with_metrics(MetricSet::All);
        let mut host = host.with_convention(convention);
        host.scrape(START);
        let request = host.scrape(START + SECOND);
        assert_eq!(point_count(&request), host.points_per_scrape() as u64);
        let metrics = request.resource_metrics[0].scope_metrics[0].metrics.clone();
        assert!(metrics.is_sorted_by(|a, b| a.name < b.name));
        let keys = metrics.iter().flat_map(|metric| match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.clone(),
            Some(Data::Gauge(gauge)) => gauge.data_points.clone(),
            _ => Vec::new(),
        });
        let keys = keys.flat_map(|point| point.attributes).map(|attribute| attribute.key);
        keys.chain(metrics.iter().map(|metric| metric.name.clone())).collect::<BTreeSet<String>>()
    };
    let (v0, v1, both) = (scraped(Convention::V0), scraped(Convention::V1), scraped(Convention::Both));
    let only = |of: &BTreeSet<String>, without: &BTreeSet<String>| {
        of.difference(without).cloned().collect::<Vec<String>>()
    };
    assert_eq!(
        only(&v0, &v1),
        ["direction", "process.open_file_descriptors", "process.threads", "state", "type"]
    );
    assert_eq!(
        only(&v1, &v0),
        [
            "cpu.mode",
            "disk.io.direction",
            "process.context_switch.type",
            "process.thread.count",
            "process.unix.file_descriptor.count",
            "system.paging.fault.type",
        ]
    );
    assert_eq!(both, v0.union(&v1).cloned().collect());
}
