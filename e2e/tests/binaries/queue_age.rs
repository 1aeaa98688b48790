//! The age of what waits on disk is bounded: past it points are dropped, counted and named, and what is younger is delivered.

use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::{bulk, eventually, traffic};
use simulator::sink::{Failure, Sink, When};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_dropped_and_counted_whether_it_waits_or_a_start_finds_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    sink.inject(
        Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) },
        When::Fraction(1.0),
    );
    let bounded = |age: &str| {
        Stored {
            sink: sink.endpoint(),
            dir: dir.path(),
            queue: "",
            phoenix: &format!("  max_queue_age: {age}\n"),
        }
        .text()
    };
    let agent = Agent::start(dir.path(), &bounded("1s")).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    // More than are in memory at once.
    for n in 0..30 {
        client.export(bulk::request(n, 1 << 20)).await?;
    }
    eventually("all are too old", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        // The account knows before the queue's thread does.
        let settled = health["points"]["owed"] == 0 && health["storage"]["otlp"]["requests"] == 0;
        (health["points"]["dropped"] == 30 && settled).then_some(())
    })
    .await;
    let storage = agent.health().await?["storage"]["otlp"].clone();
    assert_eq!(storage["expired_items"], 30, "{storage:#}");
    assert_eq!(agent.metric("phoenix_storage_expired_items", "otlp").await?, 30.0);
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    assert!(
        log.contains("longer than max_queue_age, which is 1s") && log.contains("exporter=\"otlp\""),
        "{log}"
    );

    // What a start finds is as old as it is.
    for n in 30..40 {
        client.export(bulk::request(n, 100)).await?;
    }
    agent.kill().await?;
    let queued = std::time::Instant::now();
    while queued.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sink.heal();
    let agent = Agent::start(dir.path(), &bounded("1s")).await?;
    eventually("the old ones are dropped", PATIENCE, || async {
        (agent.health().await.ok()?["points"]["dropped"] == 40).then_some(())
    })
    .await;
    let mut client = traffic::client(&agent.endpoint()).await?;
    client.export(bulk::request(40, 100)).await?;
    eventually("a young one is delivered", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (points["delivered"] == 1 && points["owed"] == 0).then_some(())
    })
    .await;
    assert_eq!(sink.counts().points, 1);

    // What is younger than the bound survives the same.
    sink.inject(
        Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) },
        When::Fraction(1.0),
    );
    assert!(agent.terminate().await?.success());
    let agent = Agent::start(dir.path(), &bounded("1h")).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for n in 50..60 {
        client.export(bulk::request(n, 100)).await?;
    }
    agent.kill().await?;
    sink.heal();
    let agent = Agent::start(dir.path(), &bounded("1h")).await?;
    eventually("all are delivered", PATIENCE, || async { (sink.counts().points == 11).then_some(()) }).await;
    assert_eq!(agent.health().await?["points"]["dropped"], 40);
    Ok(())
}
