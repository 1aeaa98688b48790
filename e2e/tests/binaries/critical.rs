//! One critical process on one host of a fleet: a candidate that drops it is found at once, and named.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use e2e::eventually;
use e2e::fleet::host_of;
use e2e::served::{Loop, PATIENCE, experiment};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Value, json};

/// The host that has the process.
const HOST: u64 = 3;

/// The pid of the first nginx of a host, and how many critical processes there are.
fn nginx_of(number: u64) -> (i64, usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let request = host_of(number).scrape(u64::try_from(now.as_nanos()).unwrap_or_default());
    let resources = request.resource_metrics.iter().filter_map(|one| one.resource.as_ref());
    let of = |resource: &Resource, key: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == key);
        found.and_then(|attribute| attribute.value.as_ref()?.value.clone())
    };
    let nginx = resources
        .filter(|one| of(one, "process.executable.name") == Some(Any::StringValue("nginx".to_owned())))
        .filter_map(|one| match of(one, "process.pid") {
            Some(Any::IntValue(pid)) => Some(pid),
            _ => None,
        });
    let pids: Vec<i64> = nginx.collect();
    (*pids.first().expect("a web server runs nginx"), pids.len())
}

/// Three hosts, and a candidate that drops one process of one of them, besides what nobody looks at. Horizons of three
/// seconds, so that a second one comes long after the first was judged.
async fn dropping(fleet: &mut Loop, policy: Value) -> Result<(String, i64)> {
    for _ in 0..3 {
        let node = fleet.node().await?;
        fleet.join(node).await?;
    }
    for agent in &fleet.agents {
        // An agent to which nothing has come yet is done without.
        eventually("something comes in", PATIENCE, || async {
            let accepted = agent.metric("otelcol_receiver_accepted_metric_points", "").await.ok()?;
            (accepted > 0.0).then_some(())
        })
        .await;
    }
    let (pid, _) = nginx_of(HOST);
    let candidate = format!(
        "processors:
  filter/one:
    metrics:
      resource: ['attributes[\"host.name\"] == \"host-{HOST}\" and attributes[\"process.pid\"] == {pid}']
      datapoint: ['metric.name == \"process.memory.virtual\"']
service: {{ pipelines: {{ metrics: {{ processors: [filter/one] }} }} }}
"
    );
    let mut body = experiment("one process", &candidate);
    body["report_every"] = json!("3s");
    body["policy"] = policy;
    Ok((fleet.control_plane.experiment(&body).await?, pid))
}

fn coverage(verdict: &Value) -> &Value {
    let reasons = verdict.as_array().expect("reasons");
    let found = reasons.iter().find(|reason| reason["quantity"] == "critical_process_coverage");
    found.expect("the reason names what was lost")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_critical_process_lost_on_one_host_of_three_is_named_in_the_first_judged_horizon_and_rolled_back()
-> Result<()> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    // Twenty horizons are asked for before anything may advance: what is lost is not waited for.
    let (id, pid) = dropping(&mut fleet, json!({ "min_horizons": 20 })).await?;
    let status = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    let reason = coverage(&status["reasons"]);
    assert_eq!(reason["names"], json!([format!("nginx (pid {pid}) on host-{HOST}")]), "{reason:#}");
    assert_eq!(reason["hosts"], json!([format!("node-{HOST}")]), "{reason:#}");
    let (_, critical) = nginx_of(HOST);
    let share = (critical - 1) as f64 / critical as f64;
    let observed = reason["observed"].as_f64().expect("a share");
    assert!((observed - share).abs() < 1e-9 && reason["limit"] == 1.0, "{share}: {reason:#}");
    assert_eq!(fleet.history(&id).await?, ["create", "start", "applied", "rollback"]);

    let results = fleet.control_plane.show(&id, "/results").await?;
    let agents = results["agents"].as_array().expect("agents");
    let of_host = |name: &str| agents.iter().find(|agent| agent["host"] == name);
    let found = of_host(&format!("node-{HOST}")).expect("its report");
    assert_eq!(found["total"]["windows"], found["horizon"]["windows"], "one horizon was judged, the first");
    assert_eq!(found["total"]["coverage"]["vanished"][0]["wholly"], true);
    for other in agents.iter().filter(|agent| agent["host"] != found["host"]) {
        let coverage = &other["total"]["coverage"];
        assert_eq!((&coverage["candidate"], &coverage["vanished"]), (&coverage["baseline"], &json!([])));
    }
    assert_eq!(fleet.sink.counts().points_of("candidate"), 0, "nothing of the candidate's has left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_forgives_it_may_still_hold_it_by_a_guardrail_that_names_the_host() -> Result<()> {
    let mut fleet = Loop::alone([127, 0, 0, 1].into(), [127, 0, 0, 1].into()).await?;
    let guardrail = json!({ "name": "nobody hides", "quantity": "critical_hidden", "scope": "host",
                            "direction": "higher", "margin": 0.0, "severity": "blocking" });
    let policy = json!({ "min_horizons": 1, "critical_process_coverage": 0.5, "guardrails": [guardrail] });
    let (id, _) = dropping(&mut fleet, policy).await?;
    let held = |status: &Value| {
        let first = &status["verdict"]["reasons"][0]["quantity"];
        status["verdict"]["verb"] == "hold" && first == "nobody hides"
    };
    // In the first step in which the host's process was seen.
    let status = fleet.until(&id, "a hold", held).await;
    let reason = &status["verdict"]["reasons"][0];
    assert_eq!(reason["hosts"], json!([format!("node-{HOST}")]), "{reason:#}");
    Ok(())
}
