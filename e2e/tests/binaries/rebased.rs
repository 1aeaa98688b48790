//! Baselines that their owners change in the midst of an experiment.

use anyhow::Result;
use e2e::eventually;
use e2e::http::events;
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

/// A node's file with a filter that its owner adds.
fn filtered(config: &str) -> String {
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
    let reason = &held["verdict"]["reasons"][0];
    let change = reason["names"][0].as_str().expect("a name").to_owned();
    assert!(change.starts_with("node-1: from ") && change.len() > 140, "{change}");
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let text = person.ok(&["experiment", "explain", &id]).await?;
    assert!(text.contains("The baseline was changed in the midst") && text.contains(&change), "{text}");

    // With the earlier one back the step begins again, and goes on.
    fleet.agents[0].reload(&own)?;
    let again = fleet.until(&id, "begun again", |s| !is_changed(s)).await;
    assert!(again["step"] == "mirror" && horizons(&again) < 6, "{again:#}");
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
