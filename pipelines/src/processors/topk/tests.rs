//! Tests of `topk`: who stays, for how long, and that totals stay right.

use crate::stage::tests::{pipeline, process, sent, sum, told};

use super::super::Pipeline;
use super::OTHER;

const SECOND: u64 = 1_000_000_000;

fn topk(config: &str) -> Pipeline {
    pipeline(&format!("  topk: {config}"), "topk")
}

/// The pids that are left of processes 1 to n with these memories.
fn left(pipeline: &mut Pipeline, second: u64, memories: &[i64]) -> Vec<String> {
    let one = |(place, memory): (usize, &i64)| {
        process("x", place as u32 + 1, vec![sum("memory", false, (0, second * SECOND, *memory))])
    };
    let out = sent(pipeline, second * SECOND, memories.iter().enumerate().map(one).collect());
    told(&out).into_iter().map(|point| point.1).collect()
}

#[test]
fn the_busiest_stay_and_members_do_not_flap() {
    let mut pipeline = topk("{k: 2, by: [memory], margin: 0.1, stay: 30s}");
    assert_eq!(left(&mut pipeline, 10, &[10, 30, 20, 5]), ["2", "3"]);
    // Busier, but the members have not been there for 30 seconds.
    assert_eq!(left(&mut pipeline, 20, &[90, 30, 20, 5]), ["2", "3"]);
    assert_eq!(left(&mut pipeline, 40, &[90, 30, 20, 5]), ["1", "2"]);
    // Not busier by a tenth.
    assert_eq!(left(&mut pipeline, 80, &[90, 30, 32, 5]), ["1", "2"]);
    assert_eq!(left(&mut pipeline, 90, &[90, 30, 34, 5]), ["1", "3"]);
}

#[test]
fn counters_count_by_their_rate() {
    let mut pipeline = topk("{k: 1, by: [cpu], stay: 0s}");
    let scrape = |second: u64, old: i64, young: i64| {
        let one = |pid, value| process("x", pid, vec![sum("cpu", true, (0, second * SECOND, value))]);
        vec![one(1, old), one(2, young)]
    };
    sent(&mut pipeline, 10 * SECOND, scrape(10, 1_000_000, 10));
    let out = sent(&mut pipeline, 20 * SECOND, scrape(20, 1_000_001, 60));
    assert_eq!(told(&out)[0].1, "2", "what it counted once does not make a process busy");
}

#[test]
fn what_is_asked_for_and_what_has_no_unit_is_kept_besides() {
    let mut pipeline =
        topk(r#"{k: 1, by: [memory], always: ['attributes["process.executable.name"] == "sshd"']}"#);
    let memory = |value| vec![sum("memory", false, (0, 1, value))];
    let mut resources =
        vec![process("a", 1, memory(5)), process("b", 2, memory(9)), process("sshd", 3, memory(0))];
    let mut unnamed = process("c", 4, memory(1));
    unnamed.resource.as_mut().unwrap().attributes.retain(|attribute| attribute.key != "process.pid");
    resources.push(unnamed);
    let out = sent(&mut pipeline, SECOND, resources);
    let names: Vec<String> = told(&out).into_iter().map(|point| point.0).collect();
    assert_eq!(names, ["b", "c", "sshd"]);
}

#[test]
fn with_other_totals_stay_right_whoever_is_a_member() {
    let mut pipeline = topk("{k: 1, by: [memory], stay: 0s, margin: 0, other: true}");
    let scrape = |second: u64, values: [(i64, i64); 3]| {
        let one = |(place, (memory, cpu)): (usize, (i64, i64))| {
            process(
                "x",
                place as u32 + 1,
                vec![
                    sum("memory", false, (0, second * SECOND, memory)),
                    sum("cpu", true, (0, second * SECOND, cpu)),
                ],
            )
        };
        values.into_iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let mut out = sent(&mut pipeline, 10 * SECOND, scrape(10, [(9, 100), (2, 50), (3, 70)]));
    let other = |out: &crate::Batch, metric: &str| {
        let found = told(out).into_iter().find(|point| point.0 == OTHER && point.2 == metric);
        found.map(|point| point.5).unwrap()
    };
    assert_eq!((other(&out, "memory"), other(&out, "cpu")), (5.0, 0.0));
    // Each rises by 10. The second becomes the member: its series begins with 60, so that what it counted until then
    // still belongs to the rest. The first does not count before.
    out = sent(&mut pipeline, 20 * SECOND, scrape(20, [(1, 110), (8, 60), (3, 80)]));
    assert_eq!((other(&out, "memory"), other(&out, "cpu")), (4.0, 30.0));
    out = sent(&mut pipeline, 30 * SECOND, scrape(30, [(9, 120), (8, 70), (3, 90)]));
    assert_eq!(other(&out, "memory"), 11.0);
    let member: Vec<_> = told(&out).into_iter().filter(|point| point.0 == "x").collect();
    assert_eq!(
        (member.len(), member[0].5, &member[0].1[..]),
        (2, 100.0, "1"),
        "it goes on from where it left"
    );
    assert_eq!(other(&out, "cpu"), 60.0, "all that was counted since the start");
}

#[test]
fn mistakes_are_told() {
    let refused = |config: &str| {
        let text = format!(
            "processors:\n  topk: {config}\nservice: {{pipelines: {{metrics: {{processors: [topk]}}}}}}\n"
        );
        let file = crate::config::CollectorFile::parse("f.yaml", &text, &|_| None).unwrap();
        file.check("metrics").unwrap_err().to_string()
    };
    assert!(refused("{by: [a]}").contains("\"k\" is missing"));
    assert!(refused("{k: 3}").contains("\"by\" is missing"));
    assert!(refused("{k: 3, by: []}").contains("1 to 4 names"));
    assert!(refused("{k: 3, by: [a], margins: 1}").contains("did you mean \"margin\"?"));
}
