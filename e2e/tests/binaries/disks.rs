//! Disks that are full, read-only or torn: telemetry flows, what cannot be kept is told, and it heals by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::{Agent, refused};
use e2e::configs::Stored;
use e2e::disk::Disk;
use e2e::fleet::{Node, connected};
use e2e::network::inside;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use e2e::{bulk, eventually, http, traffic};
use serde_json::{Value, json};
use simulator::sink::{Failure, Sink, When};
use tonic::Code;

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

/// Counts of requests that were turned away for a reason.
async fn refused_for(agent: &Agent, reason: &str) -> Result<u64> {
    let label = format!("reason=\"{reason}\"");
    Ok(agent.metric("phoenix_receiver_refused_requests_total", &label).await? as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_on_a_full_disk_refuses_retryably_before_the_first_stage_and_takes_requests_again_by_itself()
-> Result<()> {
    if !inside(
        "disks::a_queue_on_a_full_disk_refuses_retryably_before_the_first_stage_and_takes_requests_again_by_itself",
    )? {
        return Ok(());
    }
    lo_up()?;
    const MIB: usize = 1 << 20;
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let busy = Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) };
    sink.inject(busy, When::Fraction(1.0));
    // One file of the queue fits, and not another one.
    let disk = Disk::mount(&dir.path().join("queue"), 20 * MIB)?;
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }.text();
    let agent = Agent::start(dir.path(), &config).await?;
    disk.fill()?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    client.export(bulk::request(1, 5 * MIB)).await?;

    // It was admitted, and needs more than is set aside: it goes on from memory, and the sender is told not to send it again.
    let unwritten = client.export(bulk::request(2, 12 * MIB)).await.expect_err("not written");
    assert_eq!(unwritten.code(), Code::Internal, "{unwritten}");
    assert!(unwritten.message().contains("queued all the same, do not retry"), "{unwritten}");
    assert_eq!(refused_for(&agent, "unwritten").await?, 1);
    assert_eq!(agent.metric("phoenix_storage_unwritten_items", "otlp").await?, 1.0);

    // From now on the disk is known to be full.
    let refused = client.export(bulk::request(3, 100)).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("takes nothing now: the disk cannot be written"), "{refused}");
    assert!(refused_for(&agent, "disk").await? >= 1);
    assert_eq!(agent.metric("phoenix_storage_failing", "otlp").await?, 1.0);
    let health = agent.health().await?;
    assert_eq!(health["status"], "degraded", "{health:#}");
    assert!(
        health["storage"]["otlp"]["trouble"].as_str().is_some_and(|why| why.contains("No space")),
        "{health:#}"
    );

    disk.free()?;
    let (agent, sent) = (&agent, AtomicU64::new(4));
    eventually("requests are taken again", PATIENCE, || async {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        traffic::client(&agent.endpoint()).await.ok()?.export(bulk::request(n, 100)).await.ok()
    })
    .await;
    // There is room again, and not for everything: that is known before the first stage, too.
    let refused = client.export(bulk::request(3, 15 * MIB)).await.expect_err("refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("the disk has room for a request of"), "{refused}");
    sink.heal();
    let accepted = 2 + 1;
    eventually("all that was accepted is delivered", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (points["delivered"] == accepted && points["owed"] == 0 && points["lost_to_crashes"] == 0)
            .then_some(())
    })
    .await;
    let counts = sink.counts();
    assert_eq!((counts.points, counts.duplicate_points), (accepted, 0));
    assert_eq!(agent.metric("phoenix_storage_failing", "otlp").await?, 0.0);
    eventually("health", PATIENCE, || async { (agent.health().await.ok()?["status"] == "ok").then_some(()) })
        .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_delivers_what_its_queue_has_on_a_full_disk_and_does_not_start_on_one_it_cannot_write()
-> Result<()> {
    if !inside(
        "disks::an_agent_delivers_what_its_queue_has_on_a_full_disk_and_does_not_start_on_one_it_cannot_write",
    )? {
        return Ok(());
    }
    lo_up()?;
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    sink.inject(Failure::Unavailable, When::Fraction(1.0));
    let disk = Disk::mount(&dir.path().join("queue"), 20 << 20)?;
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }.text();
    let agent = Agent::start(dir.path(), &config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for n in 0..10 {
        client.export(bulk::request(n, 1 << 20)).await?;
    }
    agent.kill().await?;
    disk.fill()?;
    sink.heal();
    let agent = Agent::start(dir.path(), &config).await?;
    eventually("delivered", PATIENCE, || async { (sink.counts().distinct_points == 10).then_some(()) }).await;
    // What it settled makes room for the next, as far as nobody else takes it.
    disk.free()?;
    eventually("written", PATIENCE, || async {
        traffic::client(&agent.endpoint()).await.ok()?.export(bulk::request(11, 100)).await.ok()
    })
    .await;
    assert!(agent.terminate().await?.success());
    disk.protect()?;
    let (code, said) = refused(dir.path(), &config).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("exporter otlp: sending_queue: storage") && said.contains("Read-only"), "{said}");
    Ok(())
}
