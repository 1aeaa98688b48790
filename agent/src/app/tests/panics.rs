//! Panics of either variant: the baseline goes on, what is lost is counted, and the comparison is told.
//!
//! No processor panics. A pipeline with the stage `resource/panics` does in a test build, once its stages have seen a batch with
//! a metric `poison`; see `engine::variant`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::Sink;

const PROCESSES: usize = 200;

/// Two pipelines of these stages, at a weight.
fn beside(sink: SocketAddr, [today, tried]: [&str; 2], weight: &str) -> String {
    config(
        sink,
        &format!(
            "processors:
  interval: {{ interval: 1h }}
  interval/short: {{ interval: 1s }}
  resource/panics: {{ attributes: [{{ key: env, value: x, action: insert }}] }}
  resource/panics_in_flush: {{ attributes: [{{ key: env, value: x, action: insert }}] }}
service:
  pipelines:
    metrics/today: {{ receivers: [otlp], processors: [{today}], exporters: [otlp] }}
    metrics/tried: {{ receivers: [otlp], processors: [{tried}], exporters: [otlp] }}
phoenix:
  window: 1s
  max_added_latency: 1m
  experiment: {{ baseline: metrics/today, candidate: metrics/tried, unit: process, allow: [held], weight: {weight} }}"
        ),
    )
}

/// A request whose processes have a metric by which a pipeline panics.
fn poison() -> ExportMetricsServiceRequest {
    let mut request = export(PROCESSES, 1);
    for resource in &mut request.resource_metrics {
        for metric in &mut resource.scope_metrics[0].metrics {
            metric.name = "poison".to_owned();
        }
    }
    request
}

async fn report(agent: &Agent) -> serde_json::Value {
    let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    serde_json::from_slice(&response.body).expect("json")
}

fn arrivals(sink: &Sink) -> BTreeMap<i64, usize> {
    let mut arrivals = BTreeMap::new();
    sink.points().into_iter().for_each(|(_, _, pid, _)| *arrivals.entry(pid).or_default() += 1);
    arrivals
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_panics_at_half_the_weight_loses_and_doubles_nothing_and_the_account_is_whole() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&beside(address, ["", "resource/panics"], "50%"))).await;
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(PROCESSES, 1)).await.expect("accepted");
    }
    eventually("both variants deliver", async || sink.points().len() == 3 * PROCESSES).await;
    assert!(sink.points().iter().any(|(variant, ..)| variant == "candidate"));
    // Senders beside each other, so that batches wait behind the one that panics.
    let send = |batch: ExportMetricsServiceRequest| {
        let mut client = client.clone();
        async move { client.export(batch).await.expect("accepted all the same") }
    };
    let poisoned = [poison(), export(PROCESSES, 1), poison(), export(PROCESSES, 1), export(PROCESSES, 1)];
    for sent in poisoned.map(|batch| tokio::spawn(send(batch))) {
        sent.await.expect("a task");
    }
    eventually("every point arrives", async || sink.points().len() == 8 * PROCESSES).await;
    let cut = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(cut.contains("panic: poison"), "{cut}");
    client.export(export(PROCESSES, 1)).await.expect("accepted");
    eventually("the baseline goes on", async || sink.points().len() == 9 * PROCESSES).await;
    eventually("the comparison is told", async || {
        report(&agent).await["generation"]["candidate"]["failures"].as_u64() == Some(1)
    })
    .await;
    let shared = agent.shared.clone();
    agent.stop().await;
    let arrivals = arrivals(&sink);
    assert!(arrivals.len() == PROCESSES && arrivals.values().all(|times| *times == 9), "{arrivals:?}");
    let by_baseline = sink.points().iter().rev().take(PROCESSES).all(|(variant, ..)| variant == "baseline");
    assert!(by_baseline, "from then on all units are the baseline's");
    let totals = shared.delivery_ledger.totals();
    let all = 9 * PROCESSES as u64;
    assert_eq!((totals.queued, totals.delivered, totals.owed()), (all, all, 0), "{totals:?}");
    assert_eq!(shared.budget.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_that_panics_on_a_batch_is_told_to_the_comparison_with_what_its_stages_held() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&beside(address, ["interval, resource/panics", ""], "0%"))).await;
    let mut client = agent.client().await;
    client.export(export(PROCESSES, 1)).await.expect("accepted");
    client.export(poison()).await.expect_err("the baseline is what delivers");
    eventually("the comparison is told", async || {
        let found = report(&agent).await["generation"].clone();
        found["baseline"]["failures"] == 1
            && found["baseline"]["delivery"]["failed"] == PROCESSES
            && found["missing"]["names"]
                .to_string()
                .contains("(200 points that interval of the baseline held)")
    })
    .await;
    let lost = r#"phoenix_lost_held_points_total{pipeline="metrics/today",variant="baseline"}"#;
    assert_eq!(agent.metric(lost).await, Some(PROCESSES as f64));
    agent.stop().await;
    assert_eq!(sink.received(), 0, "all that was held is lost, and counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_baseline_that_panics_between_batches_is_told_to_the_comparison() {
    let (_sink, address) = Sink::start().await;
    let agent =
        Agent::start(&load(&beside(address, ["interval/short, resource/panics_in_flush", ""], "0%"))).await;
    agent.client().await.export(export(PROCESSES, 1)).await.expect("accepted");
    eventually("the comparison is told", async || {
        let found = report(&agent).await["generation"].clone();
        found["baseline"]["failures"] == 1
            && found["missing"]["names"].to_string().contains("that interval/short of the baseline held)")
    })
    .await;
}
