//! The Collector's behavior once more, case by case, through the binary: `pipeline run` and `pipeline check` say
//! on a command line what the library does.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../pipelines/tests/conformance/otlp.rs"]
mod otlp;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pipelines::yaml;
use serde_json::Value;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/testdata/conformance")
}

fn phoenix(args: &[&str], at: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phoenix")).arg("pipeline").args(args).current_dir(at).output().unwrap()
}

fn yaml(path: &Path) -> yaml::Node {
    yaml::read("", &std::fs::read_to_string(path).unwrap(), &|_| None)
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn cases() -> Vec<PathBuf> {
    let folders =
        |path: PathBuf| path.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir());
    let mut cases: Vec<PathBuf> = folders(corpus()).flat_map(folders).collect();
    cases.sort();
    cases
}

/// An action and what came out because of it, each output by its name.
type Step = (String, Vec<String>);

fn steps(case: &Path) -> Vec<Step> {
    let node = yaml(&case.join("steps.yaml"));
    let mut fields = node.map().unwrap();
    let mut steps = Vec::<Step>::new();
    for step in fields.required("steps").unwrap().list().unwrap() {
        let step = &step.entries().unwrap()[0];
        let text = || step.value.text().unwrap().to_owned();
        match step.key.text.as_str() {
            "input" => steps.push((text(), Vec::new())),
            "advance" => steps.push((format!("+{}", text()), Vec::new())),
            "shutdown" => steps.push(("shutdown".to_owned(), Vec::new())),
            _ => steps.last_mut().unwrap().1.push(text()),
        }
    }
    steps
}

/// Mistakes of a case's run, if there are any.
fn run(case: &Path) -> Option<String> {
    let steps = steps(case);
    let mut args = vec!["run", "--config", "config.yaml", "--clock", "2026-01-01T00:00:00Z"];
    args.extend(steps.iter().map(|(action, _)| action.as_str()));
    let output = phoenix(&args, case);
    if !output.status.success() {
        return Some(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    if lines.len() != steps.len() {
        return Some(format!("{} lines for {} steps", lines.len(), steps.len()));
    }
    for ((action, expected), line) in steps.iter().zip(&lines) {
        if expected.iter().any(|name| name == "error") != line["error"].is_string() {
            return Some(format!("{action}: {line}"));
        }
        let file = expected.iter().find(|name| *name != "error" && *name != "none");
        let expected = file.map_or_else(Vec::new, |name| {
            otlp::encode(&serde_json::from_str(&std::fs::read_to_string(case.join(name)).unwrap()).unwrap())
        });
        let came_out = if line["metrics"].is_null() { Vec::new() } else { otlp::encode(&line["metrics"]) };
        if otlp::canonical(&expected) != otlp::canonical(&came_out) {
            return Some(format!("{action}: {line}"));
        }
    }
    None
}

#[test]
fn the_binary_does_what_the_collector_does() {
    let differences = yaml(&corpus().join("known_differences.yaml"));
    let (mut ran, mut failures) = (0, Vec::new());
    for case in cases() {
        let name = case.strip_prefix(corpus()).unwrap().display().to_string();
        let rejected = case.join("rejected.txt").exists();
        let check = phoenix(&["check", "config.yaml"], &case);
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        let waits = said.contains("does not run the processor");
        if !rejected && (waits || differences.entries().unwrap().iter().any(|entry| entry.key.text == name)) {
            continue;
        }
        ran += 1;
        let failure = match (rejected, check.status.code()) {
            (true, Some(1)) => (!said.contains("config.yaml:")).then(|| format!("no place: {said}")),
            (false, Some(0)) => run(&case),
            (_, code) => Some(format!("check exits with {code:?}: {said}")),
        };
        failures.extend(failure.map(|failure| format!("{name}: {failure}")));
    }
    assert!(failures.is_empty(), "{} of {ran}:\n{}", failures.len(), failures.join("\n"));
    assert!(ran > 200, "{ran}");
}

#[test]
fn a_file_with_nothing_to_check_says_so_and_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "",
        "# nothing yet\n",
        "processors: { batch: }\n",
        "receivers: { otlp: }\nexporters: { nop: }\nservice: { pipelines: { traces: { receivers: [otlp], exporters: [nop] } } }\n",
    ] {
        std::fs::write(dir.path().join("c.yaml"), text).unwrap();
        let output = phoenix(&["check", "c.yaml"], dir.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.starts_with("c.yaml has nothing to check: it has no pipeline of metrics"),
            "{text:?}: {said}"
        );
        assert_eq!(output.status.code(), Some(2), "{text:?}");
        let output = phoenix(&["check", "--json", "c.yaml"], dir.path());
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &document["ok"]), (Some(2), &Value::from(false)), "{document}");
    }
}

#[test]
fn what_has_no_receivers_or_exporters_is_not_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let file = |ends: &str| {
        format!(
            "receivers: {{ otlp: }}\nexporters: {{ nop: }}\nprocessors: {{ batch: }}\nservice: {{ pipelines: {{ metrics: {{ {ends}processors: [batch] }} }} }}\n"
        )
    };
    for (ends, missing) in [
        ("", "no receivers and no exporters"),
        ("receivers: [otlp], ", "no exporters"),
        ("exporters: [nop], ", "no receivers"),
    ] {
        std::fs::write(dir.path().join("c.yaml"), file(ends)).unwrap();
        let mut adopt = Command::new(env!("CARGO_BIN_EXE_phoenix"));
        let output =
            adopt.args(["adopt", "c.yaml", "--out", "out"]).current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{ends}: {said}");
        assert!(
            said.starts_with(&format!("phoenix: c.yaml: service.pipelines.metrics has {missing}, and no")),
            "{said}"
        );
        assert!(!dir.path().join("out").exists(), "nothing is written of what is refused");
    }
}
