//! What an exporter says of itself, and a destination that is a socket in the file system.

use std::net::SocketAddr;

use tokio::net::UnixListener;

use super::harness::{Agent, config, eventually, export, load, source};
use super::recorder::Recorder;
use super::tls::{Taken, certificate, server, take};

/// A config whose exporter sends over HTTP and authenticates by an extension with these keys.
pub fn by(extension: &str, keys: &str, sink: SocketAddr) -> String {
    let with = format!("    compression: none\n    auth: {{ authenticator: {extension} }}\n");
    config(sink, "")
        .replace("\n  otlp:\n", "\n  otlp_http:\n")
        .replace("exporters: [otlp]", "exporters: [otlp_http]")
        .replace("    compression: none\n", &with)
        .replace("extensions: {", &format!("extensions: {{ {extension}: {{ {keys} }},"))
        .replace("extensions: [health_check]", &format!("extensions: [health_check, {extension}]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_password_go_with_each_request_and_stand_in_no_message() {
    let (sink, address) = Recorder::start(|_, _| (200, String::new())).await;
    let text = by("basicauth/x", "client_auth: { username: u, password: 'p:w' }", address);
    let settings = load(&text);
    assert!(!format!("{settings:?}").contains("cDp3") && !format!("{settings:?}").contains("p:w"));
    let agent = Agent::start(&settings).await;
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.len() == 1).await;
    assert_eq!(sink.values("authorization"), ["Basic dTpwOnc="]);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_grpc_a_secret_goes_in_tls_alone() {
    let over_grpc = |text: &str| text.replace("otlp_http", "otlp");
    let keys = "client_auth: { username: u, password: p }";
    let certificate = certificate();
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), certificate.cert.pem()).expect("write");
    let (taken, address) = server(certificate).await;
    let plain = over_grpc(&by("basicauth", keys, address));
    let refused = crate::config::load(&source(&plain), &|_| None).expect_err("plain").to_string();
    assert!(
        refused.contains("a secret would go unencrypted") && refused.contains("test.yaml:6:"),
        "{refused}"
    );
    let tls =
        format!("https://localhost:{}\n    tls: {{ ca_file: '{}' }}", address.port(), file.path().display());
    let agent = Agent::start(&load(&plain.replace(&format!("http://{address}"), &tls))).await;
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it is taken", async || taken.requests() == 1).await;
    assert_eq!(taken.authorizations(), ["Basic dTpw"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_what_its_file_holds_with_each_request() {
    let (sink, address) = Recorder::start(|_, _| (200, String::new())).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "one\n").expect("write");
    let keys = format!("filename: '{}'", file.path().display());
    let agent = Agent::start(&load(&by("bearertokenauth", &keys, address))).await;
    for (place, token) in ["one", "two"].into_iter().enumerate() {
        std::fs::write(file.path(), format!("{token}\n")).expect("write");
        agent.client().await.export(export(1, 1)).await.expect("accepted");
        eventually("it arrives", async || sink.len() == place + 1).await;
    }
    assert_eq!(sink.values("authorization"), ["Bearer one", "Bearer two"]);
    // Without a token nothing is sent, and nothing is lost.
    std::fs::remove_file(file.path()).expect("remove");
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    let retried = r#"phoenix_exporter_retried_requests_total{exporter="otlp_http",signal="metrics",variant="baseline"}"#;
    eventually("it waits", async || agent.metric(retried).await >= Some(2.0)).await;
    std::fs::write(file.path(), "three").expect("write");
    eventually("it arrives", async || sink.len() == 3).await;
    assert_eq!(sink.values("authorization").last().map(String::as_str), Some("Bearer three"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_in_the_file_system_is_a_destination() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otlp.sock");
    let listener = UnixListener::bind(&path).expect("bind");
    let taken = Taken::default();
    let counter = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, "http", counter.clone()));
        }
    });
    let address = "127.0.0.1:1".parse().expect("an address");
    let endpoint = format!("unix://{}\n    tls: {{ insecure: true }}", path.display());
    let text = config(address, "").replace(&format!("http://{address}"), &endpoint);
    let agent = Agent::start(&load(&text)).await;
    agent.client().await.export(export(2, 2)).await.expect("accepted");
    eventually("it is taken", async || taken.requests() == 1).await;
    eventually("and confirmed", async || agent.health().await["points"]["delivered"] == 4).await;
}
