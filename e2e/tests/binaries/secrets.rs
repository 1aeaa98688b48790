//! Secrets stay out of logs, of messages, and of what anybody may read.

use anyhow::{Context as _, Result, ensure};
use e2e::agent::refused;
use e2e::control_plane::{ControlPlane, EMAIL, PASSWORD, SETUP_TOKEN};
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use e2e::spans::{Manner, Spans};
use e2e::{eventually, http};
use serde_json::{Value, json};
use simulator::sink::Sink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_logs_at_trace_have_a_token_a_password_or_a_credential() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let spans = Spans::start(Manner::Takes).await?;
    let own = "the-key-of-the-receiver-of-traces";
    let headers = format!("authorization=Bearer%20{own}");
    let to = [("OTEL_EXPORTER_OTLP_ENDPOINT", spans.endpoint()), ("OTEL_EXPORTER_OTLP_HEADERS", headers)];
    let to = to.each_ref().map(|(name, value)| (*name, value.as_str()));
    let control_plane = ControlPlane::start_in(dir.path(), "trace", &to).await?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let (nodes, agents, sources) = (Vec::new(), Vec::new(), Vec::new());
    let mut fleet = Loop { dir, sink, control_plane, nodes, agents, sources };
    let mut node = fleet.node().await?;
    node.enter = ["env", "RUST_LOG=trace"].map(str::to_owned).to_vec();
    fleet.join(node).await?;
    let id = fleet.control_plane.experiment(&experiment("traced", GOOD)).await?;
    // By then reports went over the stream, too.
    fleet.until(&id, "a horizon", |status| status["verdict"]["basis"]["counted"][0].is_string()).await;
    let renewed = goes_on(&fleet.control_plane).await?;
    let node = &fleet.nodes[0];
    let credential = std::fs::read_to_string(node.dir.join("data/credential"))?;
    let secrets = [
        ("the enrollment token", node.token.as_str()),
        ("the credential", credential.as_str()),
        ("the password", PASSWORD),
        ("the setup token", SETUP_TOKEN),
        ("the access token", fleet.control_plane.token()),
        ("the key of the receiver of traces", own),
    ];
    let secrets = secrets.into_iter().chain(renewed.iter().map(|(what, secret)| (*what, secret.as_str())));
    let secrets: Vec<_> = secrets.collect();
    for log in [fleet.dir.path().join("control-plane.log"), node.dir.join("agent.log")] {
        let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        assert!(text.contains("TRACE"), "{}", log.display());
        for (what, secret) in &secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{what} is in {}", log.display());
        }
    }
    // Traces have neither these nor who somebody is.
    spans.first("the change of the password", |came| came.name == "POST /api/v1/auth/password").await;
    assert!(spans.authorizations().iter().all(|said| said.contains(own)));
    let bytes = String::from_utf8_lossy(&spans.bytes()).into_owned();
    for (what, secret) in secrets.iter().chain(&[("the address of somebody", EMAIL), ("a name", "traced")]) {
        assert!(!bytes.contains(secret), "{what} is in a span");
    }
    Ok(())
}

/// Goes on by a refresh token, presents it again until its login ends, comes by an API key, and changes the password: the
/// secrets of all that.
async fn goes_on(control_plane: &ControlPlane) -> Result<Vec<(&'static str, String)>> {
    let text = |answer: &Value, name: &str| answer[name].as_str().map(str::to_owned).context(name.to_owned());
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    let first = control_plane.expect("POST", "/api/v1/auth/login", Some(&login), 200).await?;
    let first = text(&first, "refresh_token")?;
    let refresh = async |token: &str, status| {
        let body = json!({ "refresh_token": token });
        control_plane.expect("POST", "/api/v1/auth/refresh", Some(&body), status).await
    };
    let second = refresh(&first, 200).await?;
    let (access, second) = (text(&second, "access_token")?, text(&second, "refresh_token")?);
    let third = text(&refresh(&second, 200).await?, "refresh_token")?;
    refresh(&first, 401).await?;
    let key = control_plane.expect("POST", "/api/v1/api-keys", Some(&json!({ "name": "ci" })), 201).await?;
    let key = text(&key, "key")?;
    let rest = control_plane.listening.rest;
    let (status, _) = http::call(rest, "GET", "/api/v1/experiments", &key, None).await?;
    ensure!(status == 200, "{status}");
    let (status, _) = http::call(rest, "POST", "/api/v1/auth/logout", &key, None).await?;
    ensure!(status == 403, "{status}");
    let another = "quite another password".to_owned();
    let change = json!({ "current": PASSWORD, "new": another });
    control_plane.expect("POST", "/api/v1/auth/password", Some(&change), 204).await?;
    let secret = |token: &str| token.rsplit('_').next().unwrap_or_default().to_owned();
    Ok(vec![
        ("a refresh token", secret(&first)),
        ("the next refresh token", secret(&second)),
        ("the last refresh token", secret(&third)),
        ("the renewed access token", access),
        ("the API key", secret(&key)),
        ("the other password", another),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_config_is_told_by_place_and_key_and_never_by_what_may_be_a_secret() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for wrong in [
        "exporters: { otlp: { endpoint: 'a:1', headers: { authorization: [hush] } } }",
        "exporters:\n  otlp:\n    endpoint: 'a:1'\n    headers:\n      authorization: { hush: hush }",
        "exporters:\n  otlp:\n    endpoint: 'a:1'\n    tls:\n      insecure: hush",
        "phoenix: { control_plane: { endpoint: 'http://${env:NONE:-hush}', token: hush } }",
        "phoenix:\n  control_plane:\n    token: [hush]",
    ] {
        let wrong = wrong.replace("${env:NONE:-hush}", "${env:PHOENIX_NONE:-h${env:PHOENIX_NONE:-us}h}");
        let (code, said) = refused(dir.path(), &wrong).await?;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("refused.yaml:"), "{said}");
        assert!(!said.contains("hush"), "{wrong}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_learns_that_there_is_an_error_and_the_owner_which() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let agent = &fleet.agents[0];
    agent.reload("phoenix: { what: 1 }")?;
    let owner = eventually("the owner is told", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        health["config_error"].is_string().then_some(health)
    })
    .await;
    assert!(owner["config_error"].as_str().is_some_and(|why| why.contains("agent.yaml:")), "{owner:#}");
    let anybody: Value = serde_json::from_str(&http::get(agent.listening.health, "/health").await?.1)?;
    assert_eq!(anybody["status"], "degraded");
    assert!(anybody["config_error"].as_str().is_some_and(|why| !why.contains("yaml")), "{anybody:#}");
    Ok(())
}
