//! Attacks on the agent's listeners.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use bytes::Bytes;
use e2e::agent::Agent;
use e2e::attack::{Asked, Honest, Silent, Unread, Withheld};
use e2e::configs::{Experiment, MARKED};
use e2e::{eventually, http, traffic};
use simulator::profile::{Host, Profile, Role};
use simulator::sink::Sink;
use tempfile::TempDir;

use super::ENDED;

/// An agent that passes metrics through to a sink.
struct Target {
    agent: Agent,
    grpc: SocketAddr,
    _sink: Sink,
    _dir: TempDir,
}

async fn target() -> Result<Target> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let experiment = Experiment {
        sink: sink.endpoint(),
        data_dir: dir.path(),
        baseline: &[],
        candidate: &[MARKED],
        weight: "0%",
        unit: "process",
    };
    let agent = Agent::start(dir.path(), &experiment.text()).await?;
    let grpc = agent.listening.otlp_grpc.expect("a gRPC receiver");
    Ok(Target { agent, grpc, _sink: sink, _dir: dir })
}

/// Scrapes of a host over one connection, or each over one of its own.
async fn exports(target: &Target, times: usize, fresh: bool) -> Result<Honest> {
    let endpoint = target.agent.endpoint();
    let scrape = Host::new(Profile::Realistic, Role::Web, "honest", 20, 3).scrape(1_000_000_000);
    let kept = traffic::client(&endpoint).await;
    Ok(Honest::ask(times, || async {
        let mut client = match &kept {
            Ok(client) if !fresh => client.clone(),
            _ => traffic::client(&endpoint).await?,
        };
        client.export(scrape.clone()).await?;
        Ok(())
    })
    .await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_that_announce_64_mib_and_withhold_it_cost_nobody_anything() -> Result<()> {
    let target = target().await?;
    let attack = Withheld::begin(target.grpc, 1, 2, 64 << 20).await;
    let honest = exports(&target, 106, false).await?;
    eprintln!("2 requests that announce 64 MiB: {honest}");
    assert!(honest.is_served(), "{honest}");
    assert_eq!(attack.taken(), 1, "the attack stands");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_whose_bodies_are_withheld_hold_no_place_in_a_queue() -> Result<()> {
    let target = target().await?;
    let attack = Withheld::begin(target.grpc, 8, 125, 100).await;
    let honest = exports(&target, 108, false).await?;
    eprintln!("8 connections x 125 streams: {honest}");
    assert!(honest.is_served(), "{honest}");
    assert_eq!(attack.taken(), 8, "the attack stands");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eleven_hundred_connections_that_answer_pings_leave_room_for_others() -> Result<()> {
    let target = target().await?;
    let attack = Withheld::begin(target.grpc, 1_100, 0, 0).await;
    let honest = exports(&target, 100, true).await?;
    eprintln!("1,100 HTTP/2 connections, {} of them taken: {honest}", attack.taken());
    assert!(honest.is_served(), "{honest}");
    let refused = target.agent.metric("phoenix_refused_connections_total", r#"reason="peer""#).await?;
    assert!(refused >= 100.0, "{refused} are counted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_silent_connections_to_health_keep_no_probe_from_it() -> Result<()> {
    let target = target().await?;
    let health = target.agent.listening.health;
    let _attack = Silent::begin(health, 100, b"").await;
    let honest = Honest::ask(100, || async {
        let (status, body) = http::get(health, "/health").await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    })
    .await;
    eprintln!("100 silent connections to /health: {honest}");
    assert!(honest.is_served(), "{honest}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_hundred_answers_that_nobody_reads_are_given_up_and_keep_nobody_out() -> Result<()> {
    let target = target().await?;
    let to = target.grpc;
    // An export of nothing, whole.
    let export = || Asked {
        head: ::http::Request::post(format!(
            "http://{to}/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers"),
        body: Bytes::from_static(&[0; 5]),
        open: false,
    };
    let mut closed = Unread::begin(to, 0, 4, 100, export).await;
    // Room for one byte of five.
    let mut ajar = Unread::begin(to, 1, 4, 100, export).await;
    assert_eq!((closed.alive(), ajar.alive()), (4, 4), "the attack stands");
    let honest = exports(&target, 108, false).await?.and(exports(&target, 100, true).await?);
    eprintln!("8 connections x 100 answers that nobody reads: {honest}");
    assert!(honest.is_served(), "{honest}");
    eventually("they are ended", ENDED, || async {
        let ended =
            target.agent.metric("phoenix_refused_connections_total", r#"reason="unread""#).await.ok()?;
        (ended >= 8.0).then_some(())
    })
    .await;
    assert_eq!((closed.alive(), ajar.alive()), (0, 0));
    Ok(())
}
