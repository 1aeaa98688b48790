//! `/metrics` under the names that the Collector has.

use std::collections::BTreeSet;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::Sink;

const STAGES: &str = "processors:
  filter/odd: { metrics: { datapoint: ['resource.attributes[\"process.executable.name\"] == \"app-1\"'] } }
service:
  pipelines:
    metrics: { receivers: [otlp], processors: [filter/odd], exporters: [otlp] }";

/// Names at `/metrics` of an agent whose reader is told this, once a request of ten points has passed.
async fn names(telemetry: &str) -> (Agent, BTreeSet<String>) {
    let (sink, address) = Sink::start().await;
    let telemetry = format!(
        "telemetry: {{ metrics: {{ readers: [ {{ pull: {{ exporter: {{ prometheus: {{ host: 127.0.0.1, port: 0{telemetry} }} }} }} }} ] }} }}"
    );
    let text =
        config(address, STAGES).replace("telemetry: { metrics: { address: 127.0.0.1:0 } }", &telemetry);
    let agent = Agent::start(&load(&text)).await;
    agent.client().await.export(export(10, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    let text = request(agent.listening.admin, "GET", "/metrics", &[], Vec::new()).await.body;
    let text = String::from_utf8(text).expect("text");
    let names =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    (agent, names.filter(|name| name.starts_with("otelcol_")).map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_a_processor_and_leaves_it_is_counted_under_the_collectors_names() {
    let (agent, _) = names("").await;
    let of = |what: &str| {
        format!(
            r#"otelcol_processor_{what}_items{{processor="filter/odd",otel_signal="metrics",pipeline="metrics",variant="baseline"}}"#
        )
    };
    eventually("it is counted", async || agent.metric(&of("incoming")).await == Some(10.0)).await;
    assert_eq!(agent.metric(&of("outgoing")).await, Some(8.0), "every fifth process is app-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_collectors_alerts_ask_for_is_there_before_anything_happens() {
    let (agent, names) = names("").await;
    for item in ["spans", "metric_points", "log_records"] {
        for of in ["receiver_refused", "receiver_failed", "exporter_send_failed", "exporter_enqueue_failed"] {
            assert!(names.contains(&format!("otelcol_{of}_{item}")), "{of} {item}: {names:?}");
        }
    }
    let queued = r#"otelcol_exporter_queue_size{exporter="otlp"}"#;
    eventually("the queue is empty", async || agent.metric(queued).await == Some(0.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_end_as_the_reader_is_told() {
    let (_agent, plain) = names("").await;
    for name in
        ["otelcol_exporter_sent_metric_points", "otelcol_process_memory_rss", "otelcol_process_uptime"]
    {
        assert!(plain.contains(name), "{plain:?}");
    }
    assert!(plain.iter().all(|name| !name.ends_with("_total")), "{plain:?}");
    let (_agent, full) = names(", without_type_suffix: false, without_units: false").await;
    for name in [
        "otelcol_exporter_sent_metric_points_total",
        "otelcol_exporter_queue_size",
        "otelcol_process_cpu_seconds_total",
        "otelcol_process_memory_rss_bytes",
        "otelcol_process_uptime_seconds_total",
    ] {
        assert!(full.contains(name), "{full:?}");
    }
    assert_eq!(plain.len(), full.len(), "the same, by other names");
}
