//! Rollouts of traffic that no process is in: services, pods, hosts, and resources of any other attributes.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use anyhow::Result;
use e2e::fleet::{Source, connected};
use e2e::served::{Loop, experiment};
use e2e::services::{QUIETER, RESOURCES, scrape};
use serde_json::{Value, json};

/// Two agents that get no process metric.
async fn fleet() -> Result<Loop> {
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let mut fleet = Loop::alone(local, local).await?;
    for place in 0..2 {
        let node = fleet.node().await?;
        let agent = node.start().await?;
        connected(&agent).await;
        let mut count = 0;
        fleet.sources.push(Source::of(agent.endpoint(), move |now| {
            count += 5;
            scrape(place, now, count)
        }));
        fleet.nodes.push(node);
        fleet.agents.push(agent);
    }
    Ok(fleet)
}

fn asked(name: &str, candidate: &str) -> Value {
    let mut asked = experiment(name, candidate);
    asked["policy"] = json!({ "min_horizons": 2, "min_cardinality_reduction": 0.05 });
    for default in ["critical", "unit"] {
        asked.as_object_mut().expect("a map").remove(default);
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_without_process_metrics_is_rolled_out_by_entity_and_every_weight_moves_units() -> Result<()>
{
    let fleet = fleet().await?;
    let mut body = asked("services", QUIETER);
    body["weights_bp"] = json!([2500, 5000, 10000]);
    let id = fleet.control_plane.experiment(&body).await?;
    let shown = fleet.control_plane.show(&id, "").await?;
    assert_eq!(shown["spec"]["unit"], json!(["entity"]), "the default: {shown:#}");

    let mut before = 0;
    for step in ["25 %", "50 %", "100 %"] {
        let status = fleet
            .until(&id, &format!("units of the candidate at {step}"), |s| {
                s["step"] == step && s["verdict"]["basis"]["units"][1].as_u64() > Some(before)
            })
            .await;
        let basis = &status["verdict"]["basis"];
        assert_eq!(basis["unassigned"], 0.0, "{step}: {basis:#}");
        before = basis["units"][1].as_u64().expect("a count");
    }
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    let units = &promoted["verdict"]["basis"]["units"];
    assert_eq!(
        units[1],
        2 * RESOURCES,
        "each resource is a unit, also the one without attributes: {promoted:#}"
    );
    let criteria = promoted["verdict"]["criteria"].as_array().expect("criteria");
    let told = criteria.iter().find(|one| one["quantity"] == "other_metrics").expect("told");
    let sentence = told["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("app.debug by owner differs by"), "{sentence}");
    assert!(sentence.contains("Of the totals of 3 other metrics, those of 2 are the same"), "{sentence}");
    Ok(())
}
