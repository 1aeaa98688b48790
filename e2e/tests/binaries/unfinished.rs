//! Tests of what is said of a horizon that is not whole: what a candidate delivered in it is known later, and never nothing.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Instant;

use anyhow::{Result, ensure};
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

/// An experiment whose horizons are longer than what the test does in one.
fn of_long_horizons() -> Value {
    let mut asked = experiment("slow", GOOD);
    asked["report_every"] = json!("12s");
    asked["lookback"] = json!("1s");
    asked["policy"] = json!({ "min_horizons": 1, "allow": ["held"] });
    asked
}

/// Waits until an agent has delivered something by the candidate.
async fn delivering(fleet: &Loop, at: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        let report = fleet.agents[at].report().await?;
        if report.experiment.weight_bp > 0 && report.windows.iter().any(|window| window.delivered[1] > 0) {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "nothing is delivered by the candidate: {report:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Points that left by the candidate, as results have them.
fn left(results: &Value) -> u64 {
    let agents = results["agents"].as_array().expect("agents");
    let of = |agent: &Value| agent.pointer("/total/candidate/delivered/points").and_then(Value::as_u64);
    agents.iter().map(|agent| of(agent).unwrap_or(0)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_candidate_delivered_in_a_horizon_that_is_not_whole_is_never_said_to_be_nothing() -> Result<()>
{
    let fleet = Loop::start().await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let id = fleet.control_plane.experiment(&of_long_horizons()).await?;
    fleet.in_step(&id, "50 %").await;
    for at in 0..2 {
        delivering(&fleet, at).await?;
    }
    // In the midst of the first horizon of the weight.
    let status = fleet.until(&id, "what is not counted", |status| status["uncounted"]["agents"] == 2).await;
    let said = status["uncounted"]["sentence"].as_str().expect("a sentence");
    assert!(said.contains("is in no figure yet") && status["uncounted"]["due"].is_string(), "{said}");
    let results = person.ok(&["experiment", "results", &id]).await?;
    let table = results.split("Delivery").nth(1).expect("the table");
    let row = table.lines().find(|line| line.trim_start().starts_with("candidate")).expect("a row");
    assert!(row.contains('–') && !row.contains(" 0 "), "{results}");
    assert!(results.contains("is in no figure yet"), "{results}");
    for command in ["status", "explain"] {
        let told = person.ok(&["experiment", command, &id]).await?;
        assert!(
            told.contains("is in no figure yet") && !told.contains(" 0 to the candidate."),
            "{command}: {told}"
        );
    }
    let before: u64 = {
        let mut all = 0;
        for agent in &fleet.agents {
            all += agent.report().await?.windows.iter().map(|window| window.delivered[1]).sum::<u64>();
        }
        all
    };

    person.ok(&["experiment", "rollback", &id]).await?;
    let began = Instant::now();
    let results = loop {
        let results = person.json(&["experiment", "results", &id]).await?;
        if results["uncounted"].is_null() {
            break results;
        }
        let said = results["uncounted"]["sentence"].as_str().expect("a sentence");
        assert!(said.contains("was not reported") && results["uncounted"]["due"].is_null(), "{said}");
        ensure!(began.elapsed() < PATIENCE, "the rest is not told: {results:#}");
    };
    assert!(before > 0 && left(&results) >= before, "{before} left, and {} are told", left(&results));
    let told = person.ok(&["experiment", "status", &id]).await?;
    assert!(told.contains("ran the last step") && told.lines().any(|line| line.contains("true")), "{told}");
    assert!(!told.contains("waiting for") && !told.contains(" yet"), "{told}");
    let explained = person.ok(&["experiment", "explain", &id]).await?;
    assert!(explained.contains("What follows is the last verdict before"), "{explained}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_agent_had_not_told_is_said_to_be_in_no_figure_once_it_is_back_and_after_the_end()
-> Result<()> {
    let mut fleet = Loop::start().await?;
    let dir = fleet.dir.path().to_owned();
    let person = Person { dir: &dir };
    person.logs_in(&fleet.control_plane).await?;
    let id = fleet.control_plane.experiment(&of_long_horizons()).await?;
    fleet.in_step(&id, "50 %").await;
    for at in 0..2 {
        delivering(&fleet, at).await?;
    }
    fleet.agents.remove(0).kill().await?;
    let back = fleet.nodes[0].start().await?;
    fleet.agents.insert(0, back);
    let lost = |shown: &Value| {
        let said = shown["uncounted"]["sentence"].as_str().unwrap_or_default();
        let end =
            said.split("What the candidate delivered on ").find(|part| part.contains("will be in none"));
        end.is_some_and(|part| part.contains("node-1 ") && !part.contains("node-2 "))
    };
    fleet.until(&id, "what was lost", lost).await;
    person.ok(&["experiment", "rollback", &id]).await?;
    fleet.until(&id, "its end", |status| status["outcome"] == "rolled_back").await;
    // Also once the new process has told the rest of its horizon.
    let began = Instant::now();
    loop {
        let results = person.json(&["experiment", "results", &id]).await?;
        assert!(lost(&results), "{results:#}");
        if !results["uncounted"]["sentence"].as_str().is_some_and(|said| said.contains("until the end")) {
            break;
        }
        ensure!(began.elapsed() < PATIENCE, "the rest is not told: {results:#}");
    }
    for command in ["status", "explain", "results"] {
        let told = person.ok(&["experiment", command, &id]).await?;
        assert!(told.contains("node-1 ") && told.contains("will be in none"), "{command}: {told}");
    }
    Ok(())
}
