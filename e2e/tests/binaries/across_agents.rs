//! Agents of one destination, compared with each other: what one of them alone cannot see.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use e2e::served::{Loop, experiment};
use e2e::traffic;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

/// Deletes what tells hosts apart.
const WITHOUT_HOSTS: &str = "  resource/hosts: { attributes: [ { key: host.name, action: delete }, { key: host.id, action: delete } ] }";
const WITHOUT_ONE: &str = "  filter/one: { metrics: { metric: ['name == \"m0\"'] } }";

/// Twenty gauges of a host.
fn scrape(host: &str) -> ExportMetricsServiceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = |value: String| Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    let attribute = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: text(value),
        ..KeyValue::default()
    };
    let metric = |at: u32| {
        let point = NumberDataPoint {
            time_unix_nano: u64::try_from(now.as_nanos()).unwrap_or_default(),
            value: Some(Value::AsInt(at.into())),
            ..NumberDataPoint::default()
        };
        let data = Some(Data::Gauge(Gauge { data_points: vec![point] }));
        Metric { name: format!("m{at}"), data, ..Metric::default() }
    };
    let attributes =
        vec![attribute("host.name", host.to_owned()), attribute("host.id", format!("id-{host}"))];
    let scope = ScopeMetrics { metrics: (0..20).map(metric).collect(), ..ScopeMetrics::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        }],
    }
}

/// Sends scrapes of a host to these agents in turns, until it is dropped.
fn feed(sources: &mut JoinSet<()>, host: &'static str, endpoints: Vec<String>) {
    sources.spawn(async move {
        for endpoint in endpoints.iter().cycle() {
            if let Ok(mut client) = traffic::client(endpoint).await {
                // An agent that swaps its generation is asked again with the next scrape.
                let _ = client.export(scrape(host)).await;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    });
}

/// Two agents to which only these tests send.
async fn two_agents() -> Result<Loop> {
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    let mut fleet = Loop::alone(local, local).await?;
    for _ in 0..2 {
        let node = fleet.node().await?;
        let agent = node.start().await?;
        e2e::fleet::connected(&agent).await;
        fleet.nodes.push(node);
        fleet.agents.push(agent);
    }
    Ok(fleet)
}

fn fragment(processors: &[&str]) -> String {
    let name = |processor: &&str| processor.trim().split(": {").next().unwrap_or_default().to_owned();
    let names: Vec<String> = processors.iter().map(name).collect();
    format!(
        "processors:\n{}\nservice: {{ pipelines: {{ metrics: {{ processors: [{}] }} }} }}\n",
        processors.join("\n"),
        names.join(", ")
    )
}

fn asked(candidate: &[&str]) -> Json {
    let mut asked = experiment("across", &fragment(candidate));
    asked["unit"] = json!("host");
    asked["policy"] = json!({ "min_horizons": 3, "max_collisions": 0 });
    asked
}

fn criterion(status: &Json) -> &Json {
    let all = status["verdict"]["criteria"].as_array().expect("criteria");
    let found = all.iter().find(|one| one["quantity"] == "collisions_across_agents");
    found.unwrap_or_else(|| panic!("not looked at: {status:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_on_two_agents_that_overwrite_each_other_are_found_named_and_rolled_back() -> Result<()> {
    let fleet = two_agents().await?;
    let mut sources = JoinSet::new();
    for (agent, host) in fleet.agents.iter().zip(["web-1", "web-2"]) {
        feed(&mut sources, host, vec![agent.endpoint()]);
    }
    let id = fleet.control_plane.experiment(&asked(&[WITHOUT_HOSTS])).await?;
    let back = fleet.until(&id, "rolled back", |s| s["outcome"] == "rolled_back").await;
    let found = criterion(&back);
    assert_eq!((&found["answer"], &found["observed"]), (&json!("violated"), &json!(20.0)), "{found:#}");
    assert_eq!(found["hosts"], json!(["node-1", "node-2"]));
    let names = found["names"].as_array().expect("names");
    let named = |name: &Json| name.as_str().is_some_and(|name| name.contains(": host web-"));
    assert!(!names.is_empty() && names.iter().all(named), "{names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_through_two_gateways_collides_with_nothing_and_counts_are_at_most() -> Result<()> {
    let fleet = two_agents().await?;
    let mut sources = JoinSet::new();
    let both = || fleet.agents.iter().map(e2e::agent::Agent::endpoint).collect();
    feed(&mut sources, "web-1", both());
    let mut asked = asked(&[WITHOUT_HOSTS]);
    // A lens of what arrives groups by the host, which goes.
    asked["policy"]["allow"] = json!(["renamed"]);
    let id = fleet.control_plane.experiment(&asked).await?;
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert_eq!(criterion(&promoted)["answer"], "met", "{promoted:#}");
    let said = promoted["verdict"]["basis"]["sentences"].as_array().expect("sentences");
    let shared = |said: &Json| said.as_str().is_some_and(|said| said.contains("come through several agents"));
    assert!(said.iter().any(shared), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_the_baseline_makes_overwrite_each_other_are_no_fault_of_the_candidate() -> Result<()> {
    let fleet = two_agents().await?;
    let mut sources = JoinSet::new();
    for (agent, host) in fleet.agents.iter().zip(["web-1", "web-2"]) {
        feed(&mut sources, host, vec![agent.endpoint()]);
    }
    let mut asked = asked(&[WITHOUT_HOSTS, WITHOUT_ONE]);
    asked["baseline"] = json!(fragment(&[WITHOUT_HOSTS]));
    let id = fleet.control_plane.experiment(&asked).await?;
    let promoted = fleet.until(&id, "promoted", |s| s["outcome"] == "promoted").await;
    assert_eq!(criterion(&promoted)["answer"], "met", "{promoted:#}");
    Ok(())
}
