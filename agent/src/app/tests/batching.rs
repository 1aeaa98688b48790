//! Requests of the size that a destination is to get, and answers for each sender's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use tonic::Code;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::{Script, Sink};

const PIPELINE: &str = "metrics: { receivers: [otlp], processors: [batch], exporters: [otlp] }";

/// An agent whose metrics go through `batch` with these settings.
fn batching(sink: SocketAddr, batch: &str, more: &str) -> String {
    config(
        sink,
        &format!("processors: {{ batch: {{ {batch} }} }}\nservice:\n  pipelines:\n    {PIPELINE}\n{more}"),
    )
}

const ON_DELIVERY: &str = "phoenix: { acknowledge: { otlp: on_delivery } }";

async fn post(agent: &Agent, path: &str, body: Vec<u8>) -> u16 {
    let headers = [("content-type", "application/x-protobuf")];
    request(agent.listening.otlp_http.expect("http"), "POST", path, &headers, body).await.status
}

/// Points of each request that arrived, in order.
fn sizes(sink: &Sink) -> Vec<usize> {
    let metrics = sink.metrics.lock().expect("lock");
    let points =
        |request: &opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest| {
            let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
            let metrics = scopes.flat_map(|scope| &scope.metrics);
            metrics
                .map(|metric| match &metric.data {
                    Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Gauge(gauge)) => {
                        gauge.data_points.len()
                    }
                    other => panic!("expected a gauge, got {other:?}"),
                })
                .sum()
        };
    metrics.iter().map(|(_, request)| points(request)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn eighty_thousand_points_arrive_as_forty_requests_of_two_thousand() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 1000, send_batch_max_size: 2000, timeout: 1s", "");
    let agent = Agent::start(&load(&text)).await;
    let body = export(40, 2_000).encode_to_vec();
    assert!(body.len() > 1 << 20, "{}", body.len());
    assert_eq!(post(&agent, "/v1/metrics", body).await, 200);
    eventually("all arrive", async || sink.points().len() == 80_000).await;
    assert_eq!(sizes(&sink), vec![2_000; 40]);
    let mut each = BTreeMap::new();
    sink.points().into_iter().for_each(|(.., pid, value)| *each.entry((pid, value)).or_insert(0) += 1);
    assert!(each.len() == 80_000 && each.values().all(|times| *times == 1));
    eventually("all is settled", async || agent.shared.delivery_ledger.totals().delivered == 80_000).await;
    eventually("its place is free again", async || agent.shared.destinations.all()[0].load().0 == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_larger_than_a_server_takes_where_only_a_size_of_batches_is_given() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&batching(address, "send_batch_size: 100", ""))).await;
    let body = export(4_000, 70).encode_to_vec();
    assert!(body.len() > 4 << 20, "{}", body.len());
    assert_eq!(post(&agent, "/v1/metrics", body).await, 200);
    eventually("all arrive", async || sink.points().len() == 280_000).await;
    let requests = sink.metrics.lock().expect("lock");
    assert!(requests.len() > 1 && requests.iter().all(|(_, request)| request.encoded_len() <= 4 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn small_requests_leave_together_and_what_waits_leaves_at_a_stop() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&batching(address, "send_batch_size: 500, timeout: 1h", ""))).await;
    let mut client = agent.client().await;
    for _ in 0..101 {
        client.export(export(5, 2)).await.expect("accepted");
    }
    eventually("two are full", async || sink.received() == 2).await;
    eventually("ten wait", async || agent.shared.delivery_ledger.totals().owed() == 10).await;
    let shared = agent.shared.clone();
    agent.stop().await;
    assert_eq!((sizes(&sink), shared.delivery_ledger.totals().owed()), (vec![500, 500, 10], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_fits_a_request_of_its_own_is_not_cut_to_fill_another_by_bytes() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 1000000, timeout: 500ms", "");
    let agent = Agent::start(&load(&text)).await;
    let body = export(2_000, 70).encode_to_vec();
    assert!((2 << 20..4 << 20).contains(&body.len()), "{}", body.len());
    for _ in 0..2 {
        assert_eq!(post(&agent, "/v1/metrics", body.clone()).await, 200);
    }
    eventually("both arrive", async || sink.points().len() == 280_000).await;
    assert_eq!(sizes(&sink), [140_000; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_leaves_after_its_time_and_the_sender_hears_of_it() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&batching(address, "timeout: 50ms", ON_DELIVERY))).await;
    agent.client().await.export(export(5, 2)).await.expect("delivered");
    assert_eq!(sizes(&sink), [10], "answered after delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_the_destination_refuses_costs_those_beside_it_nothing() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 20, timeout: 1h", ON_DELIVERY);
    let agent = Agent::start(&load(&text)).await;
    let refused = || Script::Fail(tonic::Status::invalid_argument("one of them is bad"));
    // Together, and then the first of them alone.
    sink.script([refused(), refused()]);
    let one = async || agent.client().await.export(export(5, 2)).await;
    let (first, second) = tokio::join!(one(), one());
    let [bad, good] = if first.is_err() { [first, second] } else { [second, first] };
    assert_eq!(bad.expect_err("refused").code(), Code::Internal);
    good.expect("delivered");
    assert_eq!((sink.attempts(), sizes(&sink)), (3, vec![10]));
    let totals = agent.shared.delivery_ledger.totals();
    assert_eq!((totals.delivered, totals.rejected, totals.owed()), (10, 10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_cut_is_answered_once_all_of_it_is_settled_and_rejections_add_up() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 10, send_batch_max_size: 10, timeout: 1h", ON_DELIVERY);
    let agent = Agent::start(&load(&text)).await;
    sink.script([Script::Reject(2), Script::Reject(3)]);
    let answer = agent.client().await.export(export(6, 5)).await.expect("delivered").into_inner();
    assert_eq!(answer.partial_success.expect("partial").rejected_data_points, 5);
    sink.script([Script::Fail(tonic::Status::permission_denied("no"))]);
    let refused = agent.client().await.export(export(6, 5)).await.expect_err("a third of it is lost");
    assert_eq!(refused.code(), Code::Internal);
    let totals = agent.shared.delivery_ledger.totals();
    assert_eq!((totals.delivered, totals.rejected, totals.owed()), (45, 15, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_never_leave_in_one_request() {
    let (sink, address) = Sink::start().await;
    let text = config(
        address,
        "processors: { batch: { send_batch_size: 400, send_batch_max_size: 400, timeout: 50ms } }
service:
  pipelines:
    metrics/today: { receivers: [otlp], processors: [batch], exporters: [otlp] }
    metrics/new: { receivers: [otlp], processors: [batch], exporters: [otlp] }
phoenix:
  max_added_latency: 1m
  experiment: { baseline: metrics/today, candidate: metrics/new, unit: process, weight: 50% }",
    );
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    for _ in 0..20 {
        client.export(export(50, 2)).await.expect("accepted");
    }
    eventually("all arrive", async || sink.points().len() == 2_000).await;
    let mut processes: BTreeMap<String, std::collections::BTreeSet<i64>> = BTreeMap::new();
    for (variant, _, pid, _) in sink.points() {
        processes.entry(variant).or_default().insert(pid);
    }
    assert!(processes.len() == 2 && processes["baseline"].is_disjoint(&processes["candidate"]));
    assert!(sizes(&sink).iter().all(|points| *points <= 400) && sink.received() < 20, "{:?}", sizes(&sink));
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_metadata_keeps_requests_apart() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 500, timeout: 1h, metadata_keys: [tenant]", "");
    let agent = Agent::start(&load(&text)).await;
    for _ in 0..3 {
        agent.client().await.export(export(5, 2)).await.expect("accepted");
    }
    eventually("each leaves at once", async || sink.received() == 3).await;
    let notes = agent.health().await["config_notes"].to_string();
    assert!(notes.contains("metadata_keys") && notes.contains("none are put together"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_cut_by_the_batch_of_their_pipeline() {
    let (sink, address) = Sink::start().await;
    let text = batching(address, "send_batch_size: 3, send_batch_max_size: 3, timeout: 10ms", "")
        .replace("logs: { receivers: [otlp],", "logs: { receivers: [otlp], processors: [batch],");
    let agent = Agent::start(&load(&text)).await;
    let scope = ScopeLogs { log_records: vec![LogRecord::default(); 8], ..Default::default() };
    let logs = vec![ResourceLogs { scope_logs: vec![scope], ..Default::default() }];
    let body = ExportLogsServiceRequest { resource_logs: logs }.encode_to_vec();
    assert_eq!(post(&agent, "/v1/logs", body).await, 200);
    eventually("three requests arrive", async || sink.logs.lock().expect("lock").len() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_counts_items_puts_requests_together_and_is_full_by_items() {
    let (sink, address) = Sink::start().await;
    let text = config(address, "").replace(
        "compression: none",
        "compression: none\n    sending_queue: { sizer: items, queue_size: 25, \
         batch: { flush_timeout: 1h, min_size: 20, max_size: 0 } }",
    );
    let agent = Agent::start(&load(&text)).await;
    sink.script([Script::Hang]);
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(5, 2)).await.expect("20 items leave together, 10 wait");
    }
    assert_eq!(client.export(export(1, 1)).await.expect_err("full").code(), Code::Unavailable);
    let size = r#"otelcol_exporter_queue_size{exporter="otlp"}"#;
    let capacity = r#"otelcol_exporter_queue_capacity{exporter="otlp"}"#;
    assert_eq!((agent.metric(size).await, agent.metric(capacity).await), (Some(30.0), Some(25.0)));
}
