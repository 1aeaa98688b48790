//! A stock Collector that joins the fleet by its `opamp` extension, over either transport.

use anyhow::{Context as _, Result};
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::person::Person;
use serde_json::{Value, json};
use uuid::Uuid;

use super::PATIENCE;
use super::collector::Collector;

fn config(scheme: &str, control_plane: &ControlPlane, token: &str, uid: Uuid) -> String {
    let (kind, fleet) = (if scheme == "ws" { "ws" } else { "http" }, control_plane.listening.fleet);
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }} }} }} }}
exporters: {{ nop: {{}} }}
extensions:
  opamp:
    instance_uid: {uid}
    server:
      {kind}:
        endpoint: {scheme}://{fleet}/v1/opamp
        headers: {{ Authorization: Bearer {token} }}
        tls: {{ insecure: true }}
service:
  extensions: [opamp]
  telemetry: {{ metrics: {{ level: none }} }}
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [nop] }} }}
"
    )
}

async fn joins(scheme: &str) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let person = Person { dir: dir.path() };
    person.logs_in(&control_plane).await?;
    let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
    // No UUID of version 7: a Collector may have any.
    let uid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    let file = dir.path().join("collector.yaml");
    std::fs::write(&file, config(scheme, &control_plane, &token, uid))?;
    for round in 0..2 {
        let collector = Collector::start(dir.path(), &[&file], "").await?;
        let path = format!("/api/v1/agents/{uid}");
        let agent = eventually("the Collector is listed as healthy", PATIENCE, || async {
            let (status, agent) = control_plane.call("GET", &path, None).await.ok()?;
            let is_there = status == 200 && agent["status"] == "connected";
            (is_there && agent["health"]["healthy"] == true && agent["effective_config"] != Value::Null)
                .then_some(agent)
        })
        .await;
        assert_eq!(
            (&agent["own_credential"], &agent["refuses_configs"]),
            (&json!(false), &json!(true)),
            "{round}"
        );
        let runs = agent["effective_config"][""].as_str().context("its config")?;
        assert!(runs.contains("nop") && !runs.contains(&token) && !runs.contains("phx_"), "{runs}");
        let shown = person.ok(&["agent", "get", &uid.to_string()]).await?;
        assert!(
            shown.contains("none of its own") && shown.contains("nop") && !shown.contains("phx_"),
            "{shown}"
        );
        let listed = person.ok(&["agent", "list"]).await?;
        assert!(listed.contains(&uid.to_string()) && listed.contains("refused"), "{listed}");
        assert!(collector.terminate().await?.success());
        if scheme == "ws" {
            eventually("it has left", PATIENCE, || async {
                let (_, agent) = control_plane.call("GET", &path, None).await.ok()?;
                (agent["status"] == "disconnected").then_some(())
            })
            .await;
        }
    }
    let (_, tokens) = control_plane.call("GET", "/api/v1/enrollment-tokens", None).await?;
    assert_eq!(tokens["items"][0]["uses"], 1, "it came twice as one");
    let (_, agents) = control_plane.call("GET", "/api/v1/agents", None).await?;
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
#[ignore = "needs a real Collector: make test-peers"]
async fn a_stock_collector_joins_over_a_websocket_and_is_shown() -> Result<()> {
    joins("ws").await
}

#[tokio::test]
#[ignore = "needs a real Collector: make test-peers"]
async fn a_stock_collector_joins_by_polling_and_is_shown() -> Result<()> {
    joins("http").await
}
