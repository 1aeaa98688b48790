//! `phoenix compare` as a CI job uses it: two captures, a policy, and an exit code.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use serde_json::Value;
use simulator::profile::{Host, Profile, Role};

/// Three scrapes of a host, but for the metrics of which `drop` says so.
fn captured(folder: &Path, drop: impl Fn(&str, &str) -> bool) {
    std::fs::create_dir(folder).unwrap();
    let mut host = Host::new(Profile::Realistic, Role::Web, "web-1", 60, 5);
    for scrape in 0..3_u64 {
        host.step(Duration::from_secs(10));
        let mut request: ExportMetricsServiceRequest =
            host.scrape(1_767_225_600_000_000_000 + scrape * 10_000_000_000);
        for resource in &mut request.resource_metrics {
            let executable = executable(resource);
            for scope in &mut resource.scope_metrics {
                scope.metrics.retain(|metric| !drop(&metric.name, &executable));
            }
        }
        std::fs::write(folder.join(format!("{scrape}.pb")), request.encode_to_vec()).unwrap();
    }
}

fn executable(resource: &opentelemetry_proto::tonic::metrics::v1::ResourceMetrics) -> String {
    let attributes = &resource.resource.as_ref().unwrap().attributes;
    let found = attributes.iter().find(|attribute| attribute.key == "process.executable.name");
    let value = found.and_then(|found| found.value.as_ref()).and_then(|value| value.value.as_ref());
    match value {
        Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("expected a name, got {other:?}"),
    }
}

fn compare(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phoenix"))
        .current_dir(folder)
        .arg("compare")
        .args(args)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_change_that_saves_what_it_should_passes_and_says_what_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    captured(&folder.path().join("today"), |_, _| false);
    captured(&folder.path().join("cheaper"), |metric, _| metric == "process.memory.virtual");
    let policy = "min_cardinality_reduction: 5%\nmax_lens_error: 1%\nmax_values_changed: 0\n\
                  guardrails: [{ lens: memory by executable, max_group_error: 1% }]\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let output = compare(folder.path(), &["today", "cheaper", "--policy", "policy.yaml"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("no provenance") && text.contains("process.memory.virtual"), "{text}");
    assert!(text.contains("0 of them are other ones") && text.contains("The candidate passes"), "{text}");

    let output = compare(folder.path(), &["today", "cheaper", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["passed"], true);
    let lost = answer["report"]["comparison"]["fates"]["by_metric"].as_array().unwrap();
    assert_eq!((lost.len(), &lost[0]["metric"]), (1, &Value::from("process.memory.virtual")));
}

#[test]
fn one_that_hides_a_critical_process_or_saves_too_little_fails_by_name() {
    let folder = tempfile::tempdir().unwrap();
    captured(&folder.path().join("today"), |_, _| false);
    captured(&folder.path().join("careless"), |_, executable| executable == "nginx");
    let output = compare(folder.path(), &["today", "careless"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("critical: nginx (pid ") && text.contains("FAIL  critical_process_coverage"),
        "{text}"
    );
    std::fs::write(folder.path().join("policy.yaml"), "min_cardinality_reduction: 10%\n").unwrap();
    let output = compare(folder.path(), &["today", "today", "--policy", "policy.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("FAIL  min_cardinality_reduction"));
}

#[test]
fn what_cannot_be_read_is_told_by_file_and_place_and_is_no_failure_of_the_candidate() {
    let folder = tempfile::tempdir().unwrap();
    let today = folder.path().join("today");
    captured(&today, |_, _| false);
    let scrape = std::fs::read(today.join("0.pb")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("cut.pb", &scrape[..scrape.len() / 2]);
    write("other.json", b"{\"resourceMetrics\": [{\"scopeMetrics\": 7}]}");
    write("policy.yaml", b"max_serie_loss: 1%\n");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (args, words) in [
        (["today", "cut.pb"].as_slice(), ["cut.pb", "not OTLP"]),
        (&["today", "other.json"], ["other.json", "byte 0"]),
        (&["today", "nowhere"], ["nowhere", "cannot read"]),
        (&["today", "empty"], ["empty", "has no file"]),
        (&["today", "today", "--policy", "policy.yaml"], ["policy.yaml:1:1", "max_series_loss"]),
    ] {
        let output = compare(folder.path(), args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
    }
}

#[test]
fn what_the_collectors_file_exporter_writes_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let today = folder.path().join("today");
    captured(&today, |_, _| false);
    let mut framed = Vec::new();
    for scrape in 0..3 {
        let request = std::fs::read(today.join(format!("{scrape}.pb"))).unwrap();
        framed.extend(u32::try_from(request.len()).unwrap().to_be_bytes());
        framed.extend(request);
    }
    std::fs::write(folder.path().join("framed"), framed).unwrap();
    let output = compare(folder.path(), &["today", "framed", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["passed"], true, "{answer:#}");
    let sides =
        ["baseline", "candidate"].map(|side| &answer["report"]["comparison"][side]["output"]["points"]);
    assert_eq!(sides[0], sides[1]);
    let line = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"7"}]}}]}]}]}"#;
    std::fs::write(folder.path().join("lines.json"), format!("{line}\n{}\n", line.replace("\"1\"", "\"2\"")))
        .unwrap();
    let output = compare(folder.path(), &["lines.json", "lines.json", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["report"]["comparison"]["candidate"]["output"]["points"], 2);
    assert_eq!(answer["report"]["values"]["compared"], 2);
}

#[test]
fn whoever_stops_reading_is_no_failure_of_the_comparison() {
    let dir = tempfile::tempdir().unwrap();
    let (baseline, candidate) = (dir.path().join("baseline"), dir.path().join("candidate"));
    captured(&baseline, |_, _| false);
    captured(&candidate, |_, _| false);
    for errors_too in [false, true] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
        command.arg("compare").args([&baseline, &candidate]).stdout(writer.try_clone().unwrap());
        if errors_too {
            command.stderr(writer);
        }
        drop(reader);
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(141), "{done:?}");
        assert!(done.stderr.is_empty(), "{done:?}");
    }
}
