//! What agent and control plane tell of themselves, as a real Collector and a real Prometheus understand it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::agent::Agent;
use e2e::control_plane::ControlPlane;
use e2e::intake::Intake;
use e2e::spans::{Manner, Spans};
use e2e::{bulk, eventually, http};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use recount::Arrival;
use serde_json::Value;

use super::collector::Collector;
use super::prometheus::Prometheus;
use super::{PATIENCE, free};

const ACCEPTED: &str = "otelcol_receiver_accepted_metric_points";
const SENT: &str = "otelcol_exporter_sent_metric_points";
const REQUESTS: &str = "phoenix_receiver_request_duration_seconds";

/// An agent that delivers to `to` and sends its own metrics each second as `exporter` says.
fn agent(to: &str, exporter: &str) -> String {
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }} }} }} }}
exporters: {{ otlp: {{ endpoint: '{to}', compression: none }} }}
extensions: {{ health_check: {{ endpoint: '127.0.0.1:0' }} }}
service:
  extensions: [health_check]
  telemetry:
    metrics: {{ readers: [ {{ periodic: {{ interval: 1000, exporter: {{ otlp: {{ {exporter} }} }} }} }} ] }}
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }}
phoenix: {{ admin: '127.0.0.1:0' }}
"
    )
}

/// A Collector that passes metrics and spans on, and the addresses of its receiver by gRPC and HTTP.
async fn collector(dir: &Path, metrics: &str, spans: &str) -> Result<(Collector, [String; 2])> {
    let (grpc, http) = (free()?, free()?);
    let file = dir.join("collector.yaml");
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '{grpc}' }}, http: {{ endpoint: '{http}' }} }} }} }}
exporters:
  otlp_grpc/metrics: {{ endpoint: '{metrics}', tls: {{ insecure: true }} }}
  otlp_grpc/spans: {{ endpoint: '{spans}', tls: {{ insecure: true }} }}
service:
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlp_grpc/metrics] }}
    traces: {{ receivers: [otlp], exporters: [otlp_grpc/spans] }}
"
    );
    std::fs::write(&file, text)?;
    let collector = Collector::start(dir, &[&file], "").await?;
    Ok((collector, [grpc, http].map(|at| format!("http://{at}"))))
}

async fn send(agent: &Agent) -> Result<()> {
    let mut client = MetricsServiceClient::connect(agent.endpoint()).await?;
    for n in 0..5 {
        client.export(bulk::request(n, 1_000)).await?;
    }
    Ok(())
}

/// All metrics of a name, message by message.
fn named<'a>(arrivals: &'a [Arrival], name: &str) -> Vec<&'a Metric> {
    let resources = arrivals.iter().flat_map(|(_, message)| &message.resource_metrics);
    let metrics = resources.flat_map(|one| &one.scope_metrics).flat_map(|scope| &scope.metrics);
    metrics.filter(|metric| metric.name == name).collect()
}

/// What a metric counts over all attributes, and its temporality.
fn counted(metric: &Metric) -> (f64, i32) {
    match &metric.data {
        Some(Data::Sum(sum)) => {
            let values = sum.data_points.iter().map(|point| match point.value {
                Some(Number::AsInt(int)) => int as f64,
                Some(Number::AsDouble(double)) => double,
                None => f64::NAN,
            });
            (values.sum(), sum.aggregation_temporality)
        }
        Some(Data::Histogram(all)) => {
            let counts = all.data_points.iter().map(|point| {
                assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                point.count as f64
            });
            (counts.sum(), all.aggregation_temporality)
        }
        _ => (f64::NAN, 0),
    }
}

/// What all messages together say that was counted.
fn total(arrivals: &[Arrival], name: &str, temporality: AggregationTemporality) -> f64 {
    let counts: Vec<_> = named(arrivals, name).into_iter().map(counted).collect();
    assert!(counts.iter().all(|(_, said)| *said == temporality as i32), "{name}: {counts:?}");
    match temporality {
        AggregationTemporality::Delta => counts.iter().map(|(count, _)| count).sum(),
        _ => counts.last().map_or(f64::NAN, |(count, _)| *count),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Collector: make test-peers"]
async fn a_collector_has_the_agents_own_figures_by_either_protocol_and_temporality() -> Result<()> {
    use AggregationTemporality::{Cumulative, Delta};
    for (protocol, compression, preference, temporality) in [
        ("grpc", "none", "cumulative", Cumulative),
        ("grpc", "gzip", "delta", Delta),
        ("http/protobuf", "gzip", "cumulative", Cumulative),
        ("http/protobuf", "none", "delta", Delta),
    ] {
        let (data, own, dir) = (Intake::start().await?, Intake::start().await?, tempfile::tempdir()?);
        let (collector, [grpc, http]) = collector(dir.path(), &own.endpoint(), "127.0.0.1:1").await?;
        let at = if protocol == "grpc" { grpc } else { http };
        let keys = format!(
            "protocol: {protocol}, endpoint: '{at}', compression: {compression}, temporality_preference: {preference}"
        );
        let agent = Agent::start(dir.path(), &agent(&data.endpoint(), &keys)).await?;
        // Twice, so that there is something to add.
        for _ in 0..2 {
            send(&agent).await?;
            let accepted = agent.metric(ACCEPTED, "").await?;
            eventually("the Collector passes on what was accepted", PATIENCE, || {
                let has = total(&own.arrivals(), ACCEPTED, temporality) >= accepted;
                std::future::ready(has.then_some(()))
            })
            .await;
        }
        eventually("all data is confirmed", PATIENCE, || async {
            let sent = agent.metric(SENT, "").await.ok()?;
            (sent == agent.metric(ACCEPTED, "").await.ok()?).then_some(())
        })
        .await;
        let figures = [
            (ACCEPTED, agent.metric(ACCEPTED, "").await?),
            (SENT, agent.metric(SENT, "").await?),
            (REQUESTS, agent.metric(&format!("{REQUESTS}_count"), "").await?),
        ];
        ensure!(agent.terminate().await?.success());
        ensure!(collector.terminate().await?.success());
        for (name, figure) in figures {
            assert!(figure > 0.0, "{name}");
            let told = total(&own.arrivals(), name, temporality);
            assert_eq!(told, figure, "{name} by {protocol}, {compression}, {preference}");
        }
    }
    Ok(())
}

/// Names of the samples of `/metrics`.
fn names(exposition: &str) -> BTreeSet<String> {
    let samples = exposition.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Prometheus: make test-peers"]
async fn prometheus_has_the_agents_own_metrics_by_otlp_under_the_names_of_a_scrape() -> Result<()> {
    let (data, dir) = (Intake::start().await?, tempfile::tempdir()?);
    let prometheus = Prometheus::start(dir.path()).await?;
    let keys =
        format!("protocol: http/protobuf, endpoint: 'http://{}/api/v1/otlp/v1/metrics'", prometheus.at);
    // With the ends of types and units, as Prometheus makes them of what comes by OTLP.
    let ends = "{ pull: { exporter: { prometheus: { without_type_suffix: false, without_units: false } } } }";
    let config = agent(&data.endpoint(), &keys).replace("readers: [", &format!("readers: [ {ends},"));
    let agent = Agent::start(dir.path(), &config).await?;
    send(&agent).await?;
    let name = format!("{ACCEPTED}_total");
    let accepted = agent.metric(&name, "").await?;
    assert!(accepted > 0.0);
    eventually("Prometheus has what was accepted", PATIENCE, || async {
        prometheus.value(&format!("sum({name})")).await.filter(|value| *value == accepted)
    })
    .await;
    let (_, exposition) = http::get(agent.listening.admin, "/metrics").await?;
    let (_, listed) = http::get(prometheus.at, "/api/v1/label/__name__/values").await?;
    let listed: Value = serde_json::from_str(&listed)?;
    let listed = listed["data"].as_array().context("no names")?.iter().filter_map(Value::as_str);
    // The resource's attributes, which a scrape has not.
    let pushed: BTreeSet<_> = listed.filter(|name| *name != "target_info").map(str::to_owned).collect();
    let scraped = names(&exposition);
    let missing: Vec<_> = scraped.difference(&pushed).collect();
    let other: Vec<_> = pushed.difference(&scraped).collect();
    assert!(missing.is_empty() && other.is_empty(), "scraped alone: {missing:?}; by OTLP alone: {other:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real Collector: make test-peers"]
async fn a_collector_has_the_control_planes_traces_by_either_protocol() -> Result<()> {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    for protocol in ["grpc", "http/protobuf"] {
        for compression in ["none", "gzip"] {
            let (spans, dir) = (Spans::start(Manner::Takes).await?, tempfile::tempdir()?);
            let (collector, [grpc, http]) = collector(dir.path(), "127.0.0.1:1", &spans.endpoint()).await?;
            let at = if protocol == "grpc" { grpc } else { http };
            let variables = [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", at.as_str()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ];
            let control_plane = ControlPlane::start_in(dir.path(), "info,sqlx=warn", &variables).await?;
            let own = format!("Authorization: Bearer {}\r\n", control_plane.token());
            let headers = format!("{own}traceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n");
            let asked = http::get_with(control_plane.listening.rest, "/api/v1/experiments", &headers).await?;
            ensure!(asked.0 == 200, "{asked:?}");
            let what = format!("the request by {protocol}, {compression}");
            let came = spans.first(&what, |came| came.trace == TRACE && came.name.starts_with("GET")).await;
            assert_eq!(came.name, "GET /api/v1/experiments");
            assert_eq!(came.parent, "b7ad6b7169203331");
            assert_eq!(came.resource.get("service.name").map(String::as_str), Some("phoenix-control-plane"));
            ensure!(collector.terminate().await?.success());
        }
    }
    Ok(())
}
