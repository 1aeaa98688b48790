//! Two pipelines on the same points, one delivered a unit.

use std::collections::BTreeSet;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::Sink;

/// A candidate that keeps every other point, and fails on a metric of the name `poison`.
pub const HALVES: &str = r#"processors:
  filter/odd:
    error_mode: propagate
    metrics:
      datapoint: ['metric.name == "poison" and 1 / 0 == 1', 'value_int == 1 or value_int == 3']
service:
  pipelines:
    metrics/today: { receivers: [otlp], exporters: [otlp] }
    metrics/half: { receivers: [otlp], processors: [filter/odd], exporters: [] }
phoenix:
  max_added_latency: 1m
  experiment: { baseline: metrics/today, candidate: metrics/half, unit: process, weight: WEIGHT }
"#;

pub fn halves(sink: std::net::SocketAddr, weight: &str) -> String {
    config(sink, &HALVES.replace("WEIGHT", weight))
}

async fn experiment(agent: &Agent) -> serde_json::Value {
    let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    assert_eq!(response.status, 200);
    serde_json::from_slice(&response.body).expect("json")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_leaves_by_one_variant_whole_and_every_time_the_same() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&halves(address, "25%"))).await;
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(200, 4)).await.expect("accepted");
    }
    let shared = agent.shared.clone();
    agent.stop().await;
    let points = sink.points();
    let units = |variant: &str| -> BTreeSet<i64> {
        points.iter().filter(|(by, ..)| by == variant).map(|(_, _, pid, _)| *pid).collect()
    };
    let (baseline, candidate) = (units("baseline"), units("candidate"));
    assert!(baseline.is_disjoint(&candidate), "a unit is one variant's");
    assert_eq!(baseline.len() + candidate.len(), 200);
    assert!((20..=80).contains(&candidate.len()), "about a quarter of 200, got {}", candidate.len());
    for pid in 0..200 {
        let values: Vec<i64> = points.iter().filter(|p| p.2 == pid).map(|p| p.3).collect();
        let expected: &[i64] = if candidate.contains(&pid) { &[0, 2] } else { &[0, 1, 2, 3] };
        assert_eq!(values.len(), 3 * expected.len(), "three requests, each once");
        assert!(values.iter().all(|value| expected.contains(value)));
    }
    let totals = shared.delivery_ledger.totals();
    let of_ledger = (totals.queued, totals.delivered, totals.owed());
    assert_eq!(of_ledger, (points.len() as u64, points.len() as u64, 0), "fewer than the baseline made");
    assert_eq!(shared.budget.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_delivers_the_received_request_and_measures_the_candidate() {
    let (sink, address) = Sink::start().await;
    let config = halves(address, "0%").replace("phoenix:", "phoenix:\n  window: 1s");
    let agent = Agent::start(&load(&config)).await;
    let mut client = agent.client().await;
    let sent = export(100, 4);
    client.export(sent.clone()).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    assert_eq!(sink.metrics.lock().expect("lock")[0].1, sent);
    eventually("the window closes", async || {
        experiment(&agent).await["windows"].as_array().is_some_and(|windows| !windows.is_empty())
    })
    .await;
    let report = experiment(&agent).await;
    assert_eq!(report["experiment"]["weight_bp"], 0);
    let generation = &report["generation"];
    assert_eq!(generation["input"]["points"], 400);
    assert_eq!(generation["baseline"]["output"]["points"], 400);
    assert_eq!(generation["baseline"]["delivered"]["points"], 400);
    assert_eq!(generation["candidate"]["output"]["points"], 200);
    let rule = &generation["candidate"]["rules"][1];
    assert_eq!((rule["stage"].as_str(), rule["dropped"].as_u64()), (Some("filter/odd"), Some(200)), "{rule}");
    assert!(rule["samples"].as_array().is_some_and(|samples| !samples.is_empty()), "{rule}");
    assert_eq!(generation["candidate"]["delivered"]["points"], 0);
    assert_eq!(generation["baseline"]["units"]["value"], 100);
    assert_eq!(generation["baseline"]["units_delivered"]["value"], 100);
    assert!(generation["candidate"]["nanos_per_point"].as_f64().expect("measured") > 0.0);
    let rule = concat!(
        r#"phoenix_rule_dropped_points_total{pipeline="metrics/today",variant="candidate",processor="filter/odd","#,
        r#"rule="value_int == 1 or value_int == 3"}"#
    );
    eventually("the rule's count is told", async || agent.metric(rule).await == Some(200.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_fails_is_cut_out_and_its_units_get_the_baselines_output_of_that_batch() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&halves(address, "100%"))).await;
    let mut client = agent.client().await;
    client.export(export(10, 4)).await.expect("accepted");
    let mut poison = export(10, 4);
    poison.resource_metrics[7].scope_metrics[0].metrics[0].name = "poison".into();
    client.export(poison).await.expect("accepted all the same");
    client.export(export(10, 4)).await.expect("accepted");
    eventually("all three arrive", async || sink.received() == 3).await;
    let mut counts = [0; 2];
    for (variant, ..) in sink.points() {
        counts[usize::from(variant == "candidate")] += 1;
    }
    assert_eq!(counts, [80, 20], "halved before the failure, whole from it on");
    let health = agent.health().await;
    assert_eq!(health["status"], "degraded");
    assert!(health["candidate_cut"].as_str().expect("a reason").contains("filter/odd"));
    assert_eq!(
        agent.metric(r#"phoenix_failed_batches_total{pipeline="metrics/today",variant="candidate"}"#).await,
        Some(1.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn points_without_a_unit_stay_with_the_baseline_and_are_counted() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&halves(address, "100%"))).await;
    let mut sent = export(10, 4);
    for resource in &mut sent.resource_metrics[..3] {
        let attributes = &mut resource.resource.as_mut().expect("resource").attributes;
        attributes.retain(|attribute| attribute.key != "process.executable.name");
    }
    agent.client().await.export(sent).await.expect("accepted");
    eventually("both shares arrive", async || sink.received() == 2).await;
    let by_baseline = sink.points().into_iter().filter(|(variant, ..)| variant == "baseline");
    assert_eq!(by_baseline.map(|(_, _, pid, _)| pid).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert_eq!(agent.metric("phoenix_unassigned_points_total").await, Some(12.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_with_a_destination_of_its_own_leaves_by_it() {
    let ((today, today_address), (own, own_address)) = (Sink::start().await, Sink::start().await);
    let text = halves(today_address, "50%")
        .replace("processors: [filter/odd], exporters: []", "processors: [filter/odd], exporters: [otlp/own]")
        .replace(
            "extensions: {",
            &format!("  otlp/own: {{ endpoint: 'http://{own_address}' }}\nextensions: {{"),
        );
    let agent = Agent::start(&load(&text)).await;
    agent.client().await.export(export(50, 4)).await.expect("accepted");
    agent.stop().await;
    assert!(today.points().iter().all(|(variant, ..)| variant == "baseline"));
    assert!(own.points().iter().all(|(variant, ..)| variant == "candidate"));
    assert!(today.received() == 1 && own.received() == 1);
}
