//! Rule statistics of stages that remember, and of those that regroup: what each rule dropped and changed.

use crate::Batch;
use crate::stage::{Pipeline, RuleStats};

use super::{batch, gauge, pipeline, process, resource, sum, text};

const SECOND: u64 = 1_000_000_000;

/// Runs batches ten seconds apart and asks what the rules did: each with what it dropped, changed, and of how many
/// series.
fn stats_of(
    pipeline: &mut Pipeline,
    batches: Vec<Vec<opentelemetry_proto::tonic::metrics::v1::ResourceMetrics>>,
) -> Vec<(String, u64, u64, u64)> {
    for (place, resources) in batches.into_iter().enumerate() {
        let mut input = batch(resources);
        input.identify();
        let now = (place as u64 + 1) * 10 * SECOND;
        pipeline.process(&input, now, &mut Batch::default()).unwrap();
    }
    let told = |RuleStats { rule, dropped, changed, series, samples, .. }: RuleStats| {
        let (series, exact) = series.count();
        assert!(exact && samples.len() as u64 == series.min(10), "{rule}: {series} series, {samples:?}");
        (rule, dropped, changed, series)
    };
    pipeline.take_rule_stats().into_iter().map(told).collect()
}

fn told(rule: &str, dropped: u64, changed: u64, series: u64) -> (String, u64, u64, u64) {
    (rule.to_owned(), dropped, changed, series)
}

/// A scrape of three processes: a counter and a gauge each, the second the busiest.
fn scrape(second: u64) -> Vec<opentelemetry_proto::tonic::metrics::v1::ResourceMetrics> {
    let one = |pid: u32, memory| {
        let counter = sum("cpu", true, (1, second * SECOND, i64::from(pid) * second as i64));
        process("x", pid, vec![counter, sum("memory", false, (0, second * SECOND, memory))])
    };
    vec![one(1, 10), one(2, 30), one(3, 20)]
}

#[test]
fn deltas_count_what_is_converted_and_first_points_that_are_not_sent() {
    let mut deltas = pipeline("  cumulativetodelta: {initial_value: drop}", "cumulativetodelta");
    let stats = stats_of(&mut deltas, vec![scrape(10), scrape(20), scrape(30)]);
    assert_eq!(stats, [told("every cumulative monotonic sum and histogram", 3, 6, 3)]);
    let mut named = pipeline(
        "  cumulativetodelta: {include: {metrics: [memory], match_type: strict}}",
        "cumulativetodelta",
    );
    let stats = stats_of(&mut named, vec![scrape(10)]);
    assert_eq!(stats, [told("include: {metrics: [memory], match_type: strict}", 0, 0, 0)]);
}

#[test]
fn rates_count_by_metric() {
    let mut rates = pipeline(
        "  cumulativetodelta: {initial_value: keep}\n  deltatorate: {metrics: [cpu, memory]}",
        "cumulativetodelta, deltatorate",
    );
    let stats = stats_of(&mut rates, vec![scrape(10), scrape(20)]);
    assert_eq!(stats[1..], [told("cpu", 0, 6, 3), told("memory", 0, 0, 0)]);
}

#[test]
fn an_interval_counts_what_another_point_was_sent_in_place_of() {
    let mut interval = pipeline("  interval: {interval: 60s}", "interval");
    // The counters wait, two thirds of their points for nothing; the others pass.
    let stats = stats_of(&mut interval, vec![scrape(10), scrape(20), scrape(30)]);
    assert_eq!(stats, [told("interval: 60s", 6, 3, 3)]);
}

#[test]
fn grouping_counts_what_moves_and_transforms_what_they_are_applied_to() {
    let host = |name: &str| vec![text("host", name)];
    let two = vec![resource(vec![], vec![gauge("m", &[(1, &host("a")), (2, &host("b")), (3, &[])])])];
    let mut group = pipeline("  groupbyattrs: {keys: [host]}", "groupbyattrs");
    assert_eq!(stats_of(&mut group, vec![two.clone()]), [told("keys: host", 0, 2, 2)]);
    let mut transform = pipeline(
        "  metricstransform:
    transforms:
      - {include: m, action: insert, new_name: n, experimental_match_labels: {host: a}}
      - {include: other, action: update, new_name: o}
      - {include: m, action: update, new_name: p}",
        "metricstransform",
    );
    let stats = stats_of(&mut transform, vec![two]);
    assert_eq!(stats[0], told("include: m, action: insert, new_name: n", 0, 1, 1));
    assert_eq!(stats[1], told("include: other, action: update, new_name: o", 0, 0, 0));
    assert_eq!(stats[2], told("include: m, action: update, new_name: p", 0, 3, 3));
}

#[test]
fn our_own_count_what_they_drop_collapse_and_class() {
    let mut topk = pipeline("  topk: {k: 1, by: [memory]}", "topk");
    assert_eq!(stats_of(&mut topk, vec![scrape(10)]), [told("k: 1, by: [memory]", 4, 0, 4)]);
    let mut other = pipeline("  topk: {k: 1, by: [memory], other: true}", "topk");
    assert_eq!(stats_of(&mut other, vec![scrape(10)]), [told("k: 1, by: [memory]", 0, 4, 4)]);
    let mut rollup = pipeline("  rollup: {drop: [process.pid]}", "rollup");
    let stats = stats_of(&mut rollup, vec![scrape(10), scrape(20)]);
    assert_eq!(stats, [told("drop: [process.pid]", 0, 12, 6)]);
    let mut classes =
        pipeline("  priority: {classes: [{name: large, above: {memory: 25}}], default: rest}", "priority");
    let stats = stats_of(&mut classes, vec![scrape(10)]);
    assert_eq!(stats, [told("class large", 0, 2, 2), told("class rest", 0, 4, 4)]);
    let mut adaptive = pipeline("  adaptive: {levels: [{name: none, keep: 0}]}", "adaptive");
    assert_eq!(stats_of(&mut adaptive, vec![scrape(10)]), [told("level none: keep 0", 6, 0, 6)]);
}

#[test]
fn a_statement_counts_the_points_that_it_changes_and_not_those_that_it_ran_on() {
    let (a, b) = (vec![text("route", "/a"), text("note", "abc")], vec![text("note", "abc")]);
    let two = || vec![resource(vec![text("env", "prod")], vec![gauge("m", &[(1, &a), (2, &b), (3, &[])])])];
    let counted = |context: &str, statement: &str| {
        let config = format!(
            "  transform:\n    metric_statements:\n      - context: {context}\n        statements: ['{statement}']"
        );
        let stats = stats_of(&mut pipeline(&config, "transform"), vec![two()]);
        assert_eq!(stats[0].0, statement);
        (stats[0].2, stats[0].3)
    };
    for (statement, points) in [
        (r#"delete_key(attributes, "route")"#, 1),
        (r#"delete_key(attributes, "e")"#, 0),
        (r#"delete_matching_keys(attributes, "^x")"#, 0),
        (r#"keep_keys(attributes, ["route", "note"])"#, 0),
        (r#"keep_keys(attributes, ["note"])"#, 1),
        ("truncate_all(attributes, 3)", 0),
        ("truncate_all(attributes, 2)", 2),
        (r#"replace_pattern(attributes["note"], "x", "y")"#, 0),
        (r#"replace_pattern(attributes["note"], "b", "y")"#, 2),
        (r#"replace_all_patterns(attributes, "value", "x", "y")"#, 0),
        (r#"set(attributes["note"], "abc")"#, 1),
        (r#"set(attributes["note"], attributes["note"])"#, 0),
        (r#"merge_maps(attributes, {"note": "abc"}, "update")"#, 0),
        ("set(time_unix_nano, time_unix_nano)", 0),
        ("set(time_unix_nano, 5)", 3),
        ("set(value_int, value_int)", 0),
        (r#"set(cache["x"], "y")"#, 0),
        (r#"set(metric.name, "m")"#, 0),
        (r#"set(resource.attributes["env"], "prod")"#, 0),
    ] {
        assert_eq!(counted("datapoint", statement), (points, points), "{statement}");
    }
    assert_eq!(counted("metric", r#"set(name, "m")"#), (0, 0));
    assert_eq!(counted("metric", r#"set(name, "n")"#), (3, 3));
    assert_eq!(counted("metric", r#"copy_metric(name="n") where name == "m""#), (3, 3));
    assert_eq!(counted("resource", r#"set(attributes["env"], "test")"#), (3, 3));
}

#[test]
fn actions_count_what_has_another_value_afterward() {
    let two = || vec![resource(vec![text("env", "prod")], vec![gauge("m", &[(1, &[]), (2, &[])])])];
    let changed = |value: &str| {
        let config = format!("  resource: {{attributes: [{{key: env, value: {value}, action: upsert}}]}}");
        stats_of(&mut pipeline(&config, "resource"), vec![two()])[0].2
    };
    assert_eq!((changed("prod"), changed("test")), (0, 2));
}
