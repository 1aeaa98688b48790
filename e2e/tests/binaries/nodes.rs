//! Nodes whose agents are replaced: one record a node, an experiment that goes on, and two agents that claim one node.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::agent::Agent;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::fleet::{Node, connected};
use e2e::person::Person;
use e2e::simulated::{Door, Simulated};
use serde_json::{Value, json};
use simulator::sink::Sink;

const NODES: usize = 300;
const REPLACED: usize = 30;
const VANISHED: usize = 10;
const NEW: usize = 5;
/// Time for all of a large fleet to do something on a busy machine.
const LONG: Duration = Duration::from_secs(600);

fn name(at: usize) -> String {
    format!("node-{at:03}")
}

fn names(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(name).collect()
}

fn sorted(names: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        names.as_array().into_iter().flatten().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

/// All records, archived ones aside.
async fn records(control_plane: &ControlPlane) -> Result<Vec<Value>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/agents?limit=200{after}");
        let page = control_plane.expect("GET", &path, None, 200).await?;
        all.extend(page["items"].as_array().context("no agents")?.clone());
        let Some(next) = page["next"].as_str() else { return Ok(all) };
        after = format!("&after={next}");
    }
}

async fn in_step(control_plane: &ControlPlane, id: &str, step: &str) {
    eventually(step, LONG, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = control_plane.show(id, "/status").await.ok()?;
        assert!(status["outcome"].is_null(), "it is over: {status:#}");
        (status["phase"] == "running" && status["step"] == step).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_of_which_a_tenth_is_replaced_during_a_rollout_is_promoted_on_what_the_candidate_does()
-> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start_replacing(dir.path(), "5s").await?;
    let fleet = control_plane.listening.fleet;
    let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
    let door = Door::new(&[fleet], &token)?;
    let mut agents: Vec<Simulated> =
        names(0..NODES).iter().map(|node| Simulated::start(&door, node)).collect();
    eventually("all connect", LONG, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let connected = records(&control_plane).await.ok()?;
        let connected = connected.iter().filter(|agent| agent["status"] == "connected").count();
        (connected == NODES).then_some(())
    })
    .await;
    let fragment = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
    let asked = json!({
        "name": "large", "selector": "env=test,k8s.cluster.name in (large)", "candidate": { "config": fragment },
        "weights_bp": [5000, 10000], "window": "1s", "report_every": "10s", "lookback": "1s",
        "policy": { "min_horizons": 2, "min_cardinality_reduction": 0.3, "gone_after": "1m" },
    });
    let id = control_plane.experiment(&asked).await?;
    in_step(&control_plane, &id, "mirror").await;

    // Some lose their power for good, some get an agent with an empty directory, and some nodes are new.
    agents.truncate(NODES - VANISHED);
    for (at, agent) in agents.iter_mut().enumerate().take(REPLACED) {
        *agent = Simulated::start(&door, &name(at));
    }
    agents.extend(names(NODES..NODES + NEW).iter().map(|node| Simulated::start(&door, node)));
    let status = eventually("its end", 2 * LONG, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = control_plane.show(&id, "/status").await.ok()?;
        (!status["outcome"].is_null()).then_some(status)
    })
    .await;
    assert_eq!(status["outcome"], "promoted", "{status:#}");

    let shown = control_plane.show(&id, "").await?;
    let basis = &shown["verdict"]["basis"];
    assert_eq!(sorted(&basis["replaced"]), names(0..REPLACED), "{basis:#}");
    assert_eq!(sorted(&basis["gone"]), names(NODES - VANISHED..NODES), "{basis:#}");
    for none in ["missing", "left", "in_conflict"] {
        assert_eq!(basis[none], json!([]), "{none}");
    }
    let said = basis["sentences"].to_string();
    for words in
        ["Gone, so that nobody waits for them: node-290", "Replaced by another agent on the same node"]
    {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    // All that it ever waited for with the word hold is who was not heard of, and not yet gone.
    let events = e2e::http::events(control_plane.listening.rest, &id, control_plane.token()).await?;
    for event in events.iter().filter(|event| event["detail"]["verb"] == "hold") {
        let reason = &event["detail"]["reasons"][0]["quantity"];
        assert!(["missing_agents", "applied"].iter().any(|waits| reason == waits), "{event:#}");
    }
    // One record for one node, and the record stays that of the first agent.
    let records = records(&control_plane).await?;
    let mut nodes: Vec<&str> = records.iter().filter_map(|agent| agent["node"].as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!((records.len(), nodes.len()), (NODES + NEW, NODES + NEW));
    let another = records.iter().filter(|agent| agent["uid"] != agent["instance_uid"]).count();
    assert_eq!(another, REPLACED);
    Ok(())
}

/// Agents of one node, each with a directory of its own.
struct Twins {
    dir: tempfile::TempDir,
    control_plane: ControlPlane,
    nodes: [Node; 2],
    _sink: Sink,
}

impl Twins {
    async fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
        let control_plane = ControlPlane::start_replacing(dir.path(), "3s").await?;
        let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
        let node = |name: &str| -> Result<Node> {
            let made = Node::new(dir.path(), name, sink.endpoint(), control_plane.listening, &token)?;
            Ok(Node { name: "web-1".to_owned(), ..made })
        };
        let nodes = [node("one")?, node("other")?];
        Ok(Self { dir, control_plane, nodes, _sink: sink })
    }
}

async fn says(agent: &Agent, what: &str) {
    eventually(what, LONG, || async {
        agent.health().await.ok()?["control_plane"].as_str()?.contains(what).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_node_has_one_waits_takes_its_place_and_the_other_coming_back_is_a_conflict_that_is_told()
-> Result<()> {
    let twins = Twins::new().await?;
    let person = Person { dir: twins.dir.path() };
    person.logs_in(&twins.control_plane).await?;
    let first = twins.nodes[0].start().await?;
    connected(&first).await;
    let record = records(&twins.control_plane).await?[0]["uid"].as_str().context("no uid")?.to_owned();
    let second = twins.nodes[1].start().await?;
    says(&second, "node host.name=web-1 has another agent").await;
    assert_eq!(records(&twins.control_plane).await?.len(), 1);
    first.kill().await?;
    connected(&second).await;
    let shown = person.ok(&["agent", "get", &record]).await?;
    assert!(shown.contains("host.name=web-1") && shown.contains("replaced"), "{shown}");

    let back = twins.nodes[0].start().await?;
    says(&back, "has taken the place of this one").await;
    let list = eventually("the conflict is listed", LONG, || async {
        let list = person.ok(&["agent", "list"]).await.ok()?;
        list.contains("node conflict").then_some(list)
    })
    .await;
    assert_eq!(list.matches("web-1").count(), 2, "one row, with the host's name and the node: {list}");
    assert!(person.ok(&["agent", "get", &record]).await?.contains("Stop one of them"));
    assert_eq!(back.health().await?["status"], second.health().await?["status"], "both go on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_agents_that_claim_one_node_at_once_both_come_in_and_one_is_named_as_beside_the_other()
-> Result<()> {
    let twins = Twins::new().await?;
    let (one, other) = tokio::try_join!(twins.nodes[0].start(), twins.nodes[1].start())?;
    connected(&one).await;
    connected(&other).await;
    let mut nodes: Vec<String> = Vec::new();
    for agent in records(&twins.control_plane).await? {
        nodes.push(agent["node"].as_str().expect("a node").to_owned());
    }
    nodes.sort_unstable();
    assert_eq!((nodes.len(), nodes[0].as_str()), (2, "host.name=web-1"), "{nodes:?}");
    assert!(nodes[1].starts_with("host.name=web-1#"), "{nodes:?}");
    Ok(())
}
