//! Shadow: all that a candidate makes goes to a destination of its own, and what is delivered does not notice.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::{Experiment, MARKED};
use e2e::eventually;
use e2e::traffic::{self, Accepted};
use simulator::sink::{PointKey, Sink, SinkOptions};

/// A config whose candidate marks all it makes, with a shadow at `shadow`.
fn config(dir: &Path, sink: &Sink, shadow: &str, weight: &str) -> String {
    let (sink, candidate) = (sink.endpoint(), &[MARKED]);
    let text = Experiment { sink, data_dir: dir, baseline: &[], candidate, weight, unit: "process" }.text();
    let exporter = format!(
        "  otlp/shadow: {{ endpoint: '{shadow}', compression: none, tls: {{ insecure: true }},
                 retry_on_failure: {{ initial_interval: 50ms, max_interval: 200ms }} }}\nextensions:"
    );
    text.replacen("extensions:", &exporter, 1).replacen(
        &format!("weight: {weight}"),
        &format!("weight: {weight}, shadow: otlp/shadow"),
        1,
    )
}

async fn sink() -> Result<Sink> {
    let options = SinkOptions { max_recorded: usize::MAX, ..SinkOptions::default() };
    Ok(Sink::bind_with("127.0.0.1:0".parse()?, options).await?)
}

/// Sends until `requests` were accepted; all that was.
async fn send(agent: &Agent, requests: u64) -> Result<Accepted> {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn(traffic::flood(agent.endpoint(), 1, stop.clone(), count.clone()));
    eventually("traffic", Duration::from_secs(30), || async {
        (count.load(Ordering::Relaxed) >= requests).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    sender.await?
}

fn received(sink: &Sink) -> Vec<PointKey> {
    sink.recorded().into_iter().map(|point| point.key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_weight_a_shadow_gets_all_that_the_candidate_makes_and_the_rest_is_as_without_it() -> Result<()>
{
    for weight in ["0%", "25%", "100%"] {
        let dir = tempfile::tempdir()?;
        let (delivered, shadow) = (sink().await?, sink().await?);
        let agent =
            Agent::start(dir.path(), &config(dir.path(), &delivered, &shadow.endpoint(), weight)).await?;
        let accepted = send(&agent, 20).await?;
        eventually("all arrived", Duration::from_secs(30), || async {
            let all = accepted.len();
            (shadow.recorded().len() >= all && delivered.recorded().len() >= all).then_some(())
        })
        .await;
        let marked: HashSet<PointKey> = accepted.values().map(|sent| sent.marked).collect();
        let (shadowed, left) = (received(&shadow), received(&delivered));
        assert_eq!((shadowed.len(), left.len()), (accepted.len(), accepted.len()), "{weight}: each once");
        assert_eq!(shadowed.into_iter().collect::<HashSet<_>>(), marked, "{weight}");
        let by_candidate = left.iter().filter(|key| marked.contains(*key)).count();
        let expected = match weight {
            "0%" => 0,
            "100%" => accepted.len(),
            _ => by_candidate.clamp(1, accepted.len() - 1),
        };
        assert_eq!(by_candidate, expected, "{weight}");
        // A shadow's confirmations are no delivery: only what left by the candidate is confirmed, once its window closed.
        let confirmed = eventually("the delivery is known", Duration::from_secs(30), || async {
            let delivery = agent.report().await.ok()?.generation.candidate.delivery;
            (delivery.confirmed >= by_candidate as u64).then_some(delivery.confirmed)
        })
        .await;
        assert_eq!(confirmed, by_candidate as u64, "{weight}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_that_nobody_answers_delays_and_loses_nothing_of_what_is_delivered() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let delivered = sink().await?;
    // Accepts connections and never says a word.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", mute.local_addr()?);
    let text = config(dir.path(), &delivered, &address, "25%");
    let text =
        text.replace("compression: none, tls", "sending_queue: { queue_size: 3 }, compression: none, tls");
    let agent = Agent::start(dir.path(), &text).await?;
    let accepted = send(&agent, 60).await?;
    eventually("all arrived", Duration::from_secs(30), || async {
        (delivered.recorded().len() >= accepted.len()).then_some(())
    })
    .await;
    assert_eq!(received(&delivered).len(), accepted.len(), "nothing is lost or doubled");
    let dropped = agent.metric("phoenix_shadow_dropped_points_total", "").await?;
    assert!(dropped > 0.0, "what the shadow's queue has no room for is counted");
    let lost = agent.metric("phoenix_points_lost_total", "").await.unwrap_or(0.0);
    assert_eq!(lost, 0.0);
    Ok(())
}
