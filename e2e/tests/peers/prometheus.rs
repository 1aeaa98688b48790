//! A real Prometheus: as a backend, by its OTLP receiver, and as who scrapes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use e2e::agent::Agent;
use e2e::control_plane::ControlPlane;
use e2e::spans::{Manner, Spans};
use e2e::{eventually, http};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::points::Numbered;
use super::{PATIENCE, free, peer};

/// A Prometheus that runs; killed when dropped.
pub struct Prometheus {
    pub at: SocketAddr,
    #[expect(dead_code, reason = "held, so that it is killed when dropped")]
    child: Child,
}

impl Prometheus {
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_by(dir, "otlp: { promote_resource_attributes: [service.name] }\n", &[]).await
    }

    async fn start_by(dir: &Path, config: &str, more: &[&str]) -> Result<Self> {
        let (at, file) = (free()?, dir.join("prometheus.yml"));
        std::fs::write(&file, config)?;
        let child = Command::new(peer("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={at}"))
            .arg("--web.enable-otlp-receiver")
            .args(more)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("prometheus.log"))?)
            .kill_on_drop(true)
            .spawn()?;
        eventually("Prometheus is ready", PATIENCE, || async {
            let (status, _) = http::get(at, "/-/ready").await.ok()?;
            (status == 200).then_some(())
        })
        .await;
        Ok(Self { at, child })
    }

    /// The single value of an instant query.
    pub async fn value(&self, query: &str) -> Option<f64> {
        let (_, body) = http::get(self.at, &format!("/api/v1/query?query={query}")).await.ok()?;
        let body: Value = serde_json::from_str(&body).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

/// An agent that delivers to it, half of the points by each of two equal variants.
fn config(prometheus: SocketAddr, compression: &str, dir: &Path) -> String {
    format!(
        "receivers:
  otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }} }} }}
exporters:
  otlphttp: {{ endpoint: 'http://{prometheus}/api/v1/otlp', compression: {compression}, tls: {{ insecure: true }} }}
extensions:
  health_check: {{ endpoint: '127.0.0.1:0' }}
service:
  extensions: [health_check]
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlphttp] }}
    metrics/same: {{ receivers: [otlp], exporters: [otlphttp] }}
phoenix:
  data_dir: {}
  admin: '127.0.0.1:0'
  experiment: {{ baseline: metrics, candidate: metrics/same, salt: same, weight: 50%, unit: [number] }}
",
        dir.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Prometheus: make test-peers"]
async fn prometheus_has_every_point_that_was_sent() -> Result<()> {
    for compression in ["none", "gzip"] {
        let dir = tempfile::tempdir()?;
        let prometheus = Prometheus::start(dir.path()).await?;
        let agent = Agent::start(dir.path(), &config(prometheus.at, compression, dir.path())).await?;
        let mut numbered = Numbered::to(agent.endpoint()).await?;
        numbered.send(30).await?;
        let expected = numbered.sent as f64;
        eventually("all series at Prometheus", PATIENCE, || async {
            prometheus.value("count(test_numbered)").await.filter(|count| *count >= expected)
        })
        .await;
        let sum = prometheus.value("sum(test_numbered)").await.context("no sum")?;
        ensure!(sum == expected * (expected - 1.0) / 2.0, "{compression}: the sum of all values is {sum}");
        let named = prometheus.value("count(test_numbered{service_name=\"numbered\"})").await;
        ensure!(named == Some(expected), "{compression}: {named:?} carry their resource's name");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Prometheus: make test-peers"]
async fn what_prometheus_cannot_read_is_counted_as_failed_with_its_reason() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let prometheus = Prometheus::start(dir.path()).await?;
    let agent = Agent::start(dir.path(), &config(prometheus.at, "snappy", dir.path())).await?;
    let mut numbered = Numbered::to(agent.endpoint()).await?;
    numbered.send(3).await?;
    let (failed, expected) = ("otelcol_exporter_send_failed_metric_points", numbered.sent as f64);
    eventually("all points counted as failed", PATIENCE, || async {
        agent.metric(failed, "otlphttp").await.ok().filter(|count| *count == expected)
    })
    .await;
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    ensure!(log.contains("unsupported compression: snappy"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Prometheus: make test-peers"]
async fn prometheus_reads_all_of_the_control_planes_metrics_and_its_exemplars() -> Result<()> {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let dir = tempfile::tempdir()?;
    let spans = Spans::start(Manner::Takes).await?;
    let endpoint = spans.endpoint();
    let to = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let control_plane = ControlPlane::start_in(dir.path(), "info,sqlx=warn", &to).await?;
    let rest = control_plane.listening.rest;
    let scraped = format!(
        "scrape_configs: [{{ job_name: phoenix, scrape_interval: 1s, static_configs: [{{ targets: ['{rest}'] }}] }}]"
    );
    let more = ["--enable-feature=exemplar-storage"];
    let prometheus = Prometheus::start_by(dir.path(), &scraped, &more).await?;
    // Observed while it is scraped, so that a scrape sees a bucket grow.
    let own = format!("Authorization: Bearer {}\r\n", control_plane.token());
    let headers = format!("{own}traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
    let exemplar = eventually("an exemplar", PATIENCE, || async {
        http::get_with(rest, "/api/v1/experiments", &headers).await.ok()?;
        let query = "query=phoenix_http_request_duration_seconds_bucket&start=0&end=4000000000";
        let (_, body) = http::get(prometheus.at, &format!("/api/v1/query_exemplars?{query}")).await.ok()?;
        let body: Value = serde_json::from_str(&body).ok()?;
        let series = body["data"].as_array()?;
        let of_route = |one: &&Value| one["seriesLabels"]["route"] == "/api/v1/experiments";
        let exemplars = series.iter().find(of_route)?["exemplars"].as_array()?;
        exemplars.iter().find(|one| one["labels"]["trace_id"] == TRACE).cloned()
    })
    .await;
    assert!(exemplar["labels"]["span_id"].is_string(), "{exemplar:#}");
    // Exemplars can be asked for before the samples of their scrape.
    let told = |query: &'static str| {
        let prometheus = &prometheus;
        async move { eventually(query, PATIENCE, || prometheus.value(query)).await }
    };
    let is_up = told("up{job=\"phoenix\"}").await;
    assert_eq!(is_up, 1.0, "a scrape that cannot be read is down");
    for family in ["phoenix_trace_spans_sent_total", "count(phoenix_reconciler_duration_seconds_bucket)"] {
        assert!(told(family).await > 0.0, "{family}");
    }
    Ok(())
}
