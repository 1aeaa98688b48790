//! Classes by name, pattern and threshold.

use crate::Batch;
use crate::stage::tests::{batch, pipeline, process, sum};

const SECOND: u64 = 1_000_000_000;

const CONFIG: &str = "  priority:
    classes:
      - {name: critical, names: [nginx], patterns: ['^kube']}
      - {name: large, above: {memory: 100}}
    default: low
    stay: 60s";

#[test]
fn the_first_class_that_holds_is_written_and_thresholds_last_for_a_while() {
    let mut pipeline = pipeline(CONFIG, "priority");
    let mut classes = |second: u64, memory: i64| {
        let of =
            |name, pid, memory| process(name, pid, vec![sum("memory", false, (0, second * SECOND, memory))]);
        let input =
            batch(vec![of("nginx", 1, 500), of("kubelet", 2, 1), of("java", 3, memory), of("sh", 4, 1)]);
        let mut out = Batch::default();
        pipeline.process(&input, second * SECOND, &mut out).unwrap();
        let class = |resource: &crate::batch::ResourceRow| {
            out.attribute(resource.attrs, b"process.priority").unwrap().as_text().unwrap().to_owned()
        };
        out.resources().iter().map(class).collect::<Vec<_>>()
    };
    assert_eq!(classes(10, 99), ["critical", "critical", "low", "low"]);
    assert_eq!(classes(20, 100), ["critical", "critical", "large", "low"]);
    assert_eq!(classes(79, 5)[2], "large");
    assert_eq!(classes(80, 5)[2], "low");
}
