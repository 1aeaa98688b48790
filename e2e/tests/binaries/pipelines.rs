//! Several pipelines of metrics in an agent's file, with the real binaries: one has experiments, another passes.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use e2e::agent::Agent;
use e2e::eventually;
use e2e::fleet::{Node, Source, connected};
use e2e::person::Person;
use e2e::served::{GOOD, Loop, PATIENCE, experiment};
use serde_json::json;
use simulator::sink::Sink;

/// The node's file with a second pipeline, which has a receiver and a destination of its own.
fn with_host(node: &Node, sink: &Sink, phoenix: &str) -> String {
    let receiver = "otlp/host: { protocols: { grpc: { endpoint: '127.0.0.1:0' } } }";
    let pipeline = "metrics/host: { receivers: [otlp/host], processors: [interval], exporters: [otlp/host] }";
    let exporter = format!("  otlp/host: {{ endpoint: '{}', tls: {{ insecure: true }} }}\n", sink.endpoint());
    let text = node.config();
    let text = text.replacen("receivers: { ", &format!("receivers: {{ {receiver}, "), 1);
    let text = text.replacen("exporters:\n", &format!("exporters:\n{exporter}"), 1);
    let text = text.replacen("  pipelines:\n", &format!("  pipelines:\n    {pipeline}\n"), 1);
    let text = text.replacen("exporters:\n", "processors: { interval: { interval: 1s } }\nexporters:\n", 1);
    text.replacen("phoenix:\n", &format!("phoenix:\n  {phoenix}\n"), 1)
}

/// Points that the winner's stage has dropped as the baseline of a pipeline.
async fn dropped(agent: &Agent, pipeline: &str) -> Result<f64> {
    let labels = format!("pipeline=\"{pipeline}\",variant=\"baseline\",processor=\"filter/virtual\"");
    agent.metric("phoenix_rule_dropped_points_total", &labels).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_experiment_is_about_the_pipeline_that_it_names_and_another_one_passes() -> Result<()> {
    let mut fleet = Loop::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
    let of_host = Sink::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let node = fleet.node().await?;
    let text = with_host(&node, &of_host, "pipeline: metrics");
    let agent = Agent::start_as(&node.dir, &text, &[], &node.name).await?;
    connected(&agent).await;
    let host = Source::start(agent.endpoint_of("otlp/host"), 9);
    fleet.nodes.push(node);
    fleet.sources.push(Source::start(agent.endpoint_of("otlp"), 1));
    fleet.agents.push(agent);
    let person = Person { dir: fleet.dir.path() };
    person.logs_in(&fleet.control_plane).await?;
    let agents = person.json(&["agent", "list"]).await?;
    let shown = &agents["items"][0];
    assert_eq!(shown["attributes"]["phoenix.pipeline"], "metrics", "{agents:#}");
    let shown = person.ok(&["agent", "get", shown["uid"].as_str().expect("a uid")]).await?;
    assert!(shown.contains("phoenix.pipeline=metrics"), "{shown}");

    // About another pipeline than this agent's: it says so and goes on.
    let mut wrong = experiment("wrong", GOOD);
    wrong["pipeline"] = json!("metrics/host");
    let id = fleet.control_plane.experiment(&wrong).await?;
    let failed = eventually("it fails", PATIENCE, || async {
        fleet.status(&id).await.filter(|status| status["phase"] == "failed")
    });
    let failed = failed.await.to_string();
    assert!(failed.contains("it is about the pipeline metrics/host"), "{failed}");
    assert!(failed.contains("experiments on this agent are about metrics;"), "{failed}");

    std::fs::write(fleet.dir.path().join("right.json"), experiment("right", GOOD).to_string())?;
    let words = ["experiment", "create", "right.json", "--selector", "phoenix.pipeline=metrics"];
    let made = person.json(&[&words[..], &["--pipeline", "metrics", "--start"]].concat()).await?;
    assert_eq!(made["spec"]["pipeline"], "metrics", "{made:#}");
    let id = made["id"].as_str().expect("an id").to_owned();
    fleet.until(&id, "promoted", |status| status["outcome"] == "promoted").await;
    let agent = fleet.agents.pop().expect("an agent");
    eventually("the winner is the baseline", PATIENCE, || async {
        dropped(&agent, "metrics").await.ok().filter(|dropped| *dropped > 0.0)
    })
    .await;
    assert!(fleet.sink.counts().points_of("candidate") > 0);
    assert_eq!(dropped(&agent, "metrics/host").await?, 0.0);
    let kept = std::fs::read_to_string(fleet.nodes[0].dir.join("data/ledger.json"))?
        + &std::fs::read_to_string(fleet.nodes[0].dir.join("data/trials.json"))?;
    assert!(
        kept.contains("\\\"pipeline\\\": \\\"metrics\\\""),
        "what was promoted names its pipeline: {kept}"
    );

    // Another pipeline of experiments from now on: what was promoted on the first one does not run on it.
    let generation = agent.generation().await?;
    let text = with_host(&fleet.nodes[0], &of_host, "pipeline: metrics/host");
    agent.reload(&text)?;
    eventually("it is in force", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["pipelines"]["metrics/host"]["role"] == "experiments").then_some(())
    })
    .await;
    let before = dropped(&agent, "metrics").await?;
    let sent = fleet.sink.counts().points;
    eventually("points flow", PATIENCE, || async {
        (fleet.sink.counts().points > sent + 1_000).then_some(())
    })
    .await;
    assert_eq!(dropped(&agent, "metrics").await?, before, "it is no stage of what passes now");
    assert_eq!(dropped(&agent, "metrics/host").await?, 0.0, "nor of what has experiments now");
    eventually("the control plane knows, and gives the agent back to its own file", PATIENCE, || async {
        let agents = person.json(&["agent", "list"]).await.ok()?;
        let knows = agents["items"][0]["attributes"]["phoenix.pipeline"] == "metrics/host";
        (knows && agent.generation().await.ok()? > generation).then_some(())
    })
    .await;
    let trials = std::fs::read_to_string(fleet.nodes[0].dir.join("data/trials.json"))?;
    assert!(trials.contains("settled"), "an attempt that cannot run is over: {trials}");

    for source in fleet.sources.drain(..) {
        source.finish().await?;
    }
    host.finish().await?;
    assert!(agent.terminate().await?.success());
    let counts = of_host.counts();
    assert_eq!((counts.points_of("candidate"), counts.duplicate_points), (0, 0));
    // The last value of each series leaves at the end, so that each has arrived.
    assert!(counts.points > 0 && fleet.sink.counts().duplicate_points == 0);
    Ok(())
}
