//! State of stages over the ends of a process: a clean stop hands it on, anything else begins anew, and nothing is sent twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::counting::{Delta, Listener, counters};
use e2e::{eventually, traffic};

const PATIENCE: Duration = Duration::from_secs(60);
const SERIES: u64 = 50;

fn config(sink: &Listener, dir: &Path, processors: &str) -> String {
    let ids =
        processors.lines().filter_map(|line| line.trim().split(':').next()).collect::<Vec<_>>().join(", ");
    Stored { sink: sink.endpoint(), dir, queue: "", phoenix: "" }
        .text()
        .replace("service:", &format!("processors:\n{processors}\nservice:"))
        .replace(
            "receivers: [otlp], exporters",
            &format!("receivers: [otlp], processors: [{ids}], exporters"),
        )
}

const DELTAS: &str = "  cumulativetodelta: {}";

/// Sends scrapes of these numbers, in each of which every counter stands at ten times the number.
async fn scrape(agent: &Agent, numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
    let mut client = traffic::client(&agent.endpoint()).await?;
    for number in numbers {
        client.export(counters(SERIES, number, 10 * number)).await?;
    }
    Ok(())
}

/// Waits until nothing is owed.
async fn settled(agent: &Agent) {
    eventually("all is settled", PATIENCE, || async {
        let points = agent.health().await.ok()?["points"].clone();
        (points["owed"] == 0).then_some(())
    })
    .await;
}

/// Sums of the deltas by series.
fn sums(deltas: &[Delta]) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for delta in deltas {
        *sums.entry(delta.series.clone()).or_default() += delta.value;
    }
    sums
}

fn all_are(sums: &BTreeMap<String, i64>, expected: i64) {
    assert_eq!(sums.len() as u64, SERIES);
    assert!(sums.values().all(|sum| *sum == expected), "{expected}: {sums:?}");
}

/// The stretches that deltas of a series cover do not overlap.
fn no_overlap(deltas: &[Delta]) {
    let mut by_series: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for delta in deltas {
        by_series.entry(&delta.series).or_default().push((delta.start, delta.time));
    }
    for (series, mut stretches) in by_series {
        stretches.sort_unstable();
        assert!(stretches.windows(2).all(|two| two[0].1 <= two[1].0), "{series}: {stretches:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_hands_the_state_on_so_that_no_increment_is_lost_or_sent_twice() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let config = config(&sink, dir.path(), DELTAS);
    for start in [1, 11, 21] {
        let agent = Agent::start(dir.path(), &config).await?;
        scrape(&agent, start..=start + 9).await?;
        assert!(agent.terminate().await?.success());
    }
    let agent = Agent::start(dir.path(), &config).await?;
    settled(&agent).await;
    let deltas = sink.deltas();
    // From the first value to the last, over two ends of the process.
    all_are(&sums(&deltas), 10 * 30 - 10);
    assert_eq!(deltas.len() as u64, 29 * SERIES);
    no_overlap(&deltas);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_stages_begin_anew_and_the_increments_across_it_are_all_that_is_lost() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let config = config(&sink, dir.path(), DELTAS);
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 1..=10).await?;
    assert!(agent.terminate().await?.success());
    // This one goes on with the state, and sends what is not in it.
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 11..=20).await?;
    settled(&agent).await;
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 21..=30).await?;
    settled(&agent).await;
    let deltas = sink.deltas();
    // What the twenty-first counted more than the twentieth is in no delta.
    all_are(&sums(&deltas), (200 - 10) + (300 - 210));
    no_overlap(&deltas);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_older_than_what_was_sent_since_is_not_used() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let on_disk = config(&sink, dir.path(), DELTAS);
    let agent = Agent::start(dir.path(), &on_disk).await?;
    scrape(&agent, 1..=10).await?;
    assert!(agent.terminate().await?.success());
    // One without a queue on disk knows nothing of the state, and sends increments that are not in it.
    let in_memory = on_disk.replace("    sending_queue: { storage: file_storage }\n", "");
    let agent = Agent::start(dir.path(), &in_memory).await?;
    scrape(&agent, 11..=20).await?;
    assert!(agent.terminate().await?.success());
    let agent = Agent::start(dir.path(), &on_disk).await?;
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    assert!(log.contains("the state of its stages is not used") && log.contains("accepted since"), "{log}");
    scrape(&agent, 21..=30).await?;
    settled(&agent).await;
    let deltas = sink.deltas();
    all_are(&sums(&deltas), (100 - 10) + (200 - 110) + (300 - 210));
    no_overlap(&deltas);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_holds_leaves_at_a_clean_stop_and_the_state_behind_it_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let config = config(&sink, dir.path(), "  interval: { interval: 1h }\n  cumulativetodelta: {}");
    for start in [1, 11, 21] {
        let agent = Agent::start(dir.path(), &config).await?;
        scrape(&agent, start..=start + 9).await?;
        assert!(agent.terminate().await?.success());
    }
    let agent = Agent::start(dir.path(), &config).await?;
    settled(&agent).await;
    let deltas = sink.deltas();
    // The latest point of each process: the first tells where to count from.
    all_are(&sums(&deltas), 300 - 100);
    no_overlap(&deltas);
    // After a kill what is held leaves, the stage behind begins anew with it, and nothing is sent twice.
    scrape(&agent, 31..=40).await?;
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 41..=50).await?;
    assert!(agent.terminate().await?.success());
    let agent = Agent::start(dir.path(), &config).await?;
    settled(&agent).await;
    let deltas = sink.deltas();
    all_are(&sums(&deltas), (300 - 100) + (500 - 400));
    no_overlap(&deltas);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_and_ranks_go_on_after_a_clean_stop() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let config = config(&sink, dir.path(), "  rollup: {}");
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 1..=10).await?;
    assert!(agent.terminate().await?.success());
    let agent = Agent::start(dir.path(), &config).await?;
    scrape(&agent, 11..=20).await?;
    settled(&agent).await;
    let log = std::fs::read_to_string(dir.path().join("agent.log"))?;
    assert!(log.contains("go on with the state that the last process left"), "{log}");
    let totals = sink.deltas();
    let last = totals.iter().max_by_key(|total| total.time).expect("totals");
    // Each of the processes has counted 10 a scrape since the first, whatever process watched it.
    assert_eq!(last.value, (SERIES * 10 * 19) as i64, "{last:?}");
    assert!(totals.iter().all(|total| total.start == last.start), "one accumulation: {totals:?}");
    Ok(())
}
