//! Disks that are full, read-only or torn: telemetry flows, what cannot be kept is told, and it heals by itself.

use anyhow::Result;
use e2e::disk::Disk;
use e2e::fleet::{Node, connected};
use e2e::network::inside;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use e2e::{eventually, http};
use serde_json::{Value, json};

async fn flows(fleet: &Loop) {
    let before = fleet.sink.counts().points;
    eventually("data flows", PATIENCE, || async {
        (fleet.sink.counts().points > before + 500).then_some(())
    })
    .await;
}

/// Waits until the control plane is ready, or is not; what it says.
async fn ready(fleet: &Loop, expected: u16) -> String {
    eventually("readiness", PATIENCE, || async {
        let (status, body) = http::get(fleet.control_plane.listening.rest, "/ready").await.ok()?;
        (status == expected).then_some(body)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_writes_again_by_itself_after_a_full_disk_and_was_not_ready_meanwhile() -> Result<()>
{
    if !inside("disks::a_control_plane_writes_again_by_itself_after_a_full_disk_and_was_not_ready_meanwhile")?
    {
        return Ok(());
    }
    lo_up()?;
    let dir = tempfile::tempdir()?;
    let disk = Disk::mount(dir.path(), 16 << 20)?;
    let mut fleet = Loop::alone_in(dir, [127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    // The agent's own files lie elsewhere.
    let elsewhere = tempfile::tempdir()?;
    let mut node = fleet.node().await?;
    node.dir = elsewhere.path().to_owned();
    fleet.join(node).await?;
    ready(&fleet, 200).await;
    disk.fill()?;
    let said = ready(&fleet, 503).await;
    assert!(said.contains("cannot be written") && said.contains("full"), "{said}");
    let body = json!({ "labels": { "a": "x".repeat(60) }, "max_uses": "unlimited" });
    let refused = eventually("a change is refused", PATIENCE, || async {
        let (status, body) =
            fleet.control_plane.call("POST", "/api/v1/enrollment-tokens", Some(&body)).await.ok()?;
        (status != 201).then_some((status, body))
    })
    .await;
    assert_eq!(refused.0, 503, "{refused:?}");
    flows(&fleet).await;
    disk.free()?;
    ready(&fleet, 200).await;
    fleet.control_plane.expect("POST", "/api/v1/enrollment-tokens", Some(&body), 201).await?;
    connected(&fleet.agents[0]).await;
    Ok(())
}

/// An agent that has run in a directory, and its health after a start in what has become of it.
async fn restarted(change: impl FnOnce(&Node) -> Result<()>) -> Result<(Loop, Value)> {
    let mut fleet = Loop::replacing("1s").await?;
    let node = fleet.node().await?;
    Disk::mount(&node.dir.join("data"), 256 << 10)?;
    fleet.join(node).await?;
    flows(&fleet).await;
    let agent = fleet.agents.remove(0);
    fleet.sources.remove(0).finish().await?;
    assert!(agent.terminate().await?.success());
    let node = fleet.nodes.remove(0);
    change(&node)?;
    let agent = node.start().await?;
    fleet.add(node, agent);
    flows(&fleet).await;
    let health = fleet.agents[0].health().await?;
    Ok((fleet, health))
}

/// Files of an agent that has enrolled.
const FILES: [&str; 4] = ["ledger.json", "ledger.copy.json", "account", "credential"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_starts_and_delivers_on_a_full_disk_and_says_what_it_cannot_keep() -> Result<()> {
    if !inside("disks::an_agent_starts_and_delivers_on_a_full_disk_and_says_what_it_cannot_keep")? {
        return Ok(());
    }
    lo_up()?;
    let (fleet, health) = restarted(|node| {
        // As the first start finds it: nothing there, and no room for anything.
        for file in FILES {
            std::fs::remove_file(node.dir.join("data").join(file))?;
        }
        Disk::at(&node.dir.join("data")).fill()
    })
    .await?;
    assert_eq!(health["status"], "degraded", "{health:#}");
    assert!(health["data_dir"].as_str().is_some_and(|why| why.contains("is not kept")), "{health:#}");
    assert!(health["account"].as_str().is_some_and(|why| why.contains("failing")), "{health:#}");
    let agent = &fleet.agents[0];
    Disk::at(&fleet.nodes[0].dir.join("data")).free()?;
    connected(agent).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_starts_and_delivers_on_a_read_only_disk_as_who_it_was() -> Result<()> {
    if !inside("disks::an_agent_starts_and_delivers_on_a_read_only_disk_as_who_it_was")? {
        return Ok(());
    }
    lo_up()?;
    let (fleet, health) = restarted(|node| Disk::at(&node.dir.join("data")).protect()).await?;
    assert_eq!(health["status"], "degraded", "{health:#}");
    assert!(health["account"].as_str().is_some_and(|why| why.contains("failing")), "{health:#}");
    connected(&fleet.agents[0]).await;
    let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await?;
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1));

    // An attempt that could not be recorded is not begun: new content is refused, and what was committed runs on.
    let id = fleet.control_plane.experiment(&experiment("new", GOOD)).await?;
    let status = fleet.until(&id, "failed", |s| s["phase"] == "failed").await;
    let said = status["reasons"][0]["sentence"].as_str().unwrap_or_default();
    assert!(said.contains("cannot be recorded") && said.contains("Read-only"), "{said}");
    let (status, _) = http::get(fleet.agents[0].listening.admin, "/experiment").await?;
    assert_eq!(status, 404, "no experiment has run");
    flows(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_torn_in_its_directory_an_agent_starts_and_delivers() -> Result<()> {
    if !inside("disks::whatever_is_torn_in_its_directory_an_agent_starts_and_delivers")? {
        return Ok(());
    }
    lo_up()?;
    let torn: [&[u8]; 4] = [b"", b"{", b"\0\0\0\0\0\0\0\0", b"\xff\xfe garbage {}"];
    for ((file, torn), said) in
        FILES.into_iter().zip(torn).zip(["its copy is used", "", "torn", "cannot be used"])
    {
        let (fleet, health) =
            restarted(|node| Ok(std::fs::write(node.dir.join("data").join(file), torn)?)).await?;
        let log = std::fs::read_to_string(fleet.nodes[0].dir.join("agent.log"))?;
        assert!(log.contains(said), "{file}: {log}");
        assert_eq!(health["status"], "ok", "whole again: {file}: {health:#}");
        // Without its credential it is at work already, and somebody has to delete it before it may enroll anew.
        if file != "credential" {
            connected(&fleet.agents[0]).await;
        }
    }
    let (fleet, _) = restarted(|node| {
        for (file, torn) in FILES.into_iter().zip(torn) {
            std::fs::write(node.dir.join("data").join(file), torn)?;
        }
        Ok(())
    })
    .await?;
    // Another uid on the same node: it takes the place of the one before.
    connected(&fleet.agents[0]).await;
    let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await?;
    assert_eq!(agents["items"].as_array().map(Vec::len), Some(1), "{agents:#}");
    Ok(())
}

/// A namespace of its own has its loopback down.
pub fn lo_up() -> Result<()> {
    let up = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    anyhow::ensure!(up.success(), "ip link set lo up");
    Ok(())
}
