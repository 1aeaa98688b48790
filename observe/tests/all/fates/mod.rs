//! Fates of the baseline's series: small batches of every type, and what is said of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::Arc;

use crate::processors::pipeline;
use observe::{Comparison, Observer, Settings, Summary, Variant};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, SummaryDataPoint, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::Batch;
use pipelines::processors::Pipeline;
use proptest::prelude::*;
use prost::Message as _;

mod interrupted;
mod values;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_767_225_600 * SECOND;

fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue((*value).to_owned())) }),
        ..KeyValue::default()
    };
    pairs.iter().map(pair).collect()
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), data: Some(data), ..Metric::default() }
}

fn number(pairs: &[(&str, &str)], time: u64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        start_time_unix_nano: START,
        time_unix_nano: time,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// A host's metrics of each of the five types, of three processes; of the last the resource has no attribute.
fn scrape(time: u64) -> ExportMetricsServiceRequest {
    let processes = [
        attributes(&[("host.name", "a"), ("process.pid", "1"), ("title", "x")]),
        attributes(&[("host.name", "a"), ("process.pid", "2"), ("title", "y")]),
        Vec::new(),
    ];
    let resource_metrics = processes.into_iter().zip(1..).map(|(attributes, scale)| ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics {
            metrics: metrics(time, f64::from(scale)),
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

/// Metrics of a process: ten series.
fn metrics(time: u64, scale: f64) -> Vec<Metric> {
    let states = |scale: f64| {
        vec![number(&[("state", "user")], time, scale), number(&[("state", "system")], time, 2.0 * scale)]
    };
    let sum = |temporality, data_points| {
        Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
    };
    let histogram = HistogramDataPoint {
        start_time_unix_nano: START,
        time_unix_nano: time,
        count: 3,
        sum: Some(scale),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![0.5],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: time,
        count: 2,
        ..ExponentialHistogramDataPoint::default()
    };
    let quantiles =
        SummaryDataPoint { time_unix_nano: time, count: 2, sum: 4.0, ..SummaryDataPoint::default() };
    vec![
        metric("cpu", "s", sum(2, states(scale))),
        metric("io", "By", sum(1, vec![number(&[], time, scale)])),
        metric("memory", "By", Data::Gauge(Gauge { data_points: vec![number(&[], time, scale * 1e6)] })),
        metric("odd", "1", Data::Gauge(Gauge { data_points: odd(time) })),
        metric(
            "wait",
            "s",
            Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 2 }),
        ),
        metric(
            "size",
            "By",
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 2,
            }),
        ),
        metric(
            "delay",
            "s",
            Data::Summary(opentelemetry_proto::tonic::metrics::v1::Summary { data_points: vec![quantiles] }),
        ),
    ]
}

/// Points without a number, and a point that says that nothing was recorded.
fn odd(time: u64) -> Vec<NumberDataPoint> {
    let values = [f64::NAN, f64::INFINITY].into_iter().zip(["nan", "inf"]);
    let mut points: Vec<_> = values.map(|(value, kind)| number(&[("kind", kind)], time, value)).collect();
    points.push(NumberDataPoint { flags: 1, value: None, ..number(&[("kind", "")], time, 0.0) });
    points
}

/// Series of a scrape: ten of each of the three processes.
const SERIES: u64 = 30;

struct Bench {
    observer: Observer,
    variants: [Pipeline; 2],
    settings: Arc<Settings>,
    closed: Vec<Summary>,
}

impl Bench {
    fn new(baseline: &[&str], candidate: &[&str]) -> Self {
        Self::with(Settings::default(), baseline, candidate)
    }

    fn with(settings: Settings, baseline: &[&str], candidate: &[&str]) -> Self {
        let settings = Arc::new(settings);
        let observer = Observer::new(settings.clone(), START);
        Self {
            observer,
            variants: [pipeline(baseline, START), pipeline(candidate, START)],
            settings,
            closed: Vec::new(),
        }
    }

    fn feed(&mut self, request: &ExportMetricsServiceRequest, now: u64) {
        for variant in Variant::BOTH {
            for mut flush in self.variants[variant.index()].advance(now) {
                self.closed.extend(self.observer.roll(flush.at));
                flush.output.identify();
                self.observer.flushed(variant, &flush.input, &flush.output, 1);
            }
        }
        self.closed.extend(self.observer.roll(now));
        let mut input = Batch::parse(request.encode_to_vec().into()).expect("a request");
        input.identify();
        self.observer.input(&input, now);
        for variant in Variant::BOTH {
            let mut output = Batch::default();
            self.variants[variant.index()].process(&input, now, &mut output).expect("a pipeline that works");
            output.identify();
            self.observer.output(variant, &input, &output, output.encoded_len() as u64);
        }
    }

    fn finish(mut self, now: u64) -> (Vec<Summary>, Arc<Settings>) {
        self.closed.push(self.observer.cut(now));
        (self.closed, self.settings)
    }
}

/// Comparison of windows in this order.
fn read(windows: &[&Summary], settings: &Settings) -> Comparison {
    let mut total = Summary::default();
    windows.iter().for_each(|window| total.merge(window));
    Comparison::of(&total, settings)
}

/// Comparison of two pipelines over `scrapes` scrapes, ten seconds apart, which adds up.
fn over(scrapes: u64, baseline: &[&str], candidate: &[&str]) -> Comparison {
    let mut bench = Bench::new(baseline, candidate);
    for at in (0..scrapes).map(|scrape| START + (scrape * 10 + 1) * SECOND) {
        bench.feed(&scrape(at), at);
    }
    let (windows, settings) = bench.finish(START + scrapes * 10 * SECOND);
    let forward = read(&windows.iter().collect::<Vec<_>>(), &settings);
    let backward = read(&windows.iter().rev().collect::<Vec<_>>(), &settings);
    assert_eq!(forward, backward, "windows merge in any order");
    adds_up(&forward);
    forward
}

fn compared(baseline: &[&str], candidate: &[&str]) -> Comparison {
    over(3, baseline, candidate)
}

fn adds_up(comparison: &Comparison) {
    let fates = &comparison.fates;
    let [same, renamed, fewer] = [fates.as_it_is, fates.renamed, fates.fewer_attributes];
    let [merged, split, lost, rest] = [fates.merged, fates.split, fates.lost, fates.not_followed];
    assert_eq!(fates.of.value, same + renamed + fewer + merged + split + lost + rest, "{fates:?}");
    assert_eq!(fates.of, comparison.baseline.series);
    assert_eq!(fates.lost, comparison.lost_by_candidate.value);
}

const STRIP: &str = "resource/title: { attributes: [ { key: title, action: delete } ] }";
const UPPER: &str =
    "metricstransform/name: { transforms: [ { include: memory, action: update, new_name: mem } ] }";
const SCALE: &str = "transform/scale: { metric_statements: [ { context: datapoint, statements: [ 'set(value_double, value_double * 1000.0) where metric.name == \"memory\"' ] } ] }";
const STATES: &str = "metricstransform/states: { transforms: [ { include: cpu, action: update, operations: [ { action: aggregate_labels, label_set: [], aggregation_type: sum } ] } ] }";
const COPY: &str =
    "metricstransform/copy: { transforms: [ { include: memory, action: insert, new_name: mem } ] }";
const DROP: &str = "filter/memory: { metrics: { metric: ['name == \"memory\"'] } }";

#[test]
fn a_baseline_and_a_candidate_that_do_the_same_leave_every_series_as_it_is() {
    for both in [&[][..], &[STRIP], &[UPPER], &[SCALE], &[STATES], &[COPY], &[DROP], &[COPY, STATES, SCALE]] {
        let found = compared(both, both);
        assert_eq!(found.fates.as_it_is, found.baseline.series.value, "{both:?} {:?}", found.fates);
        assert!(found.differs_by_nothing() && found.changed == observe::ValueChanges::default(), "{both:?}");
    }
    assert_eq!(compared(&[], &[]).fates.of.value, SERIES);
}

#[test]
fn an_attribute_that_goes_is_named_with_the_series_that_lose_it() {
    let found = compared(&[], &[STRIP]);
    assert_eq!((found.fates.fewer_attributes, found.fates.as_it_is), (20, 10), "two processes have a title");
    let [title] = found.fates.by_attribute.as_slice() else { panic!("{:?}", found.fates) };
    assert_eq!((title.attribute.as_str(), title.fewer_attributes, title.others), ("title", 20, 0));
    assert_eq!(found.changed.points, 0);
}

#[test]
fn an_attribute_that_comes_or_changes_renames() {
    let set = "resource/set: { attributes: [ { key: title, value: z, action: upsert } ] }";
    let found = compared(&[], &[set]);
    assert_eq!((found.fates.renamed, found.fates.fewer_attributes), (SERIES, 0));
    assert_eq!((found.fates.parts.resource, found.fates.parts.name), (SERIES, 0));
    // What the baseline does not remove comes back.
    let found = compared(&[STRIP], &[]);
    assert_eq!((found.fates.renamed, found.fates.as_it_is), (20, 10));
}

#[test]
fn a_renamed_metric_is_told_by_its_part_and_its_old_name() {
    let found = compared(&[], &[UPPER]);
    assert_eq!((found.fates.renamed, found.fates.as_it_is), (3, SERIES - 3));
    let [row] = found.fates.by_metric.as_slice() else { panic!("{:?}", found.fates) };
    assert_eq!((row.metric.as_str(), row.renamed, row.parts.name, row.parts.unit), ("memory", 3, 3, 0));
    assert_eq!(found.changed.points, 0, "values stay");
}

#[test]
fn a_series_takes_no_identity_of_another_input_for_its_own() {
    // The candidate drops cpu and gives its name to memory.
    let swap = "metricstransform/swap: { transforms: [ { include: memory, action: update, new_name: io } ] }";
    let drop = "filter/io: { metrics: { metric: ['name == \"io\"'] } }";
    let found = compared(&[], &[drop, swap]);
    assert_eq!((found.fates.lost, found.fates.renamed), (3, 3), "{:?}", found.fates);
}

#[test]
fn aggregated_series_are_merged_and_told_with_what_they_become() {
    let found = compared(&[], &[STATES]);
    assert_eq!((found.fates.merged, found.fates.merged_into), (6, 3), "{:?}", found.fates);
    let [state] = found.fates.by_attribute.as_slice() else { panic!("{:?}", found.fates) };
    assert_eq!((state.attribute.as_str(), state.fewer_attributes, state.others), ("state", 0, 6));
    assert_eq!(found.changed.points, 0, "a point of two is judged by lenses");
}

#[test]
fn what_the_baseline_had_put_together_and_the_candidate_does_not_is_split() {
    let pid = "resource/pid: { attributes: [ { key: process.pid, action: delete }, { key: title, action: delete } ] }";
    let found = compared(&[pid], &[]);
    assert_eq!((found.fates.split, found.fates.as_it_is), (10, 10), "{:?}", found.fates);
    let found = compared(&[STATES], &[]);
    assert_eq!((found.fates.split, found.fates.of.value), (3, SERIES - 3), "{:?}", found.fates);
}

#[test]
fn a_copy_beside_a_series_leaves_it_as_it_is_and_a_missing_copy_is_lost() {
    assert_eq!(compared(&[], &[COPY]).fates.as_it_is, SERIES);
    let found = compared(&[COPY], &[]);
    assert_eq!((found.fates.as_it_is, found.fates.lost, found.fates.of.value), (SERIES, 3, SERIES + 3));
}

#[test]
fn what_the_candidate_drops_is_lost_and_what_both_drop_is_none_of_the_baselines() {
    let found = compared(&[], &[DROP]);
    assert_eq!((found.fates.lost, found.fates.as_it_is), (3, SERIES - 3));
    assert_eq!(compared(&[DROP], &[DROP]).fates.of.value, SERIES - 3);
}

#[test]
fn a_series_that_is_lost_in_one_window_and_kept_in_another_is_not_lost() {
    let mut bench = Bench::new(
        &[],
        &["filter/time: { metrics: { datapoint: ['value_double > 5.0 and metric.name == \"io\"'] } }"],
    );
    for (scrape, value) in [(0, 1.0), (1, 9.0)] {
        let time = START + (scrape * 10 + 1) * SECOND;
        let points = vec![number(&[], time, value)];
        let data = Data::Sum(Sum { data_points: points, aggregation_temporality: 2, is_monotonic: true });
        let scope = ScopeMetrics { metrics: vec![metric("io", "By", data)], ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        bench.feed(&ExportMetricsServiceRequest { resource_metrics: vec![resource] }, time);
    }
    let (windows, settings) = bench.finish(START + 20 * SECOND);
    assert_eq!(read(&[&windows[1]], &settings).fates.lost, 1);
    let whole = read(&[&windows[0], &windows[1]], &settings).fates;
    assert_eq!((whole.of.value, whole.as_it_is, whole.lost), (1, 1, 0));
}

#[test]
fn points_that_are_held_back_are_as_they_are_and_told_as_not_compared() {
    let found = over(9, &[], &["interval: { interval: 30s }"]);
    assert_eq!((found.fates.as_it_is, found.fates.lost), (SERIES, 0), "{:?}", found.fates);
    let held: Vec<&str> = found.changed.held.iter().map(|row| row.metric.as_str()).collect();
    assert!(held.contains(&"cpu") && found.changed.points == 0, "{:?}", found.changed);
}

#[test]
fn a_series_that_the_candidate_may_still_hold_back_is_not_lost_yet() {
    let settings = || Settings { hold_nanos: 30 * SECOND, ..Settings::default() };
    let interval = "interval: { interval: 30s }";
    for (candidate, last) in [(&[interval][..], (0, 9)), (&[DROP, interval], (2, 9))] {
        let mut bench = Bench::with(settings(), &[], candidate);
        for number in 0..9 {
            let time = START + (number * 10 + 1) * SECOND;
            let mut request = scrape(time);
            // The third process is born just before the end; a delta is not held back.
            request.resource_metrics.truncate(if number < 8 { 2 } else { 3 });
            bench.feed(&request, time);
        }
        let (windows, settings) = bench.finish(START + 90 * SECOND);
        let found = read(&windows.iter().collect::<Vec<_>>(), &settings);
        adds_up(&found);
        assert_eq!((found.fates.lost, found.fates.not_followed), last, "{:?}", found.fates);
    }
}

#[test]
fn what_was_held_back_is_no_input_of_the_window_in_which_it_is_sent_and_lost_by_nobody() {
    let mut bench = Bench::new(&[], &["interval: { interval: 30s }"]);
    bench.feed(&scrape(START + SECOND), START + SECOND);
    bench.feed(&ExportMetricsServiceRequest::default(), START + 31 * SECOND);
    let (windows, settings) = bench.finish(START + 40 * SECOND);
    let came: Vec<u64> = windows.iter().map(|window| read(&[window], &settings).input_series.value).collect();
    assert_eq!(came, [SERIES, 0], "windows in which nothing happens are none");
    let flush = read(&[&windows[1]], &settings);
    assert!(flush.candidate.output.points > 0 && flush.baseline.lost.value == 0, "{flush:?}");
}

#[test]
fn a_series_that_lived_shortly_is_lost_once_it_would_have_come() {
    let settings = Settings { hold_nanos: 30 * SECOND, ..Settings::default() };
    let mut bench = Bench::with(settings, &[], &[DROP, "interval: { interval: 30s }"]);
    for number in 0..9 {
        let time = START + (number * 10 + 1) * SECOND;
        let mut request = scrape(time);
        request.resource_metrics.truncate(if number == 1 { 3 } else { 2 });
        bench.feed(&request, time);
    }
    let (windows, settings) = bench.finish(START + 90 * SECOND);
    let fates = read(&windows.iter().collect::<Vec<_>>(), &settings).fates;
    assert_eq!((fates.lost, fates.as_it_is, fates.not_followed), (3, 27, 0), "{fates:?}");
}

#[test]
fn where_the_baseline_holds_points_back_they_are_told_as_not_compared() {
    let found = over(9, &["interval: { interval: 30s }"], &[SCALE]);
    assert_eq!((found.fates.as_it_is, found.changed.points), (SERIES, 0));
    assert!(found.changed.held.iter().any(|row| row.metric == "memory"), "{:?}", found.changed);
}

/// Some of these stages, in any order.
fn stages() -> impl Strategy<Value = Vec<&'static str>> {
    let interval = "interval: { interval: 30s }";
    let all = vec![STRIP, UPPER, SCALE, STATES, COPY, DROP, interval];
    proptest::sample::subsequence(all, 0..4).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_both_do_the_fates_add_up_and_of_equals_nothing_differs(mine in stages(), theirs in stages()) {
        // Each of these adds up, and merges in any order.
        let found = over(5, &mine, &theirs);
        prop_assert!(found.changed.series <= found.fates.of.value);
        let equals = over(5, &mine, &mine);
        prop_assert!(equals.differs_by_nothing(), "{mine:?}: {:?} {:?}", equals.fates, equals.changed);
        prop_assert_eq!(equals.fates.as_it_is, equals.fates.of.value);
    }
}
