//! Tests of a request whose destination does not simply take it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::experiment::halves;
use super::harness::{ANY, Agent, config, eventually, export, load, otlp, request, settings};
use super::sink::{Script, Sink};
use crate::net::compress;
use crate::request::Encoding;

const DOUBTED: &str = concat!(
    "phoenix_exporter_maybe_doubled_points_total",
    r#"{exporter="otlp",signal="metrics",variant="baseline"}"#
);

#[tokio::test(flavor = "multi_thread")]
async fn retryable_codes_are_retried_until_it_is_delivered_once() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    sink.script(
        [Code::Aborted, Code::OutOfRange, Code::DataLoss]
            .map(|code| Script::Fail(Status::new(code, "try again"))),
    );
    agent.client().await.export(export(2, 5)).await.expect("accepted");
    eventually("the fourth attempt is taken", async || sink.received() == 1).await;
    assert_eq!(sink.attempts(), 4);
    assert_eq!(agent.metric(DOUBTED).await, None, "these codes leave no doubt");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_codes_are_dropped_and_counted() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    sink.script([
        Script::Fail(Status::internal("bug")),
        Script::Fail(Status::resource_exhausted("quota, and no word when to come back")),
    ]);
    for _ in 0..2 {
        agent.client().await.export(export(1, 5)).await.expect("accepted");
    }
    let failed = r#"otelcol_exporter_send_failed_metric_points{exporter="otlp",variant="baseline"}"#;
    eventually("both are counted", async || agent.metric(failed).await == Some(10.0)).await;
    assert_eq!(sink.attempts(), 2);
    assert_eq!(agent.health().await["points"]["rejected"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_success_counts_as_rejected_points_and_is_not_retried() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    sink.script([Script::Reject(3)]);
    agent.client().await.export(export(1, 10)).await.expect("accepted");
    let sent = r#"otelcol_exporter_sent_metric_points{exporter="otlp",variant="baseline"}"#;
    eventually("seven are confirmed", async || agent.metric(sent).await == Some(7.0)).await;
    let health = agent.health().await;
    assert_eq!((&health["points"]["rejected"], &health["points"]["owed"]), (&3.into(), &0.into()));
    assert_eq!(sink.attempts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_an_answer_is_repeated_and_counted_as_maybe_doubled() {
    let (sink, address) = Sink::start().await;
    let mut settings = settings(address);
    otlp(&mut settings).timeout = Duration::from_millis(100);
    let agent = Agent::start(&settings).await;
    sink.script([Script::Hang, Script::Fail(Status::unavailable("reset"))]);
    agent.client().await.export(export(1, 10)).await.expect("accepted");
    eventually("the third attempt is taken", async || sink.received() == 1).await;
    assert_eq!(agent.metric(DOUBTED).await, Some(20.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_comes_back_gets_everything() {
    let sink = Sink::default();
    let reserved = std::net::TcpListener::bind(ANY).expect("bind");
    let address = reserved.local_addr().expect("address");
    drop(reserved); // Nobody listens there yet.
    let agent = Agent::start(&settings(address)).await;
    let mut client = agent.client().await;
    for _ in 0..20 {
        client.export(export(3, 3)).await.expect("accepted");
    }
    let queued = r#"otelcol_exporter_queue_size{exporter="otlp"}"#;
    assert_eq!(agent.metric(queued).await, Some(20.0));
    sink.serve(address);
    // Those that waited leave together.
    eventually("all twenty arrive", async || sink.points().len() == 20 * 9).await;
    assert_eq!(agent.metric(DOUBTED).await, None, "what was never sent cannot be doubled");
}

#[tokio::test(flavor = "multi_thread")]
async fn compresses_as_asked_and_sends_the_users_headers_but_not_ours_where_switched_off() {
    let (sink, address) = Sink::start().await;
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let mut settings = settings(address);
        let otlp = otlp(&mut settings);
        otlp.compression = Some(encoding);
        otlp.variant_headers = false;
        otlp.headers.insert("x-tenant", http::HeaderValue::from_static("blue"));
        let agent = Agent::start(&settings).await;
        agent.client().await.export(export(30, 7)).await.expect("accepted");
        let mut same = agent.client().await.send_compressed(tonic::codec::CompressionEncoding::Zstd);
        same.export(export(30, 7)).await.expect("accepted");
        agent.stop().await;
    }
    let received = sink.metrics.lock().expect("lock");
    assert_eq!(received.len(), 4);
    for (metadata, request) in received.iter() {
        assert_eq!(*request, export(30, 7));
        assert_eq!(metadata.get("x-tenant").expect("header"), "blue");
        assert!(metadata.get("x-phoenix-variant").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn snappy_over_grpc_is_the_framing_format_both_ways_and_what_only_http_has_is_refused() {
    let (sink, address) = Sink::start().await;
    let receiver = Agent::start(&settings(address)).await;
    let grpc = receiver.listening.otlp_grpc.expect("grpc");
    let text = config(grpc, "").replace("compression: none", "compression: snappy");
    let sender = Agent::start(&load(&text)).await;
    sender.client().await.export(export(30, 7)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    assert_eq!(sink.metrics.lock().expect("lock")[0].1, export(30, 7));
    for (encoding, body, expected) in [
        ("lz4", compress(Encoding::Lz4, &Bytes::from(vec![0; 100])), "12"),
        ("snappy", compress(Encoding::Snappy, &Bytes::from(vec![0; 100])), "3"),
    ] {
        let stream = tokio::net::TcpStream::connect(grpc).await.expect("connect");
        let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
        tokio::spawn(connection);
        let path = crate::signal::Signal::Metrics.grpc_path();
        let request = http::Request::post(format!("http://agent{path}"))
            .header("content-type", "application/grpc")
            .header("grpc-encoding", encoding)
            .body(())
            .expect("request");
        let (response, mut sent) =
            sender.ready().await.expect("ready").send_request(request, false).expect("send");
        let body = body.expect("compressed");
        let framed = [&[1], (body.len() as u32).to_be_bytes().as_slice(), &body].concat();
        sent.send_data(framed.into(), true).expect("data");
        let headers = response.await.expect("response").into_parts().0.headers;
        assert_eq!(headers["grpc-status"], expected, "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destinations_do_with_each_variant_is_measured_in_its_window() {
    let (sink, address) = Sink::start().await;
    let config = halves(address, "100%").replace("phoenix:", "phoenix:\n  window: 1s");
    let agent = Agent::start(&load(&config)).await;
    // The candidate keeps two points of four of each process.
    sink.script([Script::Fail(Status::unavailable("reset")), Script::Reject(3)]);
    agent.client().await.export(export(5, 4)).await.expect("accepted");
    eventually("it is settled and told", async || {
        let report = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
        let report: serde_json::Value = serde_json::from_slice(&report.body).expect("json");
        let [baseline, candidate] =
            ["baseline", "candidate"].map(|variant| report["generation"][variant]["delivery"].clone());
        let counts = ["confirmed", "rejected", "failed", "retries"].map(|of| candidate[of].as_u64());
        counts == [Some(7), Some(3), Some(0), Some(1)]
            && candidate["wire_bytes"].as_u64() > Some(100)
            && candidate["latency"]["count"] == 1
            && baseline["confirmed"] == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_empties_at_the_end_says_what_waits_and_not_that_it_is_full() {
    let (sink, address) = Sink::start().await;
    sink.script([Script::Hang, Script::Hang]);
    let agent = Agent::start(&settings(address)).await;
    for _ in 0..2 {
        agent.client().await.export(export(1, 1)).await.expect("accepted");
    }
    let destination = Arc::clone(&agent.shared.destinations.all()[0]);
    eventually("both are under way", async || sink.attempts() == 2).await;
    let mut drained = pin!(destination.drain(Instant::now() + Duration::from_secs(600)));
    tokio::select! {
        biased;
        () = &mut drained => panic!("there is no answer"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(destination.load(), (2, 1_000));
}
