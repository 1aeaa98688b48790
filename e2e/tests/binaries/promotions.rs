//! Promotions over files that their owners change in the same moment, or afterward.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::agent::Agent;
use e2e::eventually;
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

use super::rebased::filtered;

/// The control plane's record of the agent on a host.
async fn record(fleet: &Loop, host: &str) -> Result<Value> {
    let agents = fleet.control_plane.call("GET", "/api/v1/agents", None).await?.1;
    let all = agents["items"].as_array().context("no agents")?;
    all.iter().find(|agent| agent["host"] == host).cloned().context("no such host")
}

/// The generation that an agent is said to run, of those that it was told to run; nothing where it runs its own file.
async fn in_force(fleet: &Loop, host: &str) -> Result<Option<Value>> {
    let path = format!("/api/v1/agents/{host}/generations");
    let told = fleet.control_plane.call("GET", &path, None).await?.1;
    Ok(told["items"]
        .as_array()
        .context("no generations")?
        .iter()
        .find(|one| one["in_force"] == true)
        .cloned())
}

fn is_measured(status: &Value, agents: usize) -> bool {
    let all = status["agents"].as_array().map_or(&[][..], Vec::as_slice);
    all.len() == agents && all.iter().all(|agent| agent["horizons"].as_u64() > Some(0))
}

async fn promote(fleet: &Loop, id: &str) -> Result<()> {
    let forced = json!({ "force": true, "reason": "a test" });
    let path = format!("/api/v1/experiments/{id}/promote");
    fleet.control_plane.expect("POST", &path, Some(&forced), 200).await?;
    Ok(())
}

/// Waits until what was promoted is taken or refused on all agents; how far it has come.
async fn settled(fleet: &Loop, id: &str) -> Value {
    eventually("the promotion is taken or refused", PATIENCE, || async {
        let status = fleet.status(id).await?;
        let count = |what: &str| status["promotion"][what].as_u64();
        (count("on")? + count("refused")? == count("of")?).then_some(status)
    })
    .await
}

const AGENTS: usize = 4;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_changed_in_the_moment_of_a_promotion_is_never_undone_silently() -> Result<()> {
    let fleet = Loop::of(AGENTS).await?;
    let own: Vec<String> = fleet.nodes.iter().map(e2e::fleet::Node::config).collect();
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let mut asked = experiment(&format!("round-{round}"), GOOD);
        asked["critical"] = json!([]);
        asked["policy"] = json!({ "min_horizons": 1000 });
        let id = fleet.control_plane.experiment(&asked).await?;
        fleet.until(&id, "horizons of all", |status| is_measured(status, AGENTS)).await;
        // Each owner writes a little later than the one before, the first a little before the promotion.
        let writes = fleet.nodes.iter().zip(&own).enumerate().map(|(at, (node, own))| {
            let (file, next) = (node.dir.join("agent.yaml"), node.dir.join("agent.next"));
            let text = filtered(own);
            let later = Duration::from_millis((at * (round + 1) * 40) as u64);
            async move {
                tokio::time::sleep(later).await;
                if at + 1 < AGENTS {
                    std::fs::write(&next, text)?;
                    std::fs::rename(&next, &file)?;
                } else {
                    // One who writes in place, and not all at once.
                    std::fs::write(&file, &text[..text.len() / 2])?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    std::fs::write(&file, text)?;
                }
                anyhow::Ok(())
            }
        });
        let writes = futures_util::future::try_join_all(writes);
        tokio::try_join!(writes, promote(&fleet, &id))?;
        let status = settled(&fleet, &id).await;
        let refused = status["not_promoted"].as_array().cloned().unwrap_or_default();
        refusals += refused.len();
        for node in &fleet.nodes {
            let host = node.name.as_str();
            let is_refused = refused.iter().any(|one| one["host"] == host);
            eventually("it is told", PATIENCE, || async {
                let pending = record(&fleet, host).await.ok()?["local_override_pending"] == true;
                let promoted = in_force(&fleet, host).await.ok()?;
                let promoted =
                    promoted.is_some_and(|one| one["step"].is_null() && one["experiment_id"] == json!(id));
                // Either the owner's file runs, or the control plane knows that it does not.
                (is_refused && !promoted && !pending || promoted && pending).then_some(())
            })
            .await;
        }
        fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;
        for (agent, own) in fleet.agents.iter().zip(&own) {
            agent.reload(own)?;
        }
        for node in &fleet.nodes {
            eventually("the owner's file is back", PATIENCE, || async {
                let agent = record(&fleet, &node.name).await.ok()?;
                let runs = in_force(&fleet, &node.name).await.ok()?;
                let runs_own = runs.is_none_or(|one| one["experiment_id"].is_null());
                (agent["local_override_pending"].is_null() && runs_own).then_some(())
            })
            .await;
        }
    }
    assert!(refusals > 0, "no change was early enough to be compared");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_below_what_was_promoted_is_known_to_the_end_whatever_restarts() -> Result<()> {
    let mut fleet = Loop::of(1).await?;
    let (own, other) = (fleet.nodes[0].config(), filtered(&fleet.nodes[0].config()));
    let id = fleet.control_plane.experiment(&experiment("below", GOOD)).await?;
    fleet.until(&id, "horizons", |status| is_measured(status, 1)).await;
    promote(&fleet, &id).await?;
    assert_eq!(settled(&fleet, &id).await["promotion"]["sentence"], "Promoted on 1 of 1 agent.");
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;

    let is_told = |agent: &Agent, pending: bool| {
        let listening = agent.listening.clone();
        let fleet = &fleet.control_plane;
        async move {
            eventually("it is told", PATIENCE, || async {
                let metrics = e2e::http::get(listening.admin, "/metrics").await.ok()?.1;
                let counted =
                    metrics.contains(&format!("phoenix_local_override_pending {}", u8::from(pending)));
                let health = e2e::http::get(listening.admin, "/health").await.ok()?.1;
                let health: Value = serde_json::from_str(&health).ok()?;
                let record = fleet.call("GET", "/api/v1/agents/node-1", None).await.ok()?.1;
                let known = [&health, &record].map(|one| one["local_override_pending"] == true);
                (counted && known == [pending; 2]).then_some(())
            })
            .await;
        }
    };
    is_told(&fleet.agents[0], false).await;
    // Another receiver is no other pipeline.
    fleet.agents[0].reload(&format!("{own}\n# a comment\n"))?;
    is_told(&fleet.agents[0], false).await;
    fleet.agents[0].reload(&other)?;
    is_told(&fleet.agents[0], true).await;
    let text = person.ok(&["agent", "get", "node-1"]).await?;
    assert!(
        text.contains("the pipeline of its file was changed, and what it was pushed runs in its place"),
        "{text}"
    );
    fleet.agents[0].signal("HUP")?;
    is_told(&fleet.agents[0], true).await;
    let node = fleet.nodes[0].clone();
    fleet.agents.remove(0).terminate().await?;
    let agent = Agent::start_as(&node.dir, &other, &node.enter, &node.name).await?;
    is_told(&agent, true).await;
    let log = std::fs::read_to_string(node.dir.join("agent.log"))?;
    assert!(
        log.contains("the pipeline of the file is another, and what was pushed runs in its place"),
        "{log}"
    );

    // What it has taken the place of is back: there is nothing to say.
    agent.reload(&own)?;
    is_told(&agent, false).await;
    agent.reload(&other)?;
    is_told(&agent, true).await;
    // Rolled back, the file's pipeline runs.
    fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;
    is_told(&agent, false).await;

    // What is deployed takes its place, and another deployment that of the first, not of what the file has since.
    deploy(&fleet, &agent, "system.cpu.time").await?;
    is_told(&agent, false).await;
    agent.reload(&own)?;
    is_told(&agent, true).await;
    deploy(&fleet, &agent, "system.cpu.utilization").await?;
    is_told(&agent, true).await;
    agent.reload(&other)?;
    is_told(&agent, false).await;
    agent.terminate().await?;
    Ok(())
}

/// Deploys a pipeline without a metric, and waits until the agent runs it.
async fn deploy(fleet: &Loop, agent: &Agent, without: &str) -> Result<()> {
    let before = agent.generation().await?;
    let config = GOOD.replace("process.memory.virtual", without);
    let asked = json!({ "selector": "env=test", "config": config });
    fleet.control_plane.expect("POST", "/api/v1/deployments", Some(&asked), 201).await?;
    eventually("it runs what is deployed", PATIENCE, || async {
        let body = in_force(fleet, "node-1").await.ok()??["body"].as_str()?.to_owned();
        (body.contains(without) && agent.generation().await.ok()? > before).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_that_is_forced_before_anything_is_measured_undoes_no_file_that_has_changed() -> Result<()>
{
    let mut fleet = Loop::of(2).await?;
    let own = fleet.nodes[1].config();
    let mut asked = experiment("unmeasured", GOOD);
    (asked["window"], asked["report_every"], asked["lookback"]) = (json!("60s"), json!("60s"), json!("60s"));
    let id = fleet.control_plane.experiment(&asked).await?;
    fleet.in_step(&id, "mirror").await;
    fleet.agents.pop().context("the second agent")?.terminate().await?;
    promote(&fleet, &id).await?;
    let node = fleet.nodes[1].clone();
    let agent = Agent::start_as(&node.dir, &filtered(&own), &node.enter, &node.name).await?;
    let status = settled(&fleet, &id).await;
    let agents = status["agents"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(agents.iter().all(|agent| agent["horizons"] == 0), "{status:#}");
    assert_eq!(
        status["promotion"]["sentence"], "Promoted on 1 of 2 agents; refused on node-2.",
        "{status:#}"
    );
    agent.reload(&own)?;
    eventually("it is taken", PATIENCE, || async {
        let status = fleet.status(&id).await?;
        (status["promotion"]["sentence"] == "Promoted on 2 of 2 agents.").then_some(())
    })
    .await;
    agent.terminate().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_taken_back_as_soon_as_it_was_compared_leaves_what_the_file_says() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let own = fleet.nodes[0].config();
    let id = fleet.control_plane.experiment(&experiment("back", GOOD)).await?;
    fleet.until(&id, "horizons", |status| is_measured(status, 1)).await;
    let file = fleet.nodes[0].dir.join("agent.yaml");
    let write = |text: &str| {
        std::fs::write(file.with_extension("next"), text)?;
        std::fs::rename(file.with_extension("next"), &file)
    };
    // No signal: the looks at the file may not have seen the change at all.
    write(&filtered(&own))?;
    promote(&fleet, &id).await?;
    let status = settled(&fleet, &id).await;
    write(&own)?;
    assert_eq!(status["promotion"]["sentence"], "Promoted on 0 of 1 agent; refused on node-1.", "{status:#}");
    eventually("it is taken", PATIENCE, || async {
        let status = fleet.status(&id).await?;
        (status["promotion"]["sentence"] == "Promoted on 1 of 1 agent.").then_some(())
    })
    .await;
    assert!(record(&fleet, "node-1").await?["local_override_pending"].is_null());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_for_a_promotion_is_told_where_it_was_refused() -> Result<()> {
    let fleet = Loop::of(2).await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let mut asked = experiment("awaited", GOOD);
    asked["policy"] = json!({ "min_horizons": 1000 });
    std::fs::write(fleet.dir.path().join("awaited.json"), asked.to_string())?;
    let waits = person.types(&["ci", "-f", "awaited.json", "--timeout", "50s"]);
    let meanwhile = async {
        fleet.until("awaited", "horizons of both", |status| is_measured(status, 2)).await;
        let file = fleet.nodes[1].dir.join("agent.yaml");
        std::fs::write(file.with_extension("next"), filtered(&fleet.nodes[1].config()))?;
        std::fs::rename(file.with_extension("next"), &file)?;
        promote(&fleet, "awaited").await
    };
    let (output, promoted) = tokio::join!(waits, meanwhile);
    promoted?;
    let output = output?;
    let [said, error] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert_eq!(output.status.code(), Some(3), "{said}{error}");
    for part in [
        "### Phoenix: awaited — the candidate was promoted, and not on all agents",
        "Promoted on 1 of 2 agents; refused on node-2.",
        "- Not promoted on node-2: another baseline",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Who asks about the agent is told the same, and that its own file runs.
    let text = person.ok(&["agent", "get", "node-2"]).await?;
    assert!(text.contains(" refused") && text.contains("It runs the pipeline of its own file"), "{text}");
    let text = person.ok(&["agent", "history", "node-2"]).await?;
    assert!(text.contains("None of these is in force: the pipeline of its own file is."), "{text}");
    let text = person.ok(&["agent", "history", "node-1"]).await?;
    assert!(!text.contains("None of these is in force"), "{text}");
    // It stays told when the agent is deleted.
    person.ok(&["agent", "delete", "node-2"]).await?;
    let text = person.ok(&["experiment", "status", "awaited"]).await?;
    assert!(text.contains("refused on node-2 (no longer registered)."), "{text}");
    assert!(text.contains("Not promoted on node-2 (no longer registered): another baseline"), "{text}");
    Ok(())
}
