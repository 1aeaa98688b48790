//! Several pipelines of metrics, each with a receiver of its own: one that experiments are about, and others that pass.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use tonic::transport::Channel;

use super::harness::{ANY, Agent, eventually, export, load};
use super::sink::{Script, Sink};
use crate::receive::ListenAddress;
use crate::request::{ReceivedRequest, Refusal};
use crate::signal::Signal;

const HOST_HELD: &str = r#"phoenix_held_points{pipeline="metrics/host",variant="baseline"}"#;

/// A file with these pipelines of metrics and this section `phoenix`. Its receivers are always there: logs have them all.
fn file([app, host]: [SocketAddr; 2], pipelines: &[&str], phoenix: &str) -> String {
    let receiver = |ip: &str| format!("{{ protocols: {{ grpc: {{ endpoint: '{ip}:0' }} }} }}");
    let [otlp, of_host, of_extra] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(receiver);
    let exporter = |sink, more| {
        let retry = "initial_interval: 10ms, max_interval: 20ms";
        format!("{{ endpoint: 'http://{sink}', compression: none, retry_on_failure: {{ {retry} }}{more} }}")
    };
    let (to_app, to_host) = (exporter(app, ""), exporter(host, ", sending_queue: { queue_size: 2 }"));
    format!(
        "receivers: {{ otlp: {otlp}, otlp/host: {of_host}, otlp/extra: {of_extra} }}
processors:
  filter/odd: {{ metrics: {{ datapoint: ['datapoint.value_int == 1 or datapoint.value_int == 3'] }} }}
  filter/poison: {{ error_mode: propagate, metrics: {{ datapoint: ['metric.name == \"poison\" and ParseJSON(metric.name) != nil'] }} }}
  interval: {{ interval: 1h }}
  resource/host: {{ attributes: [{{ key: from, value: host, action: insert }}] }}
  batch: {{ timeout: 300ms, send_batch_size: 1000 }}
  batch/patient: {{ timeout: 1h, send_batch_size: 1000 }}
exporters: {{ otlp: {to_app}, otlp/host: {to_host} }}
extensions: {{ health_check: {{ endpoint: '{ANY}' }} }}
service:
  extensions: [health_check]
  telemetry: {{ metrics: {{ address: '{ANY}' }} }}
  pipelines:
    logs: {{ receivers: [otlp, otlp/host, otlp/extra], exporters: [otlp] }}
    {}
phoenix: {{ {phoenix} }}
",
        pipelines.join("\n    ")
    )
}

const APP: &str = "metrics: { receivers: [otlp], exporters: [otlp] }";
const HOST: &str =
    "metrics/host: { receivers: [otlp/host], processors: [filter/odd], exporters: [otlp/host] }";
const HOST_HOLDS: &str =
    "metrics/host: { receivers: [otlp/host], processors: [interval], exporters: [otlp/host] }";

async fn sender(agent: &Agent, receiver: &str) -> MetricsServiceClient<Channel> {
    let Some(ListenAddress::Tcp(address)) = agent.listening.receivers.get(&format!("{receiver} grpc")) else {
        panic!("no {receiver}: {:?}", agent.listening)
    };
    MetricsServiceClient::connect(format!("http://{address}")).await.expect("connect")
}

async fn sinks() -> ([Sink; 2], [SocketAddr; 2]) {
    let ((app, app_at), (host, host_at)) = (Sink::start().await, Sink::start().await);
    ([app, host], [app_at, host_at])
}

/// Waits until a file is in force.
async fn reread(agent: &Agent, text: &str) {
    agent.reread(text).await;
    let wanted = load(text).digest;
    eventually("it is in force", async || agent.health().await["config_digest"] == wanted.as_str()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_point_leaves_by_the_pipeline_of_its_receiver_and_the_account_balances() {
    let ([app, host], at) = sinks().await;
    let agent = Agent::start(&load(&file(at, &[APP, HOST], ""))).await;
    sender(&agent, "otlp").await.export(export(10, 4)).await.expect("accepted");
    sender(&agent, "otlp/host").await.export(export(3, 4)).await.expect("accepted");
    eventually("both arrive", async || app.points().len() == 40 && host.points().len() == 6).await;
    let dropped = concat!(
        r#"phoenix_rule_dropped_points_total{pipeline="metrics/host",variant="baseline",processor="filter/odd","#,
        r#"rule="datapoint.value_int == 1 or datapoint.value_int == 3"}"#
    );
    eventually("the rule's count is told", async || agent.metric(dropped).await == Some(6.0)).await;
    let input = r#"phoenix_input_points_total{pipeline="metrics/host"}"#;
    assert_eq!(agent.metric(input).await, Some(12.0));
    let pipelines = agent.health().await["pipelines"].clone();
    let summary = |role: &str, receivers: &[&str], exporter: &str| serde_json::json!({ "role": role, "receivers": receivers, "exporters": [exporter] });
    assert_eq!(pipelines["metrics"], summary("passes", &["otlp"], "otlp"), "none is named");
    assert_eq!(pipelines["metrics/host"], summary("passes", &["otlp/host"], "otlp/host"));
    assert_eq!(pipelines["logs"], summary("passes", &["otlp", "otlp/host", "otlp/extra"], "otlp"));
    let shared = agent.shared.clone();
    agent.stop().await;
    let totals = shared.delivery_ledger.totals();
    assert_eq!((totals.queued, totals.delivered, totals.owed(), shared.budget.used()), (46, 46, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_that_share_an_exporter_share_its_queue_and_no_request() {
    let ([app, _], at) = sinks().await;
    let own = "metrics: { receivers: [otlp], processors: [batch], exporters: [otlp] }";
    let other =
        "metrics/host: { receivers: [otlp/host], processors: [resource/host, batch], exporters: [otlp] }";
    let agent = Agent::start(&load(&file(at, &[own, other], ""))).await;
    let (mut one, mut two) = (sender(&agent, "otlp").await, sender(&agent, "otlp/host").await);
    for _ in 0..5 {
        one.export(export(2, 1)).await.expect("accepted");
        two.export(export(3, 1)).await.expect("accepted");
    }
    eventually("all arrive", async || app.points().len() == 25).await;
    let mut by_pipeline = BTreeMap::new();
    for (_, request) in app.metrics.lock().expect("lock").iter() {
        let from_host = |attributes: &[_]| {
            attributes.iter().any(|a: &opentelemetry_proto::tonic::common::v1::KeyValue| a.key == "from")
        };
        let marks: Vec<bool> = request
            .resource_metrics
            .iter()
            .map(|resource| from_host(&resource.resource.as_ref().expect("resource").attributes))
            .collect();
        assert!(marks.iter().all(|mark| *mark == marks[0]), "a request of both: {marks:?}");
        *by_pipeline.entry(marks[0]).or_insert(0) += marks.len();
    }
    assert_eq!(by_pipeline, BTreeMap::from([(false, 10), (true, 15)]));
    assert!(app.received() < 10, "some were put together");
    let queues = agent.shared.destinations.all();
    assert_eq!(queues.iter().map(|queue| queue.name()).collect::<Vec<_>>(), ["otlp"], "one queue");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_on_one_pipeline_is_not_felt_by_another() {
    let ([app, host], at) = sinks().await;
    let candidate =
        "metrics/new: { receivers: [otlp], processors: [filter/odd, filter/poison], exporters: [] }";
    let trial = |weight: &str| {
        let phoenix = format!(
            "pipeline: metrics, max_added_latency: 1m, \
             experiment: {{ baseline: metrics, candidate: metrics/new, unit: process, weight: {weight} }}"
        );
        file(at, &[APP, candidate, HOST_HOLDS], &phoenix)
    };
    let agent = Agent::start(&load(&trial("50%"))).await;
    let pipelines = agent.health().await["pipelines"].clone();
    let roles = ["metrics", "metrics/new", "metrics/host"].map(|id| pipelines[id]["role"].clone());
    assert_eq!(roles, ["experiments", "candidate", "passes"]);
    let mut ours = sender(&agent, "otlp").await;
    let mut others = sender(&agent, "otlp/host").await;
    others.export(export(10, 1)).await.expect("accepted");
    eventually("they are held", async || agent.metric(HOST_HELD).await == Some(10.0)).await;
    let mut poison = export(10, 4);
    poison.resource_metrics[7].scope_metrics[0].metrics[0].name = "poison".into();
    ours.export(poison).await.expect("accepted all the same");
    eventually("it is cut out", async || agent.health().await["candidate_cut"].is_string()).await;
    // Another weight, the winner in the baseline's place, and no experiment any more.
    reread(&agent, &trial("100%")).await;
    eventually("the swap", async || agent.metric("phoenix_generation").await == Some(2.0)).await;
    assert!(agent.health().await["candidate_cut"].is_null());
    ours.export(export(10, 4)).await.expect("accepted");
    let promoted = "metrics: { receivers: [otlp], processors: [filter/odd], exporters: [otlp] }";
    reread(&agent, &file(at, &[promoted, HOST_HOLDS], "pipeline: metrics")).await;
    eventually("the swap", async || agent.metric("phoenix_generation").await == Some(3.0)).await;
    assert_eq!(agent.metric(HOST_HELD).await, Some(10.0), "what it holds stays where it is");
    assert_eq!(host.received(), 0);
    let shared = agent.shared.clone();
    agent.stop().await;
    let points = host.points();
    assert_eq!(points.len(), 10, "the end flushes what passes as well");
    assert!(points.iter().all(|(variant, generation, ..)| variant == "baseline" && *generation == 3));
    assert_eq!(app.points().len(), 60, "40 before the candidate was cut out, 20 of it afterward");
    let totals = shared.delivery_ledger.totals();
    assert_eq!((totals.queued, totals.delivered, totals.owed()), (70, 70, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_that_come_go_and_change_their_names_lose_and_double_nothing() {
    let ([app, host], at) = sinks().await;
    let plain = |id: &str, receiver: &str| {
        format!("{id}: {{ receivers: [{receiver}], processors: [resource/host], exporters: [otlp/host] }}")
    };
    let (of_host, renamed) = (plain("metrics/host", "otlp/host"), plain("metrics/node", "otlp/host"));
    let extra = plain("metrics/extra", "otlp/extra");
    let steps: [&[&str]; 4] =
        [&[APP, &renamed], &[APP, &renamed, &extra], &[&renamed, APP], &[APP, &of_host]];
    let agent = Agent::start(&load(&file(at, &[APP, &of_host], ""))).await;
    let done = AtomicBool::new(false);
    let send = async |receiver: &str| {
        let mut client = sender(&agent, receiver).await;
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            let mut request = export(5, 1);
            for resource in &mut request.resource_metrics {
                let Some(Data::Gauge(gauge)) = &mut resource.scope_metrics[0].metrics[0].data else {
                    panic!("expected a gauge")
                };
                gauge.data_points[0].value = Some(Value::AsInt(sent));
                gauge.data_points[0].time_unix_nano += sent as u64;
            }
            while let Err(refused) = client.export(request.clone()).await {
                assert_eq!(refused.code(), tonic::Code::Unavailable, "to be sent again: {refused}");
            }
            sent += 1;
        }
        sent
    };
    let swap = async {
        for pipelines in steps {
            reread(&agent, &file(at, pipelines, "")).await;
            let before = (app.received(), host.received());
            eventually("points flow", async || {
                app.received() > before.0 + 3 && host.received() > before.1 + 3
            })
            .await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (of_app, of_host, ()) = tokio::join!(send("otlp"), send("otlp/host"), swap);
    let shared = agent.shared.clone();
    agent.stop().await;
    let seen = |sink: &Sink| {
        let mut seen = BTreeMap::new();
        sink.points().into_iter().for_each(|(_, _, pid, value)| *seen.entry((pid, value)).or_insert(0) += 1);
        assert!(seen.values().all(|times| *times == 1), "not one is doubled");
        seen.len() as i64
    };
    assert_eq!(seen(&app), 5 * of_app);
    assert_eq!(seen(&host), 5 * of_host);
    let totals = shared.delivery_ledger.totals();
    assert_eq!(
        (totals.delivered as i64, totals.owed(), totals.lost_shutdown),
        (5 * (of_app + of_host), 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_gone_sends_what_it_held_by_its_own_exporters_and_is_shown_no_more() {
    let ([app, host], at) = sinks().await;
    let agent = Agent::start(&load(&file(at, &[APP, HOST_HOLDS], ""))).await;
    sender(&agent, "otlp/host").await.export(export(7, 1)).await.expect("accepted");
    eventually("they are held", async || agent.metric(HOST_HELD).await == Some(7.0)).await;
    reread(&agent, &file(at, &[APP], "")).await;
    eventually("they leave", async || host.points().len() == 7).await;
    assert_eq!(agent.metric(HOST_HELD).await, None);
    let refused = sender(&agent, "otlp/host").await.export(export(1, 1)).await.expect_err("no pipeline");
    assert_eq!(refused.code(), tonic::Code::Unimplemented, "{refused}");
    reread(&agent, &file(at, &[APP, HOST_HOLDS], "")).await;
    sender(&agent, "otlp/host").await.export(export(3, 1)).await.expect("it is back");
    agent.stop().await;
    assert_eq!((app.received(), host.points().len()), (0, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_on_its_way_when_its_pipeline_goes_is_refused_and_goes_through_no_other() {
    let ([app, host], at) = sinks().await;
    let agent = Agent::start(&load(&file(at, &[APP, HOST], ""))).await;
    let engines = &agent.shared.engines;
    assert_eq!(
        engines.of(Signal::Metrics, Some("metrics/host")).expect("it runs").pipeline(),
        "metrics/host"
    );
    assert_eq!(engines.of(Signal::Logs, Some("metrics/host")).expect("one leads").pipeline(), "metrics");
    let gone = engines.of(Signal::Metrics, Some("metrics/host")).expect("it runs");
    let admitted = gone.admit(Signal::Metrics, 0).expect("there is room");
    reread(&agent, &file(at, &[APP], "")).await;
    let message = bytes::Bytes::from(prost::Message::encode_to_vec(&export(3, 1)));
    let permit = agent.shared.budget.take(message.len()).expect("there is room");
    let received = ReceivedRequest { message, wire: None, permit };
    let metrics = agent.shared.metrics.receiver("grpc");
    let refused = gone.ingest(admitted, received, None, &metrics).await.expect_err("it is gone");
    assert!(matches!(refused, Refusal::Stopping), "to be sent again: {refused}");
    eventually("what is gone is forgotten", async || {
        engines.of(Signal::Metrics, Some("metrics/host")).is_none()
    })
    .await;
    agent.stop().await;
    assert_eq!((app.received(), host.received()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pipeline_of_experiments_leaves_each_with_its_own_points() {
    let ([app, host], at) = sinks().await;
    let holds = "metrics: { receivers: [otlp], processors: [interval], exporters: [otlp] }";
    let agent = Agent::start(&load(&file(at, &[holds, HOST_HOLDS], "pipeline: metrics"))).await;
    sender(&agent, "otlp").await.export(export(4, 1)).await.expect("accepted");
    sender(&agent, "otlp/host").await.export(export(7, 1)).await.expect("accepted");
    eventually("they are held", async || agent.metric(HOST_HELD).await == Some(7.0)).await;
    reread(&agent, &file(at, &[holds, HOST_HOLDS], "pipeline: metrics/host")).await;
    let pipelines = agent.health().await["pipelines"].clone();
    assert_eq!(
        (&pipelines["metrics"]["role"], &pipelines["metrics/host"]["role"]),
        (&"passes".into(), &"experiments".into())
    );
    assert_eq!(agent.metric(HOST_HELD).await, Some(7.0), "what it holds stays where it is");
    assert_eq!((app.received(), host.received()), (0, 0));
    agent.stop().await;
    assert_eq!((app.points().len(), host.points().len()), (4, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_away_holds_up_its_own_pipeline_alone() {
    let (app, app_at) = Sink::start().await;
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let own = "metrics: { receivers: [otlp], processors: [batch/patient], exporters: [otlp] }";
    let pass = "metrics/extra: { receivers: [otlp/extra], exporters: [otlp/host] }";
    let agent = Agent::start(&load(&file([app_at, nobody], &[own, HOST_HOLDS, pass], ""))).await;
    let (mut ours, mut others) = (sender(&agent, "otlp").await, sender(&agent, "otlp/extra").await);
    sender(&agent, "otlp/host").await.export(export(3, 1)).await.expect("accepted");
    for _ in 0..2 {
        others.export(export(1, 1)).await.expect("there is a place");
    }
    let refused = others.export(export(1, 1)).await.expect_err("its queue is full");
    assert!(refused.message().contains("otlp/host"), "{refused}");
    ours.export(export(10, 1)).await.expect("another's queue");
    let health = agent.health().await;
    assert!(health["failing_exporters"].get("otlp").is_none(), "{health}");
    // What waits for company here must not wait for what finds no place there.
    let stopping = tokio::spawn(agent.stop());
    eventually("it arrives", async || app.points().len() == 10).await;
    stopping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_delivery_waits_for_the_destination_of_the_senders_own_pipeline() {
    let ([app, host], at) = sinks().await;
    let agent = Agent::start(&load(&file(at, &[APP, HOST], "acknowledge: { otlp: on_delivery }"))).await;
    let (mut ours, mut others) = (sender(&agent, "otlp").await, sender(&agent, "otlp/host").await);
    host.script([Script::Hang, Script::Fail(tonic::Status::permission_denied("no"))]);
    let mut late = tonic::Request::new(export(1, 4));
    late.set_timeout(std::time::Duration::from_millis(500));
    others.export(late).await.expect_err("late");
    ours.export(export(1, 4)).await.expect("delivered");
    assert_eq!(app.points().len(), 4, "answered after delivery, not before");
    let refused = others.export(export(1, 4)).await.expect_err("not delivered");
    assert_eq!(refused.code(), tonic::Code::Internal, "{refused}");
    others.export(export(1, 4)).await.expect("delivered");
    assert_eq!(host.points().len(), 2);
}
