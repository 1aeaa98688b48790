//! A/A: a candidate that is the baseline differs by exactly nothing, on every profile, through swaps and restarts.

use std::time::Duration;

use anyhow::Result;
use e2e::agent::Agent;
use e2e::configs::Experiment;
use e2e::{eventually, traffic};
use simulator::profile::{Host, Profile, Role};
use simulator::sink::Sink;

const FILTER: &str = "filter/a: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }";
const SAME_FILTER: &str =
    "filter/b: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_the_baseline_differs_by_exactly_nothing() -> Result<()> {
    for profile in [Profile::Realistic, Profile::HighCardinality, Profile::HighChurn] {
        let dir = tempfile::tempdir()?;
        let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
        let config = |weight| {
            let (sink, data_dir) = (sink.endpoint(), dir.path());
            let (baseline, candidate) = (&[FILTER], &[SAME_FILTER]);
            Experiment { sink, data_dir, baseline, candidate, weight, unit: "process" }.text()
        };
        let mut host = Host::new(profile, Role::Batch, "aa-1", 60, 11);
        let mut now = 1_767_225_600_000_000_000;
        let mut agent = Agent::start(dir.path(), &config("0%")).await?;
        for weight in ["25%", "50%", "restart", "75%", "100%"] {
            let sent = compare(&agent, &mut host, &mut now).await?;
            assert!(sent > 0);
            if weight == "restart" {
                assert!(agent.terminate().await?.success());
                agent = Agent::start(dir.path(), &config("50%")).await?;
            } else {
                agent.swap(&config(weight)).await?;
            }
        }
        compare(&agent, &mut host, &mut now).await?;
    }
    Ok(())
}

/// Sends scrapes until the report holds some, and checks that they show no difference.
async fn compare(agent: &Agent, host: &mut Host, now: &mut u64) -> Result<u64> {
    let mut client = traffic::client(&agent.endpoint()).await?;
    let mut sent = 0;
    for _ in 0..5 {
        *now += 10_000_000_000;
        host.step(Duration::from_secs(10));
        let request = host.scrape(*now);
        sent += simulator::point_count(&request);
        client.export(request).await?;
    }
    let report = eventually("the window with these points", Duration::from_secs(30), || async {
        agent.report().await.ok().filter(|report| report.generation.input.points >= sent)
    })
    .await;
    for comparison in [&report.generation, &report.experiment_total] {
        assert!(comparison.exact);
        assert!(comparison.differs_by_nothing(), "{comparison:#?}");
        assert!(comparison.candidate.series.value > 0);
        assert!(comparison.baseline.lost.value > 0, "both drop the same series");
    }
    assert_eq!(report.generation.input.points, sent);
    Ok(sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_candidate_is_measured_from_nothing_and_another_weight_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let config = |candidate: &[&str], weight| {
        let (sink, data_dir) = (sink.endpoint(), dir.path());
        Experiment { sink, data_dir, baseline: &[FILTER], candidate, weight, unit: "process" }.text()
    };
    let strip = "resource/strip: { attributes: [ { key: process.command_line, action: delete } ] }";
    let mut host = Host::new(Profile::Realistic, Role::Batch, "aa-1", 60, 11);
    let mut now = 1_767_225_600_000_000_000;
    let agent = Agent::start(dir.path(), &config(&[SAME_FILTER, strip], "0%")).await?;
    let mut send = async |agent: &Agent| -> Result<observe::Report> {
        now += 10_000_000_000;
        let request = host.scrape(now);
        let points = simulator::point_count(&request);
        traffic::client(&agent.endpoint()).await?.export(request).await?;
        Ok(eventually("the window with these points", Duration::from_secs(30), || async {
            agent.report().await.ok().filter(|report| report.generation.input.points >= points)
        })
        .await)
    };
    let first = send(&agent).await?;
    agent.swap(&config(&[SAME_FILTER, strip], "25%")).await?;
    let second = send(&agent).await?;
    assert_eq!(
        second.experiment_total.input.points,
        2 * first.generation.input.points,
        "another weight goes on"
    );
    assert_eq!(second.generation.candidate.active_series, first.generation.candidate.active_series);
    agent.swap(&config(&[SAME_FILTER], "0%")).await?;
    let third = send(&agent).await?;
    assert_eq!(
        third.experiment_total.input.points, first.generation.input.points,
        "another candidate begins anew"
    );
    assert_eq!(
        third.generation.candidate.active_series, third.generation.baseline.active_series,
        "what the last candidate put out is not counted for this one"
    );
    Ok(())
}
