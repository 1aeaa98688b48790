//! What a stage holds, on disk: senders are answered once it is there, a kill loses none of it, and a start has it leave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::counting::{Listener, counters};
use e2e::{eventually, traffic};
use opentelemetry_proto::tonic::common::v1::any_value::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const SERIES: u64 = 40;

fn config(sink: &Listener, dir: &Path, interval: &str, queue: &str) -> String {
    Stored { sink: sink.endpoint(), dir, queue, phoenix: "" }
        .text()
        .replace("service:", &format!("processors: {{ interval: {{ interval: {interval} }} }}\nservice:"))
        .replace("receivers: [otlp], exporters", "receivers: [otlp], processors: [interval], exporters")
}

/// Waits until nothing is owed.
async fn settled(agent: &Agent) -> Result<()> {
    eventually("all is settled", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (points["owed"] == 0).then_some(())
    })
    .await;
    let points = agent.health().await?["points"].clone();
    assert_eq!(points["queued"], points["delivered"], "{points:#}");
    Ok(())
}

async fn maybe_doubled(agent: &Agent) -> Result<u64> {
    Ok(agent.metric("phoenix_exporter_maybe_doubled_points_total", "").await? as u64)
}

/// The largest value that arrived of each series, and the points that arrived more than once.
fn arrived(sink: &Listener) -> (BTreeMap<String, i64>, u64) {
    let (mut largest, mut seen, mut doubled) = (BTreeMap::new(), BTreeSet::new(), 0);
    for point in sink.deltas() {
        doubled += u64::from(!seen.insert((point.series.clone(), point.time)));
        let value = largest.entry(point.series).or_insert(point.value);
        *value = point.value.max(*value);
    }
    (largest, doubled)
}

/// Kills: a few, or as many as `PHOENIX_TEST_KILLS` says.
fn kills() -> u64 {
    std::env::var("PHOENIX_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(6)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_that_a_stage_held_and_double_no_more_than_is_counted() -> Result<()>
{
    for interval in ["1h", "1s"] {
        let dir = tempfile::tempdir()?;
        let sink = Listener::bind().await?;
        let config = config(&sink, dir.path(), interval, "");
        let (number, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut doubtful = 0;
        for kill in 0..kills() {
            let agent = Agent::start(dir.path(), &config).await?;
            settled(&agent).await?;
            doubtful += maybe_doubled(&agent).await?;
            let wanted = acknowledged.load(Ordering::Relaxed) as i64;
            let (largest, _) = arrived(&sink);
            let late = largest.values().filter(|value| **value < wanted).count();
            assert!(
                kill == 0 || (largest.len() as u64, late) == (SERIES, 0),
                "{interval}: {wanted}, {largest:?}"
            );
            let health = agent.health().await?;
            assert_eq!(health.get("not_persisted"), None, "{health:#}");
            let (endpoint, number, last) = (agent.endpoint(), number.clone(), acknowledged.clone());
            let sender = tokio::spawn(async move {
                let Ok(mut client) = traffic::client(&endpoint).await else { return };
                loop {
                    let n = number.fetch_add(1, Ordering::Relaxed) + 1;
                    if client.export(counters(SERIES, n, n)).await.is_err() {
                        return;
                    }
                    last.store(n, Ordering::Relaxed);
                }
            });
            eventually("something is acknowledged", PATIENCE, || async {
                (acknowledged.load(Ordering::Relaxed) as i64 > wanted).then_some(())
            })
            .await;
            // Also in the midst of a flush, of which there is one a second.
            let moment = kill.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            tokio::time::sleep(Duration::from_millis(moment % 1_500)).await;
            agent.kill().await?;
            sender.await?;
        }
        let agent = Agent::start(dir.path(), &config).await?;
        settled(&agent).await?;
        doubtful += maybe_doubled(&agent).await?;
        let last = acknowledged.load(Ordering::Relaxed);
        let (largest, doubled) = arrived(&sink);
        assert_eq!(largest.len() as u64, SERIES);
        assert!(largest.values().all(|value| *value >= last as i64), "{interval}: {last}, {largest:?}");
        assert!(doubled <= doubtful, "{interval}: {doubled} doubled, {doubtful} counted");
        assert!(interval != "1h" || doubtful == 0, "{doubtful} counted, and no flush was under way");
        assert_eq!(agent.metric("phoenix_lost_held_points_total", "").await.unwrap_or_default(), 0.0);
        eprintln!(
            "{} kills, interval {interval}: {last} acknowledged, {doubled} doubled, {doubtful} counted",
            kills()
        );
        assert!(agent.terminate().await?.success());
    }
    Ok(())
}

/// Directory of what the stage holds.
fn held(dir: &Path) -> PathBuf {
    dir.join("queue/held_metrics")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_stop_nothing_is_played_and_after_a_kill_another_config_of_the_stage_takes_what_it_held()
-> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let text = config(&sink, dir.path(), "1h", "");
    let send = async |agent: &Agent, number| -> Result<()> {
        traffic::client(&agent.endpoint()).await?.export(counters(SERIES, number, number)).await?;
        Ok(())
    };
    let log = || std::fs::read_to_string(dir.path().join("agent.log"));
    let agent = Agent::start(dir.path(), &text).await?;
    assert!(log()?.contains("what it holds is on disk until it leaves"), "{}", log()?);
    send(&agent, 1).await?;
    assert!(agent.terminate().await?.success());
    let agent = Agent::start(dir.path(), &text).await?;
    settled(&agent).await?;
    assert!(!log()?.contains("leaves now"), "{}", log()?);
    assert_eq!(sink.deltas().len() as u64, SERIES);
    send(&agent, 2).await?;
    agent.kill().await?;
    // The stage has another config now, and then another name.
    let slower = config(&sink, dir.path(), "2h", "");
    let agent = Agent::start(dir.path(), &slower).await?;
    settled(&agent).await?;
    assert!(log()?.contains("config=\"another\""), "{}", log()?);
    send(&agent, 3).await?;
    agent.kill().await?;
    let renamed =
        slower.replace("{ interval: {", "{ interval/slow: {").replace("[interval]", "[interval/slow]");
    let agent = Agent::start(dir.path(), &renamed).await?;
    settled(&agent).await?;
    assert_eq!(agent.metric("phoenix_lost_held_points_total", "").await.unwrap_or_default(), 0.0);
    let values: Vec<i64> = sink.deltas().iter().map(|point| point.value).collect();
    assert_eq!(values, [[1; SERIES as usize], [2; SERIES as usize], [3; SERIES as usize]].concat());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_disk_of_it_stays_in_proportion_to_what_the_stage_holds() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let text = config(&sink, dir.path(), "1h", ", sizer: bytes, queue_size: 16777216");
    let agent = Agent::start(dir.path(), &text).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    let mut most = 0;
    for number in 1..=200 {
        // One series of a MiB.
        let mut request = counters(1, number, number);
        let resource = request.resource_metrics[0].resource.get_or_insert_default();
        if let Some(value) = &mut resource.attributes[0].value {
            value.value = Some(Value::StringValue("x".repeat(1 << 20)));
        }
        client.export(request).await?;
        let files = std::fs::read_dir(held(dir.path()))?.flatten();
        most = most.max(files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>());
    }
    assert!(most < 64 << 20, "{most} bytes for 1 MiB that is held");
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &text).await?;
    settled(&agent).await?;
    assert_eq!(sink.deltas().iter().map(|point| point.value).collect::<Vec<_>>(), [200]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_to_be_on_disk_is_not_played_by_a_later_start() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let on_disk = config(&sink, dir.path(), "1h", "");
    let agent = Agent::start(dir.path(), &on_disk).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    client.export(counters(SERIES, 1, 1)).await?;
    // The stage goes on holding its points, and senders are told no more than that theirs are accepted.
    let accepted = on_disk.replace("phoenix:\n", "phoenix:\n  acknowledge: { otlp: on_accept }\n");
    agent.reload(&accepted)?;
    eventually("it is in force", PATIENCE, || async {
        (agent.health().await.ok()?["acknowledge"] == "on_accept").then_some(())
    })
    .await;
    client.export(counters(SERIES, 2, 2)).await?;
    // And what is held by then is on disk again, with the next request.
    agent.reload(&on_disk)?;
    eventually("it is in force", PATIENCE, || async {
        (agent.health().await.ok()?["acknowledge"] == "on_persist").then_some(())
    })
    .await;
    client.export(counters(1, 3, 3)).await?;
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &on_disk).await?;
    settled(&agent).await?;
    let mut values: Vec<i64> = sink.deltas().iter().map(|point| point.value).collect();
    values.sort_unstable();
    let all = [vec![2; SERIES as usize - 1], vec![3]].concat();
    assert_eq!(values, all, "each series once, with its latest point");
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &on_disk).await?;
    settled(&agent).await?;
    assert_eq!(sink.deltas().len(), all.len());
    assert_eq!(maybe_doubled(&agent).await?, 0);
    Ok(())
}
