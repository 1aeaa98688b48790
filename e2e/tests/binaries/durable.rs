//! A queue on disk: nothing that was acknowledged is lost, whatever becomes of the process, and what may be doubled is counted.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::{Agent, refused};
use e2e::configs::{Experiment, MARKED, Stored};
use e2e::traffic::{self, Accepted};
use e2e::{bulk, eventually};
use simulator::sink::{Failure, Sink, SinkOptions, When};

const PATIENCE: Duration = Duration::from_secs(60);
/// A refusal of which the agent knows that nothing was taken.
const BUSY: Failure = Failure::ResourceExhausted { retry_after: Some(Duration::from_millis(50)) };

fn stored(sink: &Sink, dir: &Path) -> String {
    Stored { sink: sink.endpoint(), dir, queue: "", phoenix: "" }.text()
}

async fn sink() -> Result<Sink> {
    let options = SinkOptions { max_recorded: 2_000_000, ..SinkOptions::default() };
    Ok(Sink::bind_with("127.0.0.1:0".parse()?, options).await?)
}

/// Sends until `enough` requests are acknowledged, or the agent is gone. Returns what was acknowledged.
async fn send(agent: &Agent, host: u64, enough: u64) -> Result<Accepted> {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn(traffic::flood(agent.endpoint(), host, stop.clone(), count.clone()));
    eventually("acknowledged requests", PATIENCE, || async {
        (count.load(Ordering::Relaxed) >= enough).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    sender.await?
}

/// Waits until nothing is on disk, and checks that the account balances and says that nothing was lost.
async fn drained(agent: &Agent) -> Result<()> {
    eventually("an empty queue", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["storage"]["otlp"]["requests"] == 0 && health["points"]["owed"] == 0).then_some(())
    })
    .await;
    let points = agent.health().await?["points"].clone();
    for nothing in ["lost_to_crashes", "lost_to_shutdowns", "dropped", "rejected", "owed_on_disk"] {
        assert_eq!(points[nothing], 0, "{points:#}");
    }
    assert_eq!(points["queued"], points["delivered"], "{points:#}");
    Ok(())
}

/// Each of these points has arrived, as it was sent or with the candidate's mark.
fn arrived(sink: &Sink, accepted: &Accepted) {
    let there: std::collections::HashSet<_> = sink.recorded().into_iter().map(|point| point.key).collect();
    let missing = accepted.iter().filter(|(key, sent)| !there.contains(key) && !there.contains(&sent.marked));
    assert_eq!(missing.count(), 0, "of {}", accepted.len());
}

async fn maybe_doubled(agent: &Agent) -> Result<u64> {
    Ok(agent.metric("phoenix_exporter_maybe_doubled_points_total", "").await? as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_agent_acknowledged_is_delivered_once_by_the_next() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
    assert_eq!(agent.health().await?["acknowledge"], "on_persist");
    let accepted = send(&agent, 1, 60).await?;
    agent.kill().await?;
    assert_eq!(sink.counts().points, 0);
    sink.heal();
    let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
    drained(&agent).await?;
    arrived(&sink, &accepted);
    let counts = sink.counts();
    // Of an attempt under way at the kill nobody knows how it would have ended.
    assert!(counts.duplicate_points == 0 && counts.points == accepted.len() as u64, "{counts:?}");
    assert!(maybe_doubled(&agent).await? < accepted.len() as u64, "those that never were on their way");
    assert_eq!(agent.metric("phoenix_points_lost_total", "crash").await?, 0.0);
    assert!(agent.terminate().await?.success());
    Ok(())
}

/// Kills: a few, or as many as `PHOENIX_TEST_KILLS` says.
fn kills() -> u64 {
    std::env::var("PHOENIX_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(5)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_acknowledged_and_double_no_more_than_is_counted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind_with(
        "127.0.0.1:0".parse()?,
        SinkOptions { max_recorded: 20_000_000, ..SinkOptions::default() },
    )
    .await?;
    let config = stored(&sink, dir.path());
    let (mut accepted, mut doubtful) = (Accepted::new(), 0);
    for kill in 0..kills() {
        let agent = Agent::start(dir.path(), &config).await?;
        // What the process before left is handed out, and what may be doubled of it is counted.
        drained(&agent).await?;
        doubtful += maybe_doubled(&agent).await?;
        let mut senders = Vec::new();
        for host in 0..3 {
            let endpoint = agent.endpoint();
            senders.push(tokio::spawn(traffic::until_gone(endpoint, 1 + 3 * kill + host)));
        }
        // From nothing on disk to a queue that a slow destination has let grow.
        let moment = kill.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        if kill % 2 == 1 {
            sink.inject(Failure::Delay(Duration::from_millis(20)), When::Fraction(0.5));
        }
        tokio::time::sleep(Duration::from_millis(200 + moment % 300)).await;
        agent.kill().await?;
        for sender in senders {
            accepted.extend(sender.await??);
        }
        sink.heal();
    }
    let agent = Agent::start(dir.path(), &config).await?;
    drained(&agent).await?;
    doubtful += maybe_doubled(&agent).await?;
    arrived(&sink, &accepted);
    let counts = sink.counts();
    assert!(counts.exact && counts.duplicate_points <= doubtful, "{doubtful} counted, {counts:?}");
    assert!(doubtful < counts.points / 2, "{doubtful} of {}", counts.points);
    eprintln!(
        "{} kills: {} points acknowledged, all delivered; {} doubled, {doubtful} counted",
        kills(),
        accepted.len(),
        counts.duplicate_points
    );
    assert!(agent.terminate().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_stopped_while_its_destination_stalls_leaves_the_rest_on_disk() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(Failure::Stall, When::Fraction(1.0));
    let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
    let accepted = send(&agent, 1, 40).await?;
    assert!(agent.terminate().await?.success());
    sink.heal();
    let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
    drained(&agent).await?;
    arrived(&sink, &accepted);
    assert_eq!((sink.counts().points, sink.counts().duplicate_points), (accepted.len() as u64, 0));
    assert_eq!(agent.health().await?["points"]["queued"], accepted.len());
    assert!(maybe_doubled(&agent).await? > 0, "the destination may have had what it did not answer");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_leaves_nothing_that_was_delivered_to_be_sent_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    let mut accepted = Accepted::new();
    for round in 0..5 {
        let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
        accepted.extend(send(&agent, 1 + round, 30).await?);
        // One of them fails while it ends, so that it leaves the rest.
        if round % 2 == 1 {
            sink.inject(BUSY, When::Next(1));
        }
        assert!(agent.terminate().await?.success());
        sink.heal();
    }
    let agent = Agent::start(dir.path(), &stored(&sink, dir.path())).await?;
    drained(&agent).await?;
    arrived(&sink, &accepted);
    assert_eq!((sink.counts().points, sink.counts().duplicate_points), (accepted.len() as u64, 0));
    assert_eq!(maybe_doubled(&agent).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_holds_is_named_where_it_is_on_no_disk_and_a_kill_loses_that_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(BUSY, When::Fraction(1.0));
    // Of two stages that hold points, nothing is on disk.
    let config = stored(&sink, dir.path())
        .replace(
            "service:",
            "processors: { interval: { interval: 1h }, interval/2: { interval: 30m } }\nservice:",
        )
        .replace(
            "receivers: [otlp], exporters",
            "receivers: [otlp], processors: [interval, interval/2], exporters",
        );
    let send = async |agent: &Agent, numbers: std::ops::Range<u64>| -> Result<()> {
        let mut client = traffic::client(&agent.endpoint()).await?;
        for n in numbers {
            client.export(bulk::request(n, 10)).await?;
        }
        Ok(())
    };
    let agent = Agent::start(dir.path(), &config).await?;
    let said = agent.health().await?["not_persisted"][0].as_str().map(str::to_owned);
    assert_eq!(
        said.as_deref(),
        Some(
            "interval, interval/2 of the baseline holds points for up to 1h 30m; a crash loses what it holds"
        )
    );
    send(&agent, 0..10).await?;
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &config).await?;
    assert_eq!(agent.health().await?["points"]["owed"], 0, "what it held had not left it");
    send(&agent, 10..30).await?;
    assert!(agent.terminate().await?.success());
    assert_eq!(sink.counts().points, 0);
    sink.heal();
    let agent = Agent::start(dir.path(), &config).await?;
    drained(&agent).await?;
    let counts = sink.counts();
    assert_eq!((counts.points, counts.duplicate_points), (20, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_an_exporter_that_is_taken_away_is_named_and_waits_for_one_of_its_name() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let config = stored(&sink, dir.path());
    let agent = Agent::start(dir.path(), &config).await?;
    let accepted = send(&agent, 1, 10).await?;
    agent.kill().await?;
    let renamed = config.replace("  otlp:\n    endpoint", "  otlp/other:\n    endpoint");
    let renamed = renamed.replace("exporters: [otlp]", "exporters: [otlp/other]");
    let agent = Agent::start(dir.path(), &renamed).await?;
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    let named =
        log.lines().filter(|line| line.contains("has no exporter") && line.contains("queue/phoenix_otlp"));
    assert_eq!(named.count(), 1, "{log}");
    assert!(agent.terminate().await?.success());
    sink.heal();
    let agent = Agent::start(dir.path(), &config).await?;
    eventually("delivered", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (points["owed"] == 0 && points["delivered"] == accepted.len() as u64).then_some(())
    })
    .await;
    arrived(&sink, &accepted);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_on_the_same_queue_is_refused_and_a_directory_must_be_there() -> Result<()> {
    let (dir, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let sink = sink().await?;
    let config = stored(&sink, dir.path());
    let _first = Agent::start(dir.path(), &config).await?;
    let second =
        config.replace(&format!("{}/data", dir.path().display()), &other.path().display().to_string());
    let (code, said) = refused(other.path(), &second).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("exporter otlp") && said.contains("another agent keeps its queue there"), "{said}");
    let (code, said) =
        refused(other.path(), &stored(&sink, other.path()).replace(", create_directory: true", "")).await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("create_directory: true"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_on_disk_may_be_larger_than_the_memory_of_the_agent() -> Result<()> {
    const REQUESTS: u64 = 200;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(BUSY, When::Fraction(1.0));
    let config =
        Stored { sink: sink.endpoint(), dir: dir.path(), queue: "", phoenix: "  memory_limit: 32MiB\n" };
    let agent = Agent::start(dir.path(), &config.text()).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for n in 0..REQUESTS {
        client.export(bulk::request(n, 1 << 20)).await?;
    }
    let queued = agent.health().await?["storage"]["otlp"].clone();
    assert!(queued["disk_bytes"].as_u64() > Some(REQUESTS << 20), "{queued:#}");
    let resident = || agent.metric("otelcol_process_memory_rss", "");
    assert!(resident().await? < f64::from(100 << 20), "{}", resident().await?);
    sink.heal();
    drained(&agent).await?;
    assert!(resident().await? < f64::from(100 << 20), "{}", resident().await?);
    assert_eq!((sink.counts().distinct_points, sink.counts().duplicate_points), (REQUESTS, 0));
    eventually("settled files are gone", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["storage"]["otlp"]["disk_bytes"].as_u64()? <= 32 << 20).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_shares_of_a_split_and_the_baseline_beside_a_mirror_survive_a_kill() -> Result<()> {
    for weight in ["40%", "0%"] {
        let dir = tempfile::tempdir()?;
        let sink = sink().await?;
        sink.inject(BUSY, When::Fraction(1.0));
        let (data_dir, candidate) = (dir.path().join("data"), &[MARKED]);
        let experiment = Experiment {
            sink: sink.endpoint(),
            data_dir: &data_dir,
            baseline: &[],
            candidate,
            weight,
            unit: "process",
        };
        let storage = format!(
            "file_storage: {{ directory: '{}', create_directory: true }}",
            dir.path().join("queue").display()
        );
        let config = experiment
            .text()
            .replace(
                "    retry_on_failure:",
                "    sending_queue: { storage: file_storage }\n    retry_on_failure:",
            )
            .replace("extensions: { health_check:", &format!("extensions: {{ {storage}, health_check:"))
            .replace("[health_check]", "[health_check, file_storage]");
        let agent = Agent::start(dir.path(), &config).await?;
        let accepted = send(&agent, 1, 40).await?;
        agent.kill().await?;
        sink.heal();
        let agent = Agent::start(dir.path(), &config).await?;
        drained(&agent).await?;
        arrived(&sink, &accepted);
        let counts = sink.counts();
        assert_eq!((counts.points, counts.duplicate_points), (accepted.len() as u64, 0), "{weight}");
        let by_candidate = counts.points_of("candidate");
        assert_eq!(by_candidate > 0, weight == "40%", "{weight}: {by_candidate} by the candidate");
    }
    Ok(())
}
