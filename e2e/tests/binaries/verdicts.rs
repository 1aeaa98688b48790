//! Verdicts under a real control plane: each for its right reason, and none on silence.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use anyhow::Result;
use e2e::fleet::connected;
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use e2e::{eventually, fleet::Source};
use serde_json::{Value, json};

/// The criterion of a quantity in a status.
fn criterion<'a>(status: &'a Value, quantity: &str) -> &'a Value {
    let all = status["verdict"]["criteria"].as_array().expect("criteria");
    all.iter().find(|one| one["quantity"] == quantity).unwrap_or_else(|| panic!("no {quantity}: {status:#}"))
}

/// Adds an agent that nobody sends anything to.
async fn quiet(fleet: &mut Loop) -> Result<()> {
    let node = fleet.node().await?;
    let agent = node.start().await?;
    connected(&agent).await;
    fleet.nodes.push(node);
    fleet.agents.push(agent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_traffic_an_experiment_holds_by_name_and_goes_on_once_something_comes_in() -> Result<()> {
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let mut fleet = Loop::alone(local, local).await?;
    quiet(&mut fleet).await?;
    let mut asked = experiment("silent", GOOD);
    asked["policy"] = json!({ "min_horizons": 2 });
    let id = fleet.control_plane.experiment(&asked).await?;
    let held = fleet
        .until(&id, "held for traffic", |s| {
            s["verdict"]["verb"] == "hold" && s["verdict"]["reasons"][0]["quantity"] == "traffic"
        })
        .await;
    assert_eq!(held["verdict"]["basis"]["idle"], json!(["node-1"]), "{held:#}");
    assert_eq!(held["step"], "mirror");
    let criteria = held["verdict"]["criteria"].as_array().expect("criteria");
    assert!(criteria.iter().all(|one| one["answer"] != "met"), "nothing is met by nothing: {held:#}");

    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let text = person.ok(&["experiment", "explain", &id]).await?;
    assert!(
        text.contains("Nothing came in on any agent that has reported.") && text.contains("not measured"),
        "{text}"
    );
    assert!(text.contains("Nothing came in on node-1 in the step mirror"), "{text}");

    fleet.sources.push(Source::start(fleet.agents[0].endpoint(), 1));
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert_eq!(criterion(&promoted, "delivery")["answer"], "met", "{promoted:#}");
    assert_eq!(promoted["verdict"]["basis"]["idle"], json!([]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_without_traffic_is_named_as_idle_and_holds_nobody_up() -> Result<()> {
    let mut fleet = Loop::start().await?;
    quiet(&mut fleet).await?;
    let id = fleet.control_plane.experiment(&experiment("one is idle", GOOD)).await?;
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    let basis = &promoted["verdict"]["basis"];
    assert_eq!((&basis["idle"], &basis["counted"]), (&json!(["node-3"]), &json!(["node-1", "node-2"])));
    let said = basis["sentences"].as_array().expect("sentences");
    assert!(said.contains(&json!("Idle, because nothing came in: node-3.")), "{basis:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_by_an_attribute_that_the_data_lacks_moves_nothing_and_is_not_promoted() -> Result<()> {
    let fleet = Loop::start().await?;
    let mut asked = experiment("by team", GOOD);
    asked["unit"] = json!(["team"]);
    let id = fleet.control_plane.experiment(&asked).await?;
    let held = fleet
        .until(&id, "held at the end", |s| {
            s["step"] == "100 %"
                && s["verdict"]["verb"] == "hold"
                && criterion(s, "delivery")["answer"] == "not_measured"
        })
        .await;
    let sentence = criterion(&held, "delivery")["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("no unit is assigned to it"), "{sentence}");
    assert_eq!(held["verdict"]["basis"]["unassigned"], 1.0, "{held:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_erases_no_loss_that_the_policy_does_not_allow() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let mut asked = experiment("lossy", GOOD);
    // Not enough horizons until the agent was restarted, and then the loss of both processes counts.
    asked["policy"] = json!({ "min_horizons": 6, "max_series_loss": 0.01 });
    let id = fleet.control_plane.experiment(&asked).await?;
    eventually("some horizons are in", PATIENCE, || async {
        let status = fleet.status(&id).await?;
        (status["agents"][0]["horizons"].as_u64()? >= 2).then_some(())
    })
    .await;
    let agent = fleet.agents.remove(0);
    agent.kill().await?;
    let agent = fleet.nodes[0].start().await?;
    connected(&agent).await;
    fleet.sources.push(Source::start(agent.endpoint(), 1));
    fleet.agents.insert(0, agent);
    let back = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    let lost = criterion(&back, "max_series_loss");
    assert_eq!(
        (&lost["answer"], &back["verdict"]["basis"]["restarted"]),
        (&json!("violated"), &json!(["node-1"]))
    );
    let sentence = lost["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("loses at most"), "a restart may count a series twice: {sentence}");
    Ok(())
}

/// A fragment with these processors.
fn fragment(processors: &str) -> String {
    let names: Vec<&str> =
        processors.lines().filter_map(|line| line.trim().split_once(": {").map(|(name, _)| name)).collect();
    let list = names.join(", ");
    format!(
        "processors:\n{processors}\nservice: {{ pipelines: {{ metrics: {{ processors: [{list}] }} }} }}\n"
    )
}

/// Runs a candidate under the default policy, with `allow`, until a verdict of this kind names this criterion first.
async fn judged(candidate: &str, allow: Value, verb: &str, quantity: &str) -> Result<Value> {
    let fleet = Loop::start().await?;
    let mut asked = experiment("judged", &fragment(candidate));
    asked["policy"] = json!({ "min_horizons": 2, "allow": allow });
    let id = fleet.control_plane.experiment(&asked).await?;
    let named = |s: &Value| {
        s["verdict"]["verb"] == verb
            && s["verdict"]["reasons"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["quantity"] == quantity))
    };
    Ok(fleet.until(&id, quantity, named).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attribute_that_every_panel_groups_by_is_not_taken_away_by_itself() -> Result<()> {
    let candidate = "  resource/exe: { attributes: [ { key: process.executable.name, action: delete } ] }";
    // The default critical processes are found by it, so that they are hidden, too.
    let status = judged(candidate, json!([]), "roll_back", "critical_process_coverage").await?;
    assert_eq!(criterion(&status, "attributes_used")["answer"], "violated", "{status:#}");
    let sentence = criterion(&status, "attributes_used")["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("process.executable.name"), "{sentence}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_are_set_to_zero_hold_until_they_are_allowed_and_are_counted_then_too() -> Result<()> {
    let candidate = "  transform/zero: { metric_statements: [ { context: datapoint, statements: ['set(value_int, 0) where metric.name == \"process.memory.usage\"'] } ] }";
    let status = judged(candidate, json!([]), "hold", "changed").await?;
    let changed = criterion(&status, "changed");
    assert_eq!(
        (&changed["answer"], &changed["names"]),
        (&json!("violated"), &json!(["process.memory.usage"]))
    );
    assert!(changed["observed"].as_f64().is_some_and(|points| points > 100.0), "{changed:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_with_another_name_is_renamed_and_not_called_kept() -> Result<()> {
    let candidate = "  metricstransform/name: { transforms: [ { include: process.memory.usage, action: update, new_name: process.memory.used } ] }";
    let status = judged(candidate, json!([]), "hold", "renamed").await?;
    let renamed = criterion(&status, "renamed");
    assert_eq!(renamed["names"], json!(["process.memory.usage"]));
    let fates = criterion(&status, "fates")["sentence"].as_str().expect("a sentence");
    assert!(fates.contains("become others") && fates.contains("stay as they are"), "{fates}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_that_goes_and_that_nobody_asked_for_is_named_and_promoted() -> Result<()> {
    let candidate = "  resource/title: { attributes: [ { key: process.command_line, action: delete } ] }";
    let status = judged(candidate, json!([]), "promote", "fates").await?;
    let fates = criterion(&status, "fates")["sentence"].as_str().expect("a sentence");
    assert!(fates.contains("have fewer attributes. Gone is process.command_line (on "), "{fates}");
    assert_eq!(criterion(&status, "collisions")["answer"], "met", "turns of one process are no collision");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_that_write_over_each_other_through_one_agent_are_found() -> Result<()> {
    let fleet = Loop::start().await?;
    // The second host's points come through the first agent, too.
    let _second = Source::start(fleet.agents[0].endpoint(), 1_001);
    let hosts = "  resource/hosts: { attributes: [ { key: host.name, action: delete }, { key: host.id, action: delete }, { key: process.pid, action: delete } ] }";
    let id = fleet.control_plane.experiment(&experiment("hosts", &fragment(hosts))).await?;
    let back = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    let collisions = criterion(&back, "collisions");
    assert_eq!(collisions["answer"], "violated", "{collisions:#}");
    assert!(collisions["names"].as_array().is_some_and(|names| !names.is_empty()), "{collisions:#}");
    Ok(())
}
