//! Processes that come and go, in one batch and in several.

use crate::Batch;
use crate::batch::Inputs;
use crate::stage::tests::{batch, pipeline, process, sent, sum, told};

use super::super::Pipeline;

const SECOND: u64 = 1_000_000_000;

/// Metric, start time, time and value of what is left of the executable.
fn rolled(batch: &Batch, executable: &str) -> Vec<(String, u64, u64, f64)> {
    let all = told(batch).into_iter().filter(|point| point.0 == executable);
    all.inspect(|point| assert_eq!(point.1, "-", "no pid is left"))
        .map(|(_, _, metric, start, time, value)| (metric, start, time, value))
        .collect()
}

fn rollup(config: &str) -> Pipeline {
    pipeline(&format!("  rollup: {config}"), "rollup")
}

/// CPU and memory of a process: since when, and both values.
fn one(
    name: &str,
    pid: u32,
    time: u64,
    start: u64,
    cpu: i64,
    memory: i64,
) -> opentelemetry_proto::tonic::metrics::v1::ResourceMetrics {
    process(
        name,
        pid,
        vec![
            sum("cpu", true, (start * SECOND, time * SECOND, cpu)),
            sum("memory", false, (0, time * SECOND, memory)),
        ],
    )
}

#[test]
fn counters_add_up_what_each_process_counted_while_it_was_watched() {
    // Built at 0: a start time of 0 is unknown, and so before it.
    let mut pipeline = rollup("{}");
    let at = |second: u64| second * SECOND;
    let first = sent(&mut pipeline, at(10), vec![one("a", 1, 10, 0, 100, 5), one("a", 2, 10, 0, 1_000, 7)]);
    assert_eq!(rolled(&first, "a"), [("cpu".into(), 0, at(10), 0.0), ("memory".into(), 0, at(10), 12.0)]);
    // One rises by 10, one by 20, one is new and counts from zero.
    let second = sent(
        &mut pipeline,
        at(20),
        vec![one("a", 1, 20, 0, 110, 5), one("a", 2, 20, 0, 1_020, 7), one("a", 3, 20, 15, 3, 1)],
    );
    assert_eq!(rolled(&second, "a"), [("cpu".into(), 0, at(20), 33.0), ("memory".into(), 0, at(20), 13.0)]);
    // One died, and what it counted stays; one's pid was taken over by a process that began anew.
    let third = sent(&mut pipeline, at(30), vec![one("a", 2, 30, 25, 4, 9), one("a", 3, 30, 15, 5, 1)]);
    assert_eq!(rolled(&third, "a")[0].3, 33.0 + 4.0 + 2.0);
}

#[test]
fn a_scrape_that_comes_in_several_batches_is_rolled_up_as_one() {
    let mut pipeline = rollup("{stale_after: 15s}");
    let a = |second: u64, cpu| one("a", 1, second, 0, cpu, 5);
    let b = |second: u64, cpu| one("a", 2, second, 0, cpu, 7);
    sent(&mut pipeline, 10 * SECOND, vec![a(10, 100)]);
    let whole = sent(&mut pipeline, 11 * SECOND, vec![b(11, 500)]);
    assert_eq!(rolled(&whole, "a")[1].3, 12.0, "memory of both, though only one came");
    sent(&mut pipeline, 20 * SECOND, vec![a(20, 101)]);
    let whole = sent(&mut pipeline, 21 * SECOND, vec![b(21, 502)]);
    assert_eq!(rolled(&whole, "a")[0].3, 3.0, "each is counted once");
    // A process that is gone counts for 15 seconds more.
    let later = sent(&mut pipeline, 35 * SECOND, vec![a(35, 101)]);
    assert_eq!(rolled(&later, "a")[1].3, 12.0);
    let later = sent(&mut pipeline, 36 * SECOND, vec![a(36, 101)]);
    assert_eq!(rolled(&later, "a")[1].3, 5.0);
}

#[test]
fn values_become_what_their_function_says() {
    let values = |config: &str| {
        let mut pipeline = rollup(config);
        let resources = vec![one("a", 1, 10, 0, 0, 5), one("a", 2, 10, 0, 0, 8), one("b", 3, 10, 0, 0, 1)];
        rolled(&sent(&mut pipeline, 10 * SECOND, resources), "a")[1].3
    };
    assert_eq!(values("{}"), 13.0);
    assert_eq!(values("{sum: avg}"), 6.5);
    assert_eq!(values("{sum: avg, functions: {memory: max}}"), 8.0);
    assert_eq!(values("{sum: min}"), 5.0);
}

#[test]
fn only_what_is_asked_for_is_rolled_up_and_the_rest_stays_as_it_came() {
    let mut pipeline = rollup(
        r#"{keep: [process.executable.name], where: ['attributes["process.executable.name"] == "a"']}"#,
    );
    let resources = || vec![one("a", 1, 10, 0, 0, 5), one("b", 2, 10, 0, 0, 8), one("a", 3, 10, 0, 0, 1)];
    let out = sent(&mut pipeline, 10 * SECOND, resources());
    assert_eq!(rolled(&out, "a").len(), 2);
    let rest: Vec<_> = told(&out).into_iter().filter(|point| point.0 == "b").collect();
    assert!(rest.len() == 2 && rest.iter().all(|point| point.1 == "2"));
}

#[test]
fn every_point_knows_the_points_of_the_batch_that_it_is_made_of() {
    let (mut pipeline, mut out) = (rollup("{}"), Batch::default());
    let input = batch(vec![one("a", 1, 10, 0, 0, 5), one("b", 2, 10, 0, 0, 8), one("a", 3, 10, 0, 0, 1)]);
    pipeline.process(&input, 10 * SECOND, &mut out).unwrap();
    let metrics = out.resources().iter().flat_map(|r| out.scopes(r)).flat_map(|s| out.metrics(s));
    let mut inputs: Vec<Vec<u32>> = metrics
        .flat_map(|metric| out.points(metric))
        .map(|point| match out.inputs(point) {
            Inputs::One(one) => vec![one],
            Inputs::Many(many) => many.to_vec(),
        })
        .collect();
    inputs.sort();
    assert_eq!(inputs, [vec![0, 4], vec![1, 5], vec![2], vec![3]]);
}

#[test]
fn members_are_forgotten_in_time_and_a_series_that_comes_again_begins_anew() {
    let mut pipeline = rollup("{stale_after: 1s, forget_after: 60s}");
    sent(&mut pipeline, 10 * SECOND, vec![one("a", 1, 10, 5, 100, 1)]);
    assert_eq!(pipeline.kept().next().unwrap().1.series, 4);
    assert!(pipeline.advance(180 * SECOND).is_empty());
    assert_eq!(pipeline.kept().next().unwrap().1.series, 0);
    let again = sent(&mut pipeline, 200 * SECOND, vec![one("a", 1, 200, 5, 120, 1)]);
    let (_, start, _, value) = rolled(&again, "a")[0].clone();
    assert_eq!((start, value), (120 * SECOND, 0.0), "what was told before is not told again");
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let refused = |config: &str| {
        let text = format!(
            "processors:\n  rollup: {config}\nservice: {{pipelines: {{metrics: {{processors: [rollup]}}}}}}\n"
        );
        let file = crate::config::CollectorFile::parse("f.yaml", &text, &|_| None).unwrap();
        file.check("metrics").unwrap_err().to_string()
    };
    assert!(refused("{gauge: mean}").contains("unknown function \"mean\""));
    assert!(refused("{drop: [a], keep: [b]}").contains("one of them"));
    assert!(refused("{stale_aftr: 1s}").contains("did you mean \"stale_after\"?"));
    assert!(refused("{stale_after: 1h}").contains("forget_after is less than stale_after"));
    assert!(refused("{where: ['attribute[\"a\"] == 1']}").contains("unknown path"));
}
