//! One limit of memory: whatever comes, the process stays below it, senders are told to wait, and what was taken is delivered.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Stored;
use e2e::counting::counters;
use e2e::{bulk, eventually, traffic};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use simulator::profile::{Host, Profile, Role};
use simulator::sink::{Failure, Sink, SinkOptions, When};
use tonic::Code;
use tonic::codec::CompressionEncoding;

use crate::ALONE;

const PATIENCE: Duration = Duration::from_secs(120);
const MIB: usize = 1 << 20;

fn in_memory(sink: &Sink, dir: &Path, phoenix: &str) -> String {
    Stored { sink: sink.endpoint(), dir, queue: "", phoenix }
        .text()
        .replace("    sending_queue: { storage: file_storage }\n", "")
}

async fn sink() -> Result<Sink> {
    let options = SinkOptions { max_recorded: 0, ..SinkOptions::default() };
    Ok(Sink::bind_with("127.0.0.1:0".parse()?, options).await?)
}

async fn delivered(agent: &Agent) -> Result<u64> {
    eventually("all is delivered", PATIENCE, || async {
        (agent.health().await.ok()?["points"]["owed"] == 0).then_some(())
    })
    .await;
    let points = agent.health().await?["points"].clone();
    assert_eq!(points["queued"], points["delivered"], "{points:#}");
    Ok(points["delivered"].as_u64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_destination_fills_a_share_of_the_memory_and_senders_are_told_to_wait() -> Result<()> {
    let _alone = ALONE.write().await;
    const SENDERS: u64 = 50;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(Failure::Stall, When::Fraction(1.0));
    let config = in_memory(&sink, dir.path(), "").replace("timeout: 2s", "timeout: 10s");
    let agent = Agent::start(dir.path(), &config).await?;
    let (stop, taken, refused) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let mut client = traffic::client(&agent.endpoint()).await?;
        let (stop, taken, refused) = (stop.clone(), taken.clone(), refused.clone());
        senders.push(tokio::spawn(async move {
            let mut n = sender << 32;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                match client.export(bulk::request(n, 300_000)).await {
                    Ok(_) => taken.fetch_add(1, Ordering::Relaxed),
                    Err(refusal) => {
                        assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                };
            }
        }));
    }
    eventually("many are refused", PATIENCE, || async {
        (refused.load(Ordering::Relaxed) > 5_000).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await?;
    }
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken > 100, "{taken} of 300 kB are taken");
    let (peak, own) = (agent.peak_mib()?, agent.own_peak_mib()?);
    eprintln!("a stalled destination: {peak:.1} MiB at most, {own:.1} without its program, {taken} taken");
    // 100 MiB for all of a release, of which 9 are its program.
    assert!(own <= 91.0, "{own} of {peak} MiB");
    sink.heal();
    assert_eq!(delivered(&agent).await?, taken);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_bombs_at_once_are_refused_within_the_limit() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    let agent = Agent::start(dir.path(), &in_memory(&sink, dir.path(), "")).await?;
    let mut bombs = Vec::new();
    for n in 0..8 {
        let client = traffic::client(&agent.endpoint()).await?;
        let mut client =
            client.send_compressed(CompressionEncoding::Gzip).max_encoding_message_size(100 * MIB);
        bombs.push(tokio::spawn(async move { client.export(bulk::request(n, 63 * MIB)).await.is_ok() }));
    }
    let mut taken = 0;
    for bomb in bombs {
        taken += u64::from(bomb.await?);
    }
    let peak = agent.peak_mib()?;
    eprintln!("eight bombs: {peak:.1} MiB at most, {taken} taken");
    assert!(peak <= 128.0, "{peak} MiB");
    // It goes on as if nothing had been.
    traffic::client(&agent.endpoint()).await?.export(bulk::request(9, 100)).await?;
    assert_eq!(delivered(&agent).await?, taken + 1);
    Ok(())
}

/// Baseline and candidate with state, all compared.
const CANARY: &str = "processors:
  cumulativetodelta: {}
  resource/strip: { attributes: [ { key: process.command_line, action: delete } ] }
service:
  extensions: [health_check, file_storage]
  pipelines:
    metrics: { receivers: [otlp], processors: [cumulativetodelta], exporters: [otlp] }
    metrics/new: { receivers: [otlp], processors: [cumulativetodelta, resource/strip], exporters: [otlp] }
";

fn canary(sink: &Sink, dir: &Path) -> String {
    let text = in_memory(
        sink,
        dir,
        "  window: 1s\n  experiment: { baseline: metrics, candidate: metrics/new, unit: process, weight: 0% }\n",
    );
    let (before, after) = text.split_once("service:").unwrap_or_default();
    let after = after.split_once("phoenix:").unwrap_or_default().1;
    format!("{before}{CANARY}phoenix:{after}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_of_two_hundred_thousand_series_with_a_canary_stays_below_the_limit() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    let agent = Agent::start(dir.path(), &canary(&sink, dir.path())).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    let hosts = (0..96).map(|n| Host::new(Profile::Realistic, Role::Web, &format!("host-{n}"), 300, n));
    let mut hosts: Vec<Host> = hosts.collect();
    let (mut points, mut now) = (0, 1_767_225_600_000_000_000);
    for _ in 0..3 {
        now += 10_000_000_000;
        for host in &mut hosts {
            host.step(Duration::from_secs(10));
            let request = host.scrape(now);
            points += simulator::point_count(&request);
            while let Err(refusal) = client.export(request.clone()).await {
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    assert!(points > 3 * 190_000, "{points}");
    let peak = agent.peak_mib()?;
    eprintln!("200,000 series a scrape with a canary: {peak:.1} MiB at most");
    assert!(peak <= 128.0, "{peak} MiB");
    assert!(delivered(&agent).await? > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_new_series_a_second_stay_below_the_limit() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    let agent = Agent::start(dir.path(), &canary(&sink, dir.path())).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    // Half a minute of it, as fast as it is taken.
    for second in 0..30_u64 {
        for part in 0..10 {
            let request = newcomers(2_000, 10 * second + part);
            let began = std::time::Instant::now();
            while let Err(refusal) = client.export(request.clone()).await {
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
                assert!(
                    began.elapsed() < Duration::from_secs(60),
                    "what is kept beside shuts data out: {refusal}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    let peak = agent.peak_mib()?;
    eprintln!("600,000 new series: {peak:.1} MiB at most");
    assert!(peak <= 128.0, "{peak} MiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_keeps_much_costs_the_baselines_stages_none_of_their_series() -> Result<()> {
    let _alone = ALONE.write().await;
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    let text = canary(&sink, dir.path())
        .replace("phoenix:\n", "phoenix:\n  memory_limit: 96MiB\n  budget: { cpu: 100% }\n")
        .replace("processors:\n", "processors:\n  interval: { interval: 1h }\n")
        .replace("[cumulativetodelta, resource/strip]", "[interval]");
    let agent = Agent::start(dir.path(), &text).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    for scrape in 0..90 {
        client.export(newcomers(2_000, scrape % 60)).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let left_out = agent.metric("phoenix_left_out_batches_total", "").await?;
    let evicted = agent.metric("phoenix_evicted_series", "baseline").await?;
    let peak = agent.peak_mib()?;
    let kept = agent.metric("phoenix_kept_series", "baseline").await?;
    eprintln!(
        "a candidate that keeps much: {peak:.1} of 96 MiB at most, {left_out} batches left out, {evicted} of {kept} forgotten"
    );
    assert!(left_out > 0.0, "the candidate finds no room");
    assert!(evicted == 0.0 && kept == 120_000.0 && peak <= 96.0, "{evicted} forgotten, {peak} MiB");
    assert!(delivered(&agent).await? > 0);
    Ok(())
}

/// A scrape of `processes` processes that nobody has seen before.
fn newcomers(processes: u64, scrape: u64) -> ExportMetricsServiceRequest {
    let mut request = counters(processes, scrape, scrape);
    for resource in &mut request.resource_metrics {
        let attributes = &mut resource.resource.get_or_insert_default().attributes;
        let mut birth = attributes[0].clone();
        birth.key = "birth".into();
        birth.value = Some(AnyValue { value: Some(Value::StringValue(scrape.to_string())) });
        attributes.push(birth);
    }
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_series_than_there_is_memory_for_are_forgotten_or_not_taken_and_the_stage_is_named() -> Result<()>
{
    let _alone = ALONE.write().await;
    for (stage, config, limit, scrapes) in [
        ("interval", "interval: { interval: 1h }", 128, 200),
        ("cumulativetodelta", "cumulativetodelta: {}", 64, 600),
        ("rollup", "rollup: {}", 48, 200),
    ] {
        let group = Group::make(limit * MIB);
        let dir = tempfile::tempdir()?;
        let sink = sink().await?;
        let text = in_memory(&sink, dir.path(), &format!("  memory_limit: {limit}MiB\n"))
            .replace("service:", &format!("processors: {{ {config} }}\nservice:"))
            .replace(
                "receivers: [otlp], exporters",
                &format!("receivers: [otlp], processors: [{stage}], exporters"),
            );
        let enter = group.as_ref().map(Group::enter).unwrap_or_default();
        let agent = Agent::start_as(dir.path(), &text, &enter, "a-host").await?;
        let mut client = traffic::client(&agent.endpoint()).await?;
        // Up to 1.2 million series, as fast as they are taken.
        for scrape in 0..scrapes {
            let request = newcomers(2_000, scrape);
            while let Err(refusal) = client.export(request.clone()).await {
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        eventually("the stage is named", PATIENCE, || async {
            let log = std::fs::read_to_string(dir.path().join("agent.log")).ok()?;
            log.lines()
                .find(|line| line.contains("no room for more series") && line.contains(stage))
                .map(drop)
        })
        .await;
        let evicted = agent.metric("phoenix_evicted_series", "baseline").await?;
        delivered(&agent).await?;
        let peak = agent.peak_mib()?;
        let series = scrapes * 2_000;
        eprintln!("{series} series through {stage}: {peak:.1} of {limit} MiB at most, {evicted} forgotten");
        assert!(peak <= limit as f64 && evicted > 0.0, "{stage}: {peak} MiB, {evicted} forgotten");
        assert!(agent.terminate().await?.success(), "{stage}");
        drop(group);
    }
    Ok(())
}

/// A control group of memory of this test's own; nothing where this user may make none. Set `PHOENIX_TEST_CGROUP` to let that be a failure.
struct Group(PathBuf);

impl Group {
    fn make(bytes: usize) -> Option<Self> {
        let name = format!("phoenix-test-{}", std::process::id());
        let first = Path::new("/sys/fs/cgroup/memory").join(&name);
        let second = Path::new("/sys/fs/cgroup").join(&name);
        let made = [(first, "memory.limit_in_bytes"), (second, "memory.max")].into_iter().find_map(
            |(group, file)| {
                std::fs::create_dir(&group).ok()?;
                let group = Self(group);
                std::fs::write(group.0.join(file), bytes.to_string()).ok()?;
                Some(group)
            },
        );
        let must = std::env::var_os("PHOENIX_TEST_CGROUP").is_some();
        assert!(made.is_some() || !must, "no control group of memory can be made");
        made
    }

    /// Words before the command line of what is to run in it.
    fn enter(&self) -> Vec<String> {
        let enter = format!("echo $$ > '{}/cgroup.procs' && exec \"$0\" \"$@\"", self.0.display());
        ["sh", "-c", &enter].map(str::to_owned).to_vec()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _it_is_empty_by_now = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_control_group_of_64_mib_it_takes_what_it_has_room_for_and_is_not_killed() -> Result<()> {
    let _alone = ALONE.write().await;
    let Some(group) = Group::make(64 * MIB) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let sink = sink().await?;
    sink.inject(Failure::Stall, When::Fraction(1.0));
    let config = in_memory(&sink, dir.path(), "").replace("timeout: 2s", "timeout: 10s");
    let agent = Agent::start_as(dir.path(), &config, &group.enter(), "a-host").await?;
    let limit = agent.metric("phoenix_budget_limit_bytes", "").await?;
    assert_eq!(limit, (24 * MIB) as f64, "half of three quarters");
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(traffic::client(&agent.endpoint()).await?);
    }
    let (mut taken, mut refused) = (0, 0);
    for n in 0..2_000_u64 {
        let client = &mut clients[n as usize % 20];
        match client.export(bulk::request(n, 300_000)).await {
            Ok(_) => taken += 1,
            Err(refusal) => {
                assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
                refused += 1;
            }
        }
    }
    assert!(taken > 40 && refused > 1_000, "{taken} taken, {refused} refused");
    let peak = agent.peak_mib()?;
    eprintln!("in 64 MiB: {peak:.1} MiB at most, {taken} taken");
    assert!(peak <= 48.0, "{peak} MiB");
    sink.heal();
    assert_eq!(delivered(&agent).await?, taken);
    // Nothing may be in the group when it goes.
    agent.kill().await?;
    drop(group);
    Ok(())
}
