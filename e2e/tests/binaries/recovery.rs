//! A destination that comes back gets all that waits at once, however long each of those that failed would have waited.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::{bulk, eventually, traffic};
use simulator::sink::{Failure, Sink, When};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_one_attempt_succeeds_all_that_rest_go_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    sink.inject(Failure::Unavailable, When::Fraction(1.0));
    // After its second failure a payload waits for an hour.
    let retry = "{ initial_interval: 300ms, multiplier: 100, max_interval: 1h, max_elapsed_time: 0, randomization_factor: 0 }";
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }
        .text()
        .replace("    sending_queue: { storage: file_storage }\n", "")
        .replace("{ initial_interval: 50ms, max_interval: 200ms }", retry);
    let agent = Agent::start(dir.path(), &config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for n in 0..200 {
        client.export(bulk::request(n, 20_000)).await?;
    }
    // Each of ten consumers has failed twice, and one goes on trying.
    eventually("all consumers have failed often", PATIENCE, || async {
        (sink.counts().failed_requests > 25).then_some(())
    })
    .await;
    sink.heal();
    let healed = Instant::now();
    eventually("all is delivered", PATIENCE, || async {
        (agent.health().await.ok()?["points"]["owed"] == 0).then_some(())
    })
    .await;
    eprintln!("all is delivered {:?} after the destination was back", healed.elapsed());
    assert_eq!((sink.counts().points, sink.counts().duplicate_points), (200, 0));
    let points = agent.health().await?["points"].clone();
    assert_eq!(points["delivered"], 200, "{points:#}");
    // Of many attempts that failed the log has one, and that they do no more.
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    for line in ["a request was not taken and is tried again", "requests are taken again"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    Ok(())
}
