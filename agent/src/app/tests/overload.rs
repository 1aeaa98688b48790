//! Overload: past a bound the agent refuses, retryably, and says so; it never grows.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use super::harness::{Agent, eventually, export, request, settings};
use super::sink::{Script, Sink};
use crate::grpc_status::Status;

fn retry_delay(status: &tonic::Status) -> Option<Duration> {
    <Status as prost::Message>::decode(status.details()).ok()?.retry_delay()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_what_it_accepted_is_still_delivered() {
    let (sink, address) = Sink::start().await;
    let mut settings = settings(address);
    settings.exporters[0].queue.size = 3;
    let agent = Agent::start(&settings).await;
    sink.script((0..3).map(|_| Script::Fail(tonic::Status::unavailable("not yet"))));
    sink.script((0..3).map(|_| Script::Hang));
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(1, 1)).await.expect("accepted");
    }
    eventually("all three hang", async || sink.attempts() == 6).await;
    let refused = client.export(export(1, 1)).await.expect_err("the queue is full");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(retry_delay(&refused), Some(Duration::from_secs(1)));
    let counted = concat!(
        "phoenix_receiver_refused_requests_total",
        r#"{transport="grpc",signal="metrics",reason="queue_full"}"#
    );
    assert_eq!(agent.metric(counted).await, Some(1.0));
    // As the Collector's alerts ask for it: an item for the request, which nobody has looked into.
    for (line, value) in [
        (r#"otelcol_receiver_refused_metric_points{receiver="otlp",transport="grpc"}"#, 1.0),
        (r#"otelcol_receiver_failed_metric_points{receiver="otlp",transport="grpc"}"#, 0.0),
        (r#"otelcol_exporter_enqueue_failed_metric_points{exporter="otlp"}"#, 1.0),
        (r#"otelcol_exporter_enqueue_failed_spans{exporter="otlp"}"#, 0.0),
        (r#"otelcol_receiver_requests{receiver="otlp",transport="grpc",outcome="refused"}"#, 1.0),
        (r#"otelcol_receiver_requests{receiver="otlp",transport="grpc",outcome="success"}"#, 3.0),
    ] {
        assert_eq!(agent.metric(line).await, Some(value), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_refuses_on_the_header_and_frees_itself() {
    let (sink, address) = Sink::start().await;
    let body = prost::Message::encode_to_vec(&export(100, 10));
    let mut settings = settings(address);
    // Of which half is for data.
    settings.memory_limit = 2 * (body.len() + body.len() / 2);
    let agent = Agent::start(&settings).await;
    let held = agent.shared.budget.take(body.len()).expect("fits");
    let refused = agent.client().await.export(export(100, 10)).await.expect_err("no budget");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(retry_delay(&refused).is_some());
    let http = agent.listening.otlp_http.expect("http");
    let headers = [("content-type", "application/x-protobuf")];
    let response = request(http, "POST", "/v1/metrics", &headers, body).await;
    assert_eq!(response.status, 503);
    assert_eq!(response.headers["retry-after"], "1");
    drop(held);
    agent.client().await.export(export(100, 10)).await.expect("accepted again");
    agent.stop().await;
    assert_eq!(sink.received(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sender_that_writes_its_whole_body_first_still_hears_the_refusal() {
    let (_, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let held = agent.shared.budget.take(agent.shared.budget.limit()).expect("all of it");
    let mut stream =
        tokio::net::TcpStream::connect(agent.listening.otlp_http.expect("http")).await.expect("c");
    let head = "POST /v1/metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                content-type: application/x-protobuf\r\ncontent-length: 900000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("write");
    for _ in 0..9 {
        stream.write_all(&[0; 100_000]).await.expect("not reset while it writes");
    }
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("not reset while it reads");
    assert!(heard.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(agent.shared.budget.used(), agent.shared.budget.limit(), "nothing was held for it");
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_delivers_what_is_queued_and_refuses_what_comes_after() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let mut client = agent.client().await;
    for _ in 0..50 {
        client.export(export(2, 2)).await.expect("accepted");
    }
    let shared = agent.shared.clone();
    agent.stop().await;
    assert_eq!(sink.received(), 50);
    assert_eq!(shared.delivery_ledger.totals().owed(), 0);
    assert!(client.export(export(2, 2)).await.is_err());
}
