//! Collectors that `phoenix adopt` has put an agent beside, at work: what leaves by them, and what the agent finds.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::agent::Agent;
use e2e::eventually;
use e2e::intake::Intake;
use serde_json::Value;

use super::collector::Collector;
use super::points::{Numbered, counted, numbered};
use super::{PATIENCE, adopt, free, shape, stand_ins};

/// Shapes that read this machine: an empty baseline, one of several stages, and one behind what stays in the Collector.
const SHAPES: [(&str, &str); 3] = [
    ("real-helm-daemonset-hostmetrics", "hostmetrics"),
    ("real-splunk-transform", "host_metrics"),
    ("real-dynatrace-host", "hostmetrics/a"),
];
/// Requests sent at a time.
const REQUESTS: usize = 30;

/// A shape that is adopted and runs.
struct Adopted {
    agent: Option<Agent>,
    collector: Collector,
    sink: Intake,
    numbered: Numbered,
    dir: tempfile::TempDir,
}

impl Adopted {
    async fn start((name, source): (&str, &str), placement: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (sink, at, back, input) = (Intake::start().await?, free()?, free()?, free()?);
        let (there, back) = (at.to_string(), back.to_string());
        let words = ["--placement", placement, "--endpoint", &there, "--return-endpoint", &back];
        let document = adopt(&shape(name), dir.path(), &words, "").await?;
        let same = dir.path().join("same.yaml");
        std::fs::write(&same, compared_with_itself(&document)?)?;
        let here = dir.path().join("here.yaml");
        std::fs::write(&here, on_this_machine(source, input, &sink.endpoint()))?;

        let agent = start_agent(dir.path()).await?;
        let files = [dir.path().join("collector.yaml"), here];
        let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
        let collector = Collector::start(dir.path(), &files, &stand_ins(&document).join(",")).await?;
        let numbered = Numbered::to(format!("http://{input}")).await?;
        Ok(Self { agent: Some(agent), collector, sink, numbered, dir })
    }

    /// Waits until all points that were sent are there beside some of the machine, and checks that each is there once.
    async fn each_point_once(&self) -> Result<()> {
        eventually("all points at the sink", PATIENCE, || {
            let counts = counted(&self.sink.arrivals());
            let machine = counts.keys().any(|(series, _)| series.metric.starts_with("process."));
            std::future::ready((machine && numbered(&counts) >= self.numbered.sent).then_some(()))
        })
        .await;
        let counts = counted(&self.sink.arrivals());
        ensure!(numbered(&counts) == self.numbered.sent, "{} of {}", numbered(&counts), self.numbered.sent);
        let doubled: Vec<_> = counts.iter().filter(|(_, times)| **times > 1).take(3).collect();
        ensure!(doubled.is_empty(), "{doubled:?}");
        Ok(())
    }

    /// Waits until the agent has compared points, and checks that there is no difference.
    async fn no_difference(&self) -> Result<()> {
        let agent = self.agent.as_ref().context("no agent")?;
        let report = eventually("a comparison", PATIENCE, || async {
            let report = agent.report().await.ok()?;
            (report.generation.input.points > self.numbered.sent.unsigned_abs()).then_some(report)
        })
        .await;
        ensure!(report.generation.differs_by_nothing(), "{:#?}", report.generation);
        ensure!(report.generation.candidate.series.value > 0, "something was compared");
        Ok(())
    }
}

/// The agent's half, with a candidate that is the baseline.
async fn start_agent(dir: &Path) -> Result<Agent> {
    let same = format!("--config={}", dir.join("same.yaml").display());
    let words = [
        same.as_str(),
        "--set=phoenix.admin=127.0.0.1:0",
        "--set=extensions::health_check::endpoint=127.0.0.1:0",
    ];
    Agent::start_on(dir, &dir.join("phoenix-agent.yaml"), &words).await
}

fn compared_with_itself(document: &Value) -> Result<String> {
    let baseline: Vec<&str> =
        document["baseline"].as_array().context("no baseline")?.iter().filter_map(Value::as_str).collect();
    let (exporter, weight) = if document["placement"] == "loop" { ("otlp", "50%") } else { ("nop", "0%") };
    Ok(format!(
        "service:
  pipelines:
    metrics/same: {{ receivers: [otlp], processors: [{}], exporters: [{exporter}] }}
phoenix:
  window: 1s
  experiment: {{ baseline: metrics, candidate: metrics/same, salt: same, unit: host, weight: {weight} }}
",
        baseline.join(", ")
    ))
}

/// What this machine has in place of the shape's own backend and ports: a file that is merged over the Collector's half.
fn on_this_machine(source: &str, input: std::net::SocketAddr, sink: &str) -> String {
    format!(
        "receivers:
  otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }}, http: {{ endpoint: '127.0.0.1:0' }} }} }}
  otlp/numbered: {{ protocols: {{ grpc: {{ endpoint: '{input}' }} }} }}
  {source}: {{ collection_interval: 1s }}
exporters:
  otlp_grpc/sink: {{ endpoint: '{sink}', tls: {{ insecure: true }} }}
service:
  extensions: []
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines:
    metrics/phoenix_head: {{ receivers: [{source}, otlp/numbered] }}
    metrics: {{ exporters: [otlp_grpc/sink] }}
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Collector: make test-peers"]
async fn beside_a_collector_the_agent_compares_a_copy_and_its_death_is_not_felt() -> Result<()> {
    for shape in SHAPES {
        let mut adopted = Adopted::start(shape, "observe").await?;
        adopted.numbered.send(REQUESTS).await?;
        adopted.each_point_once().await?;
        adopted.no_difference().await?;

        adopted.agent.take().context("no agent")?.kill().await?;
        adopted.numbered.send(REQUESTS).await?;
        adopted.each_point_once().await?;

        // One that takes connections and answers nothing.
        let stalled = start_agent(adopted.dir.path()).await?;
        stalled.signal("STOP")?;
        adopted.numbered.send(REQUESTS).await?;
        adopted.each_point_once().await?;
        ensure!(adopted.collector.terminate().await?.success(), "the Collector ends in order");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Collector: make test-peers"]
async fn in_a_loop_each_point_passes_the_agent_once_by_either_variant() -> Result<()> {
    for shape in SHAPES {
        let mut adopted = Adopted::start(shape, "loop").await?;
        adopted.numbered.send(REQUESTS).await?;
        adopted.each_point_once().await?;
        adopted.no_difference().await?;
        // The Collector's queue holds what comes while nobody is there to take it.
        adopted.agent.take().context("no agent")?.terminate().await?;
        adopted.numbered.send(REQUESTS).await?;
        adopted.agent = Some(start_agent(adopted.dir.path()).await?);
        adopted.each_point_once().await?;
    }
    Ok(())
}
