//! `phoenix adopt` on files of the shapes that people have, and on files that nobody should have.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use e2e::agent::binary;
use serde_json::Value;
use tokio::process::Command;

async fn adopt(words: &[&str]) -> Result<Output> {
    Ok(Command::new(binary("phoenix")).arg("adopt").args(words).kill_on_drop(true).output().await?)
}

/// The document of an adoption that is expected to be right.
async fn adopted(file: &Path, out: &Path, words: &[&str]) -> Result<Value> {
    let (file, out) = (file.to_string_lossy(), out.to_string_lossy());
    let fixed = [file.as_ref(), "--out", out.as_ref(), "-o", "json"];
    let output = adopt(&[&fixed, words].concat()).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{file}: {said}{}", String::from_utf8_lossy(&output.stdout));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What it says of a file that it refuses.
async fn refused(dir: &Path, text: &str, words: &[&str]) -> Result<String> {
    let file = dir.join("refused.yaml");
    std::fs::write(&file, text)?;
    let (file, out) = (file.to_string_lossy().into_owned(), dir.join("out").to_string_lossy().into_owned());
    let output = adopt(&[&[file.as_str(), "--out", out.as_str()], words].concat()).await?;
    ensure!(output.status.code() == Some(1), "it was taken: {}", String::from_utf8_lossy(&output.stdout));
    ensure!(!dir.join("out/collector.yaml").exists(), "nothing is written of what is refused");
    Ok(String::from_utf8(output.stderr)?)
}

#[tokio::test]
async fn every_shape_that_is_published_is_divided_and_the_agent_takes_its_half() -> Result<()> {
    let shapes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/testdata/field");
    let dir = tempfile::tempdir()?;
    let mut tried = 0;
    for shape in std::fs::read_dir(shapes)? {
        let file = shape?.path().join("config.yaml");
        if !file.is_file() {
            continue;
        }
        for placement in ["observe", "loop"] {
            let document = adopted(&file, dir.path(), &["--placement", placement]).await?;
            ensure!(document["checks"][0]["outcome"] == "taken", "{}: {document:#}", file.display());
            let homes = document["components"].as_array().context("no components")?;
            ensure!(
                homes.iter().all(|row| row["why"].as_str().is_some_and(|why| !why.is_empty())),
                "{homes:?}"
            );
            tried += 1;
        }
    }
    ensure!(tried == 26, "13 shapes in two placements: {tried}");
    Ok(())
}

const CONFIG: &str = "receivers:\n  otlp: { protocols: { grpc: {} } }\nprocessors:\n  filter/a: # ours\n    metrics: { metric: ['name == \"${env:NAME}\"'] }\nexporters:\n  debug:\nservice:\n  pipelines:\n    metrics:\n      receivers: [otlp]\n      processors: [filter/a]\n      exporters: [debug]\n";

#[tokio::test]
async fn a_config_within_helm_values_is_divided_there_and_the_rest_of_the_document_stays() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let indented: String = CONFIG.lines().map(|line| format!("    {line}\n")).collect();
    let values = format!(
        "# The chart's values.\nmode: daemonset\ncollector:\n  config:\n{indented}image: {{ tag: x }} # pinned\n"
    );
    let file = dir.path().join("values.yaml");
    std::fs::write(&file, &values)?;
    let out = dir.path().join("out");
    let document = adopted(&file, &out, &["--at", "collector.config"]).await?;
    assert_eq!(document["baseline"], serde_json::json!(["filter/a"]));
    assert_eq!(document["variables"], serde_json::json!(["NAME"]));
    let written = std::fs::read_to_string(out.join("adopted-values.yaml"))?;
    assert!(
        written.starts_with("# The chart's values.\nmode: daemonset\ncollector:\n  config:\n"),
        "{written}"
    );
    assert!(written.ends_with("image: { tag: x } # pinned\n"), "{written}");
    assert!(
        written.contains("\n      filter/a: # ours\n")
            && written.contains("\n        metrics/phoenix_copy:\n"),
        "{written}"
    );
    assert_eq!(std::fs::read_to_string(&file)?, values, "the file that was read is as it was");
    Ok(())
}

#[tokio::test]
async fn a_file_whose_lines_end_as_on_windows_is_divided_into_two_that_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (plain, windows) = (dir.path().join("plain.yaml"), dir.path().join("windows.yaml"));
    std::fs::write(&plain, CONFIG)?;
    std::fs::write(&windows, CONFIG.replace('\n', "\r\n"))?;
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    adopted(&plain, &ours, &[]).await?;
    adopted(&windows, &theirs, &[]).await?;
    for half in ["collector.yaml", "phoenix-agent.yaml"] {
        let plain = std::fs::read_to_string(ours.join(half))?.replace("plain", "windows");
        assert_eq!(std::fs::read_to_string(theirs.join(half))?, plain.replace('\n', "\r\n"), "{half}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_collector_file_is_refused_with_its_place_and_nothing_is_written() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let large = format!("{CONFIG}# {}\n", "x".repeat(10 << 20));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
    }
    let path = CONFIG.replace("filter/a", "../../etc/passwd");
    let traces = CONFIG.replace("    metrics:\n      receivers", "    traces:\n      receivers");
    let values: String = CONFIG.lines().map(|line| format!("    {line}\n")).collect();
    let values = format!("mode: daemonset\nagent:\n  config:\n{values}");
    let cases: [(&str, &[&str], &str); 9] = [
        (&large, &[], "at most 1048576 bytes"),
        (&bomb, &[], "once aliases are resolved"),
        (&path, &[], "is no id of a component"),
        ("a: [", &[], "not valid YAML"),
        (CONFIG, &["--at", "config"], "has nothing at config; expected the config there"),
        (&values, &[], "is no Collector file, but has one at agent.config; say --at agent.config"),
        (
            &values,
            &["--at", "config"],
            "has nothing at config; expected the config there, as agent.config is",
        ),
        (&traces, &[], "no pipeline of metrics"),
        (CONFIG, &["--pipeline", "metrics/x"], "it has metrics"),
    ];
    for (text, words, expected) in cases {
        let said = refused(dir.path(), text, words).await?;
        ensure!(said.contains(expected), "{expected:?} is not in {said}");
        ensure!(said.len() < 4_000, "{} bytes for a person to read", said.len());
    }
    let into = dir.path().join("collector.yaml");
    std::fs::write(&into, CONFIG)?;
    let (file, out) = (into.to_string_lossy(), dir.path().to_string_lossy());
    let output = adopt(&[file.as_ref(), "--out", out.as_ref()]).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(said.contains("is the file that is divided: say --out"), "{said}");
    ensure!(std::fs::read_to_string(&into)? == CONFIG, "it was not written over");
    Ok(())
}

#[tokio::test]
async fn a_variable_that_is_set_nowhere_is_its_default_where_it_has_one() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (file, out) = (dir.path().join("otelcol.yaml"), dir.path().join("out"));
    let text = "receivers: { otlp: { protocols: { grpc: {} } } }
processors:
  interval: { interval: '${env:SET_NOWHERE:-60s}' }
  filter/a: { error_mode: '${env:SET_NOWHERE_EITHER:-ignore}', metrics: { metric: ['name == \"a\"'] } }
  resource: { attributes: [{ key: a, value: '${env:SET_NOWHERE_AT_ALL}', action: upsert }] }
exporters: { otlp: { endpoint: 'backend:4317' } }
service: { pipelines: { metrics: { receivers: [otlp], processors: [interval, filter/a, resource], exporters: [otlp] } } }
";
    std::fs::write(&file, text)?;
    let document = adopted(&file, &out, &[]).await?;
    ensure!(document["baseline"] == serde_json::json!(["interval", "filter/a", "resource"]), "{document:#}");
    let (path, folder) = (file.to_string_lossy(), out.to_string_lossy());
    let told = String::from_utf8(adopt(&[path.as_ref(), "--out", folder.as_ref()]).await?.stdout)?;
    ensure!(told.contains("takes the place of all of the baseline"), "{told}");
    Ok(())
}

const SEVERAL: &str = "receivers:
  otlp: { protocols: { grpc: {} } }
  otlp/host: { protocols: { grpc: { endpoint: '127.0.0.1:14399' } } }
processors:
  filter/a: { metrics: { metric: ['name == \"a\"'] } }
  interval: { interval: 30s }
exporters:
  otlp: { endpoint: 'backend:4317' }
service:
  pipelines:
    metrics: { receivers: [otlp], processors: [filter/a], exporters: [otlp] }
    metrics/host: { receivers: [otlp/host], processors: [interval], exporters: [otlp] }
";

#[tokio::test]
async fn an_agent_in_the_collectors_place_takes_all_pipelines_and_is_told_which_has_experiments() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let (file, out) = (dir.path().join("otelcol.yaml"), dir.path().join("out"));
    std::fs::write(&file, SEVERAL)?;
    for (words, pipeline, other) in
        [(&[][..], "metrics", "metrics/host"), (&["--pipeline", "metrics/host"], "metrics/host", "metrics")]
    {
        let document = adopted(&file, &out, &[&["--placement", "instead"], words].concat()).await?;
        ensure!(document["checks"][0]["outcome"] == "taken", "{document:#}");
        ensure!(document["pipeline"] == pipeline && document["other_pipelines"][0] == other, "{document:#}");
        let written = std::fs::read_to_string(out.join("phoenix-agent.yaml"))?;
        ensure!(written.contains(&format!("phoenix:\n  pipeline: {pipeline}\n")), "{written}");
        let (path, folder) = (file.to_string_lossy(), out.to_string_lossy());
        let told = [&[path.as_ref(), "--out", folder.as_ref(), "--placement", "instead"], words].concat();
        let told = String::from_utf8(adopt(&told).await?.stdout)?;
        ensure!(told.contains(&format!("Experiments are about {pipeline}; {other} passes.")), "{told}");
    }
    let shared = SEVERAL.replace("[otlp/host], processors", "[otlp], processors");
    let said = refused(dir.path(), &shared, &["--placement", "instead"]).await?;
    ensure!(said.contains("receiver otlp is in both"), "{said}");
    Ok(())
}
