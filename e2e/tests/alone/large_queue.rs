//! A start with a large queue on disk: it serves at once, and has read little of what is there.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::{bulk, eventually, traffic};
use simulator::sink::{Failure, Sink, SinkOptions, When};

use crate::ALONE;

const PATIENCE: Duration = Duration::from_secs(300);
const BUSY: Failure = Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) };

/// MiB of the queue: some, or as many as `PHOENIX_TEST_QUEUE_MIB` says.
fn mib() -> u64 {
    std::env::var("PHOENIX_TEST_QUEUE_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(256)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_reads_the_frames_of_a_large_queue_and_not_its_bytes() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let options = SinkOptions { max_recorded: 0, ..SinkOptions::default() };
    let sink = Sink::bind_with("127.0.0.1:0".parse()?, options).await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let config =
        Stored { sink: sink.endpoint(), dir: dir.path(), queue: ", queue_size: 1000000", phoenix: "" }.text();
    let agent = Agent::start(dir.path(), &config).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    // Four of a quarter of a MiB each, and as many small ones.
    for n in 0..4 * mib() {
        client.export(bulk::request(2 * n, 256 << 10)).await?;
        client.export(bulk::request(2 * n + 1, 10)).await?;
    }
    agent.kill().await?;
    let began = Instant::now();
    let agent = Agent::start(dir.path(), &config).await?;
    let (ready, read) = (began.elapsed(), agent.bytes_read()?);
    let storage = agent.health().await?["storage"]["otlp"].clone();
    assert_eq!((&storage["requests"], &storage["items"]), (&(8 * mib()).into(), &(8 * mib()).into()));
    eprintln!(
        "{} MiB: ready after {ready:?}, {} kB read, {:.1} MiB at most",
        mib(),
        read / 1_000,
        agent.peak_mib()?
    );
    // What is handed out first is read as well.
    assert!(read < (mib() << 20) / 8 + (16 << 20), "{read} bytes");
    sink.heal();
    eventually("all is delivered", PATIENCE, || async {
        (agent.health().await.ok()?["points"]["owed"] == 0).then_some(())
    })
    .await;
    let counts = sink.counts();
    assert_eq!(counts.distinct_points, 8 * mib());
    let points = agent.health().await?["points"].clone();
    assert_eq!((&points["queued"], &points["delivered"]), (&(8 * mib()).into(), &(8 * mib()).into()));
    assert!(agent.own_peak_mib()? <= 91.0, "{} MiB", agent.own_peak_mib()?);
    Ok(())
}
