//! Listeners in TLS: who is let in, and certificates that change.

use std::net::SocketAddr;
use std::path::Path;

use gate::{Pem, TlsIdentity};
use rcgen::{CertifiedKey, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::harness::{ANY, Agent, config, eventually, export, load};
use super::otlp_http::over_http;
use super::sink::Sink;
use super::tls::certificate;
use crate::net::TlsSettings;

/// A config whose receivers speak TLS with these keys.
fn secured(sink: SocketAddr, tls: &str) -> String {
    config(sink, "")
        .replace(&format!("{{ endpoint: {ANY} }},"), &format!("{{ endpoint: {ANY}, tls: {{ {tls} }} }},"))
        .replace(
            &format!("http: {{ endpoint: {ANY} }}"),
            &format!("http: {{ endpoint: {ANY}, tls: {{ {tls} }} }}"),
        )
}

fn put(folder: &Path, name: &str, text: String) -> String {
    std::fs::write(folder.join(name), text).expect("write");
    folder.join(name).display().to_string()
}

/// Keys of a certificate in files.
fn in_files(folder: &Path, certificate: &CertifiedKey<KeyPair>) -> String {
    let cert = put(folder, "cert.pem", certificate.cert.pem());
    let key = put(folder, "key.pem", certificate.signing_key.serialize_pem());
    format!("cert_file: '{cert}', key_file: '{key}'")
}

fn inline(pem: &str) -> String {
    format!("\"{}\"", pem.replace('\n', "\\n"))
}

/// An agent that sends over gRPC with these keys of its TLS.
async fn sender(to: SocketAddr, tls: &str) -> Agent {
    let text = config(to, "");
    let with = format!("https://localhost:{}\n    tls: {{ {tls} }}", to.port());
    Agent::start(&load(&text.replace(&format!("http://{to}"), &with))).await
}

const RETRIED: &str =
    r#"phoenix_exporter_retried_requests_total{exporter="otlp",signal="metrics",variant="baseline"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_speak_tls_and_a_plain_connection_is_counted_and_closed() {
    let (sink, address) = Sink::start().await;
    let (folder, own) = (tempfile::tempdir().expect("a folder"), certificate());
    let agent = Agent::start(&load(&secured(address, &in_files(folder.path(), &own)))).await;
    let (grpc, http) = (agent.listening.otlp_grpc.expect("grpc"), agent.listening.otlp_http.expect("http"));
    let over_grpc = sender(grpc, &format!("ca_pem: {}", inline(&own.cert.pem()))).await;
    over_grpc.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives over gRPC", async || sink.received() == 1).await;
    let ca = put(folder.path(), "ca.pem", own.cert.pem());
    let keys = format!("endpoint: https://localhost:{}\n    tls: {{ ca_file: '{ca}' }}", http.port());
    let sender = Agent::start(&over_http(&keys)).await;
    sender.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives over HTTP", async || sink.received() == 2).await;
    let mut plain = TcpStream::connect(http).await.expect("connect");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("write");
    let refused = r#"phoenix_refused_connections_total{listener="http",reason="tls"}"#;
    eventually("it is counted", async || agent.metric(refused).await == Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_client_with_a_certificate_of_the_authority_is_let_in() {
    let (sink, address) = Sink::start().await;
    let (folder, own, client, other) =
        (tempfile::tempdir().expect("a folder"), certificate(), certificate(), certificate());
    let clients = put(folder.path(), "clients.pem", client.cert.pem());
    let (cert, key) = (inline(&own.cert.pem()), inline(&own.signing_key.serialize_pem()));
    let tls = format!("cert_pem: {cert}, key_pem: {key}, client_ca_file: '{clients}', min_version: '1.3'");
    let settings = load(&secured(address, &tls));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("PRIVATE") && !shown.contains("BEGIN"), "{shown}");
    let agent = Agent::start(&settings).await;
    let grpc = agent.listening.otlp_grpc.expect("grpc");
    let by = |one: &CertifiedKey<KeyPair>| {
        let (cert, key) = (inline(&one.cert.pem()), inline(&one.signing_key.serialize_pem()));
        format!("ca_pem: {}, cert_pem: {cert}, key_pem: {key}", inline(&own.cert.pem()))
    };
    for stranger in [format!("ca_pem: {}", inline(&own.cert.pem())), by(&other)] {
        let stranger = sender(grpc, &stranger).await;
        stranger.client().await.export(export(1, 1)).await.expect("accepted");
        eventually("it is not let in", async || stranger.metric(RETRIED).await >= Some(2.0)).await;
    }
    assert_eq!(sink.received(), 0);
    let known = sender(grpc, &by(&client)).await;
    known.client().await.export(export(3, 3)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
}

/// The certificate that a receiver shows, if it is this one.
async fn shows(to: SocketAddr, certificate: &CertifiedKey<KeyPair>) -> bool {
    let authorities = Some(Pem::Text(certificate.cert.pem()));
    let settings = TlsSettings { authorities, ..TlsSettings::default() };
    let (connector, _) = settings.connector("localhost", "h2").expect("a connector");
    let stream = TcpStream::connect(to).await.expect("connect");
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_the_next_connection_and_a_broken_one_never() {
    let (_, address) = Sink::start().await;
    let (folder, first, second) = (tempfile::tempdir().expect("a folder"), certificate(), certificate());
    let tls = format!("{}, reload_interval: 1ms", in_files(folder.path(), &first));
    let agent = Agent::start(&load(&secured(address, &tls))).await;
    let grpc = agent.listening.otlp_grpc.expect("grpc");
    assert!(shows(grpc, &first).await);
    put(folder.path(), "cert.pem", "-----BEGIN CERTIFICATE-----\nnothing".into());
    eventually("the first stays", async || shows(grpc, &first).await).await;
    in_files(folder.path(), &second);
    eventually("the second is there", async || shows(grpc, &second).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_the_config_reads_certificates_again_and_refuses_those_that_are_none() {
    let (sink, address) = Sink::start().await;
    let (folder, first, second) = (tempfile::tempdir().expect("a folder"), certificate(), certificate());
    // Of one receiver, at an address that stays.
    let reserved = std::net::TcpListener::bind(ANY).expect("bind");
    let at = reserved.local_addr().expect("address");
    drop(reserved);
    let text = secured(address, &in_files(folder.path(), &first)).replacen(ANY, &at.to_string(), 1);
    let agent = Agent::start(&load(&text)).await;
    assert!(shows(at, &first).await);
    in_files(folder.path(), &second);
    assert!(shows(at, &first).await, "without an interval nothing is read again");
    agent.reread(&text).await;
    eventually("the second is there", async || shows(at, &second).await).await;
    put(folder.path(), "key.pem", first.signing_key.serialize_pem());
    agent.reread(&text).await;
    eventually("it says why", async || {
        let said = agent.health().await.to_string();
        said.contains("receiver otlp: tls: key_file") && !said.contains("PRIVATE")
    })
    .await;
    assert!(shows(at, &second).await);
    let ca = format!("ca_pem: {}", inline(&second.cert.pem()));
    sender(at, &ca).await.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_certificate_is_an_error_at_boot_that_names_the_receiver() {
    let settings =
        load(&secured("127.0.0.1:1".parse().expect("an address"), "cert_file: no.pem, key_file: no.pem"));
    let error = crate::app::App::build(settings).await.expect_err("no such file").to_string();
    assert!(error.starts_with("receiver otlp: tls: cert_file no.pem"), "{error}");
}

/// What is answered over TLS to one request for a path; nothing where there is no handshake.
async fn asked(to: SocketAddr, settings: &TlsSettings, path: &str) -> Option<String> {
    let (connector, _) = settings.connector("localhost", "http/1.1").expect("a connector");
    let stream = TcpStream::connect(to).await.expect("connect");
    let mut stream =
        connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // A client that is not let in learns so once the server has seen its certificate.
    let _how_it_was_closed = stream.read_to_end(&mut answer).await;
    (!answer.is_empty()).then(|| String::from_utf8(answer).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_admin_speak_tls_and_let_in_whom_they_are_told_to() {
    let (_sink, address) = Sink::start().await;
    let (folder, own, client) = (tempfile::tempdir().expect("a folder"), certificate(), certificate());
    let (keys, clients) =
        (in_files(folder.path(), &own), put(folder.path(), "clients.pem", client.cert.pem()));
    let text = config(address, "").replace(
        &format!("health_check: {{ endpoint: {ANY} }}"),
        &format!("health_check: {{ endpoint: {ANY}, tls: {{ {keys} }} }}"),
    );
    let phoenix = format!(
        "phoenix: {{ admin: {{ endpoint: {ANY}, tls: {{ {keys}, client_ca_file: '{clients}' }} }} }}\n"
    );
    let agent = Agent::start(&load(&format!("{phoenix}{text}"))).await;
    let (health, admin) = (agent.listening.health, agent.listening.admin);
    let mut settings = TlsSettings { authorities: Some(Pem::Text(own.cert.pem())), ..TlsSettings::default() };
    let answer = asked(health, &settings, "/health").await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(asked(admin, &settings, "/metrics").await, None, "a client without a certificate");
    let (cert, key) = (Pem::Text(client.cert.pem()), Pem::Text(client.signing_key.serialize_pem()));
    settings.identity = Some(TlsIdentity { cert, key });
    let mut plain = TcpStream::connect(admin).await.expect("connect");
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("write");
    let mut nothing = Vec::new();
    let _how_it_was_closed = plain.read_to_end(&mut nothing).await;
    assert!(!nothing.starts_with(b"HTTP"), "{nothing:?}");
    let refused = r#"phoenix_refused_connections_total{listener="admin",reason="tls"} "#;
    eventually("both are counted", async || {
        let answer = asked(admin, &settings, "/metrics").await.expect("an answer");
        let count = answer.lines().find_map(|line| line.strip_prefix(refused)).expect("the count");
        count.parse::<u32>().expect("a number") >= 2
    })
    .await;
}
