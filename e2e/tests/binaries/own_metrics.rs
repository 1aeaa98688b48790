//! The agent's own metrics, as a receiver of OTLP has them, and its log as its file says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::agent::{Agent, binary};
use e2e::intake::Intake;
use e2e::served::PATIENCE;
use e2e::{bulk, eventually};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use serde_json::Value;
use tokio::process::Command;

fn config(to: &str, telemetry: &str) -> String {
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: 127.0.0.1:0 }} }} }} }}
exporters: {{ otlp: {{ endpoint: '{to}', compression: none }} }}
extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  telemetry: {{ {telemetry} }}
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }}
phoenix: {{ admin: 127.0.0.1:0 }}
"
    )
}

fn reader(exporter: &str) -> String {
    format!(
        "metrics: {{ readers: [ {{ periodic: {{ interval: 1000, exporter: {{ otlp: {{ {exporter} }} }} }} }} ] }}"
    )
}

/// Sums of a message over all attributes, by name.
fn sums(message: &ExportMetricsServiceRequest) -> BTreeMap<String, f64> {
    let scopes = message.resource_metrics.iter().flat_map(|one| &one.scope_metrics);
    let mut sums = BTreeMap::new();
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        let Some(Data::Sum(sum)) = &metric.data else { continue };
        for point in &sum.data_points {
            *sums.entry(metric.name.clone()).or_default() += match point.value {
                Some(Number::AsInt(int)) => int as f64,
                Some(Number::AsDouble(double)) => double,
                None => f64::NAN,
            };
        }
    }
    sums
}

fn log(dir: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(dir.join("agent.log"))?)
}

async fn send(agent: &Agent, requests: u64) -> Result<()> {
    let mut client = MetricsServiceClient::connect(agent.endpoint()).await?;
    for n in 0..requests {
        client.export(bulk::request(n, 10_000)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_told_to_end_sends_what_it_counted_last() -> Result<()> {
    let (data, own) = (Intake::start().await?, Intake::start().await?);
    let dir = tempfile::tempdir()?;
    let to = own.endpoint();
    let keys = format!("protocol: grpc, endpoint: '{to}', headers: {{ authorization: Bearer hush }}");
    let agent = Agent::start(dir.path(), &config(&data.endpoint(), &reader(&keys))).await?;
    send(&agent, 3).await?;
    let sent = "otelcol_exporter_sent_metric_points";
    let told = || async {
        let last = own.arrivals().last().map(|(_, message)| sums(message)).unwrap_or_default();
        last.get(sent).copied().filter(|told| *told > 0.0)
    };
    eventually("points that were sent are told", PATIENCE, told).await;
    send(&agent, 3).await?;
    let arrived = || async { (data.arrivals().len() == 6).then_some(()) };
    eventually("all data arrives", PATIENCE, arrived).await;
    let accepted = agent.metric("otelcol_receiver_accepted_metric_points", "").await?;
    ensure!(agent.terminate().await?.success());
    let last = own.arrivals().last().map(|(_, message)| sums(message)).context("a message")?;
    assert!(accepted > 0.0);
    assert_eq!(last["otelcol_receiver_accepted_metric_points"], accepted);
    assert_eq!(last[sent], accepted, "all of it was confirmed before the end");
    assert_eq!(last["phoenix_own_metrics_failed_messages"], 0.0);
    let log = log(dir.path())?;
    assert!(log.contains("own metrics are sent") && !log.contains("hush"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_not_there_is_told_once_and_costs_no_data_and_no_time() -> Result<()> {
    let data = Intake::start().await?;
    let dir = tempfile::tempdir()?;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let keys = format!("protocol: http/protobuf, endpoint: '{nobody}', insecure: true");
    let began = Instant::now();
    let agent = Agent::start(dir.path(), &config(&data.endpoint(), &reader(&keys))).await?;
    send(&agent, 3).await?;
    let failed = "phoenix_own_metrics_failed_messages_total";
    let failures = || async { agent.metric(failed, "").await.ok().filter(|failures| *failures >= 3.0) };
    eventually("three messages fail", PATIENCE, failures).await;
    assert_eq!(agent.metric("phoenix_receiver_refused_requests_total", "").await?, 0.0);
    let arrived = || async { (data.arrivals().len() == 3).then_some(()) };
    eventually("all data arrives", PATIENCE, arrived).await;
    let before = Instant::now();
    ensure!(agent.terminate().await?.success());
    assert!(before.elapsed() < PATIENCE);
    let log = log(dir.path())?;
    let lines = log.matches("own metrics are not taken").count() as u64;
    assert!((1..=1 + began.elapsed().as_secs() / 60).contains(&lines), "once a minute: {log}");
    assert!(log.contains(&nobody.to_string()), "{log}");
    assert!(log.contains("the last own metrics did not reach their receiver"), "{log}");
    Ok(())
}

/// What an agent says in its log until it has ended, by the command line, the environment and its file.
async fn said(words: &[&str], variables: &[(&str, &str)], logs: &str) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("agent.yaml");
    std::fs::write(&path, config("http://127.0.0.1:1", &format!("logs: {{ {logs} }}")))?;
    let mut agent = Command::new(binary("phoenix-agent"))
        .arg("--config")
        .arg(&path)
        .args(words)
        .env_remove("RUST_LOG")
        .env_remove("PHOENIX_LOG_FORMAT")
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut ready = tokio::io::BufReader::new(agent.stdout.take().context("no standard output")?);
    tokio::io::AsyncBufReadExt::read_line(&mut ready, &mut String::new()).await?;
    let pid = agent.id().context("it is gone")?.to_string();
    ensure!(std::process::Command::new("kill").args(["-TERM", &pid]).status()?.success());
    let output = tokio::time::timeout(PATIENCE, agent.wait_with_output()).await??;
    Ok(String::from_utf8(output.stderr)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_as_the_file_says_unless_whoever_starts_it_says_otherwise() -> Result<()> {
    let is_json = |log: &str| log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok());
    let json = said(&[], &[], "encoding: json").await?;
    assert!(is_json(&json) && json.contains("in force"), "{json}");
    for (words, variables) in
        [(&["--log-format", "text"][..], &[][..]), (&[], &[("PHOENIX_LOG_FORMAT", "text")])]
    {
        let text = said(words, variables, "encoding: json").await?;
        assert!(!is_json(&text) && text.contains("in force"), "{text}");
    }
    let quiet = said(&[], &[], "level: error").await?;
    assert!(!quiet.contains("in force"), "{quiet}");
    let loud = said(&[], &[("RUST_LOG", "info")], "level: error").await?;
    assert!(loud.contains("in force"), "{loud}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_level_is_in_force_with_the_file_that_says_it() -> Result<()> {
    let data = Intake::start().await?;
    let dir = tempfile::tempdir()?;
    let level = |level: &str| config(&data.endpoint(), &format!("logs: {{ level: {level} }}"));
    let agent = Agent::start(dir.path(), &level("error")).await?;
    assert!(!log(dir.path())?.contains("in force"));
    agent.reload(&level("info"))?;
    let told = || async { log(dir.path()).ok().filter(|log| log.contains("in force")) };
    eventually("the level is info", PATIENCE, told).await;
    ensure!(agent.terminate().await?.success());
    Ok(())
}
