//! An agent's credential where something other than its control plane answers: it is kept, and telemetry flows.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::agent::Agent;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::fleet::{Node, connected};
use e2e::proxy::Proxy;
use e2e::served::{Loop, PATIENCE};
use serde_json::Value;

fn credential(node: &Node) -> Result<String> {
    Ok(std::fs::read_to_string(node.dir.join("data/credential"))?)
}

async fn flows(fleet: &Loop) {
    let before = fleet.sink.counts().points;
    eventually("data flows", PATIENCE, || async {
        (fleet.sink.counts().points > before + 500).then_some(())
    })
    .await;
}

/// Waits until the agent says for want of what there is no session.
async fn says(agent: &Agent, what: &str) -> Value {
    eventually(what, PATIENCE, || async {
        let health = agent.health().await.ok()?;
        health["control_plane"].as_str()?.contains(what).then_some(health)
    })
    .await
}

async fn uids(control_plane: &ControlPlane) -> Result<Vec<String>> {
    let agents = control_plane.expect("GET", "/api/v1/agents", None, 200).await?;
    let items = agents["items"].as_array().context("no agents")?;
    Ok(items.iter().filter_map(|agent| Some(agent["uid"].as_str()?.to_owned())).collect())
}

fn answer(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_proxy_answers_the_agent_keeps_its_credential_delivers_and_comes_back() -> Result<()> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    let proxy = Proxy::start(fleet.control_plane.listening.fleet).await?;
    let mut node = fleet.node().await?;
    node.fleet = proxy.at;
    fleet.join(node).await?;
    let (kept, uid) = (credential(&fleet.nodes[0])?, uids(&fleet.control_plane).await?);
    let html = "<html><body>Please log in.</body></html>";
    let page = "Content-Type: text/html\r\n";
    // As our own control plane would say it, but not in answer to this agent.
    let forged = r#"{"type":"/problems/agent-unknown","title":"t","status":401,"detail":"d"}"#;
    for (answer, said) in [
        (answer("403 Forbidden", "", ""), "turned away with 403"),
        (answer("401 Unauthorized", "WWW-Authenticate: Bearer\r\n", ""), "turned away with 401"),
        (answer("401 Unauthorized", "Phoenix-Nonce: of-yesterday\r\n", forged), "turned away with 401"),
        (
            answer("407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n", ""),
            "turned away with 407",
        ),
        (answer("502 Bad Gateway", page, html), "502"),
        (answer("200 OK", page, html), "turned away with 200"),
        (answer("302 Found", "Location: http://127.0.0.1:9/\r\n", ""), "turned away with 302"),
        ("nonsense\r\n\r\n".to_owned(), ""),
    ] {
        let before = proxy.answered();
        proxy.answers(&answer);
        says(&fleet.agents[0], said).await;
        eventually("it tries again", PATIENCE, || async { (proxy.answered() > before + 2).then_some(()) })
            .await;
        assert_eq!(credential(&fleet.nodes[0])?, kept, "after {said}");
        flows(&fleet).await;
        proxy.opens();
        connected(&fleet.agents[0]).await;
    }
    assert!(fleet.agents[0].metric("phoenix_fleet_turned_away_total", "").await? >= 6.0);
    assert_eq!(uids(&fleet.control_plane).await?, uid);
    let log = std::fs::read_to_string(fleet.nodes[0].dir.join("agent.log"))?;
    assert_eq!(log.matches("turned away with 403").count(), 1, "said once: {log}");
    assert_eq!(log.matches("enrolled with the control plane").count(), 1, "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_outlasts_the_wrong_database_and_is_itself_with_the_right_one() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let kept = [credential(&fleet.nodes[0])?, credential(&fleet.nodes[1])?];
    let uid = uids(&fleet.control_plane).await?;
    let away = fleet.control_plane.crash().await?;
    let elsewhere = tempfile::tempdir()?;
    let wrong = ControlPlane::start_on(elsewhere.path(), away.at).await?;
    for agent in &fleet.agents {
        says(agent, "refuses to enroll this agent: 401").await;
    }
    assert_eq!(uids(&wrong).await?, Vec::<String>::new());
    fleet.control_plane = wrong;
    flows(&fleet).await;
    fleet.control_plane.crash().await?;
    fleet.control_plane = away.restart().await?;
    for agent in &fleet.agents {
        connected(agent).await;
    }
    assert_eq!([credential(&fleet.nodes[0])?, credential(&fleet.nodes[1])?], kept);
    assert_eq!(uids(&fleet.control_plane).await?, uid);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_lets_the_agent_in_by_the_credential_before() -> Result<()> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    let node = fleet.node().await?;
    fleet.join(node).await?;
    let (first, uid) = (credential(&fleet.nodes[0])?, uids(&fleet.control_plane).await?);
    let away = fleet.control_plane.crash().await?;
    let dir = &away.dir;
    let saved = dir.join("saved");
    copy(&dir.join("control-plane"), &saved)?;
    fleet.control_plane = away.restart().await?;
    connected(&fleet.agents[0]).await;
    // Deleted: the control plane's own word, on which the agent enrolls anew.
    fleet.control_plane.expect("DELETE", &format!("/api/v1/agents/{}", uid[0]), None, 204).await?;
    eventually("another credential", PATIENCE, || async {
        (credential(&fleet.nodes[0]).ok()? != first).then_some(())
    })
    .await;
    connected(&fleet.agents[0]).await;
    fleet.control_plane.crash().await?;
    std::fs::remove_dir_all(dir.join("control-plane"))?;
    copy(&saved, &dir.join("control-plane"))?;
    fleet.control_plane = away.restart().await?;
    eventually("let in by the one before", Duration::from_secs(30), || async {
        (credential(&fleet.nodes[0]).ok()? == first).then_some(())
    })
    .await;
    connected(&fleet.agents[0]).await;
    assert_eq!(uids(&fleet.control_plane).await?, uid);
    Ok(())
}
