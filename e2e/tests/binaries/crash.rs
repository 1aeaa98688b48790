//! `kill -9`: the committed generation comes back, and what was acknowledged and not delivered is counted, what stages held in memory
//! included.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::{Experiment, MARKED};
use e2e::counting::{Listener, counters};
use e2e::{eventually, traffic};
use simulator::sink::{Failure, Sink, When};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_the_generation_is_the_same_and_the_loss_is_told_exactly() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let config = |weight| {
        let (sink, candidate) = (sink.endpoint(), &[MARKED]);
        Experiment { sink, data_dir: dir.path(), baseline: &[], candidate, weight, unit: "process" }.text()
    };
    let agent = Agent::start(dir.path(), &config("0%")).await?;
    let generation = agent.swap(&config("25%")).await?;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn(traffic::flood(agent.endpoint(), 1, stop.clone(), count.clone()));
    eventually("delivered points", Duration::from_secs(30), || async {
        (sink.counts().points > 10_000).then_some(())
    })
    .await;
    // From here on nothing is delivered any more, and nothing the sink saw stays unanswered.
    sink.inject(Failure::Unavailable, When::Fraction(1.0));
    let stalled = count.load(Ordering::Relaxed);
    eventually("acknowledged points in the queue", Duration::from_secs(30), || async {
        (count.load(Ordering::Relaxed) > stalled + 20).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged = sender.await??.len() as u64;
    agent.kill().await?;
    let lost = acknowledged - sink.counts().points;
    assert!(lost > 0, "the stall left something in the queue");

    sink.heal();
    let agent = Agent::start(dir.path(), &config("25%")).await?;
    assert_eq!(agent.generation().await?, generation, "the committed generation is what a restart runs");
    let told = agent.metric("phoenix_points_lost_total", "reason=\"crash\"").await?;
    assert_eq!(told as u64, lost, "acknowledged {acknowledged}, delivered {}", sink.counts().points);

    let before = sink.counts().points;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn(traffic::flood(agent.endpoint(), 2, stop.clone(), count.clone()));
    eventually("traffic after the restart", Duration::from_secs(30), || async {
        (count.load(Ordering::Relaxed) > 5).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let acknowledged = sender.await??.len() as u64;
    assert!(agent.terminate().await?.success());
    assert_eq!(sink.counts().points - before, acknowledged, "after the restart nothing is lost");
    Ok(())
}

const SERIES: u64 = 40;

/// Kills an agent that has taken two scrapes, and starts it again; what the next process says of the one before.
async fn killed(dir: &Path, config: &str, held: u64) -> Result<Agent> {
    let agent = Agent::start(dir, config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for number in 1..=2 {
        client.export(counters(SERIES, number, number)).await?;
    }
    eventually("the stage holds them", Duration::from_secs(30), || async {
        (agent.health().await.ok()?["points"]["held_in_memory"] == held).then_some(())
    })
    .await;
    agent.kill().await?;
    let agent = Agent::start(dir, config).await?;
    let health = agent.health().await?;
    let told = health["held_lost"].as_str().unwrap_or_default();
    let expected = format!("up to {held} points that interval of metrics");
    assert!(told.starts_with(&expected) && told.contains(" held in memory, since 20"), "{health:#}");
    assert_eq!(health["points"]["held_lost_to_crashes_at_most"], held, "{health:#}");
    assert_eq!(health["points"]["held_in_memory"], 0, "{health:#}");
    assert_eq!(agent.metric("phoenix_held_points_lost_at_most_total", "").await? as u64, held);
    Ok(agent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_start_says_what_stages_held_in_memory_and_nothing_of_it_after_a_clean_stop() -> Result<()> {
    let (dir, sink) = (tempfile::tempdir()?, Listener::bind().await?);
    let endpoint = sink.endpoint();
    let config = |baseline, candidate, weight| {
        let (sink, data_dir) = (endpoint.clone(), dir.path());
        Experiment { sink, data_dir, baseline, candidate, weight, unit: "process" }.text()
    };
    let holds: &[&str] = &["interval: { interval: 1h }"];
    let alone = config(holds, &[MARKED], "0%");
    let agent = killed(dir.path(), &alone, SERIES).await?;
    assert_eq!(sink.deltas().len(), 0, "so many are lost");
    // What has left is not lost any more.
    traffic::client(&agent.endpoint()).await?.export(counters(SERIES, 3, 3)).await?;
    assert!(agent.terminate().await?.success());
    assert_eq!(sink.deltas().len() as u64, SERIES);
    let agent = Agent::start(dir.path(), &alone).await?;
    let health = agent.health().await?;
    assert_eq!(
        (health.get("held_lost"), &health["points"]["held_lost_to_crashes_at_most"]),
        (None, &SERIES.into())
    );
    assert!(agent.terminate().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_candidate_holds_for_its_units_is_told_too() -> Result<()> {
    let (dir, sink) = (tempfile::tempdir()?, Listener::bind().await?);
    let candidate: &[&str] = &["interval: { interval: 1h }"];
    let (endpoint, data_dir) = (sink.endpoint(), dir.path());
    let config =
        Experiment { sink: endpoint, data_dir, baseline: &[], candidate, weight: "50%", unit: "process" };
    killed(dir.path(), &config.text().replace("weight: 50%", "weight: 50%, allow: [held]"), SERIES).await?;
    let left = sink.deltas().iter().filter(|point| point.value == 2).count() as u64;
    assert!(left > 0 && left < SERIES, "{left} left by the baseline, and the rest is lost");
    Ok(())
}
