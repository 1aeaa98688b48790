//! Queues on disk: what they keep over a stop, over a change of the config and over damage, and when senders are answered.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::harness::{Agent, config, eventually, export, load, request};
use super::sink::{Script, Sink};

/// A config whose queue is in `dir`, with more of `phoenix:`.
fn stored(sink: SocketAddr, dir: &Path, phoenix: &str) -> String {
    let dir = dir.display();
    config(sink, "")
        .replace(
            "    compression: none\n",
            "    compression: none\n    timeout: 300ms\n    sending_queue: { storage: file_storage }\n",
        )
        .replace(
            "extensions: { health_check",
            &format!("extensions: {{ file_storage: {{ directory: '{dir}' }}, health_check"),
        )
        .replace("extensions: [health_check]", "extensions: [health_check, file_storage]")
        + &format!("phoenix: {{ data_dir: '{dir}/data', {phoenix} }}\n")
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("an address")
}

/// Stops an agent, and waits until another one may have its queue.
async fn stop(agent: Agent, dir: &Path) {
    agent.stop().await;
    let lock = File::open(dir.join("phoenix_otlp/lock")).expect("its lock");
    eventually("the queue is free", async || lock.try_lock().is_ok()).await;
}

async fn post(agent: &Agent, path: &str, body: Vec<u8>) {
    let headers = [("content-type", "application/x-protobuf")];
    let address = agent.listening.otlp_http.expect("http");
    assert_eq!(request(address, "POST", path, &headers, body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_that_a_stop_leaves_on_disk_is_delivered_by_the_next_start() {
    let dir = tempfile::tempdir().expect("dir");
    let address = nobody();
    let text = stored(address, dir.path(), "");
    let agent = Agent::start(&load(&text)).await;
    let health = agent.health().await;
    assert_eq!(
        (&health["acknowledge"], &health["acknowledge_why"]),
        (&"on_persist".into(), &"the sending queues are on disk".into())
    );
    let spans = vec![Span { name: "a span".into(), ..Default::default() }];
    let scope_spans = vec![ScopeSpans { spans, ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    let traces = ExportTraceServiceRequest { resource_spans };
    let log_records = vec![LogRecord::default(); 2];
    let scope_logs = vec![ScopeLogs { log_records, ..Default::default() }];
    let logs =
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    post(&agent, "/v1/metrics", export(3, 4).encode_to_vec()).await;
    post(&agent, "/v1/traces", traces.encode_to_vec()).await;
    post(&agent, "/v1/logs", logs.encode_to_vec()).await;
    assert_eq!(agent.health().await["points"]["owed_on_disk"], 12 + 1 + 2);
    assert_eq!(agent.metric(r#"otelcol_exporter_queue_size{exporter="otlp"}"#).await, Some(3.0));
    stop(agent, dir.path()).await;

    let sink = Sink::default();
    sink.serve(address);
    let agent = Agent::start(&load(&text)).await;
    eventually("all is settled", async || agent.shared.delivery_ledger.totals().owed() == 0).await;
    assert_eq!(sink.points().len(), 12);
    assert!(sink.points().iter().all(|(variant, generation, ..)| variant == "baseline" && *generation == 1));
    assert_eq!(*sink.traces.lock().expect("lock"), [traces]);
    assert_eq!(*sink.logs.lock().expect("lock"), [logs]);
    let points = agent.health().await["points"].clone();
    for (name, expected) in
        [("queued", 15), ("delivered", 15), ("lost_to_shutdowns", 0), ("lost_to_crashes", 0)]
    {
        assert_eq!(points[name], expected, "{name}: {points:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_exporter_changes_the_next_one_goes_on_with_the_queue() {
    let dir = tempfile::tempdir().expect("dir");
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&stored(nobody(), dir.path(), ""))).await;
    let mut client = agent.client().await;
    for _ in 0..5 {
        client.export(export(2, 3)).await.expect("written");
    }
    agent.reread(&stored(address, dir.path(), "")).await;
    client.export(export(2, 3)).await.expect("written");
    eventually("all arrive", async || sink.received() == 6).await;
    eventually("all is settled", async || agent.shared.delivery_ledger.totals().owed() == 0).await;
    assert_eq!(agent.health().await["storage"]["otlp"]["requests"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_delivery_tells_the_outcome_of_what_waited_on_disk_and_at_the_deadline_that_it_is_safe() {
    let dir = tempfile::tempdir().expect("dir");
    let (sink, address) = Sink::start().await;
    // So little memory that the second request waits on disk for the first.
    let text = stored(address, dir.path(), "memory_limit: 240KiB, acknowledge: { otlp: on_delivery }");
    let agent = Agent::start(&load(&text)).await;
    let large = || export(300, 1);
    assert!((31_000..60_000).contains(&large().encoded_len()), "{}", large().encoded_len());
    sink.script([Script::Hang, Script::Reject(0), Script::Reject(3)]);
    let (mut first, mut second) = (agent.client().await, agent.client().await);
    let first = tokio::spawn(async move { first.export(large()).await });
    eventually("the first is under way", async || sink.attempts() == 1).await;
    let told = second.export(large()).await.expect("delivered").into_inner();
    assert_eq!(told.partial_success.expect("partial").rejected_data_points, 3);
    first.await.expect("join").expect("delivered");
    assert_eq!(sink.received(), 2);

    sink.script([Script::Hang, Script::Hang]);
    let mut request = tonic::Request::new(large());
    request.set_timeout(Duration::from_millis(400));
    agent.client().await.export(request).await.expect("on disk, so it will be delivered");
    assert_eq!(sink.received(), 2, "it was not yet");
    eventually("it is", async || sink.received() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_of_which_a_part_was_delivered_leaves_again_whole_by_its_rule_and_is_counted_as_doubtful() {
    let dir = tempfile::tempdir().expect("dir");
    let batching = |address| {
        stored(address, dir.path(), "")
            .replace(
                "service:",
                "processors: { batch: { send_batch_size: 4, send_batch_max_size: 4 } }\nservice:",
            )
            .replace(
                "metrics: { receivers: [otlp], exporters",
                "metrics: { receivers: [otlp], processors: [batch], exporters",
            )
    };
    let (half, address) = Sink::start().await;
    let busy = || Script::Fail(tonic::Status::unavailable("for now"));
    half.script(std::iter::once(Script::Reject(0)).chain((0..100_000).map(|_| busy())));
    let agent = Agent::start(&load(&batching(address))).await;
    agent.client().await.export(export(1, 10)).await.expect("written");
    eventually("one part is delivered and others are not", async || {
        half.received() == 1 && half.attempts() > 5
    })
    .await;
    let delivered = half.points().len() as u64;
    stop(agent, dir.path()).await;

    // The rule is that of the pipeline by which it came, whatever the file says now.
    let (sink, address) = Sink::start().await;
    let agent = Agent::start(&load(&stored(address, dir.path(), ""))).await;
    eventually("all is settled", async || agent.shared.delivery_ledger.totals().owed() == 0).await;
    assert_eq!((sink.received(), sink.points().len()), (3, 10));
    let doubtful =
        r#"phoenix_exporter_maybe_doubled_points_total{exporter="otlp",signal="metrics",variant="baseline"}"#;
    assert_eq!(agent.metric(doubtful).await, Some(10.0));
    let totals = agent.shared.delivery_ledger.totals();
    assert_eq!((totals.queued, totals.delivered, totals.lost_crash), (10 + delivered, 10 + delivered, 0));
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("phoenix_otlp")).expect("the queue");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some() && path.metadata().is_ok_and(|file| file.len() > 0))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_costs_its_own_points_which_are_told_as_lost_and_no_others() {
    let dir = tempfile::tempdir().expect("dir");
    let address = nobody();
    let text = stored(address, dir.path(), "");
    let agent = Agent::start(&load(&text)).await;
    let mut client = agent.client().await;
    for processes in 1..=5 {
        client.export(export(processes, 1)).await.expect("written");
    }
    stop(agent, dir.path()).await;
    let [file] = segments(dir.path()).try_into().expect("one file");
    let mut bytes = std::fs::read(&file).expect("read");
    // In the request of two points, whose frame is the second.
    let second = bytes.windows(4).skip(1).position(|four| four == b"Phx1").expect("a second") + 1;
    bytes[second + 80] ^= 1;
    std::fs::write(&file, bytes).expect("damage");

    let sink = Sink::default();
    sink.serve(address);
    let agent = Agent::start(&load(&text)).await;
    eventually("the others arrive", async || sink.received() == 4).await;
    eventually("all is settled", async || agent.shared.delivery_ledger.totals().owed() == 0).await;
    let health = agent.health().await;
    assert_eq!(
        (&health["points"]["delivered"], &health["points"]["lost_to_the_last_crash"]),
        (&13.into(), &2.into()),
        "{health:#}"
    );
    assert!(health["storage"]["otlp"]["damaged_bytes"].as_u64() > Some(55), "{health:#}");
    assert_eq!(
        agent.metric(r#"phoenix_storage_damaged_bytes{exporter="otlp"}"#).await,
        health["storage"]["otlp"]["damaged_bytes"].as_f64()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_on_disk_is_bounded_by_its_size_over_starts() {
    let dir = tempfile::tempdir().expect("dir");
    let text = stored(nobody(), dir.path(), "")
        .replace("storage: file_storage", "storage: file_storage, queue_size: 3")
        .replace("file_storage: { directory", "file_storage: { fsync: true, directory");
    for written in [3, 0] {
        let agent = Agent::start(&load(&text)).await;
        let mut client = agent.client().await;
        for _ in 0..written {
            client.export(export(1, 1)).await.expect("written");
        }
        let full = client.export(export(1, 1)).await.expect_err("full");
        assert_eq!(full.code(), tonic::Code::Unavailable);
        assert!(full.message().contains("the queue of exporter 'otlp' is full"), "{full}");
        stop(agent, dir.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stages_hold_is_named_where_it_is_on_no_disk_and_senders_are_told_more_than_that_it_was_accepted()
 {
    let dir = tempfile::tempdir().expect("dir");
    let held = |phoenix: &str| {
        stored(nobody(), dir.path(), phoenix)
            .replace("service:", "processors: { interval: { interval: 30s } }\nservice:")
            .replace(
                "metrics: { receivers: [otlp], exporters",
                "metrics: { receivers: [otlp], processors: [interval], exporters",
            )
    };
    let agent = Agent::start(&load(&held(""))).await;
    assert_eq!(agent.health().await.get("not_persisted"), None, "it is on disk");
    let in_memory = |mode: &str| {
        let text = held(&format!("acknowledge: {{ otlp: {mode} }}"));
        text.replace("sending_queue: { storage: file_storage }", "sending_queue: { enabled: true }")
    };
    agent.reread(&in_memory("on_delivery")).await;
    let named = "interval of the baseline holds points for up to 30s; a crash loses what it holds";
    eventually("it is named", async || agent.health().await["not_persisted"][0] == named).await;
    agent.reread(&in_memory("on_accept")).await;
    eventually("nothing is promised", async || agent.health().await.get("not_persisted").is_none()).await;
}
