//! Points that a candidate holds when it is cut out: they leave by it once, or are counted as lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Sum, metric::Data};

use super::beside::slow;
use super::harness::{Agent, config, eventually, export, load};
use super::held::candidate_holds;
use super::sink::Sink;

const LOST: &str = r#"phoenix_lost_held_points_total{pipeline="metrics/today",variant="candidate"}"#;

/// A request of processes with a later point of the value 1.
fn later(processes: usize) -> ExportMetricsServiceRequest {
    let mut request = export(processes, 2);
    for resource in &mut request.resource_metrics {
        let Some(Data::Gauge(gauge)) = &mut resource.scope_metrics[0].metrics[0].data else {
            panic!("expected a gauge")
        };
        gauge.data_points.remove(0);
    }
    request
}

/// Processes whose point of this value arrived by the variant.
fn processes(sink: &Sink, variant: &str, value: i64) -> BTreeSet<i64> {
    let points = sink.points();
    let found: Vec<i64> = points.iter().filter(|p| p.0 == variant && p.3 == value).map(|p| p.2).collect();
    let each = BTreeSet::from_iter(found.iter().copied());
    assert_eq!(found.len(), each.len(), "each once");
    each
}

/// A candidate that does this and then holds its points, at 50 %.
fn slow_and_holding(sink: SocketAddr, latency: &str) -> String {
    let experiment = format!(
        "  max_added_latency: {latency}\n  budget: {{ cpu: 100%, memory: 256MiB }}\n  experiment: {{ baseline: metrics/today, \
         candidate: metrics/slow, unit: process, allow: [held], weight: 50% }}"
    );
    slow(sink, 600, &experiment)
        .replace("processors:\n", "processors:\n  interval: { interval: 1h }\n")
        .replace("[transform/slow]", "[transform/slow, interval]")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_leaves_once_by_the_candidate_when_a_batch_is_late() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&slow_and_holding(address, "2s"))).await;
    let mut client = agent.client().await;
    client.export(export(20, 1)).await.expect("accepted");
    eventually("the first batch is held", async || {
        agent.metric(r#"phoenix_held_points{pipeline="metrics/today",variant="candidate"}"#).await
            == Some(20.0)
    })
    .await;
    client.export(later(8_000)).await.expect("accepted");
    eventually("every point arrives", async || sink.points().len() == 8_020).await;
    let cut = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(cut.contains("units waited 2s for it"), "{cut}");
    assert_eq!(agent.metric(LOST).await, None);
    agent.stop().await;
    let (baseline, candidate) = (processes(&sink, "baseline", 0), processes(&sink, "candidate", 0));
    assert!(!candidate.is_empty() && baseline.is_disjoint(&candidate));
    assert_eq!(baseline.len() + candidate.len(), 20);
    assert_eq!(processes(&sink, "baseline", 1).len(), 8_000, "the late batch left by the baseline, whole");
    assert_eq!(sink.points().len(), 8_020);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_leaves_once_by_the_candidate_when_its_queue_is_full() {
    let (sink, address) = Sink::start().await;
    let text = candidate_holds(address, "50%", "1h")
        .replace("phoenix:\n", "phoenix:\n  budget: { cpu: 100%, memory: 1MiB }\n");
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    client.export(export(40, 1)).await.expect("accepted");
    client.export(later(4_000)).await.expect("accepted");
    eventually("every point arrives", async || sink.points().len() == 4_040).await;
    let cut = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(cut.contains("found no memory") && cut.contains("phoenix.budget.memory"), "{cut}");
    client.export(later(30)).await.expect("accepted");
    agent.stop().await;
    let (baseline, candidate) = (processes(&sink, "baseline", 0), processes(&sink, "candidate", 0));
    assert!(!candidate.is_empty() && baseline.is_disjoint(&candidate));
    assert_eq!(baseline.len() + candidate.len(), 40);
    assert_eq!(sink.points().len(), 4_070, "and nothing that it holds in mirror");
}

/// A baseline and a candidate that both hold points, and a batch at which the candidate is cut out. `waits` tells whether
/// something happens between this and the end.
async fn both_hold(waits: bool) {
    let (sink, address) = Sink::start().await;
    let text = candidate_holds(address, "50%", "1h")
        .replace("phoenix:\n", "phoenix:\n  budget: { cpu: 100%, memory: 1MiB }\n")
        .replace(
            "processors:\n",
            "processors:\n  resource: { attributes: [{ key: env, value: x, action: insert }] }\n",
        )
        .replace("processors: [interval]", "processors: [interval, resource]")
        .replace(
            "metrics/today: { receivers: [otlp],",
            "metrics/today: { receivers: [otlp], processors: [interval],",
        );
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    client.export(export(40, 1)).await.expect("accepted");
    // Others, so that what is held of the first ones is not replaced.
    let mut others = later(4_000);
    others.resource_metrics.drain(..40);
    client.export(others).await.expect("accepted");
    if waits {
        eventually("what was held leaves", async || sink.points().len() == 40).await;
    }
    agent.stop().await;
    let (baseline, candidate) = (processes(&sink, "baseline", 0), processes(&sink, "candidate", 0));
    assert!(!candidate.is_empty() && baseline.is_disjoint(&candidate), "none by both");
    assert_eq!(baseline.len() + candidate.len(), 40);
    assert_eq!(processes(&sink, "baseline", 1).len(), 3_960, "all that came since by the baseline");
    assert_eq!(sink.points().len(), 4_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_variants_hold_at_a_cut_leaves_by_one_of_them() {
    both_hold(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_variants_hold_leaves_by_one_of_them_at_an_end_that_follows_the_cut() {
    both_hold(false).await;
}

/// Processes of the batch that the candidate fails on, of 40 before.
const FAILS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_leaves_once_when_the_candidate_fails_on_a_batch_that_its_stage_has_seen() {
    let (sink, address) = Sink::start().await;
    let text = candidate_holds(address, "50%", "1h").replace("processors: [interval]", "processors: [interval, filter]").replace(
        "processors:\n  interval",
        "processors:\n  filter: { error_mode: propagate, metrics: { datapoint: ['metric.name == \"poison\" and 1 / 0 == 1'] } }\n  interval",
    );
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    client.export(export(40, 1)).await.expect("accepted");
    let mut poison = later(FAILS);
    let metrics = &mut poison.resource_metrics[7].scope_metrics[0].metrics;
    let Some(Data::Gauge(gauge)) = metrics[0].data.clone() else { panic!("expected a gauge") };
    // One that no interval holds.
    let sum = Sum { data_points: gauge.data_points, aggregation_temporality: 1, is_monotonic: true };
    let mut more = metrics[0].clone();
    (more.name, more.data) = ("poison".into(), Some(Data::Sum(sum)));
    metrics.push(more);
    client.export(poison).await.expect("accepted all the same");
    let cut = async || agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    eventually("it is cut out", async || cut().await.contains("filter")).await;
    assert_eq!(agent.metric(LOST).await, None);
    agent.stop().await;
    let points = sink.points();
    let by_baseline = points.iter().filter(|point| point.0 == "baseline" && point.3 == 1).count();
    assert_eq!(by_baseline, FAILS + 1, "the batch leaves by the baseline, whole");
    assert!(processes(&sink, "candidate", 1).is_empty(), "and not a second time");
    let (baseline, candidate) = (processes(&sink, "baseline", 0), processes(&sink, "candidate", 0));
    assert!(baseline.is_disjoint(&candidate) && !candidate.is_empty());
    // Of a process of both batches the interval keeps the later point.
    assert!(candidate.iter().all(|pid| *pid >= FAILS as i64), "{candidate:?}");
    let all: BTreeSet<i64> = baseline.union(&candidate).copied().collect();
    assert!((FAILS as i64..40).all(|pid| all.contains(&pid)), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_abandoned_worker_holds_is_counted_when_it_ends() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&slow_and_holding(address, "1m"))).await;
    let mut client = agent.client().await;
    client.export(export(20, 1)).await.expect("accepted");
    eventually("the first batch is held", async || {
        agent.metric(r#"phoenix_held_points{pipeline="metrics/today",variant="candidate"}"#).await
            == Some(20.0)
    })
    .await;
    client.export(later(15_000)).await.expect("accepted");
    agent.reread(&config(address, "")).await;
    let before = std::time::Instant::now();
    while agent.metric(LOST).await.is_none() {
        assert!(before.elapsed() < std::time::Duration::from_secs(60), "it is never counted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let lost = agent.metric(LOST).await.expect("a count") as usize;
    agent.stop().await;
    let baseline = processes(&sink, "baseline", 0);
    assert!(lost > 0 && processes(&sink, "candidate", 0).is_empty());
    assert_eq!(baseline.len() + lost, 20, "what did not arrive is counted, to the point");
    assert_eq!(processes(&sink, "baseline", 1).len(), 15_000, "the batch at hand left by the baseline");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_leaves_once_when_units_move_from_one_variant_to_the_other_and_back() {
    let (sink, address) = Sink::start().await;
    let at = |weight: &str| candidate_holds(address, weight, "1h");
    let agent = Agent::start(&load(&at("0%"))).await;
    let mut client = agent.client().await;
    client.export(export(20, 1)).await.expect("accepted");
    let swapped = async |to: &str, generation: f64| {
        agent.reread(&at(to)).await;
        eventually("the swap", async || agent.metric("phoenix_generation").await == Some(generation)).await;
    };
    swapped("100%", 2.0).await;
    client.export(later(20)).await.expect("accepted");
    swapped("0%", 3.0).await;
    agent.stop().await;
    assert_eq!(processes(&sink, "baseline", 0).len(), 20, "what mirror held had left by the baseline");
    assert_eq!(
        processes(&sink, "candidate", 1).len(),
        20,
        "what the split held leaves before units move back"
    );
    assert_eq!(sink.points().len(), 40);
}

/// A baseline that holds its points beside a split whose worker is abandoned at a swap to `next`.
async fn baseline_holds_beside_an_abandoned_worker(next: impl Fn(SocketAddr) -> String) {
    let (sink, address) = Sink::start().await;
    let experiment = "  max_added_latency: 1m\n  budget: { cpu: 100%, memory: 256MiB }\n  experiment: { baseline: metrics/today, \
         candidate: metrics/slow, unit: process, weight: 50% }";
    let text = slow(address, 600, experiment)
        .replace("processors:\n", "processors:\n  interval: { interval: 1h }\n")
        .replace(
            "metrics/today: { receivers: [otlp],",
            "metrics/today: { receivers: [otlp], processors: [interval],",
        );
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    client.export(export(40, 1)).await.expect("accepted");
    eventually("the candidate sends its share of the first batch", async || !sink.points().is_empty()).await;
    // Others, so that what is held of the first ones is not replaced.
    let mut others = later(15_000);
    others.resource_metrics.drain(..40);
    client.export(others).await.expect("accepted");
    agent.reread(&next(address)).await;
    eventually("the swap", async || agent.metric("phoenix_generation").await == Some(2.0)).await;
    agent.stop().await;
    let (baseline, candidate) = (processes(&sink, "baseline", 0), processes(&sink, "candidate", 0));
    assert!(!candidate.is_empty() && baseline.is_disjoint(&candidate), "none by both");
    assert_eq!(baseline.len() + candidate.len(), 40);
    assert_eq!(
        processes(&sink, "baseline", 1).len(),
        14_960,
        "the batch at hand left by the baseline, whole"
    );
    assert_eq!(sink.points().len(), 15_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_baseline_holds_beside_an_abandoned_worker_leaves_once_when_its_stage_goes() {
    baseline_holds_beside_an_abandoned_worker(|sink| config(sink, "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_baseline_holds_beside_an_abandoned_worker_leaves_once_when_its_stage_stays() {
    let holding = |sink: SocketAddr| {
        let pipelines = "processors:
  interval: { interval: 1h }
service:
  pipelines:
    metrics/today: { receivers: [otlp], processors: [interval], exporters: [otlp] }";
        config(sink, pipelines)
    };
    baseline_holds_beside_an_abandoned_worker(holding).await;
}

/// A baseline that holds its points for a second, and a candidate that takes seconds for a batch, of which units wait so long.
async fn interval_ends_while_units_wait(processes: usize, latency: &str) -> (BTreeSet<i64>, BTreeSet<i64>) {
    let (sink, address) = Sink::start().await;
    let experiment = format!(
        "  max_added_latency: {latency}\n  budget: {{ cpu: 100%, memory: 256MiB }}\n  experiment: {{ baseline: metrics/today, \
         candidate: metrics/slow, unit: process, weight: 50% }}"
    );
    let text = slow(address, 600, &experiment)
        .replace("processors:\n", "processors:\n  interval: { interval: 1s }\n")
        .replace(
            "metrics/today: { receivers: [otlp],",
            "metrics/today: { receivers: [otlp], processors: [interval],",
        );
    let agent = Agent::start(&load(&text)).await;
    agent.client().await.export(export(processes, 1)).await.expect("accepted");
    eventually("the interval ends before the candidate is done", async || !sink.points().is_empty()).await;
    assert!(sink.points().len() < processes && sink.points().iter().all(|point| point.0 == "baseline"));
    eventually("every point arrives", async || sink.points().len() == processes).await;
    let shared = agent.shared.clone();
    agent.stop().await;
    let (baseline, candidate) =
        (self::processes(&sink, "baseline", 0), self::processes(&sink, "candidate", 0));
    assert!(baseline.is_disjoint(&candidate), "none by both");
    assert_eq!((baseline.len() + candidate.len(), sink.points().len()), (processes, processes));
    assert_eq!(shared.budget.used(), 0);
    (baseline, candidate)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_baseline_held_of_units_that_wait_leaves_by_it_when_the_candidate_is_late() {
    let (baseline, candidate) = interval_ends_while_units_wait(15_000, "4s").await;
    assert!(candidate.is_empty() && baseline.len() == 15_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_baseline_held_of_units_that_wait_is_given_up_when_the_candidate_sends_them() {
    let (_, candidate) = interval_ends_while_units_wait(4_000, "5m").await;
    assert!(candidate.len() > 1_500, "{}", candidate.len());
}
