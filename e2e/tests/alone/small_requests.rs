//! Many senders of tiny requests: none is refused, and each point arrives once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::{bulk, eventually, traffic};
use simulator::sink::{Failure, Sink, SinkOptions, When};

use crate::ALONE;

const PATIENCE: Duration = Duration::from_secs(120);
const REQUESTS: u64 = 100_000;
const CONNECTIONS: u64 = 8;
const IN_FLIGHT: u64 = 8;

/// Sends all of them, each once, and returns how many were refused.
async fn send(agent: &Agent, requests: u64) -> Result<u64> {
    let (next, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = traffic::client(&agent.endpoint()).await?;
        for _ in 0..IN_FLIGHT {
            let (mut client, next, refused) = (client.clone(), next.clone(), refused.clone());
            senders.push(tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= requests {
                        return;
                    }
                    if client.export(bulk::request(n, 1)).await.is_err() {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
    }
    for sender in senders {
        sender.await?;
    }
    Ok(refused.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tiny_requests_are_taken_and_each_point_arrives_once() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let options = SinkOptions { max_recorded: 0, ..SinkOptions::default() };
    let sink = Sink::bind_with("127.0.0.1:0".parse()?, options).await?;
    // So far away that a request a round trip and consumer would be 1,000 a second.
    sink.inject(Failure::Delay(Duration::from_millis(10)), When::Fraction(1.0));
    let config = Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "" }
        .text()
        .replace("    sending_queue: { storage: file_storage }\n", "");
    let agent = Agent::start(dir.path(), &config).await?;
    assert_eq!(agent.health().await?["acknowledge"], "on_accept");
    assert_eq!(send(&agent, REQUESTS).await?, 0, "refused");
    // The last answers are on their way when the last point has come.
    let points = eventually("all are settled", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (sink.counts().points >= REQUESTS && points["owed"] == 0).then_some(points)
    })
    .await;
    assert_eq!((&points["delivered"], &points["owed"]), (&REQUESTS.into(), &0.into()), "{points:#}");
    let counts = sink.counts();
    assert_eq!((counts.distinct_points, counts.duplicate_points), (REQUESTS, 0));
    assert!(counts.requests < REQUESTS / 2, "{} requests", counts.requests);
    Ok(())
}
