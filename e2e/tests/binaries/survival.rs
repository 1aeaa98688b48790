//! The served loop where the control plane cannot be reached: from the start, for a while, again and again, by one.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::eventually;
use e2e::fleet::connected;
use e2e::network::{Island, inside};
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

/// Waits until points arrive that were not there yet.
async fn flows(fleet: &Loop) {
    let before = fleet.sink.counts().points;
    eventually("data flows", PATIENCE, || async {
        (fleet.sink.counts().points > before + 500).then_some(())
    })
    .await;
}

/// Every report of every agent was taken, and none is left.
async fn all_told(fleet: &Loop) -> Result<()> {
    for agent in &fleet.agents {
        for lost in ["phoenix_fleet_reports_rejected_total", "phoenix_fleet_reports_dropped_total"] {
            assert_eq!(agent.metric(lost, "").await?, 0.0, "{lost}");
        }
        eventually("the outbox is empty", PATIENCE, || async {
            (agent.metric("phoenix_fleet_reports_waiting", "").await.ok()? == 0.0).then_some(())
        })
        .await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_has_never_reached_its_control_plane_delivers_and_joins_when_it_can() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let node = fleet.node().await?;
    let away = fleet.control_plane.crash().await?;
    let agent = node.start().await?;
    fleet.control_plane = away.unreachable();
    fleet.add(node, agent);
    flows(&fleet).await;
    let health = fleet.agents[2].health().await?;
    assert_ne!(health["control_plane"], "connected", "{health:#}");
    assert!(health["control_plane"].as_str().is_some_and(|why| !why.is_empty()), "{health:#}");
    assert_eq!(health["generation"], 1);
    fleet.control_plane = away.restart().await?;
    for agent in &fleet.agents {
        connected(agent).await;
    }
    let mut all = experiment("late", GOOD);
    all["policy"]["min_hosts"] = json!(3);
    let id = fleet.control_plane.experiment(&all).await?;
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    Ok(())
}

/// Time that it is away: half a minute, or what `PHOENIX_TEST_OUTAGE_SECONDS` says.
fn outage() -> Duration {
    let told = std::env::var("PHOENIX_TEST_OUTAGE_SECONDS").ok().and_then(|told| told.parse().ok());
    Duration::from_secs(told.unwrap_or(30))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_long_outage_the_experiment_goes_on_in_its_step_and_every_horizon_of_it_is_told() -> Result<()>
{
    let mut fleet = Loop::start().await?;
    let mut long = experiment("long", GOOD);
    long["report_every"] = json!("5s");
    long["policy"]["min_horizons"] = json!(outage().as_secs() / 5);
    let id = fleet.control_plane.experiment(&long).await?;
    fleet.in_step(&id, "mirror").await;
    let away = fleet.control_plane.crash().await?;
    fleet.control_plane = away.unreachable();
    let until = Instant::now() + outage();
    while Instant::now() < until {
        flows(&fleet).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    fleet.control_plane = away.restart().await?;
    // What was measured meanwhile is enough for the step, though nobody heard of it then.
    let back = Instant::now();
    fleet.in_step(&id, "50 %").await;
    println_took("from its return to the next step", back);
    all_told(&fleet).await
}

#[expect(clippy::print_stdout, reason = "a figure for who reads the test's output")]
fn println_took(what: &str, since: Instant) {
    println!("{what}: {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_comes_and_goes_still_walks_its_experiment_to_the_end() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let mut slow = experiment("flapping", GOOD);
    slow["policy"]["min_horizons"] = json!(3);
    let id = fleet.control_plane.experiment(&slow).await?;
    for up in [200, 50, 900, 400, 1_500, 100] {
        tokio::time::sleep(Duration::from_millis(up)).await;
        fleet.control_plane = fleet.control_plane.crash_and_restart().await?;
    }
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    let history = fleet.history(&id).await?;
    assert_eq!(history, ["create", "start", "applied", "advance", "advance", "advance", "promote"]);
    all_told(&fleet).await
}

/// One agent beside the control plane, one on an island.
async fn archipelago(island: &Island) -> Result<Loop> {
    let mut fleet = Loop::alone(Island::control_plane(), Island::sink()).await?;
    let node = fleet.node().await?;
    fleet.join(node).await?;
    let mut far = fleet.node().await?;
    (far.enter, far.listen) = (island.enter(), Island::agent());
    fleet.join(far).await?;
    Ok(fleet)
}

fn missing(status: &Value) -> Option<&Value> {
    let reasons = status["verdict"]["reasons"].as_array()?;
    reasons.iter().find(|reason| reason["quantity"] == "missing_agents")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_holds_for_an_agent_behind_a_partition_and_says_whose_evidence_is_missing() -> Result<()> {
    if !inside("survival::a_step_holds_for_an_agent_behind_a_partition_and_says_whose_evidence_is_missing")? {
        return Ok(());
    }
    let island = Island::rise().await?;
    let fleet = archipelago(&island).await?;
    let mut slow = experiment("partition", GOOD);
    slow["policy"]["min_horizons"] = json!(3);
    let id = fleet.control_plane.experiment(&slow).await?;
    fleet.in_step(&id, "mirror").await;
    island.cut().await?;
    let status = fleet.until(&id, "a hold for want of evidence", |s| missing(s).is_some()).await;
    assert_eq!(status["verdict"]["verb"], "hold", "{status:#}");
    assert_eq!(missing(&status).expect("a reason")["hosts"], json!(["node-2"]), "{status:#}");
    assert_eq!((&status["phase"], &status["step"]), (&json!("running"), &json!("mirror")));
    flows(&fleet).await;
    island.heal().await?;
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    all_told(&fleet).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_was_cut_off_while_others_went_on_is_given_the_current_step() -> Result<()> {
    if !inside("survival::an_agent_that_was_cut_off_while_others_went_on_is_given_the_current_step")? {
        return Ok(());
    }
    let island = Island::rise().await?;
    let fleet = archipelago(&island).await?;
    let mut tolerant = experiment("partition", GOOD);
    tolerant["policy"]["max_missing"] = json!(0.5);
    tolerant["policy"]["min_horizons"] = json!(4);
    let id = fleet.control_plane.experiment(&tolerant).await?;
    fleet.in_step(&id, "mirror").await;
    island.cut().await?;
    fleet.in_step(&id, "100 %").await;
    let generations = fleet.generations().await;
    assert!(generations[1] < generations[0], "the far agent has not heard of it: {generations:?}");
    flows(&fleet).await;
    island.heal().await?;
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    eventually("the far agent runs what was promoted", PATIENCE, || async {
        let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await.ok()?;
        let runs = |agent: &Value| {
            agent["offered_hash"].is_string() && agent["offered_hash"] == agent["effective_hash"]
        };
        agents["items"].as_array()?.iter().all(runs).then_some(())
    })
    .await;
    // It went from mirror to where everybody is: the steps between were never offered to it.
    let log = std::fs::read_to_string(fleet.nodes[1].dir.join("agent.log"))?;
    assert!(!log.contains("what the control plane offers is not taken"), "{log}");
    Ok(())
}
