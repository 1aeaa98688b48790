//! Tokens of a server: asked for once, renewed, and never shown.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::authenticated::by;
use super::harness::{Agent, eventually, export, load};
use super::recorder::Recorder;
use crate::config::Settings;

const RETRIED: &str =
    r#"phoenix_exporter_retried_requests_total{exporter="otlp_http",signal="metrics",variant="baseline"}"#;

fn answer(token: &str, life: u32) -> (u16, String) {
    (200, format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{life}}}"#))
}

/// Settings of an agent that sends over HTTP with tokens of a server.
fn settings(sink: SocketAddr, tokens: SocketAddr, client: &str) -> Settings {
    let keys = format!("token_url: 'http://{tokens}/token?tenant=1', {client}");
    load(&by("oauth2client/x", &keys, sink))
}

const CLIENT: &str = "client_id: agent, client_secret: 'hu/sh'";

async fn taking() -> (Recorder, SocketAddr) {
    Recorder::start(|_, _| (200, String::new())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_once_and_goes_with_every_request() {
    let (sink, address) = taking().await;
    let (tokens, server) = Recorder::start(|_, _| answer("one", 3_600)).await;
    let client = format!(
        "{CLIENT}, scopes: [metrics.write, b], endpoint_params: {{ audience: 'https://a', k: [x, y] }}"
    );
    let settings = settings(address, server, &client);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hu/sh") && !shown.contains("https://a"), "{shown}");
    let agent = Agent::start(&settings).await;
    for sent in 1..=3 {
        agent.client().await.export(export(1, 1)).await.expect("accepted");
        eventually("it arrives", async || sink.len() == sent).await;
    }
    assert_eq!(sink.values("authorization"), ["Bearer one"; 3]);
    assert_eq!(tokens.len(), 1);
    let asked = tokens.request(0);
    assert!(asked.starts_with("POST /token?tenant=1 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("content-type: application/x-www-form-urlencoded\r\n"), "{asked}");
    // The words of `agent:hu%2Fsh`.
    assert!(asked.contains("authorization: Basic YWdlbnQ6aHUlMkZzaA==\r\n"), "{asked}");
    let form = "grant_type=client_credentials&scope=metrics.write%20b&audience=https%3A%2F%2Fa&k=x&k=y";
    assert!(asked.ends_with(form), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_the_secret_in_the_form_gets_it_there() {
    let (sink, address) = taking().await;
    let (tokens, server) = Recorder::start(|_, request| {
        if request.contains("client_secret=of-a-file") {
            answer("one", 3_600)
        } else {
            (401, r#"{"error":"invalid_client"}"#.to_owned())
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("write");
        folder.path().join(name).display().to_string()
    };
    let client = format!(
        "client_id_file: '{}', client_secret_file: '{}'",
        put("id", "agent\n"),
        put("secret", "of-a-file\n")
    );
    let agent = Agent::start(&settings(address, server, &client)).await;
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.len() == 1).await;
    assert_eq!(tokens.len(), 2);
    assert!(tokens.request(1).ends_with("client_id=agent&client_secret=of-a-file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_its_end_and_one_that_is_refused_is_not_used_again() {
    let (tokens, server) =
        Recorder::start(|place, _| answer(&format!("t{place}"), if place == 0 { 2 } else { 3_600 })).await;
    let (sink, to) = Recorder::start(|_, request| {
        if request.contains("Bearer t1\r\n") { (401, String::new()) } else { (200, String::new()) }
    })
    .await;
    let agent = Agent::start(&settings(to, server, CLIENT)).await;
    // Whenever it is due: nobody waits for a clock.
    eventually("it is renewed", async || {
        let before = sink.len();
        agent.client().await.export(export(1, 1)).await.expect("accepted");
        eventually("it arrives", async || sink.len() > before).await;
        tokens.len() == 2
    })
    .await;
    eventually("the other one is refused", async || {
        sink.values("authorization").contains(&"Bearer t1".to_owned())
    })
    .await;
    eventually("it is settled", async || agent.health().await["points"]["owed"] == 0).await;
    agent.client().await.export(export(1, 1)).await.expect("accepted");
    eventually("a third is asked for", async || {
        sink.values("authorization").contains(&"Bearer t2".to_owned())
    })
    .await;
    assert_eq!(tokens.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_nothing_is_lost() {
    let (sink, address) = taking().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let server = listener.local_addr().expect("address");
    drop(listener); // Nobody listens there yet.
    let agent = Agent::start(&settings(address, server, CLIENT)).await;
    agent.client().await.export(export(1, 2)).await.expect("accepted");
    eventually("it waits", async || agent.metric(RETRIED).await >= Some(2.0)).await;
    let why = agent.health().await["failing_exporters"]["otlp_http"].to_string();
    assert!(why.contains(&format!("no token of {server}")) && !why.contains("hu/sh"), "{why}");
    let answers = Recorder::default();
    // One that knows nobody, and repeats what it was sent.
    let refuse = |request: &str| (401, format!(r#"{{"error":"{request:?}"}}"#));
    answers.serve(TcpListener::bind(server).await.expect("bind"), move |place, request| {
        if place < 4 { refuse(request) } else { answer("one", 3_600) }
    });
    eventually("it arrives", async || sink.len() == 1).await;
    eventually("it is confirmed", async || agent.health().await["points"]["delivered"] == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_of_a_secret_is_an_error_at_boot() {
    let at = "127.0.0.1:1".parse().expect("an address");
    let client = "client_id: agent, client_secret_file: /no/such/secret";
    let error = crate::app::App::build(settings(at, at, client)).await.expect_err("no file").to_string();
    assert!(error.starts_with("exporter otlp_http: auth: the file /no/such/secret: "), "{error}");
    let file = by("bearertokenauth", "filename: /no/such/token", at);
    let error = crate::app::App::build(load(&file)).await.expect_err("no file").to_string();
    assert!(error.starts_with("exporter otlp_http: auth: the file /no/such/token: "), "{error}");
}
