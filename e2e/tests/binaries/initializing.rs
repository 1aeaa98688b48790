//! The first phase of an experiment with the real binaries: an agent that is away, refuses or is deleted holds nobody for
//! ever.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use anyhow::Result;
use e2e::fleet::connected;
use e2e::served::{GOOD, Loop, experiment};
use serde_json::{Value, json};

/// Three agents without traffic, of which the last takes no filter where `refuses` says so.
async fn three(refuses: bool) -> Result<Loop> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    for place in 0..3 {
        let mut node = fleet.node().await?;
        node.more = if refuses && place == 2 { "  remote_config: { processors: [transform] }\n" } else { "" };
        let agent = node.start().await?;
        connected(&agent).await;
        fleet.nodes.push(node);
        fleet.agents.push(agent);
    }
    Ok(fleet)
}

/// An experiment of which a share of the agents may be missing.
fn lenient(max_missing: f64) -> Value {
    let mut spec = experiment("first", GOOD);
    spec["policy"]["max_missing"] = json!(max_missing);
    spec
}

fn sentences(status: &Value) -> String {
    let reasons = status["reasons"].as_array().expect("reasons");
    reasons.iter().filter_map(|reason| reason["sentence"].as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_refuses_is_done_without_where_the_policy_lets_it_and_named() -> Result<()> {
    let fleet = three(true).await?;
    let id = fleet.control_plane.experiment(&lenient(0.4)).await?;
    tokio::time::timeout(Duration::from_secs(60), fleet.in_step(&id, "mirror")).await?;
    // The stream of events ends with the experiment.
    fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;
    let rest = fleet.control_plane.listening.rest;
    let events = e2e::http::events(rest, &id, fleet.control_plane.token()).await?;
    let told = events.iter().map(Value::to_string).collect::<String>();
    assert!(told.contains("2 of 3 agents run it") && told.contains("node-3"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_refuses_ends_it_where_none_may_be_missing_with_what_the_agent_says() -> Result<()> {
    let fleet = three(true).await?;
    let id = fleet.control_plane.experiment(&lenient(0.0)).await?;
    let status = fleet.until(&id, "failed", |status| status["phase"] == "failed").await;
    let said = sentences(&status);
    assert!(said.contains("cannot be applied on node-3") && said.contains("filter"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_away_ends_it_after_the_longest_step_and_is_named() -> Result<()> {
    let mut fleet = three(false).await?;
    fleet.agents.remove(2).kill().await?;
    let mut spec = lenient(0.0);
    spec["policy"]["max_step_duration"] = json!("20s");
    let id = fleet.control_plane.experiment(&spec).await?;
    let status = fleet.until(&id, "failed", |status| status["phase"] == "failed").await;
    let said = sentences(&status);
    assert!(said.contains("node-3") && said.contains("20s"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_deleted_while_others_wait_for_it_is_waited_for_no_longer() -> Result<()> {
    let mut fleet = three(false).await?;
    fleet.agents.remove(2).kill().await?;
    let id = fleet.control_plane.experiment(&lenient(0.0)).await?;
    let runs = |agent: &Value| agent["applied"] == true;
    let waits = |status: &Value| {
        let agents = status["agents"].as_array().expect("agents");
        status["phase"] == "initializing" && agents.iter().filter(|agent| runs(agent)).count() == 2
    };
    fleet.until(&id, "waiting for the third", waits).await;
    let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await?;
    let items = agents["items"].as_array().expect("agents");
    let gone = items.iter().find(|agent| agent["host"] == "node-3").expect("node-3");
    let path = format!("/api/v1/agents/{}", gone["uid"].as_str().expect("an id"));
    fleet.control_plane.expect("DELETE", &path, None, 204).await?;
    tokio::time::timeout(Duration::from_secs(60), fleet.in_step(&id, "mirror")).await?;
    Ok(())
}
