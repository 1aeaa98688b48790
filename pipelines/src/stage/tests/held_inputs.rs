//! Inputs of a stage that holds points: played to another pipeline, they have it send what this one would have sent.

use super::*;

const SECOND: u64 = 1_000_000_000;
const CONFIG: &str = "  filter: { metrics: { metric: ['name == \"noise\"'] } }
  interval: { interval: 60s, pass_through: { gauge: true } }
  cumulativetodelta: { initial_value: keep }";
const NAMES: &str = "filter, interval, cumulativetodelta";

/// A scrape of three processes, with points that the stage holds, passes on and never sees.
fn scrape(second: u64) -> Vec<ResourceMetrics> {
    let one = |pid: u64| {
        let sum = |name| sum(name, true, (1, second * SECOND, (pid * second) as i64));
        process("any", pid as u32, vec![sum("cpu"), sum("noise"), gauge("memory", &[(7, &[])])])
    };
    (1..=3).map(one).collect()
}

fn flushed(pipeline: &mut Pipeline) -> Vec<(String, String, String, u64, u64, f64)> {
    let flushes = pipeline.release(100 * SECOND, None);
    flushes.iter().flat_map(|flush| told(&flush.output)).collect()
}

fn played(inputs: &[crate::batch::Encoded]) -> Pipeline {
    let mut next = pipeline(CONFIG, NAMES);
    for input in inputs {
        let at_once = next.play(input.bytes.clone(), ("interval", &[]), 90 * SECOND).expect("an input");
        assert_eq!(at_once.expect("no stage refuses it").points, 0);
    }
    next
}

#[test]
fn inputs_that_are_played_are_held_again_once_however_often_and_what_was_passed_on_is_not_sent_again() {
    let mut first = pipeline(CONFIG, NAMES);
    first.keep_inputs(true);
    let mut inputs = Vec::new();
    for second in [10, 20, 30] {
        sent(&mut first, second * SECOND, scrape(second));
        let taken = first.take_inputs();
        assert_eq!(
            taken.iter().map(|input| input.points).collect::<Vec<_>>(),
            [3],
            "neither the noise nor what it passes on"
        );
        inputs.extend(taken);
    }
    // One of which nothing is held.
    sent(&mut first, 31 * SECOND, vec![process("any", 1, vec![gauge("memory", &[(7, &[])])])]);
    assert!(first.take_inputs().is_empty());
    let all = first.held_as_input().expect("it holds points");
    assert_eq!(all.points, 3);
    let held = flushed(&mut first);
    assert_eq!(held.iter().map(|point| point.5).collect::<Vec<_>>(), [30.0, 60.0, 90.0]);
    assert!(first.take_inputs().is_empty() && first.held_as_input().is_none());
    assert_eq!(flushed(&mut played(&inputs)), held);
    let twice = [&inputs[..], &inputs[..1]].concat();
    assert_eq!(flushed(&mut played(&twice)), held);
    assert_eq!(flushed(&mut played(&[inputs[0].clone(), all, inputs[1].clone()])), held);
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for_nor_where_several_stages_hold_points() {
    let mut first = pipeline(CONFIG, NAMES);
    sent(&mut first, 10 * SECOND, scrape(10));
    assert!(first.take_inputs().is_empty());
    let mut several = pipeline("  interval: {}\n  interval/2: {}", "interval, interval/2");
    several.keep_inputs(true);
    sent(&mut several, 10 * SECOND, scrape(10));
    assert!(several.take_inputs().is_empty() && several.held_as_input().is_none());
    assert!(first.play(b"no request".to_vec().into(), ("interval", &[]), SECOND).is_err());
}

#[test]
fn inputs_of_a_stage_that_is_gone_go_through_all_stages_and_leave_at_once() {
    let mut first = pipeline(CONFIG, NAMES);
    first.keep_inputs(true);
    sent(&mut first, 10 * SECOND, scrape(10));
    let input = first.take_inputs().remove(0).bytes;
    let leaving = |pipeline: &mut Pipeline, input: &bytes::Bytes| {
        let left = pipeline.play(input.clone(), ("interval", &[]), 90 * SECOND).expect("an input");
        told(&Batch::parse(left.expect("no stage refuses it").bytes).expect("a request"))
    };
    let mut plain = pipeline("  filter: { metrics: { datapoint: ['value_int == 20'] } }", "filter");
    let left: Vec<f64> = leaving(&mut plain, &input).iter().map(|point| point.5).collect();
    assert_eq!((left, plain.batches()), (vec![10.0, 30.0], 1), "as a batch that comes");
    // Two stages hold points now: the first of them takes it, and what it sends the second.
    let mut two = pipeline("  interval: {}\n  interval/2: {}", "interval, interval/2");
    assert!(leaving(&mut two, &input).is_empty());
    assert_eq!(two.kept().map(|(_, kept)| kept.held).collect::<Vec<_>>(), [3, 0]);
    assert_eq!(flushed(&mut two).len(), 3);
    // The stage is there, and passes on now what it held before: it leaves.
    let text = "  interval: { pass_through: { gauge: true } }";
    let gauges = batch(vec![process("any", 1, vec![gauge("memory", &[(7, &[])])])]).encode(Keep::All).bytes;
    assert_eq!(leaving(&mut pipeline(text, "interval"), &gauges).len(), 1);
}

#[test]
fn what_stages_made_before_it_was_held_they_do_not_make_again() {
    let twice = "  metricstransform/twice: { transforms: [ { include: memory, action: update, operations: [ { action: experimental_scale_value, experimental_scale: 2 } ] } ] }";
    let drops = "  filter/20: { metrics: { datapoint: ['value_double == 20'] } }";
    let input = batch(vec![process("any", 1, vec![gauge("memory", &[(20, &[])])])]).encode(Keep::All).bytes;
    let left = |stages: &str, before: &[&str]| {
        let mut next = pipeline(&format!("{twice}\n{drops}\n  interval: {{}}"), stages);
        let at_once = next.play(input.clone(), ("interval", before), 90 * SECOND).expect("an input");
        let at_once = Batch::parse(at_once.expect("no stage refuses it").bytes).expect("a request");
        let mut values: Vec<f64> = told(&at_once).iter().map(|point| point.5).collect();
        values.extend(flushed(&mut next).iter().map(|point| point.5));
        values
    };
    let before = ["filter/gone", "metricstransform/twice"];
    assert_eq!(left("metricstransform/twice", &before), [20.0], "its stage is gone");
    assert_eq!(left("metricstransform/twice", &[]), [40.0], "nothing is known to have run");
    assert_eq!(left("interval, metricstransform/twice", &before), [20.0], "its stage is in front now");
    assert_eq!(left("metricstransform/twice, interval", &before), [20.0]);
    assert_eq!(left("filter/20, metricstransform/twice", &before), [20.0], "nor does one in front of them");
}
