//! Quarantine with the real binaries: what kills an agent twice is not run a third time, there or anywhere.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use anyhow::Result;
use e2e::eventually;
use e2e::fleet::connected;
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

/// An experiment that goes no further than mirror.
fn endless(name: &str) -> Value {
    let mut endless = experiment(name, GOOD);
    endless["policy"]["min_horizons"] = json!(1000);
    endless
}

/// `kill -9` of an agent, and a start.
async fn killed(fleet: &mut Loop, at: usize) -> Result<()> {
    fleet.agents.remove(at).kill().await?;
    let back = fleet.nodes[at].start().await?;
    fleet.agents.insert(at, back);
    Ok(())
}

/// Waits until all run the experiment's first step; the generation of the first agent.
async fn on_trial(fleet: &Loop, id: &str) -> Result<u64> {
    fleet.in_step(id, "mirror").await;
    fleet.agents[0].generation().await
}

fn quarantine(status: &Value) -> &Value {
    let reasons = status["reasons"].as_array().expect("reasons");
    reasons.iter().find(|reason| reason["quantity"] == "quarantine").expect("a reason of its own")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_kills_an_agent_twice_is_quarantined_rolled_back_everywhere_and_refused_until_it_is_lifted()
-> Result<()> {
    let mut fleet = Loop::start().await?;
    let id = fleet.control_plane.experiment(&endless("deadly")).await?;
    let attempted = on_trial(&fleet, &id).await?;
    assert_eq!(fleet.agents[0].health().await?["attempt"], attempted);
    killed(&mut fleet, 0).await?;
    assert_eq!(fleet.agents[0].generation().await?, attempted, "once is no reason");
    connected(&fleet.agents[0]).await;
    killed(&mut fleet, 0).await?;
    let health = fleet.agents[0].health().await?;
    assert_ne!(health["generation"], attempted, "{health:#}");
    let words = health["quarantined"].as_object().expect("a quarantine").values().next().cloned();
    let words = words.expect("its words").as_str().expect("text").to_owned();
    assert!(words.contains(&format!("generation {attempted}")) && words.contains("died 2 times"), "{words}");

    let status = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    let reason = quarantine(&status);
    assert_eq!(reason["hosts"], json!(["node-1"]), "{reason:#}");
    assert!(reason["sentence"].as_str().expect("text").contains("died 2 times"), "{reason:#}");
    eventually("both are on their own files", PATIENCE, || async {
        let generations = fleet.generations().await;
        generations.iter().all(|generation| *generation > attempted).then_some(())
    })
    .await;

    // The same content under another experiment is refused, and that rolls it back.
    let again = fleet.control_plane.experiment(&endless("again")).await?;
    let status = fleet.until(&again, "rolled back", |s| s["outcome"] == "rolled_back").await;
    assert_eq!(quarantine(&status)["hosts"], json!(["node-1"]), "{status:#}");

    // An operator sees it and lifts it.
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let uid = uid_of(&fleet, "node-1").await?;
    let said = person.ok(&["agent", "get", &uid]).await?;
    assert!(said.contains("died 2 times"), "{said}");
    person.ok(&["agent", "lift", &uid]).await?;
    eventually("nothing is in quarantine any more", PATIENCE, || async {
        let agent =
            fleet.control_plane.expect("GET", &format!("/api/v1/agents/{uid}"), None, 200).await.ok()?;
        agent["quarantined"].is_null().then_some(())
    })
    .await;
    assert!(person.refused(&["agent", "lift", &uid]).await?.contains("nothing in quarantine"));
    let lifted = fleet.control_plane.experiment(&endless("lifted")).await?;
    on_trial(&fleet, &lifted).await?;
    Ok(())
}

async fn uid_of(fleet: &Loop, host: &str) -> Result<String> {
    let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await?;
    let agents = agents["items"].as_array().expect("agents");
    let agent = agents.iter().find(|agent| agent["host"] == host).expect("the agent");
    Ok(agent["uid"].as_str().expect("a uid").to_owned())
}

/// One agent whose trial time is `trial`, under an experiment that it runs; the generation.
async fn alone(trial: &'static str) -> Result<(Loop, u64)> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    let mut node = fleet.node().await?;
    node.more = trial;
    fleet.join(node).await?;
    let id = fleet.control_plane.experiment(&endless("alone")).await?;
    let generation = on_trial(&fleet, &id).await?;
    Ok((fleet, generation))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_agent_may_be_killed_as_often_as_anybody_likes_once_its_generation_is_committed()
-> Result<()> {
    let (mut fleet, generation) = alone("  trial: 2s\n").await?;
    eventually("it is committed", PATIENCE, || async {
        fleet.agents[0].health().await.ok()?["attempt"].is_null().then_some(())
    })
    .await;
    for _ in 0..3 {
        killed(&mut fleet, 0).await?;
        let health = fleet.agents[0].health().await?;
        assert_eq!(
            (&health["generation"], &health["quarantined"]),
            (&json!(generation), &Value::Null),
            "{health:#}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_stops_within_the_trial_count_for_nothing_and_kills_do_until_somebody_at_the_host_lifts_it()
-> Result<()> {
    let (mut fleet, generation) = alone("").await?;
    for _ in 0..2 {
        assert!(fleet.agents.remove(0).terminate().await?.success());
        fleet.agents.push(fleet.nodes[0].start().await?);
        assert_eq!(fleet.agents[0].generation().await?, generation);
    }
    killed(&mut fleet, 0).await?;
    assert_eq!(fleet.agents[0].generation().await?, generation);
    killed(&mut fleet, 0).await?;
    assert!(fleet.agents[0].health().await?["quarantined"].is_object(), "that was the second");
    std::fs::write(fleet.nodes[0].dir.join("data/lift-quarantine"), "")?;
    fleet.agents[0].reload(&fleet.nodes[0].config())?;
    eventually("it is lifted", PATIENCE, || async {
        fleet.agents[0].health().await.ok()?["quarantined"].is_null().then_some(())
    })
    .await;
    assert!(!fleet.nodes[0].dir.join("data/lift-quarantine").exists(), "it was asked for once");
    Ok(())
}
