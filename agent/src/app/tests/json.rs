//! OTLP/JSON over HTTP: the same data in, and answers in JSON.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use serde_json::{Value, json};

use super::harness::{Agent, eventually, receiver, request, settings};
use super::sink::Sink;
use crate::receive::Protocol;

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

fn metrics() -> Value {
    let points: Vec<Value> =
        (0..3).map(|n| json!({ "timeUnixNano": "1700000000000000000", "asInt": n })).collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "process.pid", "value": { "intValue": "7" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "m", "gauge": { "dataPoints": points } }] }]
    }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_comes_in_as_json_and_leaves_as_protobuf() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let http = agent.listening.otlp_http.expect("http");
    let span =
        json!({ "traceId": "0102030405060708090A0B0C0D0E0F10", "spanId": "0102030405060708", "name": "s" });
    let traces = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    let record = json!({ "severityNumber": 9, "body": { "stringValue": "hello" } });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    for (path, body) in [("/v1/metrics", metrics()), ("/v1/traces", traces), ("/v1/logs", logs)] {
        let response = request(http, "POST", path, &[JSON], body.to_string().into_bytes()).await;
        assert_eq!((response.status, response.body.as_slice()), (200, b"{}".as_slice()), "{path}");
        assert_eq!(response.headers["content-type"], "application/json");
    }
    eventually("all three arrive", async || {
        let (traces, logs) = (sink.traces.lock().expect("lock").len(), sink.logs.lock().expect("lock").len());
        sink.received() == 1 && traces == 1 && logs == 1
    })
    .await;
    let traces: ExportTraceServiceRequest = sink.traces.lock().expect("lock")[0].clone();
    let span = &traces.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.trace_id.clone(), span.name.as_str()), ((1..=16).collect(), "s"));
    assert_eq!(
        sink.logs.lock().expect("lock")[0].resource_logs[0].scope_logs[0].log_records[0].severity_number,
        9
    );
    let accepted = r#"otelcol_receiver_accepted_metric_points{receiver="otlp",transport="http"}"#;
    assert_eq!(agent.metric(accepted).await, Some(3.0));
    eventually("nothing is held", async || agent.shared.budget.used() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_json_arrives_too_and_an_empty_request_succeeds() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let http = agent.listening.otlp_http.expect("http");
    let body = zstd::bulk::compress(metrics().to_string().as_bytes(), 1).expect("zstd");
    let headers = [JSON, ("content-encoding", "zstd")];
    assert_eq!(request(http, "POST", "/v1/metrics", &headers, body).await.status, 200);
    assert_eq!(request(http, "POST", "/v1/metrics", &[JSON], b"{}".to_vec()).await.status, 200);
    eventually("one request arrives", async || sink.received() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_json_is_a_status_in_json_that_says_where() {
    let (_, address) = Sink::start().await;
    let mut settings = settings(address);
    receiver(&mut settings, Protocol::Http).limits.max_bytes = 10_000;
    let agent = Agent::start(&settings).await;
    let http = agent.listening.otlp_http.expect("http");
    let deep = "[".repeat(5_000);
    for (path, body, status, said) in [
        (
            "/v1/metrics",
            "{\"resourceMetrics\":[{\"schemaUrl\":1}]}".to_owned(),
            400,
            "byte 33: expected a text",
        ),
        ("/v1/metrics", "not json".to_owned(), 400, "byte 0"),
        ("/v1/logs", format!("{{\"x\":{deep}"), 400, "levels"),
        ("/v1/metrics", " ".repeat(10_001), 413, "10000 bytes"),
        ("/v1/profiles", "{}".to_owned(), 404, "/v1/metrics"),
    ] {
        let response = request(http, "POST", path, &[JSON], body.into_bytes()).await;
        assert_eq!(response.status, status, "{path} {said}");
        assert_eq!(response.headers["content-type"], "application/json");
        let answer: Value = serde_json::from_slice(&response.body).expect("a Status in JSON");
        assert!(answer["message"].as_str().expect("a message").contains(said), "{answer}");
        assert!(answer["code"].as_i64().expect("a code") > 0);
    }
    assert_eq!(agent.shared.budget.used(), 0);
}
