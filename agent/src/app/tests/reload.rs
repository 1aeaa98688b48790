//! Rereading the config while points flow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use super::experiment::halves;
use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::Sink;

#[tokio::test(flavor = "multi_thread")]
async fn swapping_generations_under_load_loses_and_doubles_nothing_and_mixes_nothing() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&halves(address, "0%"))).await;
    let done = AtomicBool::new(false);
    let send = async {
        let mut client = agent.client().await;
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            let mut request = export(20, 1);
            for resource in &mut request.resource_metrics {
                let Some(Data::Gauge(gauge)) = &mut resource.scope_metrics[0].metrics[0].data else {
                    panic!("expected a gauge")
                };
                // Even, so that both variants keep it; unlike any other request's.
                gauge.data_points[0].value = Some(Value::AsInt(2 * sent + 1_000));
            }
            client.export(request).await.expect("never refused");
            sent += 1;
        }
        sent
    };
    let swap = async {
        for (generation, weight) in ["5%", "25%", "50%", "100%", "25%", "0%"].into_iter().enumerate() {
            agent.reread(&halves(address, weight)).await;
            let metric = Some(generation as f64 + 2.0);
            eventually("the swap", async || agent.metric("phoenix_generation").await == metric).await;
            let before = sink.received();
            eventually("points flow under it", async || sink.received() > before + 3).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (sent, ()) = tokio::join!(send, swap);
    agent.stop().await;
    let mut seen: BTreeMap<(i64, i64), (u64, usize)> = BTreeMap::new();
    let mut latest = BTreeMap::new();
    for (variant, generation, pid, value) in sink.points() {
        let (first, times) = seen.entry((pid, value)).or_insert((generation, 0));
        assert_eq!(*first, generation, "a request belongs to one generation");
        *times += 1;
        latest.insert((generation, pid), variant);
    }
    assert_eq!(seen.len() as i64, 20 * sent, "not one is lost");
    assert!(seen.values().all(|(_, times)| *times == 1), "not one is doubled");
    for pid in 0..20 {
        let steps: Vec<_> = (2..=5).map(|generation| latest[&(generation, pid)] == "candidate").collect();
        assert!(steps.is_sorted(), "raising the weight only moves units toward the candidate: {steps:?}");
        assert!(steps[3], "at 100 % every unit is the candidate's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_config_leaves_the_old_one_in_force_and_health_says_why() {
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&halves(address, "0%"))).await;
    agent.reread(&halves(address, "lots")).await;
    eventually("it is reported", async || agent.health().await["config_error"].is_string()).await;
    let health = agent.health().await;
    assert_eq!((&health["status"], &health["generation"]), (&"degraded".into(), &1.into()));
    assert!(health["config_error"].as_str().expect("text").contains("test.yaml:"));
    agent.client().await.export(export(3, 1)).await.expect("still served");
    agent.reread(&halves(address, "0%")).await;
    eventually("it is in order again", async || agent.health().await["status"] == "ok").await;
    assert_eq!(agent.health().await["generation"], 1, "the same content is the same generation");
    agent.stop().await;
    assert_eq!(sink.points().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_exporter_gets_what_comes_next_and_the_old_one_finishes_what_it_has() {
    let ((old, old_address), (new, new_address)) = (Sink::start().await, Sink::start().await);
    let agent = Agent::start(&load(&config(old_address, ""))).await;
    old.script([super::sink::Script::Fail(tonic::Status::unavailable("busy"))]);
    let mut client = agent.client().await;
    client.export(export(1, 1)).await.expect("accepted");
    let digest = |agent: &Agent| agent.shared.health.condition().config_digest;
    let before = digest(&agent);
    agent.reread(&config(new_address, "")).await;
    eventually("the swap", async || digest(&agent) != before).await;
    client.export(export(1, 1)).await.expect("accepted");
    agent.stop().await;
    assert_eq!((old.received(), new.received()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_moves_to_another_port_and_takes_another_limit() {
    let (_, address) = Sink::start().await;
    let text = config(address, "");
    let agent = Agent::start(&load(&text)).await;
    let http = agent.listening.otlp_http.expect("http");
    let limited = text
        .replace("http: { endpoint: 127.0.0.1:0", "http: { max_request_body_size: 10, endpoint: 127.0.0.1:0");
    agent.reread(&limited).await;
    let post = async || {
        let headers = [("content-type", "application/x-protobuf")];
        request(http, "POST", "/v1/metrics", &headers, vec![0x1a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await.status
    };
    eventually("the limit holds", async || post().await == 413).await;
    let gone = limited
        .replace("http: {", "http: { read_header_timeout: 1s,")
        .replace("10, endpoint: 127.0.0.1:0", "10, endpoint: 127.0.0.2:0");
    agent.reread(&gone).await;
    eventually("the old socket closes", async || tokio::net::TcpStream::connect(http).await.is_err()).await;
}
