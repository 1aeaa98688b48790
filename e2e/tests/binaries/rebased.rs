//! Baselines that their owners change in the midst of an experiment.

use std::time::Instant;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::eventually;
use e2e::http::events;
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

/// A node's file with a filter that its owner adds.
pub fn filtered(config: &str) -> String {
    let filter =
        "processors: { filter/cpu: { metrics: { datapoint: ['metric.name == \"process.cpu.time\"'] } } }\n";
    format!(
        "{filter}{}",
        config.replace(
            "receivers: [otlp], exporters",
            "receivers: [otlp], processors: [filter/cpu], exporters"
        )
    )
}

fn is_changed(status: &Value) -> bool {
    status["verdict"]["reasons"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["quantity"] == "baseline"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_never_undoes_what_its_owner_changes_in_the_baseline_meanwhile() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let (own, other) = (fleet.nodes[0].config(), filtered(&fleet.nodes[0].config()));
    let mut asked = experiment("rebased", GOOD);
    asked["critical"] = json!([]);
    asked["policy"] = json!({ "min_horizons": 6 });
    let id = fleet.control_plane.experiment(&asked).await?;
    let horizons = |status: &Value| status["agents"][0]["horizons"].as_u64().unwrap_or(0);
    fleet.until(&id, "horizons in mirror", |s| s["step"] == "mirror" && horizons(s) >= 3).await;

    // In mirror nothing is delivered: it holds, says who and what, and nothing of before counts.
    fleet.agents[0].reload(&other)?;
    let held =
        fleet.until(&id, "held for the baseline", |s| s["verdict"]["verb"] == "hold" && is_changed(s)).await;
    assert_eq!(held["step"], "mirror", "{held:#}");
    // It is the owner's, and in force: what is pushed has no other baseline.
    eventually("the owner's filter runs", PATIENCE, || async {
        let filtered = fleet.agents[0].metric("otelcol_processor_incoming_items", "filter/cpu").await;
        (filtered.ok()? > 0.0).then_some(())
    })
    .await;
    let reason = &held["verdict"]["reasons"][0];
    let change = reason["names"][0].as_str().expect("a name").to_owned();
    assert!(change.starts_with("node-1: from ") && change.len() > 140, "{change}");
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let text = person.ok(&["experiment", "explain", &id]).await?;
    assert!(text.contains("The baseline was changed in the midst") && text.contains(&change), "{text}");

    // With the earlier one back the step begins again, and goes on. What was measured with the other one is in by then: a report
    // that comes late would tell of that once more.
    fleet.until(&id, "a horizon with the owner's", |s| is_changed(s) && horizons(s) >= 1).await;
    let put_back = Instant::now();
    fleet.agents[0].reload(&own)?;
    let again = fleet.until(&id, "begun again", |s| !is_changed(s)).await;
    let passed = put_back.elapsed().as_secs();
    assert!(horizons(&again) <= passed + 2, "a horizon takes a second; {passed} s: {again:#}");
    fleet.in_step(&id, "50 %").await;

    // What leaves by the candidate leaves without the owner's filter: it goes back at once.
    fleet.agents[0].reload(&other)?;
    let back = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    assert!(is_changed(&back), "{back:#}");
    let all = events(fleet.control_plane.listening.rest, &id, fleet.control_plane.token()).await?;
    let told: Vec<&Value> = all.iter().filter(|event| event["kind"] == "baseline").collect();
    let changes: Vec<&Value> = told.iter().map(|event| &event["detail"]["changes"]).collect();
    assert_eq!(changes, [&json!([change]), &json!([]), &json!([change])], "{told:#?}");
    eventually("the owner's file runs", PATIENCE, || async {
        fleet.agents[0].report().await.ok()?.ended.then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_is_not_taken_where_the_file_has_changed_since_the_last_word_of_its_agent() -> Result<()>
{
    let mut fleet = Loop::of(2).await?;
    let own = fleet.nodes[1].config();
    let id = fleet.control_plane.experiment(&experiment("promoted", GOOD)).await?;
    let measured = |status: &Value| {
        let agents = status["agents"].as_array().map_or(&[][..], Vec::as_slice);
        agents.len() == 2 && agents.iter().all(|agent| agent["horizons"].as_u64() > Some(0))
    };
    fleet.until(&id, "horizons of both", measured).await;

    // One is away when it is promoted, and comes back with a file that its owner has changed meanwhile.
    let gone = fleet.agents.pop().expect("the second agent");
    gone.terminate().await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    person.ok(&["experiment", "promote", &id, "--force", "--reason", "a test"]).await?;
    let node = fleet.nodes[1].clone();
    let agent = Agent::start_as(&node.dir, &filtered(&own), &node.enter, &node.name).await?;
    let not_promoted = || async {
        let status = fleet.status(&id).await?;
        let all = status["not_promoted"].as_array().cloned().unwrap_or_default();
        Some(all)
    };
    let refused =
        eventually("refused", PATIENCE, || async { not_promoted().await.filter(|all| !all.is_empty()) })
            .await;
    assert!(refused.len() == 1 && refused[0]["host"] == "node-2", "{refused:#?}");
    let reason = refused[0]["reason"].as_str().expect("a reason");
    let digests = reason.split(|one: char| !one.is_ascii_hexdigit()).filter(|word| word.len() == 64);
    assert_eq!(digests.collect::<std::collections::BTreeSet<_>>().len(), 2, "{reason}");
    assert!(reason.contains("Put the earlier one back in the file"), "{reason}");
    // The experiment is over on it, and the pipeline of its file runs alone.
    let report = agent.report().await?;
    assert!(report.ended, "{report:#?}");
    let path = "/api/v1/agents/node-2/generations";
    let told = fleet.control_plane.call("GET", path, None).await?.1;
    let told = told["items"].as_array().expect("generations");
    assert!(
        told.len() > 1 && told.iter().all(|one| one["in_force"] == false),
        "it runs its own file: {told:#?}"
    );
    for what in ["explain", "status"] {
        let text = person.ok(&["experiment", what, &id]).await?;
        assert!(text.contains("Promoted on 1 of 2 agents; refused on node-2."), "{text}");
        assert!(text.contains(&format!("Not promoted on node-2: {reason}")), "{text}");
    }
    let all = events(fleet.control_plane.listening.rest, &id, fleet.control_plane.token()).await?;
    let told: Vec<&Value> = all.iter().filter(|event| event["kind"] == "refused").collect();
    assert!(told.len() == 1 && told[0]["detail"]["reasons"][0]["hosts"] == json!(["node-2"]), "{all:#?}");

    // With the pipeline that it was compared with back in the file, it is offered again and taken.
    agent.reload(&own)?;
    eventually("promoted", PATIENCE, || async { not_promoted().await.filter(Vec::is_empty) }).await;
    let agents = fleet.control_plane.call("GET", "/api/v1/agents", None).await?.1;
    for one in agents["items"].as_array().expect("agents") {
        let path = format!("/api/v1/agents/{}/generations", one["uid"].as_str().expect("a uid"));
        eventually("it runs what was promoted", PATIENCE, || async {
            let told = fleet.control_plane.call("GET", &path, None).await.ok()?.1["items"][0].clone();
            let is_it = told["body"].as_str()?.contains("filter/virtual")
                && told["experiment_id"] == json!(id)
                && told["step"].is_null();
            (is_it && told["status"] == "applied" && told["in_force"] == true).then_some(())
        })
        .await;
    }
    let told = eventually("it is told", PATIENCE, || async {
        let all = events(fleet.control_plane.listening.rest, &id, fleet.control_plane.token()).await.ok()?;
        all.into_iter().find(|event| event["kind"] == "taken")
    })
    .await;
    assert_eq!(told["detail"]["reasons"][0]["hosts"], json!(["node-2"]), "{told:#}");
    let text = person.ok(&["experiment", "status", &id]).await?;
    assert!(text.contains("Promoted on 2 of 2 agents.") && !text.contains("Not promoted"), "{text}");
    // What was found before it was forced is no state of now.
    assert!(text.contains("the last before it ended") && text.contains("forced it, though"), "{text}");
    agent.terminate().await?;
    Ok(())
}
