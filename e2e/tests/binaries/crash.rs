//! `kill -9`: the committed generation comes back, and what was acknowledged and not delivered is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::{Experiment, MARKED};
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
