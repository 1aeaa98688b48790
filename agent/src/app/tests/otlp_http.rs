//! The exporter over HTTP: to the receiver of another agent, and to a server that answers as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::harness::{Agent, config, eventually, export, load, settings};
use super::sink::Sink;
use super::tls::{acceptor, certificate};
use crate::config::Settings;

/// Settings of an agent that sends metrics over HTTP; `keys` are more of its exporter's.
pub fn over_http(keys: &str) -> Settings {
    let text = config("127.0.0.1:1".parse().expect("an address"), "");
    let (before, rest) = text.split_once("  otlp:\n    endpoint:").expect("the exporter");
    let (_, after) = rest.split_once("extensions:").expect("extensions");
    let exporter = format!(
        "  otlp_http:\n    {keys}\n    retry_on_failure: {{ initial_interval: 10ms, max_interval: 20ms }}\nextensions:{after}"
    );
    load(&format!("{before}{exporter}").replace("exporters: [otlp]", "exporters: [otlp_http]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_signals_leave_over_http_in_every_compression_and_connections_are_kept() {
    let (sink, address) = Sink::start().await;
    let receiver = Agent::start(&settings(address)).await;
    let http = receiver.listening.otlp_http.expect("http");
    let all = ["gzip", "zstd", "none", "deflate", "zlib", "snappy", "x-snappy-framed", "lz4"];
    for (place, compression) in all.into_iter().enumerate() {
        let sender =
            Agent::start(&over_http(&format!("endpoint: http://{http}/\n    compression: {compression}")))
                .await;
        let sent = export(30, 7);
        for _ in 0..3 {
            sender.client().await.export(sent.clone()).await.expect("accepted");
        }
        eventually("they arrive", async || sink.received() == (place + 1) * 3).await;
        assert!(sink.metrics.lock().expect("lock").iter().all(|(_, got)| *got == sent), "{compression}");
        let delivered = r#"otelcol_exporter_sent_metric_points{exporter="otlp_http",variant="baseline"}"#;
        eventually("all is confirmed", async || sender.metric(delivered).await == Some(630.0)).await;
        sender.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_the_server_has_closed_costs_nothing() {
    let (sink, address) = Sink::start().await;
    let mut short = settings(address);
    for receiver in &mut short.receivers {
        receiver.limits.idle = std::time::Duration::from_millis(50);
    }
    let receiver = Agent::start(&short).await;
    let http = receiver.listening.otlp_http.expect("http");
    let sender = Agent::start(&over_http(&format!("metrics_endpoint: http://{http}/v1/metrics\n    traces_endpoint: http://{http}/v1/traces\n    logs_endpoint: http://{http}/v1/logs"))).await;
    for sent in 1..=4 {
        sender.client().await.export(export(1, 1)).await.expect("accepted");
        eventually("it arrives", async || sink.received() >= sent).await;
        // Longer than the receiver keeps a silent connection. Where it closes later, the request takes that connection.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    }
    assert_eq!(sender.health().await["points"]["dropped"], 0);
}

/// A server that gives each request the next of these answers, and what it was sent.
async fn told(answers: Vec<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut said = vec![0; 16_384];
            let read = stream.read(&mut said).await.expect("read");
            noted.lock().expect("lock").push(String::from_utf8_lossy(&said[..read]).into_owned());
            stream.write_all(answer.as_bytes()).await.expect("write");
        }
    });
    (address, heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_answers_is_tried_again_or_refused_for_good() {
    let (address, heads) = told(vec![
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy",
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\nconnection: close\r\n\r\nwho's it?",
    ])
    .await;
    let keys =
        format!("endpoint: http://{address}/otlp\n    headers: {{ x-team: a }}\n    compression: none");
    let sender = Agent::start(&over_http(&keys)).await;
    sender.client().await.export(export(1, 2)).await.expect("accepted");
    let delivered = r#"otelcol_exporter_sent_metric_points{exporter="otlp_http",variant="baseline"}"#;
    eventually("the third attempt is taken", async || sender.metric(delivered).await == Some(2.0)).await;
    sender.client().await.export(export(1, 3)).await.expect("accepted");
    eventually("the fourth is heard", async || heads.lock().expect("lock").len() == 4).await;
    eventually("nothing is owed", async || sender.health().await["points"]["owed"] == 0).await;
    let points = sender.health().await["points"].clone();
    assert_eq!((&points["delivered"], &points["rejected"]), (&2.into(), &3.into()), "{points:#}");
    for head in heads.lock().expect("lock").iter() {
        assert!(head.starts_with("POST /otlp/v1/metrics HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("x-team: a\r\n") && head.contains("content-type: application/x-protobuf\r\n"));
        assert!(head.contains("x-phoenix-variant: baseline\r\n"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_delivers_over_tls_to_a_server_that_its_authority_vouches_for() {
    let certificate = certificate();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("write");
    let acceptor = acceptor(&certificate, None, "http/1.1");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    let taken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        let mut stream = acceptor.accept(stream).await.expect("TLS");
        let mut said = vec![0; 16_384];
        let read = stream.read(&mut said).await.expect("read");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("write");
        String::from_utf8_lossy(&said[..read]).into_owned()
    });
    let keys =
        format!("endpoint: https://localhost:{port}\n    tls: {{ ca_file: '{}' }}", file.path().display());
    let sender = Agent::start(&over_http(&keys)).await;
    sender.client().await.export(export(3, 3)).await.expect("accepted");
    let head = taken.await.expect("a request");
    assert!(head.contains(&format!("host: localhost:{port}\r\n")), "{head}");
    eventually("it is confirmed", async || sender.health().await["points"]["delivered"] == 9).await;
}
