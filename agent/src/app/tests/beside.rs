//! The candidate runs beside the baseline: nothing of the baseline waits for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::Sink;

/// Processes of a batch that takes the candidate seconds.
const MANY: usize = 2_000;

/// A baseline that passes everything on, and a candidate with so many patterns on each point, and as many edits, which the last
/// statement undoes.
pub fn slow(sink: SocketAddr, statements: usize, more: &str) -> String {
    let statement = |at: usize| {
        format!(
            "'replace_pattern(resource.attributes[\"process.executable.name\"], \"^(x|y|z)+{at}$\", \"w\")', \
             'set(resource.attributes[\"slow\"], \"{at}\")'"
        )
    };
    let last = "'delete_key(resource.attributes, \"slow\")'".to_owned();
    let statements: Vec<String> = (0..statements).map(statement).chain([last]).collect();
    config(
        sink,
        &format!(
            "processors:
  transform/slow: {{ metric_statements: [ {{ context: datapoint, statements: [{}] }} ] }}
service:
  pipelines:
    metrics/today: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/slow: {{ receivers: [otlp], processors: [transform/slow], exporters: [otlp] }}
phoenix:
  window: 1s
{more}",
            statements.join(", ")
        ),
    )
}

pub fn experiment(weight: &str) -> String {
    format!(
        "  experiment: {{ baseline: metrics/today, candidate: metrics/slow, unit: process, weight: {weight} }}"
    )
}

async fn seen_by_candidate(agent: &Agent) -> u64 {
    let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    let report: serde_json::Value = serde_json::from_slice(&response.body).expect("json");
    report["generation"]["candidate"]["output"]["points"].as_u64().unwrap_or(0)
}

/// Number of times that each process arrived.
fn arrivals(sink: &Sink) -> BTreeMap<i64, usize> {
    let mut arrivals = BTreeMap::new();
    sink.points().into_iter().for_each(|(_, _, pid, _)| *arrivals.entry(pid).or_default() += 1);
    arrivals
}

#[tokio::test(flavor = "multi_thread")]
async fn in_mirror_batches_arrive_before_a_slow_candidate_is_done_with_the_first() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&slow(address, 600, &experiment("0%")))).await;
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(MANY, 1)).await.expect("accepted");
    }
    eventually("all arrive", async || sink.received() == 3).await;
    assert_eq!(seen_by_candidate(&agent).await, 0, "the candidate works on the first one still");
    assert!(arrivals(&sink).values().all(|times| *times == 3));
    assert_eq!(agent.health().await["candidate_cut"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_a_split_wait_no_longer_than_allowed_and_each_point_leaves_once() {
    let (sink, address) = Sink::start().await;
    let more = format!("  max_added_latency: 5ms\n{}", experiment("50%"));
    let agent = Agent::start(&load(&slow(address, 600, &more))).await;
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(MANY, 1)).await.expect("accepted");
    }
    eventually("every point arrives", async || sink.points().len() == 3 * MANY).await;
    assert!(sink.points().iter().all(|(variant, ..)| variant == "baseline"), "none by the candidate");
    assert!(arrivals(&sink).values().all(|times| *times == 3));
    let cut = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(cut.contains("units waited 5ms for it"), "{cut}");
    assert!(agent.metric("phoenix_fell_back_points_total").await > Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_does_not_wait_for_a_candidate_that_is_not_done() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&slow(address, 600, &experiment("0%")))).await;
    let mut client = agent.client().await;
    for _ in 0..3 {
        client.export(export(MANY, 1)).await.expect("accepted");
    }
    let before = agent.health().await["generation"].clone();
    agent.reread(&slow(address, 1, &experiment("0%"))).await;
    eventually("the next generation is in charge", async || agent.health().await["generation"] != before)
        .await;
    client.export(export(10, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 4).await;
    eventually("the new candidate has seen it, and nothing of before", async || {
        seen_by_candidate(&agent).await == 10
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_waits_for_a_candidate_as_long_as_its_units_may_and_all_that_left_is_observed() {
    let (sink, address) = Sink::start().await;
    let patient = |statements: usize| {
        slow(address, statements, &format!("  max_added_latency: 1m\n{}", experiment("50%")))
    };
    let agent = Agent::start(&load(&patient(200))).await;
    agent.client().await.export(export(MANY, 1)).await.expect("accepted");
    eventually("it arrives", async || sink.received() == 1).await;
    assert_eq!(seen_by_candidate(&agent).await, 0, "the candidate works on it still");
    let before = agent.health().await["generation"].clone();
    agent.reread(&patient(1)).await;
    eventually("the next generation is in charge", async || agent.health().await["generation"] != before)
        .await;
    let report = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    let report: serde_json::Value = serde_json::from_slice(&report.body).expect("json");
    let rows = report["windows"].as_array().expect("windows");
    let left = rows.iter().filter(|row| row["generation"] == before);
    let delivered = |variant: usize| left.clone().filter_map(|row| row["delivered"][variant].as_u64()).sum();
    let by_variant: [u64; 2] = [0, 1].map(delivered);
    assert_eq!(by_variant.iter().sum::<u64>(), MANY as u64, "{rows:#?}");
    assert!(by_variant[1] > MANY as u64 / 3, "its units leave by it: {by_variant:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_find_no_room_are_left_out_of_both_variants_and_counted() {
    let (sink, address) = Sink::start().await;
    let more = format!("  budget: {{ cpu: 100%, memory: 300KiB }}\n{}", experiment("0%"));
    let agent = Agent::start(&load(&slow(address, 300, &more))).await;
    let mut client = agent.client().await;
    for _ in 0..80 {
        client.export(export(100, 1)).await.expect("accepted");
    }
    eventually("all arrive", async || sink.received() == 80).await;
    let left_out = agent.metric("phoenix_left_out_batches_total").await.expect("a count");
    assert!((1.0..80.0).contains(&left_out), "{left_out}");
    eventually("the rest is compared", async || {
        seen_by_candidate(&agent).await as f64 == (80.0 - left_out) * 100.0
    })
    .await;
    let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    let report: serde_json::Value = serde_json::from_slice(&response.body).expect("json");
    let missing = &report["generation"]["missing"];
    assert!(missing["count"].as_u64() > Some(0), "its windows count for nothing: {missing}");
    assert_eq!(report["generation"]["baseline"]["output"], report["generation"]["candidate"]["output"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_find_no_room_leave_as_the_baseline_makes_all() {
    let (sink, address) = Sink::start().await;
    let more = format!("  budget: {{ cpu: 100%, memory: 2MiB }}\n{}", experiment("0%"));
    let filter = "processors:
  filter/few: { metrics: { datapoint: ['resource.attributes[\"process.executable.name\"] == \"app-0\"'] } }";
    let text = slow(address, 600, &more).replacen("processors:", filter, 1);
    let text =
        text.replace("today: { receivers: [otlp]", "today: { receivers: [otlp], processors: [filter/few]");
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    for _ in 0..40 {
        client.export(export(500, 1)).await.expect("accepted");
    }
    eventually("all arrive", async || sink.received() == 40).await;
    assert!(agent.metric("phoenix_left_out_batches_total").await > Some(0.0));
    let arrivals = arrivals(&sink);
    assert!(arrivals.iter().all(|(pid, times)| pid % 5 != 0 && *times == 40), "{arrivals:?}");
    assert_eq!(arrivals.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_candidate_makes_leaves_in_order_where_one_consumer_sends_it() {
    let ((_sink, address), (shadow, shadow_address)) = (Sink::start().await, Sink::start().await);
    let more = experiment("0%").replace(" }", ", shadow: otlp/shadow }");
    let exporter = format!(
        "  otlp/shadow: {{ endpoint: 'http://{shadow_address}', compression: none, \
         sending_queue: {{ num_consumers: 1 }} }}\nextensions: {{"
    );
    let text = slow(address, 1, &more).replace("extensions: {", &exporter);
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    for processes in 1..=50 {
        client.export(export(processes, 1)).await.expect("accepted");
    }
    // Those that waited leave together, in the order in which they came: the resources of one after those of the other.
    let pids = || {
        let sent = shadow.metrics.lock().expect("lock");
        let resources = sent.iter().flat_map(|(_, sent)| sent.resource_metrics.clone());
        let pid =
            resources.map(|resource| resource.resource.expect("a resource").attributes[0].value.clone());
        pid.collect::<Vec<_>>()
    };
    eventually("all of it arrives", async || pids().len() == (1..=50).sum::<usize>()).await;
    let expected = (1..=50).flat_map(|processes| export(processes, 1).resource_metrics);
    let expected =
        expected.map(|resource| resource.resource.expect("a resource").attributes[0].value.clone());
    assert_eq!(pids(), expected.collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_needs_more_than_its_share_of_the_cpu_is_cut_out_and_the_baseline_goes_on() {
    let (sink, address) = Sink::start().await;
    // So small a share is taken with the first batch, however little time the machine has for it.
    let more = format!("  budget: {{ cpu: 0.01%, memory: 1MiB }}\n{}", experiment("0%"));
    let agent = Agent::start(&load(&slow(address, 100, &more))).await;
    let mut client = agent.client().await;
    let mut sent = 0;
    eventually("it is cut out", async || {
        client.export(export(200, 1)).await.expect("accepted");
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        !agent.health().await["candidate_cut"].is_null()
    })
    .await;
    let why = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("it needs more than 0.01 % of"), "{why}");
    assert!(why.contains("for 1 in 64 entities"), "not before it got as few as can be: {why}");
    eventually("every batch arrives", async || sink.received() == sent).await;
}

/// A baseline without stages, and a candidate that holds all that comes for an hour.
fn keeping(sink: SocketAddr, weight: &str) -> String {
    let stage = "interval/long: { interval: 1h }";
    let more = format!("  budget: {{ cpu: 100%, memory: 1MiB }}\n{}", experiment(weight));
    let text = slow(sink, 1, &more).replace("processors:\n", &format!("processors:\n  {stage}\n"));
    text.replace("processors: [transform/slow]", "processors: [interval/long]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_whose_stages_keep_more_than_its_memory_is_cut_out_and_the_baseline_goes_on() {
    for (weight, said) in
        [("0%", "there is no memory for its batches"), ("50%, allow: [held]", "found no memory")]
    {
        let (sink, address) = Sink::start().await;
        let agent = Agent::start(&load(&keeping(address, weight))).await;
        let mut client = agent.client().await;
        let mut sent = 0;
        eventually("it is cut out", async || {
            // Each batch is of other processes than those before.
            let mut export = export(1_000, 1);
            for resource in &mut export.resource_metrics {
                resource.schema_url = format!("batch-{sent}");
            }
            client.export(export).await.expect("accepted");
            sent += 1;
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            !agent.health().await["candidate_cut"].is_null()
        })
        .await;
        let why = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains(said) && why.contains("of 1.0 MiB (phoenix.budget.memory)"), "{why}");
        eventually("every point arrives", async || sink.points().len() == sent * 1_000).await;
    }
}

/// Sends batches of [`MANY`] processes, four a second, until something has come true. Returns the number of them.
async fn sending(
    agent: &Agent,
    what: &str,
    mut come_true: impl AsyncFnMut(&serde_json::Value) -> bool,
) -> usize {
    let (mut client, mut sent) = (agent.client().await, 0);
    eventually(what, async || {
        client.export(export(MANY, 1)).await.expect("accepted");
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
        come_true(&serde_json::from_slice(&response.body).expect("json")).await
    })
    .await;
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_does_not_keep_up_gets_fewer_entities_and_is_compared_on_those() {
    let (sink, address) = Sink::start().await;
    let more = format!("  budget: {{ cpu: 60%, memory: 8MiB }}\n{}", experiment("0%"));
    let agent = Agent::start(&load(&slow(address, 400, &more))).await;
    let mut void = false;
    let sent = sending(&agent, "a horizon of a sample counts", async |report| {
        void |=
            report["generation"]["missing"]["names"].to_string().contains("the candidate keeps up with 1 in");
        let last = &report["last_horizon"];
        last["sample"]["overloaded"] == true && last["missing"]["count"] == 0
    })
    .await;
    assert!(void, "the window in which it got less counts for nothing");
    assert_eq!(agent.health().await["candidate_cut"], serde_json::Value::Null);
    let response = request(agent.listening.admin, "GET", "/experiment", &[], Vec::new()).await;
    let report: serde_json::Value = serde_json::from_slice(&response.body).expect("json");
    let found = &report["last_horizon"];
    let one_in = found["sample"]["one_in"].as_f64().expect("a share");
    assert_eq!(agent.metric("phoenix_candidate_one_in").await, Some(one_in));
    assert_eq!(
        report["windows"].as_array().and_then(|rows| rows.last()).expect("a row")["followed_one_in"],
        one_in
    );
    // The candidate makes what the baseline makes.
    assert_eq!(found["baseline"]["output"], found["candidate"]["output"]);
    assert_eq!((&found["lost_by_candidate"]["value"], &found["exact"]), (&0.into(), &false.into()));
    let all = found["input"]["points"].as_f64().expect("points");
    let told = found["baseline"]["output"]["points"].as_f64().expect("points");
    assert!((told / all - 1.0).abs() < 4.0 * (one_in / MANY as f64).sqrt(), "{told} of {all}, 1 in {one_in}");
    eventually("every batch arrives", async || sink.received() == sent).await;
    assert!(arrivals(&sink).values().all(|times| *times == sent), "whole, each once");
    // What comes next begins with all.
    agent.reread(&slow(address, 1, &experiment("0%"))).await;
    eventually("another candidate gets all", async || {
        agent.metric("phoenix_candidate_one_in").await == Some(1.0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_with_a_stage_that_looks_at_a_whole_host_gets_all_until_it_is_cut_out_and_it_is_said() {
    let (_sink, address) = Sink::start().await;
    let more = format!("  budget: {{ cpu: 0.01%, memory: 4MiB }}\n{}", experiment("0%"));
    let group = "processors:\n  groupbyattrs/g: { keys: [host.name] }";
    let text = slow(address, 50, &more).replacen("processors:", group, 1);
    let text = text.replace("processors: [transform/slow]", "processors: [transform/slow, groupbyattrs/g]");
    let agent = Agent::start(&load(&text)).await;
    sending(&agent, "it is cut out", async |_| !agent.health().await["candidate_cut"].is_null()).await;
    let why = agent.health().await["candidate_cut"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("it cannot get fewer entities, because a stage looks at several together"), "{why}");
    assert_eq!(agent.metric("phoenix_candidate_one_in").await, Some(1.0));
}
