//! What stages held on disk when an agent was killed, and that the next config has no place for: it leaves all the same, or stays
//! and is told of, until somebody says what is to become of it.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::counting::{Listener, counters};
use e2e::{eventually, traffic};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const SERIES: u64 = 40;

/// A config with these processors, each with its config, in a pipeline of this name.
fn config(sink: &Listener, dir: &Path, pipeline: &str, processors: &[&str], phoenix: &str) -> String {
    let ids: Vec<&str> = processors.iter().filter_map(|line| line.split(": ").next()).collect();
    let defined = if processors.is_empty() {
        String::new()
    } else {
        format!("processors: {{ {} }}\n", processors.join(", "))
    };
    Stored { sink: sink.endpoint(), dir, queue: "", phoenix }
        .text()
        .replace("service:", &format!("{defined}service:"))
        .replace("    metrics: {", &format!("    {pipeline}: {{"))
        .replace(
            "receivers: [otlp], exporters",
            &format!("receivers: [otlp], processors: [{}], exporters", ids.join(", ")),
        )
}

const NO_STORAGE: &str = "no queue on disk";

/// The same config without a queue on disk.
fn without_storage(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("file_storage: {"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.replace("storage: file_storage", "").replace("[health_check, file_storage]", "[health_check]")
}

const HOLDS: &str = "interval: { interval: 1h }";

async fn send(agent: &Agent, numbers: std::ops::RangeInclusive<u64>) -> Result<()> {
    let mut client = traffic::client(&agent.endpoint()).await?;
    for number in numbers {
        client.export(counters(SERIES, number, number)).await?;
    }
    Ok(())
}

/// Waits until so many points are delivered and nothing is owed; the account then.
async fn delivered(agent: &Agent, points: u64) -> Result<Value> {
    eventually("all is delivered", PATIENCE, || async {
        let account = agent.health().await.ok()?["points"].clone();
        (account["owed"] == 0 && account["delivered"] == points).then_some(())
    })
    .await;
    Ok(agent.health().await?["points"].clone())
}

async fn maybe_doubled(agent: &Agent) -> Result<u64> {
    Ok(agent.metric("phoenix_exporter_maybe_doubled_points_total", "").await? as u64)
}

/// Values that arrived, in their order by size.
fn values(sink: &Listener) -> Vec<i64> {
    let mut values: Vec<i64> = sink.deltas().iter().map(|point| point.value).collect();
    values.sort_unstable();
    values
}

/// An agent that held two scrapes on disk when it was killed.
async fn killed(dir: &Path, sink: &Listener) -> Result<()> {
    let agent = Agent::start(dir, &config(sink, dir, "metrics", &[HOLDS], "")).await?;
    send(&agent, 1..=2).await?;
    assert!(sink.deltas().is_empty());
    agent.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_held_leaves_whatever_became_of_the_stage_its_pipeline_and_the_answers() -> Result<()> {
    let both = |one, other| [vec![one; SERIES as usize], vec![other; SERIES as usize]].concat();
    let accept = "  acknowledge: { otlp: on_accept }\n";
    type Next<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, Vec<i64>);
    let nexts: [Next<'_>; 7] = [
        ("no stage", "metrics", &[], "", both(1, 2)),
        (
            "another stage",
            "metrics",
            &["filter: { metrics: { datapoint: ['value_int == 1'] } }"],
            "",
            both(2, 2)[..SERIES as usize].to_vec(),
        ),
        ("two that hold", "metrics", &[HOLDS, "interval/2: { interval: 2h }"], "", vec![2; SERIES as usize]),
        ("on_accept", "metrics", &[HOLDS], accept, vec![2; SERIES as usize]),
        ("renamed", "metrics/new", &[HOLDS], "", vec![2; SERIES as usize]),
        ("renamed, no stage", "metrics/new", &[], "", both(1, 2)),
        (NO_STORAGE, "metrics", &[HOLDS], "", vec![2; SERIES as usize]),
    ];
    for (what, pipeline, processors, phoenix, expected) in nexts {
        let dir = tempfile::tempdir()?;
        let sink = Listener::bind().await?;
        killed(dir.path(), &sink).await?;
        let text = config(&sink, dir.path(), pipeline, processors, phoenix);
        let text = if what == NO_STORAGE { without_storage(&text) } else { text };
        let agent = Agent::start(dir.path(), &text).await?;
        let account = delivered(&agent, expected.len() as u64).await.context(what)?;
        assert_eq!(values(&sink), expected, "{what}");
        assert_eq!(account["queued"], account["delivered"], "{what}: {account:#}");
        let health = agent.health().await?;
        assert_eq!((&health["status"], health.get("held_left")), (&"ok".into(), None), "{what}: {health:#}");
        agent.kill().await?;
        // Once.
        let agent = Agent::start(dir.path(), &text).await?;
        send(&agent, 3..=3).await?;
        assert!(agent.terminate().await?.success());
        let left: Vec<i64> = values(&sink).into_iter().filter(|value| *value < 3).collect();
        assert_eq!(left, expected, "{what}: and not a second time");
        assert_eq!(values(&sink).len(), expected.len() + SERIES as usize, "{what}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stood_before_a_stage_that_is_gone_does_not_run_again_on_what_it_held() -> Result<()> {
    const TWICE: &str = "metricstransform: { transforms: [ { include: .*, match_type: regexp, action: update, operations: [ { \
        action: experimental_scale_value, experimental_scale: 2 } ] } ] }";
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    let agent = Agent::start(dir.path(), &config(&sink, dir.path(), "metrics", &[TWICE, HOLDS], "")).await?;
    send(&agent, 3..=3).await?;
    agent.kill().await?;
    let agent = Agent::start(dir.path(), &config(&sink, dir.path(), "metrics", &[TWICE], "")).await?;
    delivered(&agent, SERIES).await?;
    assert_eq!(values(&sink), vec![6; SERIES as usize], "twice what came, and not twice that");
    assert!(agent.terminate().await?.success());
    Ok(())
}

/// The same config with a second pipeline of metrics.
fn with_another(text: &str) -> String {
    text.replace(
        "  pipelines:\n",
        "  pipelines:\n    metrics/other: { receivers: [otlp/other], exporters: [otlp] }\n",
    )
    .replace("receivers:\n", "receivers:\n  otlp/other: { protocols: { grpc: { endpoint: 127.0.0.1:0 } } }\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_pipeline_is_meant_for_stays_and_is_told_until_one_is_or_somebody_drops_it() -> Result<()> {
    for drops in [false, true] {
        let dir = tempfile::tempdir()?;
        let sink = Listener::bind().await?;
        killed(dir.path(), &sink).await?;
        let alone = config(&sink, dir.path(), "metrics/new", &[], "");
        let agent = Agent::start(dir.path(), &with_another(&alone)).await?;
        let health = agent.health().await?;
        let left = &health["held_left"][0];
        assert_eq!(health["status"], "degraded", "{health:#}");
        assert_eq!(
            (&left["pipeline"], &left["stages"][0]),
            (&"metrics".into(), &"interval".into()),
            "{left:#}"
        );
        assert_eq!((&left["inputs"], &left["points"]), (&2.into(), &(2 * SERIES).into()), "{left:#}");
        assert!(left["since"].as_str().is_some_and(|since| since.starts_with("20")), "{left:#}");
        assert!(left["what_to_do"].as_str().is_some_and(|what| what.contains("/drop")), "{left:#}");
        let waiting = agent.metric("phoenix_held_left_points", "pipeline=\"metrics\"").await?;
        assert_eq!(waiting as u64, 2 * SERIES);
        let directory = PathBuf::from(left["directory"].as_str().context("a directory")?);
        // What comes meanwhile is delivered.
        send(&agent, 3..=3).await?;
        delivered(&agent, SERIES).await?;
        if drops {
            std::fs::write(directory.join("drop"), "")?;
            agent.reload(&with_another(&alone))?;
        } else {
            agent.reload(&alone)?;
        }
        eventually("nothing is left", PATIENCE, || async {
            agent.health().await.ok()?.get("held_left").is_none().then_some(())
        })
        .await;
        let rest = if drops { 0 } else { 2 * SERIES };
        let account = delivered(&agent, SERIES + rest).await?;
        assert_eq!(account["dropped"], 2 * SERIES - rest, "{account:#}");
        assert_eq!((agent.health().await?["status"].clone(), directory.exists()), ("ok".into(), !drops));
        assert_eq!(sink.deltas().len() as u64, SERIES + rest);
        assert_eq!(maybe_doubled(&agent).await.unwrap_or_default(), 0);
        assert!(agent.terminate().await?.success());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_of_it_is_in_the_account_and_health_names_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Listener::bind().await?;
    killed(dir.path(), &sink).await?;
    let held = dir.path().join("queue/held_metrics");
    let mut files = std::fs::read_dir(&held)?.flatten().map(|file| file.path());
    let path = files.find(|path| path.metadata().is_ok_and(|file| file.len() > 0)).context("a file")?;
    let mut file = std::fs::File::options().write(true).open(&path)?;
    // Near the end of the second input: its head can be read, and its request cannot.
    file.seek(SeekFrom::End(-40))?;
    file.write_all(&[0xA5; 8])?;
    let text = config(&sink, dir.path(), "metrics", &[HOLDS], "");
    let agent = Agent::start(dir.path(), &text).await?;
    let account = delivered(&agent, SERIES).await?;
    assert_eq!(values(&sink), vec![1; SERIES as usize]);
    assert_eq!(
        (&account["queued"], &account["lost_to_crashes"]),
        (&(2 * SERIES).into(), &SERIES.into()),
        "{account:#}"
    );
    let health = agent.health().await?;
    let said = health["held_damaged"]["metrics"].as_str().unwrap_or_default();
    assert!(said.contains(&format!("{SERIES} points")), "{health:#}");
    assert_eq!(health["status"], "degraded");
    assert!(agent.terminate().await?.success());
    // And it is counted once.
    let agent = Agent::start(dir.path(), &text).await?;
    assert_eq!(agent.health().await?["points"]["lost_to_crashes"], SERIES);
    assert_eq!(agent.health().await?["status"], "ok");
    Ok(())
}
