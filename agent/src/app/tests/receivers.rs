//! Tests of the answers to senders: success, and every refusal with the code that OTLP has for it.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use tonic::codec::CompressionEncoding;

use super::harness::{Agent, config, eventually, export, load, receiver, request, settings};
use super::sink::Sink;
use crate::grpc_status::Status;
use crate::receive::Protocol;
use crate::signal::Signal;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive_unchanged_over_both_transports_in_every_compression() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let sent = export(300, 7);
    for encoding in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let mut client = agent.client().await;
        if let Some(encoding) = encoding {
            client = client.send_compressed(encoding);
        }
        let response = client.export(sent.clone()).await.expect("accepted").into_inner();
        assert_eq!(response.partial_success, None, "full success leaves it unset");
    }
    let plain = sent.encode_to_vec();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &plain).expect("gzip");
        encoder.finish().expect("gzip")
    };
    let zstd = zstd::bulk::compress(&plain, 1).expect("zstd");
    let http = agent.listening.otlp_http.expect("http");
    let zlib = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &plain).expect("zlib");
        encoder.finish().expect("zlib")
    };
    let snappy = snap::raw::Encoder::new().compress_vec(&plain).expect("snappy");
    let framed = {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut encoder, &plain).expect("snappy");
        encoder.into_inner().expect("snappy")
    };
    let lz4 = {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut encoder, &plain).expect("lz4");
        encoder.finish().expect("lz4")
    };
    for (encoding, body) in [
        ("identity", plain),
        ("gzip", gzip),
        ("zstd", zstd),
        ("deflate", zlib.clone()),
        ("zlib", zlib),
        ("snappy", snappy),
        // By the name that Collectors gave it once.
        ("snappy", framed.clone()),
        ("x-snappy-framed", framed),
        ("lz4", lz4),
    ] {
        let headers = [PROTOBUF, ("content-encoding", encoding)];
        let response = request(http, "POST", "/v1/metrics", &headers, body).await;
        assert_eq!((response.status, response.body.len()), (200, 0), "{encoding}");
        assert_eq!(response.headers["content-type"], "application/x-protobuf");
    }
    eventually("twelve requests arrive", async || sink.received() == 12).await;
    for (metadata, got) in sink.metrics.lock().expect("lock").iter() {
        assert_eq!(*got, sent);
        assert_eq!(metadata.get("x-phoenix-variant").expect("variant"), "baseline");
        assert_eq!(metadata.get("x-phoenix-generation").expect("generation"), "1");
    }
    let accepted = r#"otelcol_receiver_accepted_metric_points{receiver="otlp",transport="grpc"}"#;
    assert_eq!(agent.metric(accepted).await, Some(6_300.0));
    let delivered = r#"otelcol_exporter_sent_metric_points{exporter="otlp",variant="baseline"}"#;
    eventually("all is confirmed", async || agent.metric(delivered).await == Some(25_200.0)).await;
    eventually("nothing is held", async || agent.shared.budget.used() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_logs_pass_through_unchanged() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    let endpoint = format!("http://{}", agent.listening.otlp_grpc.expect("grpc"));
    let span = Span { name: "GET /".into(), trace_id: vec![7; 16], ..Default::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span; 3], ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    let traces = ExportTraceServiceRequest { resource_spans };
    let record = LogRecord { severity_text: "WARN".into(), ..Default::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record; 2], ..Default::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
    let logs = ExportLogsServiceRequest { resource_logs };
    TraceServiceClient::connect(endpoint.clone()).await.expect("c").export(traces.clone()).await.expect("ok");
    LogsServiceClient::connect(endpoint).await.expect("c").export(logs.clone()).await.expect("ok");
    eventually("both arrive", async || {
        sink.traces.lock().expect("lock").len() == 1 && sink.logs.lock().expect("lock").len() == 1
    })
    .await;
    assert_eq!(sink.traces.lock().expect("lock")[0], traces);
    assert_eq!(sink.logs.lock().expect("lock")[0], logs);
    let spans = r#"otelcol_receiver_accepted_spans{receiver="otlp",transport="grpc"}"#;
    assert_eq!(agent.metric(spans).await, Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_request_succeeds_and_sends_nothing() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&settings(address)).await;
    agent.client().await.export(ExportMetricsServiceRequest::default()).await.expect("accepted");
    let http = agent.listening.otlp_http.expect("http");
    assert_eq!(request(http, "POST", "/v1/metrics", &[PROTOBUF], Vec::new()).await.status, 200);
    agent.stop().await;
    assert_eq!(sink.attempts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_refusals_carry_their_status_in_the_line_and_in_the_body() {
    let (_, address) = Sink::start().await;
    let mut settings = settings(address);
    receiver(&mut settings, Protocol::Http).limits.max_bytes = 10_000;
    let agent = Agent::start(&settings).await;
    let http = agent.listening.otlp_http.expect("http");
    let bomb = zstd::bulk::compress(&vec![0; 1_000_000], 3).expect("zstd");
    let zstd = ("content-encoding", "zstd");
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Vec<u8>, u16);
    let cases: [Case<'_>; 9] = [
        ("POST", "/v1/metrics", &[PROTOBUF], b"\x0a\xff\xff\xff\x7f".to_vec(), 400),
        ("POST", "/v1/metrics", &[PROTOBUF, zstd], b"not zstd".to_vec(), 400),
        ("POST", "/v1/metrics", &[PROTOBUF], vec![0; 10_001], 413),
        ("POST", "/v1/metrics", &[PROTOBUF, zstd], bomb, 413),
        ("POST", "/v1/metrics", &[PROTOBUF, ("content-encoding", "br")], vec![1], 415),
        ("POST", "/v1/metrics", &[("content-type", "text/plain")], b"{}".to_vec(), 415),
        ("POST", "/v1/metrics", &[], Vec::new(), 415),
        ("POST", "/v1/profiles", &[PROTOBUF], Vec::new(), 404),
        ("GET", "/v1/traces", &[], Vec::new(), 405),
    ];
    for (method, path, headers, body, expected) in cases {
        let response = request(http, method, path, headers, body).await;
        assert_eq!(response.status, expected, "{method} {path} {headers:?}");
        let status = Status::decode(response.body.as_slice()).expect("a Status in protobuf");
        assert!(!status.message.is_empty() && status.code != 0);
        assert_eq!(response.headers["content-type"], "application/x-protobuf");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_refusals_have_the_codes_of_the_specification() {
    let (_, address) = Sink::start().await;
    let mut settings = settings(address);
    receiver(&mut settings, Protocol::Grpc).limits.max_bytes = 10_000;
    settings.routes.traces = None;
    let agent = Agent::start(&settings).await;
    let too_large = agent.client().await.export(export(300, 7)).await.expect_err("too large");
    assert_eq!(too_large.code(), Code::ResourceExhausted);
    let mut zstd = agent.client().await.send_compressed(CompressionEncoding::Zstd);
    let still_too_large = zstd.export(export(300, 7)).await.expect_err("too large decompressed");
    assert_eq!(still_too_large.code(), Code::ResourceExhausted);
    let endpoint = format!("http://{}", agent.listening.otlp_grpc.expect("grpc"));
    let mut traces = TraceServiceClient::connect(endpoint).await.expect("connect");
    let no_pipeline = traces.export(ExportTraceServiceRequest::default()).await.expect_err("no pipeline");
    assert_eq!(no_pipeline.code(), Code::Unimplemented);
    assert_eq!(call_with(&agent, "/opentelemetry.Nowhere/Export", b"").await, Some("12".into()));
    let path = Signal::Logs.grpc_path();
    assert_eq!(call_with(&agent, path, b"\x0a\x7f\x00").await, Some("3".into()));
}

/// The gRPC status of a call whose message is exactly `message`.
async fn call_with(agent: &Agent, path: &str, message: &[u8]) -> Option<String> {
    let stream = tokio::net::TcpStream::connect(agent.listening.otlp_grpc.expect("grpc")).await.expect("c");
    let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://agent{path}"))
        .header("content-type", "application/grpc")
        .body(())
        .expect("request");
    let mut sender = sender.ready().await.expect("ready");
    let (response, mut body) = sender.send_request(request, false).expect("send");
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    body.send_data(framed.into(), true).expect("data");
    let headers = response.await.expect("response").into_parts().0.headers;
    headers.get("grpc-status").map(|status| status.to_str().expect("ascii").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_nothing_or_dawdles_is_cut_off() {
    let (_, address) = Sink::start().await;
    let mut settings = settings(address);
    let timeout = std::time::Duration::from_millis(100);
    for receiver in &mut settings.receivers {
        let limits = &mut receiver.limits;
        (limits.head, limits.body, limits.idle) = (timeout, timeout, timeout);
    }
    let agent = Agent::start(&settings).await;
    let (http, grpc) = (agent.listening.otlp_http.expect("http"), agent.listening.otlp_grpc.expect("grpc"));
    let half_a_body = b"POST /v1/metrics HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\n\
                        content-length: 100\r\n\r\nhalf";
    let cases: [(_, &[u8], &[u8]); 5] = [
        (http, b"", b""),
        (grpc, b"", b""),
        (grpc, b"PRI * HT", b""),
        (http, b"POST /v1/metrics HTTP/1.1\r\nhost:", b""),
        (http, half_a_body, b"HTTP/1.1 503"),
    ];
    for (address, said, expected) in cases {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("connect");
        stream.write_all(said).await.expect("write");
        let mut heard = Vec::new();
        // Returns only when the agent hangs up.
        let _reset_or_closed = stream.read_to_end(&mut heard).await;
        assert!(heard.starts_with(expected), "{:?}", String::from_utf8_lossy(&heard));
    }
    assert_eq!(agent.shared.budget.used(), 0);
}

/// One process with a command line in Latin-1 beside another: neither costs the other anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_bad_text_or_with_a_message_twice_is_repaired_counted_and_delivered() {
    let (sink, address) = Sink::start().await;
    let text = config(address, "").replace(
        "service:",
        "processors: { filter/none: { metrics: { datapoint: ['attributes[\"drop\"] == true'] } } }\nservice:",
    );
    let text = text
        .replace("receivers: [otlp], exporters", "receivers: [otlp], processors: [filter/none], exporters");
    let text = text
        .replace("traces: { receivers: [otlp], processors: [filter/none],", "traces: { receivers: [otlp],");
    let text =
        text.replace("logs: { receivers: [otlp], processors: [filter/none],", "logs: { receivers: [otlp],");
    let agent = Agent::start(&load(&text)).await;
    let http = agent.listening.otlp_http.expect("http");
    let bodies = [
        include_bytes!("../../../testdata/field/utf8-command-line.pb").as_slice(),
        include_bytes!("../../../testdata/field/message-twice-1.pb"),
        include_bytes!("../../../testdata/field/message-twice-2.pb"),
        include_bytes!("../../../testdata/field/message-twice-3.pb"),
    ];
    for body in bodies {
        assert_eq!(request(http, "POST", "/v1/metrics", &[PROTOBUF], body.to_vec()).await.status, 200);
    }
    let lone = br#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"\ud83d"}}]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#;
    let json = ("content-type", "application/json");
    assert_eq!(request(http, "POST", "/v1/metrics", &[json], lone.to_vec()).await.status, 200);
    eventually("all five arrive", async || sink.received() == 5).await;
    let arrived: Vec<_> =
        sink.metrics.lock().expect("lock").iter().map(|(_, got)| format!("{got:?}")).collect();
    let all = arrived.join("\n");
    assert!(all.contains("\u{fffd}"), "what was no text is marked: {all}");
    // Requests are sent side by side: they arrive in any order.
    let of_two = |(_, got): &(_, ExportMetricsServiceRequest)| got.resource_metrics.len() == 2;
    assert!(sink.metrics.lock().expect("lock").iter().any(of_two), "the other process arrives too: {all}");
    let repairs = r#"phoenix_receiver_repairs_total{receiver="otlp",transport="http"}"#;
    assert_eq!(agent.metric(repairs).await, Some(5.0));
    eventually("nothing is held", async || agent.shared.budget.used() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_only_answers_pings_ends_and_one_with_a_call_in_progress_stays() {
    let (_, address) = Sink::start().await;
    let mut settings = settings(address);
    let idle = std::time::Duration::from_millis(100);
    receiver(&mut settings, Protocol::Grpc).limits.idle = idle;
    let agent = Agent::start(&settings).await;
    let connect = async || {
        let address = agent.listening.otlp_grpc.expect("grpc");
        let stream = tokio::net::TcpStream::connect(address).await.expect("connect");
        let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
        (sender.ready().await.expect("ready"), tokio::spawn(connection))
    };
    let call = |path| {
        let request = http::Request::post(format!("http://agent{path}"));
        request.header("content-type", "application/grpc").body(()).expect("request")
    };
    let (mut asked, idle_connection) = connect().await;
    let (response, _) = asked.send_request(call("/nowhere"), true).expect("send");
    response.await.expect("an answer");
    let (mut busy, busy_connection) = connect().await;
    let (_response, _body) = busy.send_request(call(Signal::Metrics.grpc_path()), false).expect("send");
    idle_connection.await.expect("no panic").expect("it is told good-bye");
    assert!(!busy_connection.is_finished(), "its body may still come");
    let counted = r#"phoenix_refused_connections_total{listener="grpc",reason="idle"}"#;
    assert_eq!(agent.metric(counted).await, Some(1.0));
}

/// Settings of two receivers, of which the second carries metrics alone and lets pages of an origin send.
fn two_receivers(sink: std::net::SocketAddr) -> crate::config::Settings {
    let text = config(sink, "");
    let (receivers, rest) = text.split_once("\nexporters:").expect("exporters");
    let receivers = receivers.strip_suffix(" }").expect("a map");
    let second = "otlp/2: { protocols: { http: { endpoint: 127.0.0.1:0, cors: { allowed_origins: ['https://*.example.com'] } } } }";
    let text = format!("{receivers}, {second} }}\nexporters:{rest}");
    load(&text.replace("metrics: { receivers: [otlp]", "metrics: { receivers: [otlp, otlp/2]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_receiver_takes_what_its_pipelines_carry_and_nothing_else() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&two_receivers(address)).await;
    let second = agent.listening.receivers["otlp/2 http"].tcp().expect("of the network");
    assert_ne!(Some(second), agent.listening.otlp_http);
    let body = export(2, 3).encode_to_vec();
    let taken = request(second, "POST", "/v1/metrics", &[PROTOBUF], body).await;
    assert_eq!(taken.status, 200);
    let traces = ExportTraceServiceRequest::default().encode_to_vec();
    let refused = request(second, "POST", "/v1/traces", &[PROTOBUF], traces.clone()).await;
    assert_eq!(refused.status, 404, "{}", String::from_utf8_lossy(&refused.body));
    let first = agent.listening.otlp_http.expect("http");
    assert_eq!(request(first, "POST", "/v1/traces", &[PROTOBUF], traces).await.status, 200);
    eventually("the request arrives", async || sink.points().len() == 6).await;

    // Reread without the second, it is closed, and the first goes on.
    agent.reread(&config(address, "")).await;
    eventually("the second is closed", async || tokio::net::TcpStream::connect(second).await.is_err()).await;
    let body = export(1, 1).encode_to_vec();
    let first = agent.listening.otlp_http.expect("http");
    // Its port was chosen by the system, and the file says the same as before.
    assert_eq!(request(first, "POST", "/v1/metrics", &[PROTOBUF], body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_sends_and_another_is_not_let_read() {
    let (_sink, address) = Sink::start().await;
    let agent = Agent::start(&two_receivers(address)).await;
    let second = agent.listening.receivers["otlp/2 http"].tcp().expect("of the network");
    let shop = ("origin", "https://shop.example.com");
    let asks =
        [shop, ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
    let asked = request(second, "OPTIONS", "/v1/metrics", &asks, Vec::new()).await;
    assert_eq!(
        (asked.status, &asked.headers["access-control-allow-origin"]),
        (204, &shop.1.parse().expect("a value"))
    );
    let body = export(1, 1).encode_to_vec();
    let sent = request(second, "POST", "/v1/metrics", &[PROTOBUF, shop], body.clone()).await;
    assert_eq!(
        (sent.status, &sent.headers["access-control-allow-origin"]),
        (200, &shop.1.parse().expect("a value"))
    );
    let evil = ("origin", "https://example.org");
    let sent = request(second, "POST", "/v1/metrics", &[PROTOBUF, evil], body).await;
    assert_eq!((sent.status, sent.headers.get("access-control-allow-origin")), (200, None));
    // Where nobody is allowed, nothing is said of it.
    let first = agent.listening.otlp_http.expect("http");
    let asked = request(first, "OPTIONS", "/v1/metrics", &asks, Vec::new()).await;
    assert_eq!((asked.status, asked.headers.get("access-control-allow-origin")), (405, None));
}
