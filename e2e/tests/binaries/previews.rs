//! Previews with the real binaries: their figures are those of `phoenix compare`, and no candidate does any harm.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use e2e::agent::{Agent, binary};
use e2e::fleet::connected;
use e2e::person::Person;
use e2e::served::{COLLIDING, GOOD, Loop, PATIENCE};
use e2e::{eventually, traffic};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use simulator::profile::{Host, Profile, Role};

/// Scrapes that each agent gets.
const SCRAPES: u64 = 6;

/// Scrapes of a host, ten seconds apart.
fn scrapes(name: &str, processes: usize, seed: u64) -> Vec<ExportMetricsServiceRequest> {
    let mut host = Host::new(Profile::Realistic, Role::Web, name, processes, seed);
    let scrape = |n| {
        host.step(Duration::from_secs(10));
        host.scrape(1_767_225_600_000_000_000 + n * 10_000_000_000)
    };
    (0..SCRAPES).map(scrape).collect()
}

async fn send(agent: &Agent, requests: &[ExportMetricsServiceRequest]) -> Result<()> {
    let mut client = traffic::client(&agent.endpoint()).await?;
    for request in requests {
        client.export(request.clone()).await?;
    }
    Ok(())
}

/// Two agents, and one whose owner wants nothing that is pushed; nobody feeds them.
async fn three() -> Result<Loop> {
    let mut fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    for more in ["", "", "  experiments: refuse\n"] {
        let mut node = fleet.node().await?;
        node.more = more;
        let agent = node.start().await?;
        connected(&agent).await;
        fleet.nodes.push(node);
        fleet.agents.push(agent);
    }
    Ok(fleet)
}

async fn phoenix(words: &[&std::ffi::OsStr]) -> Result<Value> {
    let output = tokio::process::Command::new(binary("phoenix")).args(words).output().await?;
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// What `phoenix compare` says of a candidate on these requests, whose baseline passes them on.
async fn compared(dir: &Path, candidate: &Path, requests: &[ExportMetricsServiceRequest]) -> Result<Value> {
    let (came, made) = (dir.join("came"), dir.join("made"));
    std::fs::create_dir_all(&came)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        files.push(came.join(format!("{at}.pb")));
        std::fs::write(&files[at], request.encode_to_vec())?;
    }
    let mut run: Vec<&std::ffi::OsStr> = vec!["pipeline".as_ref(), "run".as_ref(), "--config".as_ref()];
    run.extend([candidate.as_os_str(), "--output".as_ref(), made.as_os_str()]);
    run.extend(files.iter().map(|file| file.as_os_str()));
    phoenix(&run).await?;
    let said = phoenix(&["compare".as_ref(), came.as_os_str(), made.as_os_str(), "--json".as_ref()]).await?;
    Ok(said["report"]["comparison"].clone())
}

fn of<'a>(preview: &'a Value, host: &str) -> &'a Value {
    let agents = preview["agents"].as_array().expect("agents");
    agents.iter().find(|agent| agent["host"] == host).expect("the agent")
}

/// The figures that a preview and a comparison of captures share.
fn figures(comparison: &Value) -> Value {
    let side = |name: &str| {
        let side = &comparison[name];
        let output = json!([side["output"]["points"], side["output"]["bytes"]]);
        json!([output, side["series"], side["active_series"], side["collisions"]])
    };
    let lenses = comparison["lenses"].as_array().expect("lenses").iter();
    let lenses: Vec<Value> = lenses
        .map(|lens| json!([lens["name"], lens["groups"], lens["groups_that_differ"], lens["groups_lost"]]))
        .collect();
    json!({
        "sides": [side("baseline"), side("candidate")],
        "saving": [comparison["saving"]["points"], comparison["saving"]["bytes"], comparison["saving"]["series"]],
        "lenses": lenses,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_figures_are_those_of_compare_on_the_same_requests_and_no_candidate_harms_the_baseline()
-> Result<()> {
    let fleet = three().await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    for (name, text) in [("good", GOOD), ("colliding", COLLIDING), ("endless", &endless())] {
        std::fs::write(fleet.dir.path().join(name), text)?;
    }
    // One scrape tells nothing.
    let hosts = [scrapes("host-1", 30, 1), scrapes("host-2", 45, 2)];
    for (agent, requests) in fleet.agents.iter().zip(&hosts) {
        send(agent, &requests[..1]).await?;
    }
    let early = person.types(&["preview", "-f", "good", "-o", "json"]).await?;
    assert_eq!(early.status.code(), Some(1), "{early:?}");
    let early: Value = serde_json::from_slice(&early.stdout)?;
    for host in ["node-1", "node-2"] {
        let why = of(&early, host)["why"].as_str().expect("a reason");
        assert!(why.contains("fewer than two scrapes"), "{why}");
    }
    assert_eq!(early["figures"], Value::Null);

    for (agent, requests) in fleet.agents.iter().zip(&hosts) {
        send(agent, &requests[1..]).await?;
    }
    send(&fleet.agents[2], &hosts[0]).await?;
    let arrived = fleet.sink.counts().points;
    for candidate in ["good", "colliding"] {
        let found = person.json(&["preview", "-f", candidate]).await?;
        assert_eq!((&found["asked"], &found["measured"]), (&json!(3), &json!(2)), "{found:#}");
        assert_eq!(found["requests"], json!(2 * SCRAPES));
        for (host, requests) in ["node-1", "node-2"].iter().zip(&hosts) {
            let dir = fleet.dir.path().join(format!("{candidate}-{host}"));
            let offline = compared(&dir, &fleet.dir.path().join(candidate), requests).await?;
            let online = &of(&found, host)["comparison"];
            assert_eq!(figures(online), figures(&offline), "{candidate} on {host}");
            // Of what is renamed captures know less: they have no provenance.
            let lost = if candidate == "good" { &offline["lost_by_candidate"]["value"] } else { &json!(0) };
            assert_eq!(online["lost_by_candidate"]["value"], *lost, "{candidate} on {host}");
            assert!(online["saving"]["series"].as_f64() > Some(0.05), "it saves something: {candidate}");
        }
        let refused = of(&found, "node-3");
        assert_eq!((&refused["state"], &refused["requests"]), (&json!("refused"), &json!(0)));
        assert!(
            refused["why"].as_str().expect("a reason").contains("phoenix.experiments is `refuse`"),
            "{refused:#}"
        );
    }
    let table = person.ok(&["preview", "-f", "colliding"]).await?;
    for part in [
        "of 2 of 3 agents, and decides nothing",
        "Side by side",
        "node-3: phoenix.experiments",
        "would become one with several writers",
    ] {
        assert!(table.contains(part), "{part} is not in {table}");
    }

    // It ends with its time, and the baseline has gone on.
    // An agent whose cores others keep may say so too late.
    for attempt in 1.. {
        let stopped = person.types(&["preview", "-f", "endless", "--wait", "1s", "-o", "json"]).await?;
        let stopped: Value = serde_json::from_slice(&stopped.stdout)?;
        let why = of(&stopped, "node-1")["why"].as_str().expect("a reason");
        if why.contains("it was stopped after") {
            break;
        }
        assert!(why.contains("it did not answer within 1s") && attempt < 20, "{why}");
    }
    for agent in &fleet.agents {
        assert_eq!(agent.health().await?["status"], "ok");
    }
    send(&fleet.agents[0], &hosts[0][..1]).await?;
    let points = simulator::point_count(&hosts[0][0]);
    eventually("the baseline delivers", PATIENCE, || async {
        (fleet.sink.counts().points >= arrived + points).then_some(())
    })
    .await;
    eventually("the agents are free for another one", PATIENCE, || async {
        let found = person.json(&["preview", "-f", "good"]).await.ok()?;
        (found["measured"] == 2).then_some(())
    })
    .await;
    assert_eq!(fleet.sink.counts().points_of("candidate"), 0, "nothing of a candidate has left");
    Ok(())
}

/// One agent that has kept a few scrapes.
async fn fed() -> Result<Loop> {
    let mut fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    let node = fleet.node().await?;
    let agent = node.start().await?;
    connected(&agent).await;
    send(&agent, &scrapes("host-1", 30, 1)).await?;
    fleet.nodes.push(node);
    fleet.agents.push(agent);
    std::fs::write(fleet.dir.path().join("endless"), endless())?;
    std::fs::write(fleet.dir.path().join("good"), GOOD)?;
    Person { dir: fleet.dir.path() }.logs_in(&fleet.control_plane).await?;
    Ok(fleet)
}

/// Begins a preview that takes its whole time, and waits until its agent runs it.
async fn running(fleet: &Loop) -> Result<tokio::process::Child> {
    let mut asks = tokio::process::Command::new(binary("phoenix"));
    asks.args(["preview", "-f", "endless", "--wait", "15s"]).current_dir(fleet.dir.path());
    let dir = fleet.dir.path();
    asks.env("PHOENIX_SESSION", dir.join("session/session.json")).kill_on_drop(true);
    let asks = asks.spawn()?;
    let record = fleet.nodes[0].dir.join("data/previewing.json");
    eventually("the agent runs it", PATIENCE, || async { record.exists().then_some(()) }).await;
    Ok(asks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_its_agent_dies_of_in_a_preview_is_not_tried_again_until_it_is_lifted() -> Result<()>
{
    let mut fleet = fed().await?;
    let asks = running(&fleet).await?;
    fleet.agents.remove(0).kill().await?;
    drop(asks);
    let agent = fleet.nodes[0].start().await?;
    connected(&agent).await;
    let health = agent.health().await?;
    let words = health["quarantined"].as_object().and_then(|all| all.values().next()).cloned();
    let words = words.unwrap_or_default();
    assert!(words.as_str().unwrap_or_default().contains("died while it ran it in a preview"), "{health:#}");
    send(&agent, &scrapes("host-1", 30, 1)).await?;
    let person = Person { dir: fleet.dir.path() };
    let again = person.types(&["preview", "-f", "endless", "--wait", "6s", "-o", "json"]).await?;
    let again: Value = serde_json::from_slice(&again.stdout)?;
    let refused = of(&again, "node-1");
    assert_eq!(refused["state"], "refused", "{again:#}");
    assert!(refused["why"].as_str().expect("a reason").contains("in quarantine"), "{refused:#}");
    let found = person.json(&["preview", "-f", "good"]).await?;
    assert_eq!(found["measured"], 1, "another candidate is welcome: {found:#}");
    let uid = refused["uid"].as_str().expect("a uid").to_owned();
    assert!(person.ok(&["agent", "get", &uid]).await?.contains("died while it ran it in a preview"));
    person.ok(&["agent", "lift", &uid]).await?;
    eventually("it is lifted", PATIENCE, || async {
        agent.health().await.ok()?["quarantined"].is_null().then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_who_asked_is_killed_the_agent_stops_and_is_free_for_others() -> Result<()> {
    let fleet = fed().await?;
    let mut asks = running(&fleet).await?;
    asks.kill().await?;
    let record = fleet.nodes[0].dir.join("data/previewing.json");
    eventually("the agent has stopped", Duration::from_secs(10), || async {
        (!record.exists()).then_some(())
    })
    .await;
    let person = Person { dir: fleet.dir.path() };
    let found = person.json(&["preview", "-f", "good"]).await?;
    assert_eq!(found["measured"], 1, "{found:#}");
    Ok(())
}

/// A candidate with so many statements on each point that it is not done within seconds.
fn endless() -> String {
    let statement = |at: usize| {
        format!(
            "'replace_pattern(resource.attributes[\"process.executable.name\"], \"^(x|y|z)+{at}$\", \"w\")'"
        )
    };
    let statements: Vec<String> = (0..600).map(statement).collect();
    format!(
        "processors:
  transform/slow: {{ metric_statements: [ {{ context: datapoint, statements: [{}] }} ] }}
service: {{ pipelines: {{ metrics: {{ processors: [transform/slow] }} }} }}
",
        statements.join(", ")
    )
}
