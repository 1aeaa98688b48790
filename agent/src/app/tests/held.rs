//! Points that stages hold back: they leave in time, at a swap and at the end, and none is lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::harness::{Agent, config, eventually, export, load};
use super::sink::Sink;

/// A pipeline that holds everything back for so long.
fn holding(sink: SocketAddr, interval: &str) -> String {
    config(
        sink,
        &format!(
            "processors:
  interval: {{ interval: {interval} }}
service:
  pipelines:
    metrics: {{ receivers: [otlp], processors: [interval], exporters: [otlp] }}"
        ),
    )
}

/// A baseline that passes everything on, and a candidate that holds it back.
pub fn candidate_holds(sink: SocketAddr, weight: &str, interval: &str) -> String {
    config(
        sink,
        &format!(
            "processors:
  interval: {{ interval: {interval} }}
service:
  pipelines:
    metrics/today: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/held: {{ receivers: [otlp], processors: [interval], exporters: [otlp] }}
phoenix:
  max_added_latency: 1m
  experiment: {{ baseline: metrics/today, candidate: metrics/held, unit: process, allow: [held], weight: {weight} }}"
        ),
    )
}

const HELD: &str = r#"phoenix_held_points{pipeline="metrics",variant="baseline"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interval_holds_leaves_when_it_ends_and_is_in_the_ledger() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&holding(address, "1s"))).await;
    let mut client = agent.client().await;
    client.export(export(10, 1)).await.expect("accepted");
    eventually("it leaves", async || sink.points().len() == 10).await;
    eventually("nothing waits any more", async || agent.metric(HELD).await == Some(0.0)).await;
    let flushed = r#"phoenix_flushed_points_total{pipeline="metrics",variant="baseline"}"#;
    assert_eq!(agent.metric(flushed).await, Some(10.0));
    let shared = agent.shared.clone();
    agent.stop().await;
    assert_eq!(shared.delivery_ledger.totals().delivered, 10);
    assert_eq!(shared.budget.used(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_at_the_end_is_delivered() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&holding(address, "1h"))).await;
    agent.client().await.export(export(10, 1)).await.expect("accepted");
    eventually("it waits", async || agent.metric(HELD).await == Some(10.0)).await;
    assert_eq!(sink.received(), 0);
    let shared = agent.shared.clone();
    agent.stop().await;
    assert_eq!(sink.points().len(), 10);
    assert_eq!((shared.delivery_ledger.totals().delivered, shared.delivery_ledger.totals().owed()), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_a_swap_takes_away_sends_what_it_holds_under_the_old_generation() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&holding(address, "1h"))).await;
    let mut client = agent.client().await;
    client.export(export(10, 1)).await.expect("accepted");
    agent.reread(&config(address, "")).await;
    eventually("it leaves", async || sink.points().len() == 10).await;
    client.export(export(3, 1)).await.expect("accepted");
    agent.stop().await;
    let generations: Vec<u64> = sink.points().iter().map(|(_, generation, ..)| *generation).collect();
    assert_eq!(generations.iter().filter(|generation| **generation == 1).count(), 10);
    assert_eq!(generations.iter().filter(|generation| **generation == 2).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_stays_keeps_what_it_holds_over_a_swap() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&holding(address, "1h"))).await;
    agent.client().await.export(export(10, 1)).await.expect("accepted");
    let other = holding(address, "1h")
        .replace(
            "processors:\n",
            "processors:\n  resource: { attributes: [{ key: env, value: x, action: insert }] }\n",
        )
        .replace("[interval]", "[resource, interval]");
    agent.reread(&other).await;
    eventually("the swap", async || agent.metric("phoenix_generation").await == Some(2.0)).await;
    assert_eq!(sink.received(), 0);
    agent.stop().await;
    assert!(sink.points().iter().all(|(_, generation, ..)| *generation == 2));
    assert_eq!(sink.points().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_what_a_candidate_holds_leaves_by_it_and_every_point_once() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&candidate_holds(address, "25%", "1s"))).await;
    agent.client().await.export(export(200, 1)).await.expect("accepted");
    eventually("both shares arrive", async || sink.points().len() == 200).await;
    let shared = agent.shared.clone();
    agent.stop().await;
    let points = sink.points();
    let pids = |variant: &str| -> BTreeSet<i64> {
        points.iter().filter(|(by, ..)| by == variant).map(|(_, _, pid, _)| *pid).collect()
    };
    let (baseline, candidate) = (pids("baseline"), pids("candidate"));
    assert!(baseline.is_disjoint(&candidate) && !candidate.is_empty());
    assert_eq!(baseline.len() + candidate.len(), 200);
    assert_eq!(points.len(), 200, "each once");
    assert_eq!(shared.delivery_ledger.totals().delivered, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_candidate_holds_is_delivered_when_its_experiment_ends() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&candidate_holds(address, "100%", "1h"))).await;
    agent.client().await.export(export(20, 1)).await.expect("accepted");
    agent.reread(&config(address, "")).await;
    eventually("it leaves", async || sink.points().len() == 20).await;
    agent.stop().await;
    assert!(sink.points().iter().all(|(variant, generation, ..)| variant == "candidate" && *generation == 1));
    assert_eq!(sink.points().len(), 20);
}
