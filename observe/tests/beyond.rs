//! More series than are followed one by one: what is bounded, what is still found, and what every figure says.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

// It measures the memory of the process, so it is a program of its own.
#[path = "all/processors.rs"]
mod processors;

use std::sync::Arc;

use observe::{Comparison, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use processors::pipeline;
use prost::Message as _;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;
/// Names of twins are taken from them, and pids of what is critical.
const CANDIDATE: &str = "transform/t: { metric_statements: [ { context: resource, statements: [\
    'delete_key(attributes, \"host.name\") where attributes[\"process.executable.name\"] == \"twin\"', \
    'delete_key(attributes, \"process.pid\") where attributes[\"process.executable.name\"] == \"postgres\"'] } ] }";

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Process on a host, with so many gauges.
fn process(at: u64, executable: &str, (pid, host): (u64, u64), metrics: u64) -> ResourceMetrics {
    let metric = |number: u64| {
        let name = if number == 0 { "process.memory.usage".to_owned() } else { format!("m{number}") };
        let point = NumberDataPoint {
            time_unix_nano: START + SECOND,
            value: Some(Value::AsInt(at.cast_signed())),
            ..NumberDataPoint::default()
        };
        Metric { name, data: Some(Data::Gauge(Gauge { data_points: vec![point] })), ..Metric::default() }
    };
    let attributes = vec![
        attribute("host.name", format!("h{host}")),
        attribute("process.pid", pid.to_string()),
        attribute("process.executable.name", executable.to_owned()),
    ];
    let scope = ScopeMetrics { metrics: (0..metrics).map(metric).collect(), ..ScopeMetrics::default() };
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    }
}

/// Of a hundred processes one is critical, and four are twins: pairs that only the host tells apart.
fn of_fleet(at: u64, metrics: u64) -> ResourceMetrics {
    match at % 100 {
        7 => process(at, "postgres", (at, at), metrics),
        twin @ 50..54 => process(at, "twin", (at - twin % 2, at), metrics),
        _ => process(at, "worker", (at, 1), metrics),
    }
}

/// One window of so many processes of so many gauges each, some hundreds a request, sent so many times.
fn watched(settings: &Arc<Settings>, processes: u64, metrics: u64, times: usize) -> Summary {
    watched_beside(CANDIDATE, settings, (processes, metrics, times))
}

fn watched_beside(
    candidate: &str,
    settings: &Arc<Settings>,
    (processes, metrics, times): (u64, u64, usize),
) -> Summary {
    let mut observer = Observer::new(Arc::clone(settings), START);
    let (mut candidate, mut output) = (pipeline(&[candidate], 0), Batch::default());
    for _ in 0..times {
        for first in (0..processes).step_by(200) {
            let all = (first..processes.min(first + 200)).map(|at| of_fleet(at, metrics));
            let request = ExportMetricsServiceRequest { resource_metrics: all.collect() };
            let mut input = Batch::parse(request.encode_to_vec().into()).expect("a request");
            input.identify();
            observer.input(&input, START + SECOND);
            observer.output(Variant::Baseline, &input, &input, 0);
            candidate.process(&input, START + SECOND, &mut output).expect("a pipeline that works");
            output.identify();
            observer.output(Variant::Candidate, &input, &output, 0);
        }
    }
    observer.cut(START + 10 * SECOND)
}

fn settings(bound: usize) -> Arc<Settings> {
    let mut settings = Settings { bound, lenses: Vec::new(), ..Settings::default() };
    settings.critical[0].metrics = vec!["process.memory.usage".to_owned()];
    Arc::new(settings)
}

/// The most memory that this process has had, bytes.
#[expect(clippy::disallowed_methods, reason = "the kernel counts it")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
}

#[test]
fn of_a_million_series_memory_is_bounded_and_criticals_and_collisions_are_found() {
    let (settings, before) = (settings(Settings::default().bound), peak());
    // Ten thousand processes of a hundred series, of which a hundred are critical and four hundred are twins.
    let summary = watched(&settings, 10_000, 100, 1);
    let found = Comparison::of(&summary, &settings);
    let grown = (peak() - before) >> 20;
    assert!(grown < 300, "{grown} MiB");
    let near = |count: observe::Count, truth: u64| !count.exact && count.value.abs_diff(truth) < truth / 10;
    assert!(near(found.input_series, 1_000_000), "{:?}", found.input_series);
    assert!(near(found.baseline.series, 1_000_000), "{:?}", found.baseline.series);
    assert!(near(found.candidate.series, 980_000), "{:?}", found.candidate.series);
    let coverage = &found.coverage;
    assert_eq!((coverage.critical, coverage.baseline, coverage.candidate), (100, 100, 0));
    assert_eq!(coverage.vanished_count, 100, "each of them by name");
    let sample = found.sample.expect("a sample");
    assert!(sample.one_in >= 8 && !sample.critical_cut, "{sample:?}");
    let colliding = found.candidate_only_collisions;
    assert!(!colliding.exact && !found.candidate.collisions.exact && !found.baseline.collisions.exact);
    assert_eq!(found.baseline.collisions.value, 0, "and it is not called none");
    // Twins write 20,000 identities.
    let most = sample.most_collisions(colliding.value);
    assert!(colliding.value > 100 && colliding.value <= 20_000 && most >= 20_000, "{colliding:?} to {most}");
    assert!(found.collisions.iter().all(|one| one.series.contains("twin")), "{:?}", found.collisions);
    assert!(!found.exact);
}

#[test]
fn shares_of_a_sample_lie_within_its_margin_and_billed_series_are_those_of_all() {
    let settings = settings(4_000);
    // The second scrape finds the sample that the first one made.
    let summary = watched(&settings, 3_000, 10, 2);
    let found = Comparison::of(&summary, &settings);
    let sample = found.sample.expect("a sample");
    assert!((8..=32).contains(&sample.one_in), "{sample:?}");
    let fates = &found.fates;
    assert!(!fates.of.exact || fates.not_followed > 0, "{fates:?}");
    let followed = fates.as_it_is + fates.fewer_attributes + fates.renamed + fates.lost;
    let share = fates.fewer_attributes as f64 / followed as f64;
    // One in a hundred is critical, and four are twins; critical ones are always followed.
    assert!((share - 0.05).abs() < sample.margin(), "{share} within {}", sample.margin());
    let billed = found.baseline.active_series as f64 / 30_000.0;
    assert!((billed - 1.0).abs() < 0.25, "{billed}");
}

#[test]
fn up_to_the_bound_everything_is_followed_and_exact() {
    let settings = settings(30_001);
    let found = Comparison::of(&watched(&settings, 3_000, 10, 2), &settings);
    assert!(found.sample.is_none() && found.exact && found.input_series.exact);
    assert_eq!((found.candidate_only_collisions.value, found.fates.not_followed), (600, 0));
}

#[test]
fn where_critical_entities_alone_pass_the_bound_nothing_is_said_of_them() {
    let mut settings = (*settings(200)).clone();
    settings.critical[0].executables.push("worker".to_owned());
    let settings = Arc::new(settings);
    let found = Comparison::of(&watched(&settings, 600, 2, 3), &settings);
    assert!(found.sample.expect("a sample").critical_cut);
}

#[test]
fn a_change_in_one_entity_outside_of_the_sample_shows_nowhere_and_is_within_what_the_sample_leaves_open() {
    let settings = settings(400);
    let (processes, mut unseen, mut seen) = (300, 0, 0);
    for pid in 210..240 {
        let candidate = format!(
            "transform/t: {{ metric_statements: [ {{ context: datapoint, statements: ['set(value_int, value_int + 1) where \
             resource.attributes[\"process.pid\"] == \"{pid}\"'] }} ] }}"
        );
        // The second scrape finds the sample that the first one made.
        let found = Comparison::of(&watched_beside(&candidate, &settings, (processes, 10, 2)), &settings);
        let sample = found.sample.expect("a sample");
        if found.changed.points > 0 {
            seen += 1;
            continue;
        }
        unseen += 1;
        assert_eq!(found.changed.series, 0);
        let share = 1.0 / processes as f64;
        assert!(sample.most_of_none() >= share, "{sample:?}");
    }
    assert!(unseen > 10 && seen > 0, "{unseen} of them are not in the sample, {seen} are");
}

/// The window in which the bound is reached has series that found no room; from the next scrape on the sample is whole.
#[test]
fn lenses_past_the_bound_have_an_interval_from_the_first_scrape_on_in_which_the_sample_is_whole() {
    let lenses = observe::Lens::defaults().into_iter().take(1).collect();
    let settings = Arc::new(Settings { lenses, ..(*settings(4_000)).clone() });
    let mut observer = Observer::new(Arc::clone(&settings), START);
    let mut scrape = |window: u64| {
        for first in (0..3_000).step_by(200) {
            let all = (first..first + 200).map(|at| of_fleet(at, 10));
            let request = ExportMetricsServiceRequest { resource_metrics: all.collect() };
            let mut input = Batch::parse(request.encode_to_vec().into()).expect("a request");
            input.identify();
            let now = START + (1 + 10 * window) * SECOND;
            observer.input(&input, now);
            observer.output(Variant::Baseline, &input, &input, 0);
            observer.output(Variant::Candidate, &input, &input, 0);
        }
        observer.cut(START + 10 * (window + 1) * SECOND)
    };
    let windows: Vec<Summary> = (0..5).map(&mut scrape).collect();
    let told = |of: &Summary| {
        let lens = &Comparison::of(of, &settings).lenses[0];
        (lens.total.interval(1), lens.total.sampled.map(|sampled| sampled.sums[0]))
    };
    assert_eq!(told(&windows[0]), (None, None), "some of the sample found no room");
    let (interval, sum) = told(&windows[4]);
    assert_eq!(interval, Some([0.0; 2]));
    let truth: f64 = (0..3_000).map(f64::from).sum();
    assert!((sum.expect("a sum") / truth - 1.0).abs() < 0.3, "{sum:?} of {truth}");
    let mut all = windows[0].clone();
    windows[1..].iter().for_each(|window| all.merge(window));
    assert_eq!(told(&all).0, Some([0.0; 2]));
}
