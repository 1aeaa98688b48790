//! The level that a stage chose is shown while it is in force.

use super::harness::{Agent, config, eventually, export, load};
use super::sink::Sink;

const ADAPTIVE: &str = "processors:
  adaptive:
    window: 1s
    levels: [{ name: full, keep: 1, up_to: 50 }, { name: little, keep: 0.1 }]
service:
  pipelines:
    metrics: { receivers: [otlp], processors: [adaptive], exporters: [otlp] }";

fn shown(level: &str) -> String {
    format!(
        r#"phoenix_pipeline_level{{pipeline="metrics",variant="baseline",processor="adaptive",level="{level}"}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_in_force_is_shown_and_no_other_and_goes_with_its_stage() {
    let (_sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&config(address, ADAPTIVE))).await;
    assert_eq!(agent.metric(&shown("full")).await, Some(1.0));
    let mut client = agent.client().await;
    // The load of a window is judged when the next batch comes.
    eventually("the harder level", async || {
        client.export(export(500, 1)).await.expect("accepted");
        agent.metric(&shown("little")).await == Some(1.0)
    })
    .await;
    assert_eq!(agent.metric(&shown("full")).await, None);
    agent.reread(&config(address, "")).await;
    eventually("the stage is gone", async || agent.metric(&shown("little")).await.is_none()).await;
    agent.stop().await;
}
