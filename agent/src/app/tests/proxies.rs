//! Destinations behind a proxy: of the environment, or of the exporter's own section.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{Agent, config, eventually, export, settings, source};
use super::otlp_http::over_http;
use super::sink::Sink;
use super::tls::{acceptor, certificate};
use crate::config::{self, Settings};

/// A proxy that leads each tunnel to `server` and answers what it is to pass on by itself; the heads that it was sent.
/// Without a server it refuses.
async fn proxy(server: Option<SocketAddr>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass(stream, server, Arc::clone(&noted)));
        }
    });
    (address, heads)
}

async fn pass(mut stream: TcpStream, server: Option<SocketAddr>, noted: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    let tunnel = head.starts_with("CONNECT ");
    noted.lock().expect("lock").push(head);
    let Some(server) = server else {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return stream.write_all(refusal).await.expect("write");
    };
    if !tunnel {
        let taken = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return stream.write_all(taken).await.expect("write");
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("write");
    let mut server = TcpStream::connect(server).await.expect("connect");
    let _until_either_ends = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
}

fn with_environment(text: &str, name: &str, value: &str) -> Settings {
    let lookup = |asked: &str| (asked == name).then(|| value.to_owned());
    config::load(&source(text), &lookup).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

const RETRIED: &str =
    r#"phoenix_exporter_retried_requests_total{exporter="otlp",signal="metrics",variant="baseline"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_grpc_go_through_a_tunnel_of_the_environments_proxy() {
    let (sink, address) = Sink::start().await;
    let (proxy, heads) = proxy(Some(address)).await;
    // A name that only the proxy knows.
    let text = config(address, "").replace(&address.to_string(), "backend.test:4317");
    let settings = with_environment(&text, "HTTPS_PROXY", &format!("http://u:p%3Aw@{proxy}"));
    assert!(!format!("{settings:?}").contains("dTpwOnc"), "a password stands in no message");
    let agent = Agent::start(&settings).await;
    agent.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    let heads = heads.lock().expect("lock").clone();
    assert!(heads[0].starts_with("CONNECT backend.test:4317 HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].contains("proxy-authorization: Basic dTpwOnc=\r\n"), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_refuses_costs_no_point_and_one_that_is_not_asked_hears_nothing() {
    let (sink, address) = Sink::start().await;
    let (proxy, heads) = proxy(None).await;
    let text = config(address, "").replace(&address.to_string(), "backend.test:4317");
    let agent = Agent::start(&with_environment(&text, "https_proxy", &proxy.to_string())).await;
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it tries again", async || agent.metric(RETRIED).await >= Some(2.0)).await;
    assert_eq!(agent.health().await["points"]["owed"], 1);
    assert!(!heads.lock().expect("lock").is_empty());
    // This machine is reached without one.
    let other =
        Agent::start(&with_environment(&config(address, ""), "HTTPS_PROXY", "http://127.0.0.1:1")).await;
    other.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_plain_http_is_handed_to_the_proxy_of_the_section() {
    let (_, unused) = Sink::start().await;
    let (proxy, heads) = proxy(Some(unused)).await;
    let keys = format!(
        "endpoint: http://backend.test:4318/otlp\n    encoding: json\n    compression: none\n    \
         proxy_url: http://u:p@{proxy}"
    );
    let sender = Agent::start(&over_http(&keys)).await;
    sender.client().await.export(export(1, 2)).await.expect("accepted");
    eventually("it is confirmed", async || sender.health().await["points"]["delivered"] == 2).await;
    let head = heads.lock().expect("lock")[0].clone();
    assert!(head.starts_with("POST http://backend.test:4318/otlp/v1/metrics HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: backend.test:4318\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dTpw\r\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_server_through_the_tunnel() {
    let certificate = certificate();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("write");
    let acceptor = acceptor(&certificate, None, "http/1.1");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let (proxy, heads) = proxy(Some(listener.local_addr().expect("address"))).await;
    let taken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accept");
        let mut stream = acceptor.accept(stream).await.expect("TLS");
        let mut said = vec![0; 16_384];
        let read = stream.read(&mut said).await.expect("read");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("write");
        String::from_utf8_lossy(&said[..read]).into_owned()
    });
    // The section's proxy is asked for every host.
    let keys = format!(
        "endpoint: https://localhost\n    proxy_url: http://u:hush@{proxy}\n    tls: {{ ca_file: '{}' }}",
        file.path().display()
    );
    let sender = Agent::start(&over_http(&keys)).await;
    sender.client().await.export(export(3, 3)).await.expect("accepted");
    let head = taken.await.expect("a request");
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n") && !head.contains("proxy-"), "{head}");
    assert!(heads.lock().expect("lock")[0].starts_with("CONNECT localhost:443 HTTP/1.1\r\n"));
    eventually("it is confirmed", async || sender.health().await["points"]["delivered"] == 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_signals_leave_as_json_and_arrive_the_same() {
    let (sink, address) = Sink::start().await;
    let receiver = Agent::start(&settings(address)).await;
    let http = receiver.listening.otlp_http.expect("http");
    for (place, compression) in ["gzip", "none"].into_iter().enumerate() {
        let keys = format!("endpoint: http://{http}\n    encoding: json\n    compression: {compression}");
        let sender = Agent::start(&over_http(&keys)).await;
        let sent = export(30, 7);
        // What came compressed is not passed on as it came.
        let mut client = sender.client().await.send_compressed(tonic::codec::CompressionEncoding::Gzip);
        client.export(sent.clone()).await.expect("accepted");
        eventually("it arrives", async || sink.received() == place + 1).await;
        assert_eq!(sink.metrics.lock().expect("lock")[place].1, sent);
        sender.stop().await;
    }
    let accepted = r#"otelcol_receiver_accepted_metric_points{receiver="otlp",transport="http"}"#;
    assert_eq!(receiver.metric(accepted).await, Some(420.0));
}
