//! The served loop with the real binaries: a control plane that pushes, collects, decides, and survives.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::fleet::{Node, Source, connected};
use e2e::served::{CARELESS, COLLIDING, GOOD, Loop, PATIENCE, experiment};
use serde_json::{Value, json};

fn reasons(status: &Value, quantity: &str) -> Value {
    let all = status["reasons"].as_array().expect("reasons");
    all.iter().find(|reason| reason["quantity"] == quantity).unwrap_or_else(|| panic_with(status)).clone()
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_with(status: &Value) -> ! {
    panic!("not the reason that was expected: {status:#}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_candidate_is_walked_to_promoted_by_the_control_plane_and_rolled_back_at_once_when_asked()
-> Result<()> {
    let fleet = Loop::start().await?;
    let id = fleet.control_plane.experiment(&experiment("good", GOOD)).await?;
    let status = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert!(status["reasons"].as_array().is_some_and(|reasons| reasons.len() > 2), "{status:#}");
    let history = fleet.history(&id).await?;
    assert_eq!(history, ["create", "start", "applied", "advance", "advance", "advance", "promote"]);

    // The candidate is in charge: what it drops does not leave any more.
    let results = fleet.control_plane.show(&id, "/results").await?;
    assert_eq!(results["total"]["agents"], 2);
    assert_eq!(results["total"]["exact"], true);
    assert!(results["total"]["saving_series"].as_f64().expect("a share") > 0.1, "{results:#}");
    eventually("the promoted generation serves", PATIENCE, || async {
        let generations = fleet.generations().await;
        (generations.iter().all(|generation| *generation == 5)).then_some(())
    })
    .await;

    eventually("the agents run what they were offered, and the control plane knows", PATIENCE, || async {
        let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await.ok()?;
        let runs = |agent: &Value| {
            agent["offered_hash"].is_string() && agent["offered_hash"] == agent["effective_hash"]
        };
        let all = agents["items"].as_array()?;
        (all.len() == 2 && all.iter().all(|agent| runs(agent) && agent["status"] == "connected"))
            .then_some(())
    })
    .await;

    // A promotion can be taken back: every agent is on its own file again, at once.
    taken_back(&fleet, &id).await?;

    // What it found stays readable.
    for agent in &fleet.agents {
        let report = agent.report().await?;
        assert!(report.ended && report.experiment_total.windows > 8, "{report:?}");
    }
    Ok(())
}

/// Rolls an experiment back, and returns the time until every agent runs what it ran before.
async fn taken_back(fleet: &Loop, id: &str) -> Result<Duration> {
    let before = fleet.generations().await;
    let asked = Instant::now();
    fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;
    eventually("rolled back", PATIENCE, || async {
        let now = fleet.generations().await;
        now.iter().zip(&before).all(|(now, before)| now > before).then_some(())
    })
    .await;
    Ok(asked.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_that_hide_or_collide_are_rolled_back_in_mirror_by_name_and_send_nothing() -> Result<()> {
    let fleet = Loop::start().await?;
    for (candidate, quantity) in [(CARELESS, "critical_process_coverage"), (COLLIDING, "collisions")] {
        let id = fleet.control_plane.experiment(&experiment(quantity, candidate)).await?;
        let status = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
        let reason = reasons(&status, quantity);
        assert!(reason["names"].as_array().is_some_and(|names| !names.is_empty()), "{reason:#}");
        assert_eq!(fleet.history(&id).await?, ["create", "start", "applied", "rollback"]);
        // A monitoring that looks later finds why.
        let (_, metrics) = e2e::http::get(fleet.control_plane.listening.rest, "/metrics").await?;
        let labels = format!(r#"{{experiment="{id}",criterion="{quantity}",answer="violated"}}"#);
        assert!(metrics.contains(&format!("phoenix_experiment_criteria{labels} ")), "{metrics}");
    }
    let counts = fleet.sink.counts();
    let candidates: u64 = counts.points_of("candidate");
    assert_eq!(candidates, 0, "not one point of a candidate has left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guardrail_holds_a_step_and_a_promotion_waits_for_a_second_person() -> Result<()> {
    let fleet = Loop::start().await?;
    let mut held = experiment("held", GOOD);
    held["policy"]["guardrails"] =
        json!([{ "name": "bytes", "quantity": "bytes", "direction": "lower", "margin": 0.01 }]);
    let id = fleet.control_plane.experiment(&held).await?;
    // Until both agents have applied the step, what holds is that.
    let holds = |s: &Value| s["phase"] == "running" && s["verdict"]["verb"] == "hold";
    let status = fleet.until(&id, "a hold", holds).await;
    assert_eq!((&status["step"], &status["phase"]), (&json!("mirror"), &json!("running")));
    let reason = &status["verdict"]["reasons"][0];
    assert_eq!((&reason["quantity"], &reason["limit"]), (&json!("bytes"), &json!(0.01)), "{status:#}");
    assert!(reason["observed"].as_f64() < Some(-0.01), "{reason:#}");
    assert_eq!(reason["hosts"], json!(["node-1", "node-2"]), "{reason:#}");
    fleet.control_plane.expect("POST", &format!("/api/v1/experiments/{id}/rollback"), None, 200).await?;

    let mut asking = experiment("asking", GOOD);
    asking["policy"]["require_approval"] = json!(true);
    let id = fleet.control_plane.experiment(&asking).await?;
    let of = |verb: &str| format!("/api/v1/experiments/{id}/{verb}");
    let asks = |s: &Value| s["phase"] == "analyzing" && s["verdict"]["reasons"][0]["quantity"] == "approval";
    fleet.until(&id, "the question", asks).await;
    let (status, own) = fleet.control_plane.call("POST", &of("approve"), None).await?;
    assert_eq!(status, 409, "{own:#}");
    assert_eq!(fleet.control_plane.call("POST", &of("promote"), None).await?.0, 409);
    let second = fleet.control_plane.person("second@example.org", "operator").await?;
    let rest = fleet.control_plane.listening.rest;
    assert_eq!(e2e::http::call(rest, "POST", &of("approve"), &second, None).await?.0, 200);
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert!(reasons(&promoted, "approval")["sentence"].as_str().is_some_and(|s| s.starts_with("second@")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_killed_comes_back_on_its_generation_without_anybody_and_the_experiment_ends_as_it_would()
-> Result<()> {
    let mut fleet = Loop::start().await?;
    let mut slow = experiment("good", GOOD);
    slow["policy"]["min_horizons"] = json!(4);
    let id = fleet.control_plane.experiment(&slow).await?;
    fleet.in_step(&id, "50 %").await;
    eventually("the step serves", PATIENCE, || async {
        fleet.agents[0].generation().await.ok().filter(|generation| *generation >= 3)
    })
    .await;
    let away = fleet.control_plane.crash().await?;
    fleet.sources.remove(0);
    fleet.agents.remove(0).kill().await?;
    let kept = fleet.nodes[0].kept()?;
    let back = fleet.nodes[0].start().await?;
    assert_eq!(back.generation().await?, kept, "and there is nobody to speak to");
    assert!(kept >= 3, "{kept}");
    fleet.control_plane = away.restart().await?;
    fleet.sources.push(Source::start(back.endpoint(), 1));
    fleet.agents.insert(0, back);
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_is_killed_resumes_where_it_was_and_data_flows_on() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let mut slow = experiment("good", GOOD);
    slow["policy"]["min_horizons"] = json!(3);
    let id = fleet.control_plane.experiment(&slow).await?;
    for step in ["mirror", "50 %", "100 %"] {
        fleet.in_step(&id, step).await;
        let away = fleet.control_plane.crash().await?;
        let before = fleet.sink.counts().points;
        eventually("data flows without the control plane", PATIENCE, || async {
            (fleet.sink.counts().points > before + 500).then_some(())
        })
        .await;
        fleet.control_plane = away.restart().await?;
        let status = fleet.status(&id).await.expect("a status");
        assert_eq!((&status["phase"], &status["step"]), (&json!("running"), &json!(step)), "{status:#}");
    }
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    for agent in &fleet.agents {
        assert_eq!(agent.metric("phoenix_fleet_reports_rejected_total", "").await?, 0.0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_refuses_what_is_pushed_is_shown_and_passed_over_and_holds_nobody() -> Result<()> {
    let mut fleet = Loop::start().await?;
    let token = fleet.control_plane.enrollment_token(json!({ "env": "test" })).await?;
    let at = fleet.control_plane.listening;
    let mut node = Node::new(fleet.dir.path(), "node-3", fleet.sink.endpoint(), at, &token)?;
    node.more = "  experiments: refuse\n";
    let agent = node.start().await?;
    connected(&agent).await;
    let refusing = || async {
        let agents = fleet.control_plane.expect("GET", "/api/v1/agents", None, 200).await.ok()?;
        let refusing = agents["items"].as_array()?.iter().filter(|agent| agent["refuses_configs"] == true);
        (refusing.count() == 1).then_some(())
    };
    eventually("it is shown", PATIENCE, refusing).await;
    let id = fleet.control_plane.experiment(&experiment("good", GOOD)).await?;
    fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert_eq!(fleet.control_plane.show(&id, "/results").await?["total"]["agents"], 2);
    eventually("the others are told of the deployment", PATIENCE, || async {
        let generations = fleet.generations().await;
        generations.iter().all(|generation| *generation >= 5).then_some(())
    })
    .await;
    assert_eq!(agent.generation().await?, 1, "its own file's, all the time");
    assert_eq!(refusals(&fleet.dir.path().join("node-3"))?, 0, "it was offered nothing");
    fleet.agents.push(agent);
    Ok(())
}

fn refusals(node: &Path) -> Result<usize> {
    let log = std::fs::read_to_string(node.join("agent.log"))?;
    Ok(log.lines().filter(|line| line.contains("what the control plane offers is not taken")).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_reaches_every_agent_within_a_second_in_every_phase_that_runs() -> Result<()> {
    let fleet = Loop::start().await?;
    for verb in [None, Some("pause"), Some("stop")] {
        // Of some tries the quickest counts: a machine may be busy with something else, and a timer's second would pass in each.
        let mut quickest = Duration::MAX;
        for _ in 0..TRIES {
            quickest = quickest.min(rolled_back_after(&fleet, verb).await?);
            if quickest < Duration::from_secs(1) {
                break;
            }
        }
        assert!(quickest < Duration::from_secs(1), "after {verb:?} it takes {quickest:?}");
    }
    Ok(())
}

/// Tries of which one has to be quick.
const TRIES: usize = 5;

/// Rolls back an experiment that runs or to which `verb` was done, and returns how long it took.
async fn rolled_back_after(fleet: &Loop, verb: Option<&str>) -> Result<Duration> {
    let mut slow = experiment("slow", GOOD);
    slow["policy"]["min_horizons"] = json!(1000);
    let id = fleet.control_plane.experiment(&slow).await?;
    fleet.in_step(&id, "mirror").await;
    let of = |what: &str| format!("/api/v1/experiments/{id}{what}");
    if let Some(verb) = verb {
        fleet.control_plane.expect("POST", &of(&format!("/{verb}")), None, 200).await?;
    }
    let took = taken_back(fleet, &id).await?;
    let again = fleet.control_plane.call("POST", &of("/rollback"), None).await?;
    assert_eq!(again.0, 409, "{again:?}");
    assert_eq!(fleet.control_plane.call("DELETE", &of(""), None).await?.0, 204);
    Ok(took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_with_the_place_and_the_way_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let bad = experiment("bad", &GOOD.replace("datapoint", "datapont"));
    let problem = control_plane.expect("POST", "/api/v1/experiments", Some(&bad), 422).await?;
    let first = &problem["errors"][0];
    assert_eq!((&first["line"], &first["nearest"]), (&json!(2), &json!("datapoint")), "{problem:#}");
    let mut sinking = experiment("bad", GOOD);
    sinking["weights_bp"] = json!([5000, 2500, 10000]);
    let problem = control_plane.expect("POST", "/api/v1/experiments", Some(&sinking), 422).await?;
    assert_eq!(problem["errors"][0]["field"], "weights_bp");
    let nobody =
        control_plane.expect("POST", "/api/v1/experiments", Some(&experiment("nobody", GOOD)), 201).await?;
    let id = nobody["id"].as_str().expect("an id");
    control_plane.expect("POST", &format!("/api/v1/experiments/{id}/start"), None, 409).await?;
    control_plane.expect("POST", &format!("/api/v1/experiments/{id}/pause"), None, 409).await?;
    control_plane.expect("POST", &format!("/api/v1/experiments/{id}/cancel"), None, 200).await?;
    let unknown = "0193a0c0-0000-7000-8000-000000000001";
    for (method, what) in
        [("GET", ""), ("GET", "/status"), ("GET", "/results"), ("POST", "/start"), ("DELETE", "")]
    {
        control_plane.expect(method, &format!("/api/v1/experiments/{unknown}{what}"), None, 404).await?;
    }
    Ok(())
}
