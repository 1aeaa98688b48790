//! Pipelines over real requests: what leaves, where it came from, and what is counted.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use crate::Batch;
use crate::batch::{Inputs, Keep, MIXED};
use crate::config::CollectorFile;

use super::*;

mod alone;
mod brought;
mod held_inputs;
mod memory;
mod release;
mod rule_stats;
mod saving;
mod stop;

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

pub(crate) fn gauge(name: &str, points: &[(i64, &[KeyValue])]) -> Metric {
    let data_points = points.iter().map(|(value, attributes)| NumberDataPoint {
        attributes: attributes.to_vec(),
        time_unix_nano: 1,
        value: Some(number_data_point::Value::AsInt(*value)),
        ..NumberDataPoint::default()
    });
    let data = Some(Data::Gauge(Gauge { data_points: data_points.collect() }));
    Metric { name: name.to_owned(), data, ..Metric::default() }
}

pub(crate) fn resource(attributes: Vec<KeyValue>, metrics: Vec<Metric>) -> ResourceMetrics {
    let scope = Some(InstrumentationScope { name: "s".to_owned(), ..InstrumentationScope::default() });
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

pub(crate) fn batch(resource_metrics: Vec<ResourceMetrics>) -> Batch {
    Batch::parse(ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()).unwrap()
}

pub(crate) fn pipeline(processors: &str, list: &str) -> Pipeline {
    let text =
        format!("processors:\n{processors}\nservice: {{pipelines: {{metrics: {{processors: [{list}]}}}}}}\n");
    let file = CollectorFile::parse("test.yaml", &text, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    Pipeline::build(&file.check("metrics").unwrap_or_else(|e| panic!("{e}")), 0)
}

/// A sum with one point: start time, time, value.
pub(crate) fn sum(name: &str, monotonic: bool, (start, time, value): (u64, u64, i64)) -> Metric {
    let point = NumberDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let data = Sum { data_points: vec![point], aggregation_temporality: 2, is_monotonic: monotonic };
    Metric { name: name.to_owned(), data: Some(Data::Sum(data)), ..Metric::default() }
}

/// One process with these metrics.
pub(crate) fn process(name: &str, pid: u32, metrics: Vec<Metric>) -> ResourceMetrics {
    resource(vec![text("process.executable.name", name), text("process.pid", &pid.to_string())], metrics)
}

/// The points of a batch, each with the executable and pid that its resource names, the metric, start time, time and
/// value; sorted.
pub(crate) fn told(batch: &Batch) -> Vec<(String, String, String, u64, u64, f64)> {
    let mut told = Vec::new();
    for resource in batch.resources() {
        let name = |key: &str| {
            let value = batch.attribute(resource.attrs, key.as_bytes());
            value.and_then(crate::batch::Value::as_text).unwrap_or("-").to_owned()
        };
        let of = [name("process.executable.name"), name("process.pid")];
        for metric in batch.scopes(resource).iter().flat_map(|scope| batch.metrics(scope)) {
            for point in batch.points(metric) {
                let [executable, pid] = of.clone();
                let value = point.value.as_f64().unwrap();
                let metric = batch.text(metric.name).to_owned();
                told.push((executable, pid, metric, point.start, point.time, value));
            }
        }
    }
    told.sort_by(|a, b| a.partial_cmp(b).unwrap());
    told
}

/// Output of a pipeline for these resources, encoded and read again, so that it is what a backend gets.
pub(crate) fn sent(pipeline: &mut Pipeline, now: u64, resources: Vec<ResourceMetrics>) -> Batch {
    let mut out = Batch::default();
    pipeline.process(&batch(resources), now, &mut out).unwrap();
    Batch::parse(out.encode(Keep::All).bytes).unwrap()
}

fn processes() -> Batch {
    let process = |name: &str, pid: &str| {
        resource(
            vec![text("process.executable.name", name), text("process.pid", pid)],
            vec![gauge("cpu", &[(1, &[]), (2, &[])]), gauge("memory", &[(100, &[])])],
        )
    };
    batch(vec![process("nginx", "1"), process("nginx", "2"), process("sh", "3")])
}

/// Provenance of every point that is left, in order.
fn origins(batch: &Batch) -> Vec<u32> {
    let metrics = batch.resources().iter().flat_map(|r| batch.scopes(r)).flat_map(|s| batch.metrics(s));
    let points = metrics.flat_map(|metric| batch.points(metric));
    points.map(|point| if let Inputs::One(index) = batch.inputs(point) { index } else { u32::MAX }).collect()
}

#[test]
fn a_filter_counts_what_each_rule_dropped_for_the_first_that_did() {
    let mut pipeline = pipeline(
        "  filter:
    metric_conditions:
      - datapoint.value_int == 2
      - resource.attributes[\"process.executable.name\"] == \"sh\"
      - metric.name == \"memory\" or metric.name == \"cpu\" and resource.attributes[\"process.pid\"] == \"3\"",
        "filter",
    );
    let mut out = Batch::default();
    pipeline.process(&processes(), 0, &mut out).unwrap();
    assert_eq!(origins(&out), [0, 3]);
    let counts: Vec<(String, u64)> =
        pipeline.take_rule_counts().into_iter().map(|count| (count.rule, count.points)).collect();
    assert_eq!(counts.len(), 3);
    // From resource to data point, whatever the order in the file.
    assert!(counts[0].0.starts_with("resource") && counts[0].1 == 3, "{counts:?}");
    assert!(counts[1].0.starts_with("metric") && counts[1].1 == 2, "{counts:?}");
    assert!(counts[2].0.starts_with("datapoint") && counts[2].1 == 2, "{counts:?}");
    assert!(pipeline.take_rule_counts().iter().all(|count| count.points == 0), "counts are taken");
}

#[test]
fn points_are_counted_as_they_come_to_each_stage_and_leave_it() {
    let mut pipeline = pipeline(
        "  filter/few: {metric_conditions: ['metric.name == \"memory\"']}
  interval: {interval: 1m}
  filter/fewer: {metric_conditions: ['resource.attributes[\"process.pid\"] == \"1\"']}",
        "filter/few, interval, filter/fewer",
    );
    let taken = |pipeline: &mut Pipeline| {
        let counts = pipeline.take_stage_counts().into_iter();
        counts.map(|count| (count.stage.to_string(), count.incoming, count.outgoing)).collect::<Vec<_>>()
    };
    let count = |stage: &str, incoming, outgoing| (stage.to_owned(), incoming, outgoing);
    let mut out = Batch::default();
    let mut all = Vec::new();
    pipeline.process(&processes(), 0, &mut out).unwrap();
    all.push(taken(&mut pipeline));
    // Of each series of gauges the last point is kept until the minute is over.
    assert_eq!(pipeline.advance(60_000_000_000).len(), 1);
    all.push(taken(&mut pipeline));
    assert_eq!(
        all,
        [
            vec![count("filter/few", 9, 6), count("interval", 6, 0), count("filter/fewer", 0, 0)],
            vec![count("filter/few", 0, 0), count("interval", 0, 3), count("filter/fewer", 3, 2)],
        ]
    );
}

#[test]
fn rule_stats_tell_series_and_samples_and_are_taken_by_the_window() {
    let mut pipeline = pipeline(
        "  filter:
    metrics:
      datapoint: ['metric.name == \"memory\"', 'value_int == 77']
  resource:
    attributes: [{ key: host.name, value: web-1, action: upsert }]
  transform:
    metric_statements: ['set(datapoint.attributes[\"x\"], 1) where metric.name == \"cpu\"']",
        "filter, resource, transform",
    );
    let (mut input, mut out) = (processes(), Batch::default());
    input.identify();
    let dropped: Vec<u32> = (0..3)
        .map(|_| {
            pipeline.process(&input, 0, &mut out).unwrap();
            (input.point_count() - out.point_count()) as u32
        })
        .collect();
    let stats = pipeline.take_rule_stats();
    let rules: Vec<&str> = stats.iter().map(|rule| rule.rule.as_str()).collect();
    assert_eq!(rules[..3], ["metric.name == \"memory\"", "value_int == 77", "upsert host.name"]);
    assert_eq!(stats[0].dropped, u64::from(dropped.iter().sum::<u32>()));
    assert_eq!(stats[0].series.count(), (u64::from(dropped[0]), true), "a series counts once");
    assert!(stats[0].samples[0].starts_with("memory{"), "{:?}", stats[0].samples);
    assert_eq!((stats[1].dropped, stats[1].series.count()), (0, (0, true)));
    assert_eq!(stats[2].changed, 3 * out.point_count() as u64);
    assert!(stats[3].changed > 0 && stats[3].dropped == 0);
    assert!(pipeline.take_rule_stats().iter().all(|rule| rule.dropped == 0 && rule.samples.is_empty()));
    pipeline.process(&input, 0, &mut out).unwrap();
    assert_eq!(
        pipeline.take_rule_stats()[0].series.count().0,
        u64::from(dropped[0]),
        "a new window counts anew"
    );
}

#[test]
fn a_failing_condition_refuses_the_batch_only_in_propagate_mode() {
    let failing = |mode: &str| {
        let processors = format!(
            "  filter/x:\n    error_mode: {mode}\n    metrics: {{datapoint: ['value_int / 0 == 1']}}"
        );
        let mut out = Batch::default();
        pipeline(&processors, "filter/x").process(&processes(), 0, &mut out).map(|()| origins(&out).len())
    };
    assert_eq!(failing("ignore").unwrap(), 9);
    assert_eq!(failing("silent").unwrap(), 9);
    let refused = failing("propagate").unwrap_err();
    assert_eq!(refused.stage.as_str(), "filter/x");
    assert_eq!(
        refused.to_string(),
        "filter/x refused the batch: value_int / 0 == 1 failed: a division by zero"
    );
}

#[test]
fn a_condition_is_not_asked_where_there_is_no_row_to_ask_about() {
    let processors = "  filter:\n    error_mode: propagate\n    metrics: {datapoint: ['1 / 0 == 1']}";
    let empty = batch(vec![resource(vec![], vec![])]);
    pipeline(processors, "filter").process(&empty, 0, &mut Batch::default()).unwrap();
    pipeline(processors, "filter").process(&processes(), 0, &mut Batch::default()).unwrap_err();
}

#[test]
fn a_batch_that_no_stage_touches_leaves_as_the_bytes_that_came() {
    let mut untouched = pipeline("  filter: {metrics: {metric: ['name == \"other\"']}}", "filter");
    let (input, mut out) = (processes(), Batch::default());
    untouched.process(&input, 0, &mut out).unwrap();
    assert!(!out.is_changed());
    assert_eq!(out.encode(Keep::All).bytes, *input.source());
    assert!(!untouched.is_identity());
    assert!(pipeline("  filter:", "filter").is_identity());
    assert!(pipeline("  batch:", "batch").is_identity());
}

#[test]
fn what_is_merged_over_several_resources_leaves_with_the_first_of_them() {
    let mut merge = pipeline(
        "  resource: {attributes: [{key: process.pid, action: delete}]}\n  groupbyattrs:\n  metricstransform: \
         {transforms: [{include: memory, action: update, operations: [{action: aggregate_labels, label_set: [], \
         aggregation_type: sum}]}]}",
        "resource, groupbyattrs, metricstransform",
    );
    let (input, mut out) = (processes(), Batch::default());
    merge.process(&input, 0, &mut out).unwrap();
    let points = |batch: &Batch| {
        let metrics = batch.resources().iter().flat_map(|r| batch.scopes(r)).flat_map(|s| batch.metrics(s));
        metrics.flat_map(|metric| batch.points(metric)).map(|point| point.home).collect::<Vec<_>>()
    };
    let homes = points(&out);
    assert!(homes.len() < 9, "something was merged");
    assert!(homes.iter().all(|home| (*home as usize) < input.resources().len()), "{homes:?}");
    let [first, second] =
        [[true, false, false], [false, true, true]].map(|homes| out.encode(Keep::Homes(&homes)));
    assert_eq!(first.points + second.points, homes.len() as u64, "every point leaves once");
}

#[test]
fn compaction_keeps_the_provenance_of_every_point_and_can_be_split_again_by_input_resource() {
    let mut compact = pipeline(
        "  resource: {attributes: [{key: process.pid, action: delete}]}\n  groupbyattrs:",
        "resource, groupbyattrs",
    );
    let (input, mut out) = (processes(), Batch::default());
    compact.process(&input, 0, &mut out).unwrap();
    assert_eq!(out.resources().len(), 2);
    assert_eq!(out.resources()[0].home, MIXED);
    assert_eq!(out.resources()[1].home, 2);
    assert_eq!(origins(&out), [0, 1, 3, 4, 2, 5, 6, 7, 8]);
    out.identify();
    let metric = out.metrics(&out.scopes(&out.resources()[0])[0])[0];
    let [first, .., last] = out.points(&metric) else { panic!("four points") };
    assert_eq!(out.identity(first), out.identity(last), "they differ in nothing any more");
    let only_second = out.encode(Keep::Homes(&[false, true, false]));
    assert_eq!(only_second.points, 3);
    assert_eq!(Batch::parse(only_second.bytes).unwrap().point_count(), 3);
}

#[test]
fn grouping_moves_attributes_from_points_to_resources_that_say_the_same_afterwards() {
    let host = |name: &str| vec![text("host", name), text("x", "y")];
    let input = batch(vec![resource(
        vec![text("cluster", "a"), text("host", "old")],
        vec![gauge("m", &[(1, &host("h1")), (2, &host("h2")), (3, &host("h1")), (4, &[])])],
    )]);
    let mut out = Batch::default();
    pipeline("  groupbyattrs: {keys: [host, missing]}", "groupbyattrs").process(&input, 0, &mut out).unwrap();
    let written = ExportMetricsServiceRequest::decode(out.encode(Keep::All).bytes).unwrap();
    let hosts: Vec<_> =
        written.resource_metrics.iter().map(|r| r.resource.clone().unwrap().attributes).collect();
    assert_eq!(hosts[0], [text("cluster", "a"), text("host", "h1")]);
    assert_eq!(hosts[1], [text("cluster", "a"), text("host", "h2")]);
    assert_eq!(hosts[2], [text("cluster", "a"), text("host", "old")]);
    assert_eq!(origins(&out), [0, 2, 1, 3]);
    let Some(Data::Gauge(moved)) = &written.resource_metrics[0].scope_metrics[0].metrics[0].data else {
        panic!("a gauge")
    };
    assert!(moved.data_points.iter().all(|point| point.attributes == [text("x", "y")]));
}

#[test]
fn a_stage_whose_id_and_config_stay_keeps_what_it_has_counted() {
    let written = |value: u64| format!("  filter/a: {{metrics: {{datapoint: ['value_int == {value}']}}}}");
    let mut first = pipeline(&written(2), "filter/a");
    first.process(&processes(), 0, &mut Batch::default()).unwrap();
    let mut same = pipeline(&written(2), "filter/a");
    hand_over([Some(&mut first), None], [Some(&mut same), None]);
    assert_eq!(same.take_rule_counts()[0].points, 3);
    same.process(&processes(), 0, &mut Batch::default()).unwrap();
    let mut other = pipeline(&written(1), "filter/a");
    hand_over([Some(&mut same), None], [Some(&mut other), None]);
    assert_eq!(other.take_rule_counts()[0].points, 0, "another config is another stage");
}

#[test]
fn mistakes_of_a_filter_are_reported_where_they_stand() {
    for (config, place, message) in [
        ("metrics: {metrics: ['true']}", "3:15", "unknown key \"metrics\""),
        ("error_mode: skip", "3:17", "unknown error_mode \"skip\""),
        ("metrics: {metric: ['nam == \"a\"']}", "3:25", "unknown path \"nam\""),
        ("metrics: {metric: [\"name == \\\"a\\\" and typ == 1\"]}", "3:43", "unknown path \"typ\""),
        ("metric_conditions: [name == \"a\"]", "3:25", "does not begin with the name of a context"),
        ("metric_conditions: ['true']", "3:26", "no path to infer"),
        (
            "metric_conditions: ['metric.name == \"a\"', {conditions: [x]}]",
            "3:24",
            "cannot stand in one list",
        ),
        ("metric_conditions: [{context: point, conditions: ['true']}]", "3:35", "unknown context \"point\""),
        ("metrics: {include: {match_type: glob, metric_names: [a]}}", "3:37", "unknown match_type \"glob\""),
        (
            "metrics: {include: {match_type: expr, expressions: [a]}}",
            "3:57",
            "unknown word of expressions \"a\"",
        ),
        (
            "metrics: {include: {match_type: expr, expressions: ['MetricName + 1 == 2']}}",
            "3:71",
            "cannot stand on both sides",
        ),
        ("metrics: {exclude: {match_type: regexp, metric_names: ['a(']}}", "3:61", "no regular expression"),
        ("error_mode: null", "3:17", "error_mode is null"),
        ("metric_conditions: null", "3:24", "metric_conditions is null"),
    ] {
        let text = format!(
            "processors:\n  filter:\n    {config}\nservice: {{pipelines: {{metrics: {{processors: [filter]}}}}}}\n"
        );
        let file = CollectorFile::parse("f.yaml", &text, &|_| None).unwrap();
        let shown = file.check("metrics").unwrap_err().to_string();
        assert!(
            shown.starts_with(&format!("f.yaml:{place}:")) && shown.contains(message),
            "{config}: {shown}"
        );
    }
}
