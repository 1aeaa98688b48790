//! Experiments that only observe, with the real binaries: what ends them, and that nothing of the candidate is delivered.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use e2e::agent::binary;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::fleet::connected;
use e2e::person::Person;
use e2e::served::{CARELESS, GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Holds points back, which under a weight takes leave.
const HOLDS: &str = "processors: { interval: { interval: 1s } }
service: { pipelines: { metrics: { processors: [interval] } } }
";

/// An experiment of mirror alone.
fn observing(name: &str, candidate: &str) -> Value {
    let mut body = experiment(name, candidate);
    body.as_object_mut().expect("an object").remove("weights_bp");
    body["steps"] = json!(["mirror"]);
    body
}

fn quantities(status: &Value) -> Vec<&str> {
    let all = status["reasons"].as_array().expect("reasons");
    all.iter().filter_map(|reason| reason["quantity"].as_str()).collect()
}

async fn ended(fleet: &Loop, id: &str, outcome: &str) -> Value {
    fleet.until(id, outcome, |status| status["outcome"] == outcome).await
}

/// That every agent runs its own file again, the candidate of nobody, and that none of its points has left.
async fn nothing_was_delivered(fleet: &Loop) {
    for agent in &fleet.agents {
        eventually("the candidate is gone", PATIENCE, || async {
            let report = agent.report().await.ok()?;
            report.ended.then_some(())
        })
        .await;
    }
    assert_eq!(fleet.sink.counts().points_of("candidate"), 0, "not one point of a candidate has left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_candidate_would_be_promoted_and_not_one_point_of_it_is_delivered() -> Result<()> {
    let fleet = Loop::start().await?;
    let id = fleet.control_plane.experiment(&observing("good", GOOD)).await?;
    let status = ended(&fleet, &id, "would_promote").await;
    assert_eq!(
        (&status["phase"], &status["verdict"]["verb"]),
        (&json!("completed"), &json!("would_promote"))
    );
    let reasons = quantities(&status);
    assert!(
        reasons.contains(&"min_cardinality_reduction") && reasons.contains(&"max_lens_error"),
        "{reasons:?}"
    );
    assert_eq!(fleet.history(&id).await?, ["create", "start", "applied", "judge"]);
    nothing_was_delivered(&fleet).await;
    let results = fleet.control_plane.show(&id, "/results").await?;
    assert_eq!((&results["outcome"], &results["total"]["agents"]), (&json!("would_promote"), &json!(2)));
    assert!(results["total"]["saving_series"].as_f64().expect("a share") > 0.1, "{results:#}");
    for verb in ["promote", "rollback", "stop"] {
        let (status, refused) =
            fleet.control_plane.call("POST", &format!("/api/v1/experiments/{id}/{verb}"), None).await?;
        assert_eq!(status, 409, "{refused:#}");
    }

    // The same after a step that compares the baseline with itself.
    let mut twice = observing("twice", GOOD);
    twice["steps"] = json!(["aa", "mirror"]);
    let id = fleet.control_plane.experiment(&twice).await?;
    ended(&fleet, &id, "would_promote").await;
    assert_eq!(fleet.history(&id).await?, ["create", "start", "applied", "advance", "judge"]);

    // One that holds points back needs no leave where nothing of it is delivered; what is found of it is not asked here.
    let mut holding = observing("holding", HOLDS);
    holding["policy"] = json!({ "min_horizons": 2, "allow": ["changed"] });
    let id = fleet.control_plane.experiment(&holding).await?;
    let over = fleet.until(&id, "an end", |status| status["outcome"] != Value::Null).await;
    assert!(
        ["would_promote", "would_not"].contains(&over["outcome"].as_str().expect("an outcome")),
        "{over:#}"
    );
    nothing_was_delivered(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_careless_candidate_would_not_by_name_and_the_agents_are_rid_of_it_at_once() -> Result<()> {
    let fleet = Loop::start().await?;
    let id = fleet.control_plane.experiment(&observing("careless", CARELESS)).await?;
    let status = ended(&fleet, &id, "would_not").await;
    assert!(quantities(&status).contains(&"critical_process_coverage"), "{status:#}");
    let named = status["reasons"][0]["names"].as_array().expect("names");
    assert!(!named.is_empty(), "{status:#}");
    assert_eq!(fleet.history(&id).await?, ["create", "start", "applied", "judge"]);
    nothing_was_delivered(&fleet).await;

    // What a rollout would hold for.
    let mut greedy = observing("greedy", GOOD);
    greedy["policy"]["min_cardinality_reduction"] = json!(0.9);
    let id = fleet.control_plane.experiment(&greedy).await?;
    let status = ended(&fleet, &id, "would_not").await;
    assert_eq!(quantities(&status), ["min_cardinality_reduction"]);
    nothing_was_delivered(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_traffic_it_ends_as_not_measured_when_its_time_is_up_and_says_what_is_missing() -> Result<()>
{
    let mut fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    let node = fleet.node().await?;
    let agent = node.start().await?;
    connected(&agent).await;
    fleet.nodes.push(node);
    fleet.agents.push(agent);
    let mut silent = observing("silent", GOOD);
    silent["policy"]["max_duration"] = json!("20s");
    silent["policy"]["max_error_rate"] = json!(0.1);
    let id = fleet.control_plane.experiment(&silent).await?;
    let status = ended(&fleet, &id, "not_measured").await;
    let reasons = quantities(&status);
    assert_eq!(reasons[0], "max_duration", "{status:#}");
    for missing in ["min_cardinality_reduction", "max_error_rate"] {
        assert!(reasons.contains(&missing), "{missing} is not in {reasons:?}");
    }
    assert!(reasons.contains(&"traffic") || reasons.contains(&"horizons"), "{reasons:?}");
    nothing_was_delivered(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_delivery_shows_is_told_beforehand_and_leaves_the_rest_measured() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let mut asking = observing("asking", GOOD);
    asking["policy"]["max_latency_increase"] = json!(0.5);
    let id = fleet.control_plane.experiment(&asking).await?;
    let shown = fleet.control_plane.show(&id, "").await?;
    assert!(shown["needs"].to_string().contains("max_latency_increase cannot be measured"), "{shown:#}");
    let status = ended(&fleet, &id, "not_measured").await;
    assert_eq!(quantities(&status)[0], "max_latency_increase");
    let criteria = status["verdict"]["criteria"].as_array().expect("criteria");
    let lens = criteria.iter().filter(|one| one["quantity"] == "max_lens_error");
    assert!(
        lens.clone().count() > 0 && lens.clone().all(|one| one["answer"] != "not_measured"),
        "{status:#}"
    );
    nothing_was_delivered(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_paused_resumed_stopped_rolled_back_and_deleted_like_any_other() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let act = async |id: &str, verb: &str| {
        fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/{verb}"), None, 200).await
    };
    let mut waiting = observing("waiting", GOOD);
    waiting["policy"]["min_horizons"] = json!(4);
    let id = fleet.control_plane.experiment(&waiting).await?;
    fleet.in_step(&id, "mirror").await;
    act(&id, "pause").await?;
    // Everything is measured, and a pause holds it all the same.
    let all_met =
        |status: &Value| status["verdict"]["verb"] == "would_promote" && status["phase"] == "paused";
    fleet.until(&id, "enough evidence in a pause", all_met).await;
    let (refused, said) =
        fleet.control_plane.call("DELETE", &format!("/api/v1/experiments/{id}"), None).await?;
    assert_eq!(refused, 409, "{said:#}");
    act(&id, "resume").await?;
    ended(&fleet, &id, "would_promote").await;
    fleet.control_plane.expect("DELETE", &format!("/api/v1/experiments/{id}"), None, 204).await?;

    waiting["policy"]["min_horizons"] = json!(500);
    let id = fleet.control_plane.experiment(&waiting).await?;
    fleet.in_step(&id, "mirror").await;
    act(&id, "stop").await?;
    let status = ended(&fleet, &id, "not_measured").await;
    assert_eq!(quantities(&status)[..2], ["stop", "horizons"], "{status:#}");

    waiting["name"] = json!("waiting again");
    let id = fleet.control_plane.experiment(&waiting).await?;
    fleet.in_step(&id, "mirror").await;
    act(&id, "rollback").await?;
    ended(&fleet, &id, "rolled_back").await;
    nothing_was_delivered(&fleet).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_for_it_by_a_word_and_reads_what_would_have_been_decided() -> Result<()> {
    let fleet = Loop::of(1).await?;
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let mut body = experiment("by hand", GOOD);
    body.as_object_mut().expect("an object").remove("candidate");
    std::fs::write(fleet.dir.path().join("candidate.yaml"), GOOD)?;
    std::fs::write(fleet.dir.path().join("weights.json"), body.to_string())?;
    let words = ["experiment", "create", "weights.json", "--candidate", "candidate.yaml", "--observe-only"];
    let refused = person.refused(&words).await?;
    assert!(refused.contains("--observe-only asks for no weight"), "{refused}");
    body.as_object_mut().expect("an object").remove("weights_bp");
    std::fs::write(fleet.dir.path().join("weights.json"), body.to_string())?;
    let made = person.json(&[&words[..], &["--start"]].concat()).await?;
    assert_eq!((&made["observe_only"], &made["phase"]), (&json!(true), &json!("initializing")));
    let status = person.ok(&["experiment", "status", "by hand"]).await?;
    assert!(status.contains("nothing of the candidate: it only observes"), "{status}");
    ended(&fleet, made["id"].as_str().context("an id")?, "would_promote").await;
    let explained = person.ok(&["experiment", "explain", "by hand"]).await?;
    assert!(
        explained.starts_with("verdict  would_promote\nphase    completed, would_promote\n"),
        "{explained}"
    );
    assert!(explained.contains("if violated, it ends the experiment at once: would_not"), "{explained}");
    assert!(!explained.contains("rolls back"), "there is nothing to roll back: {explained}");
    let results = person.ok(&["experiment", "results", "by hand"]).await?;
    assert!(results.contains("would_promote"), "{results}");
    let promoted = person.refused(&["experiment", "promote", "by hand"]).await?;
    assert!(promoted.contains("it is completed and only observes (allowed: nothing)"), "{promoted}");
    // A name is taken while one experiment has it.
    let refused = person.refused(&[&words[..], &["--name", "by hand"]].concat()).await?;
    assert!(refused.contains("an experiment of the name by hand exists"), "{refused}");
    let refused = person.refused(&["experiment", "get", "nobody"]).await?;
    assert!(refused.contains("there is no experiment nobody"), "{refused}");
    Ok(())
}

/// Runs a command of a shell in a folder as it is printed, with the programs that are tested first in its path.
fn typed(dir: &Path, command: &str) -> Command {
    let programs = binary("phoenix").parent().map(Path::to_owned).unwrap_or_default();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).current_dir(dir).env("PATH", path).kill_on_drop(true);
    shell.env("PHOENIX_SESSION", dir.join("session").join("session.json")).stdin(Stdio::null());
    shell
}

const CONFIG: &str = "receivers:
  otlp: { protocols: { grpc: {} } }
processors:
  filter/a: # ours
    metrics: { metric: ['name == \"process.memory.virtual\"'] }
exporters:
  debug:
service:
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [filter/a]
      exporters: [debug]
";

/// What `adopt` says to do next, with these words.
async fn next(dir: &Path, words: &str) -> Result<Vec<Value>> {
    let command = format!("phoenix adopt otelcol.yaml --out adopted {words} -o json");
    let output = typed(dir, &command).output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout)?;
    Ok(document["next"].as_array().context("no steps")?.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_adopt_prints_as_next_works_as_it_is_printed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    Person { dir: dir.path() }.logs_in(&control_plane).await?;
    std::fs::write(dir.path().join("otelcol.yaml"), CONFIG)?;
    let named =
        |step: &Value| step["step"].as_str().is_some_and(|what| what.starts_with("name your control plane"));
    assert!(next(dir.path(), "").await?.iter().any(named), "experiments need one");
    let words =
        format!("--endpoint 127.0.0.1:0 --control-plane ws://{}/v1/opamp", control_plane.listening.fleet);
    let steps = next(dir.path(), &words).await?;
    assert!(!steps.iter().any(named), "{steps:#?}");
    // The ports of a machine are everybody's.
    let half = dir.path().join("adopted/phoenix-agent.yaml");
    let text = std::fs::read_to_string(&half)?;
    std::fs::write(&half, text.replace(":18888", ":0").replace(":18133", ":0"))?;

    let mut agent: Option<Child> = None;
    let mut ran = Vec::new();
    for step in &steps {
        let command = step["command"].as_str().context("no command")?;
        let first: Vec<&str> = command.split(' ').take(3).collect();
        match first[0] {
            "phoenix-agent" => agent = Some(typed(dir.path(), &format!("exec {command}")).spawn()?),
            "phoenix" => {
                if first[1..] == ["experiment", "create"] {
                    eventually("the agent has joined", PATIENCE, || async {
                        let agents = control_plane.expect("GET", "/api/v1/agents", None, 200).await.ok()?;
                        (agents["items"][0]["status"] == "connected").then_some(())
                    })
                    .await;
                }
                let output = typed(dir.path(), command).output().await?;
                let said = String::from_utf8_lossy(&output.stderr);
                // It has no winner yet; the test of patch has one.
                let is_early =
                    first[1..] == ["experiment", "patch"] && said.contains("has a winner; wait for its end");
                assert!(output.status.success() || is_early, "{command}: {said}");
                ran.push(first.join(" "));
            }
            // Ports that this test does not take, and a Collector that it does not have.
            other => assert!(["otelcol", "curl"].contains(&other), "{command}"),
        }
    }
    let expected = [
        "phoenix token create",
        "phoenix pipeline template",
        "phoenix experiment create",
        "phoenix experiment explain",
        "phoenix experiment patch",
    ];
    assert_eq!(ran, expected);
    assert!(agent.is_some(), "{steps:#?}");
    let listed = control_plane.expect("GET", "/api/v1/experiments", None, 200).await?;
    let made = &listed["items"][0];
    assert_eq!((&made["name"], &made["selector"]), (&json!("otelcol"), &json!("adopted=otelcol")));
    assert_eq!((&made["observe_only"], &made["phase"] == "pending"), (&json!(true), false), "{made:#}");
    Ok(())
}
