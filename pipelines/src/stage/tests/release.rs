//! Points that stages hold, sent before their time: all of them, or all but what the last batch brought.

use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, number_data_point};

use super::*;

const INTERVAL: &str = "  interval: {interval: 10s}";
const SECOND: u64 = 1_000_000_000;

/// A batch of the gauge `m` of these processes, each with the value `value`, which is also its time.
fn scrape(pids: &[&str], value: u64) -> Batch {
    let of = |pid: &&str| {
        let point = NumberDataPoint {
            time_unix_nano: value,
            value: Some(number_data_point::Value::AsInt(value as i64)),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        resource(vec![text("pid", pid)], vec![Metric { name: "m".to_owned(), data, ..Metric::default() }])
    };
    batch(pids.iter().map(of).collect())
}

fn run(pipeline: &mut Pipeline, pids: &[&str], value: u64) {
    let mut out = Batch::default();
    pipeline.process(&scrape(pids, value), value, &mut out).expect("it works");
    assert_eq!(out.encode(Keep::All).points, 0, "all of it is held");
}

/// Sends all but what the last batch brought.
fn release_earlier(pipeline: &mut Pipeline, now: u64) -> Vec<Flush> {
    let last = pipeline.batches();
    pipeline.release(now, Some(last))
}

/// Process and value of every point that was sent, in order.
fn sent(flushes: Vec<Flush>) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    for flush in flushes {
        let request =
            ExportMetricsServiceRequest::decode(flush.output.encode(Keep::All).bytes).expect("a request");
        for resource in request.resource_metrics {
            let pid =
                resource.resource.expect("a resource").attributes.remove(0).value.expect("a value").value;
            let Some(Value::StringValue(pid)) = pid else { panic!("expected a text") };
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let Some(Data::Gauge(gauge)) = metric.data else { panic!("expected a gauge") };
                for point in gauge.data_points {
                    let Some(number_data_point::Value::AsInt(value)) = point.value else { panic!() };
                    all.push((pid.clone(), value));
                }
            }
        }
        for point in flush.output.all_points() {
            assert!((point.home as usize) < flush.input.resources().len(), "it knows its resource");
        }
    }
    all.sort();
    all
}

fn points(of: &[(&str, i64)]) -> Vec<(String, i64)> {
    of.iter().map(|(pid, value)| ((*pid).to_owned(), *value)).collect()
}

#[test]
fn what_the_last_batch_brought_waits_on_and_leaves_at_the_end_of_the_interval() {
    let mut pipeline = pipeline(INTERVAL, "interval");
    run(&mut pipeline, &["a", "b", "c"], 1);
    run(&mut pipeline, &["b", "d"], 2);
    let held = |pipeline: &Pipeline, but_last: bool| {
        pipeline.held(but_last.then(|| pipeline.batches())).iter().map(HeldPoints::points).sum::<u64>()
    };
    assert_eq!((held(&pipeline, false), held(&pipeline, true)), (4, 2));
    assert_eq!(sent(release_earlier(&mut pipeline, 3)), points(&[("a", 1), ("c", 1)]));
    assert_eq!((held(&pipeline, false), held(&pipeline, true)), (2, 0));
    assert_eq!(pipeline.kept().next().expect("a state").1.held, 2);
    assert!(release_earlier(&mut pipeline, 4).is_empty(), "what it was asked for once is sent once");
    run(&mut pipeline, &["a", "d"], 5);
    assert_eq!(sent(pipeline.advance(10 * SECOND)), points(&[("a", 5), ("b", 2), ("d", 5)]));
    assert!(pipeline.shutdown(11 * SECOND).is_empty());
}

#[test]
fn all_of_it_leaves_where_nobody_else_sends_the_last_batch() {
    let mut pipeline = pipeline(INTERVAL, "interval");
    run(&mut pipeline, &["a", "b"], 1);
    run(&mut pipeline, &["b"], 2);
    assert_eq!(sent(pipeline.release(3, None)), points(&[("a", 1), ("b", 2)]));
    assert!(pipeline.held(None).is_empty());
    run(&mut pipeline, &["b"], 4);
    assert_eq!(sent(pipeline.shutdown(5)), points(&[("b", 4)]));
}

#[test]
fn points_are_counted_by_the_resource_that_they_came_from() {
    let mut pipeline = pipeline(INTERVAL, "interval");
    run(&mut pipeline, &["a", "b"], 1);
    let held = pipeline.held(None).remove(0);
    assert_eq!((held.stage.to_string().as_str(), held.mixed), ("interval", 0));
    assert_eq!(held.by_resource, [1, 1]);
    let names: Vec<_> = held.input.resources().iter().map(|row| row.attrs.range().len()).collect();
    assert_eq!(names, [1, 1]);
}

#[test]
fn what_a_stage_behind_refuses_is_counted_once() {
    let filter = "  filter: {error_mode: propagate, metrics: {datapoint: ['1 / 0 == 1']}}";
    let mut pipeline = pipeline(&format!("{INTERVAL}\n{filter}"), "interval, filter");
    run(&mut pipeline, &["a", "b"], 1);
    assert!(pipeline.release(2, None).is_empty());
    let refused: Vec<_> =
        pipeline.take_refused().iter().map(|held| (held.stage.to_string(), held.points())).collect();
    assert_eq!(refused, [("interval".to_owned(), 2)]);
    assert!(pipeline.take_refused().is_empty());
}

#[test]
fn a_state_that_was_handed_over_is_not_taken_for_what_the_last_batch_brought() {
    let [mut old, mut new] = [(); 2].map(|()| pipeline(INTERVAL, "interval"));
    run(&mut old, &["a"], 1);
    hand_over([Some(&mut old), None], [Some(&mut new), None]);
    run(&mut new, &["b"], 2);
    assert_eq!(sent(release_earlier(&mut new, 3)), points(&[("a", 1)]));
}

#[test]
fn whatever_was_asked_for_when_the_latest_point_of_each_series_is_sent_once() {
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..200 {
        let mut pipeline = pipeline(INTERVAL, "interval");
        let mut waiting = std::collections::BTreeMap::new();
        let all = ["a", "b", "c", "d", "e"];
        for value in 1..30 {
            let mut pids: Vec<&str> = all.into_iter().filter(|_| next(2) == 0).collect();
            if next(2) == 0 {
                pids.reverse();
            }
            run(&mut pipeline, &pids, value);
            waiting.extend(pids.iter().map(|pid| ((*pid).to_owned(), value as i64)));
            if next(3) == 0 {
                // Values are the numbers of batches.
                let from = (next(2) == 0).then(|| value.saturating_sub(next(3)));
                let stays = |value_of: i64| from.is_some_and(|from| value_of as u64 >= from);
                let expected: Vec<_> = waiting.clone().into_iter().filter(|of| !stays(of.1)).collect();
                waiting.retain(|_, of| stays(*of));
                assert_eq!(sent(pipeline.release(value, from)), expected);
            }
        }
        let expected: Vec<_> = waiting.into_iter().collect();
        assert_eq!(sent(pipeline.shutdown(40)), expected);
    }
}
