//! Waves with the real binaries: content that is new to agents of a version comes to one, to 5 %, to the rest.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::Result;
use e2e::eventually;
use e2e::fleet::connected;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

const AGENTS: usize = 20;

/// So many agents without any traffic.
async fn idle(agents: usize) -> Result<Loop> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    for _ in 0..agents {
        let mut node = fleet.node().await?;
        // What a test counts is what was offered, not what would have been measured.
        node.more = "  memory_limit: 32MiB\n";
        let agent = node.start().await?;
        connected(&agent).await;
        fleet.nodes.push(node);
        fleet.agents.push(agent);
    }
    Ok(fleet)
}

fn endless(name: &str) -> Value {
    let mut endless = experiment(name, GOOD);
    endless["policy"]["min_horizons"] = json!(1000);
    endless
}

/// Agents that have the candidate beside their baseline.
async fn trying(fleet: &Loop) -> usize {
    let mut trying = 0;
    for agent in &fleet.agents {
        let health = agent.health().await.unwrap_or_default();
        trying += usize::from(health["generation"].as_u64() > Some(1));
    }
    trying
}

async fn rolled_back(fleet: &Loop, id: &str) -> Result<Vec<Value>> {
    fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;
    let rest = fleet.control_plane.listening.rest;
    let events = e2e::http::events(rest, id, fleet.control_plane.token()).await?;
    Ok(events.into_iter().filter(|event| event["kind"] == "wave").collect())
}

fn seconds(event: &Value) -> f64 {
    let at = event["at"].as_str().expect("a time");
    let at = humantime::parse_rfc3339(at).expect("a time");
    at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_agents_get_new_content_as_one_one_and_eighteen_over_a_restart_and_known_content_at_once()
-> Result<()> {
    let mut fleet = idle(AGENTS).await?;
    let id = fleet.control_plane.experiment(&endless("new")).await?;
    eventually("one tries it", PATIENCE, || async { (trying(&fleet).await >= 1).then_some(()) }).await;
    let status = fleet.status(&id).await.expect("a status");
    assert_eq!(trying(&fleet).await, 1, "{status:#}");
    let waits =
        status["agents"].as_array().expect("agents").iter().filter(|agent| agent["wave"] == 0).count();
    assert_eq!((&status["phase"], waits), (&json!("initializing"), AGENTS - 1), "{status:#}");
    let person = e2e::person::Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let said = person.ok(&["experiment", "status", &id]).await?;
    assert!(said.contains("waits") && said.contains("It is new to agents of their version"), "{said}");

    // What is known of the trial outlives the control plane.
    fleet.control_plane = fleet.control_plane.crash_and_restart().await?;
    fleet.in_step(&id, "mirror").await;
    assert_eq!(trying(&fleet).await, AGENTS);
    let waves = rolled_back(&fleet, &id).await?;
    let told = |event: &Value| (event["detail"]["wave"].clone(), event["detail"]["agents"].clone());
    let expected = [(json!(1), json!(1)), (json!(2), json!(1)), (json!(3), json!(18))];
    assert_eq!(waves.iter().map(told).collect::<Vec<_>>(), expected, "{waves:#?}");
    for pair in waves.windows(2) {
        let passed = seconds(&pair[1]) - seconds(&pair[0]);
        assert!(passed >= 2.0, "a trial of 2 s took {passed} s");
    }

    // The same content again is known to agents of this version, and so is what a rollback brings.
    let again = fleet.control_plane.experiment(&endless("known")).await?;
    fleet.in_step(&again, "mirror").await;
    assert!(rolled_back(&fleet, &again).await?.is_empty(), "it is offered to all at once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_goes_away_in_its_trial_holds_nobody_for_ever() -> Result<()> {
    let mut fleet = idle(3).await?;
    let mut lenient = endless("new");
    lenient["policy"]["max_missing"] = json!(0.4);
    let id = fleet.control_plane.experiment(&lenient).await?;
    eventually("one tries it", PATIENCE, || async { (trying(&fleet).await >= 1).then_some(()) }).await;
    let status = fleet.status(&id).await.expect("a status");
    let first = status["agents"].as_array().expect("agents").iter().position(|agent| agent["wave"] == 1);
    let name = status["agents"][first.expect("the first")]["host"].clone();
    let gone = fleet.nodes.iter().position(|node| json!(node.name) == name).expect("its node");
    fleet.agents.remove(gone).kill().await?;
    tokio::time::timeout(Duration::from_secs(90), fleet.in_step(&id, "mirror")).await?;
    let waves = rolled_back(&fleet, &id).await?;
    let told: Vec<_> = waves.iter().map(|event| event["detail"]["wave"].clone()).collect();
    assert_eq!(told, [json!(1), json!(1), json!(2)], "{waves:#?}");
    Ok(())
}
