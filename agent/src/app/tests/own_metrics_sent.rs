//! The agent's own metrics, sent by OTLP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Label;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use tokio::net::TcpListener;
use tonic::Status;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::{Script, Sink};

/// A config with a reader that sends to `to` each second, and one that is asked.
fn reading(data: SocketAddr, to: SocketAddr, more: &str) -> String {
    let readers = format!(
        "telemetry:
    resource: {{ service.name: edge, team: core }}
    metrics:
      readers:
        - pull: {{ exporter: {{ prometheus: {{ host: 127.0.0.1, port: 0, without_type_suffix: false }} }} }}
        - periodic: {{ interval: 1000, exporter: {{ otlp: {{ protocol: grpc, endpoint: {to}, insecure: true{more} }} }} }}"
    );
    let text = config(data, "");
    let whole = text.replace("telemetry: { metrics: { address: 127.0.0.1:0 } }", &readers);
    assert_ne!(whole, text);
    whole
}

/// Values of sums and gauges by name and attributes, as `/metrics` writes them.
fn values(request: &ExportMetricsServiceRequest) -> BTreeMap<String, f64> {
    let metrics = request.resource_metrics.iter().flat_map(|one| &one.scope_metrics);
    let mut values = BTreeMap::new();
    for metric in metrics.flat_map(|scope| &scope.metrics) {
        let points = match metric.data.as_ref().expect("data") {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            _ => continue,
        };
        for point in points {
            let labels = point.attributes.iter().map(|attribute| {
                let value = attribute.value.clone().and_then(|value| value.value);
                let Some(Label::StringValue(text)) = value else { panic!("a label that is no text") };
                format!("{}={text:?}", attribute.key)
            });
            let labels = labels.collect::<Vec<_>>().join(",");
            let value = match point.value.expect("a value") {
                Value::AsInt(int) => int as f64,
                Value::AsDouble(double) => double,
            };
            values.insert(format!("{}{{{labels}}}", metric.name), value);
        }
    }
    values
}

/// The same of the text of `/metrics`.
async fn shown(agent: &Agent) -> BTreeMap<String, f64> {
    let text = request(agent.listening.admin, "GET", "/metrics", &[], Vec::new()).await.body;
    let text = String::from_utf8(text).expect("text");
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        if ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| name.split('{').next().unwrap_or(name).ends_with(end))
        {
            continue;
        }
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let name = name.strip_suffix("_total").unwrap_or(name);
        values.insert(format!("{name}{{{labels}"), value.parse().expect("a number"));
    }
    values
}

/// Names of what goes on between two looks, or is of the look itself.
fn moves(name: &str) -> bool {
    ["otelcol_process_", "phoenix_budget_used_bytes", "phoenix_refused_connections"]
        .iter()
        .any(|moving| name.starts_with(moving))
}

fn last(sink: &Sink) -> ExportMetricsServiceRequest {
    sink.metrics.lock().expect("lock").last().expect("a message").1.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_that_are_sent_are_those_that_are_shown_and_the_last_are_of_the_end() {
    let ((data, to), (own, at)) = (Sink::start().await, Sink::start().await);
    let agent = Agent::start(&load(&reading(to, at, ", compression: gzip"))).await;
    agent.client().await.export(export(10, 3)).await.expect("accepted");
    eventually("it arrives", async || data.received() == 1).await;
    let sent = r#"otelcol_exporter_sent_metric_points{exporter="otlp",variant="baseline"}"#;
    eventually("its points are told", async || {
        own.received() > 0 && values(&last(&own)).get(sent) == Some(&30.0)
    })
    .await;
    agent.client().await.export(export(10, 1)).await.expect("accepted");
    eventually("it arrives", async || data.received() == 2).await;
    eventually("it is counted", async || shown(&agent).await.get(sent) == Some(&40.0)).await;
    let shown = shown(&agent).await;
    agent.stop().await;
    let message = last(&own);
    let told = values(&message);
    let differ: Vec<_> = shown
        .iter()
        .filter(|(name, _)| !moves(name))
        .filter(|(name, value)| told.get(*name) != Some(value))
        .map(|(name, value)| (name, value, told.get(name)))
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(shown.len() > 40 && told.keys().all(|name| shown.contains_key(name)), "{told:#?}");
    let resource = message.resource_metrics[0].resource.clone().expect("a resource");
    let named: Vec<_> = resource.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    for name in ["service.name", "service.version", "service.instance.id", "team"] {
        assert!(named.contains(&name), "{named:?}");
    }
    for metric in message.resource_metrics[0].scope_metrics.iter().flat_map(|scope| &scope.metrics) {
        assert!(!metric.name.ends_with("_total"), "{}", metric.name);
        if let Some(Data::Sum(sum)) = &metric.data {
            assert!(sum.is_monotonic, "{}", metric.name);
            let starts = sum.data_points.iter().all(|point| point.start_time_unix_nano > 0);
            assert_ne!(starts, metric.name.contains("_lost"), "{}", metric.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_taken_is_counted_and_the_next_one_has_all() {
    let ((data, to), (own, at)) = (Sink::start().await, Sink::start().await);
    own.script([Script::Fail(Status::invalid_argument("no")), Script::Reject(2)]);
    let agent = Agent::start(&load(&reading(to, at, ", temporality_preference: delta"))).await;
    agent.client().await.export(export(10, 3)).await.expect("accepted");
    eventually("it arrives", async || data.received() == 1).await;
    let failed = "phoenix_own_metrics_failed_messages_total";
    eventually("a failure is counted", async || agent.metric(failed).await == Some(1.0)).await;
    let rejected = "phoenix_own_metrics_rejected_points_total";
    eventually("refused points are counted", async || agent.metric(rejected).await == Some(2.0)).await;
    eventually("a third message comes", async || own.attempts() >= 3).await;
    agent.stop().await;
    assert_eq!(own.attempts() - own.received(), 1, "none is tried again");
    let sent = r#"otelcol_receiver_requests{receiver="otlp",transport="grpc",outcome="success"}"#;
    let requests = own.metrics.lock().expect("lock").clone();
    let told: f64 = requests.iter().map(|(_, request)| values(request)[sent]).sum();
    assert_eq!(told, 1.0, "what the failed message had is in the next, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_no_data_and_the_end_for_two_seconds_only() {
    let (data, to) = Sink::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let agent = Agent::start(&load(
        &reading(to, silent.local_addr().expect("address"), ", timeout: 120000")
            .replace("interval: 1000", "interval: 1000, timeout: 120000"),
    ))
    .await;
    let (_kept, _) = silent.accept().await.expect("a connection");
    for _ in 0..20 {
        agent.client().await.export(export(10, 1)).await.expect("accepted");
    }
    eventually("all arrives", async || data.received() == 20).await;
    let before = Instant::now();
    agent.stop().await;
    assert!(before.elapsed() < Duration::from_secs(100), "its message may take two minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_readers_need_a_restart_and_health_says_so() {
    let ((_, to), (own, at)) = (Sink::start().await, Sink::start().await);
    let agent = Agent::start(&load(&reading(to, at, ""))).await;
    eventually("own metrics come", async || own.received() > 0).await;
    let other = reading(to, at, ", headers: { a: b }").replace("team: core", "team: edge");
    agent.reread(&other).await;
    let needed = serde_json::json!(["service.telemetry.metrics.readers", "service.telemetry.resource"]);
    eventually("it is told", async || agent.health().await["restart_needed_for"] == needed).await;
    agent.reread(&reading(to, at, "")).await;
    let none = serde_json::json!([]);
    eventually("it is over", async || agent.health().await["restart_needed_for"] == none).await;
}
