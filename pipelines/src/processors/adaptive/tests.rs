//! Levels under load, and back.

use crate::Batch;
use crate::stage::tests::{batch, pipeline, process, sum};

use super::super::Pipeline;

const SECOND: u64 = 1_000_000_000;

/// Processes that are left at a second, and the level that they say.
fn left(pipeline: &mut Pipeline, second: u64, processes: u32) -> (Vec<String>, String) {
    let of = |pid| process(if pid == 7 { "sshd" } else { "x" }, pid, vec![sum("m", false, (0, second, 1))]);
    let mut out = Batch::default();
    pipeline.process(&batch((0..processes).map(of).collect()), second * SECOND, &mut out).unwrap();
    let text = |resource: &crate::batch::ResourceRow, key: &[u8]| {
        out.attribute(resource.attrs, key).unwrap().as_text().unwrap().to_owned()
    };
    let pids = out.resources().iter().map(|resource| text(resource, b"process.pid")).collect();
    (pids, text(&out.resources()[0], b"phoenix.adaptive.level"))
}

#[test]
fn a_share_of_the_units_is_kept_that_falls_with_the_load_and_comes_back_slowly() {
    let mut pipeline = pipeline(
        r#"  adaptive:
    levels: [{name: full, keep: 1, up_to: 50}, {name: half, keep: 0.5, up_to: 80}, {name: little, keep: 0.1}]
    always: ['attributes["process.executable.name"] == "sshd"']
    stay: 30s"#,
        "adaptive",
    );
    assert_eq!(left(&mut pipeline, 0, 600), (left(&mut pipeline, 0, 600).0, "full".to_owned()));
    // 1,200 points in ten seconds.
    let (little, level) = left(&mut pipeline, 10, 700);
    assert_eq!(level, "little");
    assert!((30..=110).contains(&little.len()) && little.contains(&"7".to_owned()), "{}", little.len());
    // 70 a second would do for half, but the level is held for a while.
    assert_eq!(left(&mut pipeline, 20, 700).1, "little");
    assert_eq!(left(&mut pipeline, 30, 700).1, "little");
    let (half, level) = left(&mut pipeline, 40, 460);
    assert_eq!(level, "half");
    assert!(little.iter().all(|pid| half.contains(pid) || pid.parse::<u32>().unwrap() >= 460));
    assert_eq!(left(&mut pipeline, 50, 460).1, "half", "46 a second is not a tenth below");
    left(&mut pipeline, 60, 400);
    assert_eq!(left(&mut pipeline, 70, 400).1, "full");
}

#[test]
fn a_budget_of_series_chooses_the_first_level_that_fits() {
    let mut pipeline = pipeline(
        "  adaptive: {budget: 300, levels: [{name: full, keep: 1}, {name: half, keep: 0.5}, {name: fifth, keep: 0.2}]}",
        "adaptive",
    );
    assert_eq!(left(&mut pipeline, 0, 1_000).1, "full");
    let (fifth, level) = left(&mut pipeline, 10, 1_000);
    assert!(level == "fifth" && (120..=280).contains(&fifth.len()), "{level}, {}", fifth.len());
}

#[test]
fn levels_that_make_no_sense_are_refused() {
    let refused = |config: &str| {
        let text = format!(
            "processors:\n  adaptive: {config}\nservice: {{pipelines: {{metrics: {{processors: [adaptive]}}}}}}\n"
        );
        let file = crate::config::CollectorFile::parse("f.yaml", &text, &|_| None).unwrap();
        file.check("metrics").unwrap_err().to_string()
    };
    assert!(refused("{}").contains("\"levels\" is missing"));
    assert!(refused("{levels: [{name: a, keep: 2}]}").contains("0 to 1"));
    assert!(refused("{levels: [{name: a, keep: 0.1, up_to: 1}, {name: b, keep: 1}]}").contains("keep more"));
    assert!(refused("{levels: [{name: a, keep: 1}, {name: b, keep: 0.5}]}").contains("lacks up_to"));
}
