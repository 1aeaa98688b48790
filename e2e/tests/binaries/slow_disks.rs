//! A queue on a disk that hangs, or that is read-only for a while: what was in force goes on, nothing is lost, and it heals by itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::disk::{Disk, HangingDisk};
use e2e::network::inside;
use e2e::{bulk, eventually, traffic};
use simulator::sink::{Failure, Sink, When};
use tonic::Code;

use crate::disks::lo_up;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;
const BUSY: Failure = Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) };

/// Waits until all of these points are delivered, and checks the account.
async fn delivered(agent: &Agent, points: u64) -> Result<()> {
    eventually("all that was taken is delivered", PATIENCE, || async {
        let said = agent.health().await.ok()?;
        (said["points"]["delivered"] == points && said["points"]["owed"] == 0).then_some(())
    })
    .await;
    let said = agent.health().await?["points"].clone();
    for nothing in ["lost_to_crashes", "lost_to_shutdowns", "dropped", "rejected", "owed_on_disk"] {
        assert_eq!(said[nothing], 0, "{said:#}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_no_thread_that_serves_and_costs_no_point() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some(disk) = HangingDisk::mount(&dir.path().join("queue"), 256)? else { return Ok(()) };
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }.text();
    let agent = Agent::start(dir.path(), &config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for n in 0..20 {
        client.export(bulk::request(n, 1_000)).await?;
    }
    disk.hang()?;
    // More than there are threads that serve.
    let mut senders = Vec::new();
    for n in 20..40 {
        let mut client = traffic::client(&agent.endpoint()).await?;
        senders.push(tokio::spawn(async move { client.export(bulk::request(n, 1_000)).await }));
    }
    sink.heal();
    // What was there leaves although no mark can be written, and the agent answers meanwhile.
    eventually("what is in memory is delivered", PATIENCE, || async {
        let answered = tokio::time::timeout(Duration::from_secs(5), agent.health()).await;
        answered.ok()?.ok()?;
        (sink.counts().distinct_points >= 20).then_some(())
    })
    .await;
    let mut told = 0;
    for sender in senders {
        let refusal = sender.await?.expect_err("it is not on disk");
        assert_eq!(refusal.code(), Code::Internal, "{refusal}");
        assert!(refusal.message().contains("do not retry"), "{refusal}");
        told += 1;
    }
    disk.go_on()?;
    eventually("requests are taken again", PATIENCE, || async {
        traffic::client(&agent.endpoint()).await.ok()?.export(bulk::request(40, 100)).await.ok()
    })
    .await;
    delivered(&agent, 20 + told + 1).await?;
    let counts = sink.counts();
    assert_eq!((counts.distinct_points, counts.duplicate_points), (20 + told + 1, 0));
    // What was delivered while it hung is known to be.
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &config).await?;
    assert_eq!(agent.health().await?["storage"]["otlp"]["requests"], 0);
    assert_eq!(sink.counts().duplicate_points, 0);
    assert!(agent.terminate().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_read_only_for_a_while_is_read_and_what_is_delivered_meanwhile_is_not_sent_again()
-> Result<()> {
    if !inside(
        "slow_disks::a_disk_that_is_read_only_for_a_while_is_read_and_what_is_delivered_meanwhile_is_not_sent_again",
    )? {
        return Ok(());
    }
    lo_up()?;
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let disk = Disk::mount(&dir.path().join("queue"), 256 * MIB)?;
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }.text();
    let agent = Agent::start(dir.path(), &config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    // Several files of it, of which those in the middle are not open.
    for n in 0..60 {
        client.export(bulk::request(n, MIB)).await?;
    }
    disk.veil()?;
    let (mut taken, mut refusal) = (60, None);
    // There is room in the file that is open, and in the next one.
    for n in 60..200 {
        match client.export(bulk::request(n, MIB)).await {
            Ok(_) => taken += 1,
            Err(refused) if refused.code() == Code::Internal => {
                // It was admitted, and goes on from memory.
                assert!(refused.message().contains("do not retry"), "{refused}");
                taken += 1;
            }
            Err(refused) => {
                refusal = Some(refused);
                break;
            }
        }
    }
    let refusal = refusal.context("the files that were open are full")?;
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    assert!(refusal.message().contains("Read-only file system"), "{refusal}");
    assert_eq!(agent.health().await?["status"], "degraded");
    sink.heal();
    eventually("all are delivered from a disk that is read-only", PATIENCE, || async {
        (sink.counts().distinct_points == taken).then_some(())
    })
    .await;
    disk.unveil()?;
    let (agent, sent) = (&agent, AtomicU64::new(1_000));
    eventually("requests are taken again", PATIENCE, || async {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        traffic::client(&agent.endpoint()).await.ok()?.export(bulk::request(n, 100)).await.ok()
    })
    .await;
    delivered(agent, taken + 1).await?;
    let storage = agent.health().await?["storage"]["otlp"].clone();
    assert_eq!(storage["damaged_bytes"], 0, "{storage:#}");
    eventually("what is settled is gone", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["storage"]["otlp"]["disk_bytes"].as_u64()? <= 40 << 20).then_some(())
    })
    .await;
    assert_eq!(sink.counts().duplicate_points, 0);
    Ok(())
}
