//! The control plane's own traces, as a receiver of OTLP has them, and its log beside them.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::agent::binary;
use e2e::control_plane::ControlPlane;
use e2e::served::PATIENCE;
use e2e::spans::{Came, Manner, Spans};
use e2e::{eventually, http};
use proto::v1::GetExperimentRequest;
use proto::v1::experiment_service_client::ExperimentServiceClient;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::process::Command;
use tonic::Code;
use tonic::transport::Channel;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const NOBODY: &str = "0190a5c6-0000-7000-8000-000000000000";
/// OTLP's number of a server's span.
const SERVER: i32 = 2;

/// A control plane that sends to a receiver; its log is in JSON, with what it asks of the database.
async fn sending(to: &str, more: &[(&str, &str)]) -> Result<(TempDir, ControlPlane)> {
    let dir = tempfile::tempdir()?;
    let environment = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", to), ("PHOENIX_LOG_FORMAT", "json")], more].concat();
    let control_plane = ControlPlane::start_in(dir.path(), "info,sqlx=debug", &environment).await?;
    Ok((dir, control_plane))
}

/// Status of a request with a caller's trace.
async fn asked(control_plane: &ControlPlane, path: &str, traceparent: &str) -> Result<u16> {
    let headers =
        format!("Authorization: Bearer {}\r\ntraceparent: {traceparent}\r\n", control_plane.token());
    Ok(http::get_with(control_plane.listening.rest, path, &headers).await?.0)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn parent(sampled: bool) -> String {
    format!("00-{TRACE}-{CALLER}-0{}", u8::from(sampled))
}

fn log(dir: &TempDir) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(dir.path().join("control-plane.log"))?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_span_of_its_callers_trace_and_the_log_names_both() -> Result<()> {
    let spans = Spans::start(Manner::Takes).await?;
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector");
    let resource = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let zipped = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let (dir, control_plane) = sending(&spans.endpoint(), &[headers, resource, zipped]).await?;
    let path = format!("/api/v1/experiments/{NOBODY}?note=hush");
    ensure!(asked(&control_plane, &path, &parent(true)).await? == 404);
    let came = spans.first("the request", |came| came.trace == TRACE && came.kind == SERVER).await;
    assert_eq!((came.name.as_str(), came.parent.as_str()), ("GET /api/v1/experiments/{id}", CALLER));
    assert!(!came.failed, "404 is no failure of the server: {came:?}");
    let path = format!("/api/v1/experiments/{NOBODY}");
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "404"),
        ("http.route", "/api/v1/experiments/{id}"),
        ("network.protocol.version", "1.1"),
        ("url.path", &path),
        ("url.scheme", "http"),
    ];
    assert_eq!(came.attributes, map(&expected));
    let of_it = [
        ("deployment.environment.name", "test"),
        ("service.name", "phoenix-control-plane"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(came.resource, map(&of_it));
    assert!(spans.authorizations().iter().all(|said| said == "Bearer of-the-collector"));
    // A run of a reconciler, which nobody has called.
    let run = spans.first("a run", |came| came.name == "reconcile analyze").await;
    assert_eq!(run.parent, "");
    assert_eq!(run.attributes["phoenix.experiments"], "0");
    for line in log(&dir)? {
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let named = |line: &Value| line["trace_id"] == TRACE && line["span_id"] == came.id.as_str();
    let of_request = log(&dir)?.into_iter().filter(named).collect::<Vec<_>>();
    assert!(!of_request.is_empty(), "what it asked of the database");
    assert!(of_request.iter().all(|line| line["spans"][0]["name"] == "request"), "{of_request:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_does_not_keep_is_not_kept_and_probes_and_unknown_paths_are_not_shown() -> Result<()> {
    let spans = Spans::start(Manner::Takes).await?;
    let sampler = ("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let (_dir, control_plane) = sending(&spans.endpoint(), &[sampler]).await?;
    ensure!(asked(&control_plane, "/api/v1/experiments", &parent(false)).await? == 200);
    ensure!(control_plane.call("GET", "/api/v1/experiments", None).await?.0 == 200);
    ensure!(asked(&control_plane, "/health", &parent(true)).await? == 200);
    ensure!(asked(&control_plane, "/metrics", &parent(true)).await? == 200);
    ensure!(asked(&control_plane, "/hush/a-token-in-the-wrong-place", &parent(true)).await? == 404);
    ensure!(asked(&control_plane, "/api/v1/webhooks/hush/deliveries", &parent(true)).await? == 404);
    let last = |came: &Came| came.name == "GET /api/v1/webhooks/{name}/deliveries";
    let came = spans.first("the last one", last).await;
    assert_eq!(came.attributes["url.path"], "/api/v1/webhooks/{name}/deliveries");
    let all = spans.all();
    assert!(all.iter().all(|came| came.trace == TRACE), "{all:?}");
    let requests: Vec<_> = all.iter().filter(|came| came.kind == SERVER).collect();
    let [unknown, known] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((unknown.name.as_str(), known.name.as_str()), ("GET", came.name.as_str()));
    assert_eq!(unknown.attributes.get("url.path"), None);
    assert!(!String::from_utf8_lossy(&spans.bytes()).contains("hush"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_may_speak_http() -> Result<()> {
    let spans = Spans::start_http().await?;
    let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20of-the-collector");
    let (_dir, control_plane) = sending(&spans.endpoint(), &[protocol, headers]).await?;
    ensure!(asked(&control_plane, "/api/v1/experiments", &parent(true)).await? == 200);
    let came = spans.first("the request", |came| came.trace == TRACE && came.kind == SERVER).await;
    assert_eq!((came.name.as_str(), came.parent.as_str()), ("GET /api/v1/experiments", CALLER));
    assert!(spans.authorizations().iter().all(|said| said == "Bearer of-the-collector"));
    eventually("it is counted as sent", PATIENCE, || async {
        let (_, text) = http::get(control_plane.listening.rest, "/metrics").await.ok()?;
        let sent = text.lines().find_map(|line| line.strip_prefix("phoenix_trace_spans_sent_total "))?;
        (sent != "0").then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_grpc_is_a_span_with_its_own_code() -> Result<()> {
    let spans = Spans::start(Manner::Takes).await?;
    let (_dir, control_plane) = sending(&spans.endpoint(), &[]).await?;
    let channel = Channel::from_shared(format!("http://{}", control_plane.listening.rest))?.connect().await?;
    let mut client = ExperimentServiceClient::new(channel);
    let mut request = tonic::Request::new(GetExperimentRequest { id: NOBODY.to_owned() });
    request.metadata_mut().insert("authorization", format!("Bearer {}", control_plane.token()).parse()?);
    request.metadata_mut().insert("traceparent", parent(true).parse()?);
    let status = client.get_experiment(request).await.err().context("there is none")?;
    assert_eq!(status.code(), Code::NotFound);
    let mut request = tonic::Request::new(proto::v1::ListExperimentsRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {}", control_plane.token()).parse()?);
    client.list_experiments(request).await?;
    for (method, code) in [("GetExperiment", "NOT_FOUND"), ("ListExperiments", "OK")] {
        let name = format!("phoenix.v1.ExperimentService/{method}");
        let came = spans.first(&name, |came| came.name == name).await;
        let expected =
            [("rpc.method", name.as_str()), ("rpc.response.status_code", code), ("rpc.system.name", "grpc")];
        assert_eq!(came.attributes, map(&expected));
        assert_eq!((came.kind, came.failed), (SERVER, false));
        let (trace, parent) = if code == "OK" { (false, "") } else { (true, CALLER) };
        assert_eq!((came.trace == TRACE, came.parent.as_str()), (trace, parent));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sampler_that_is_off_sends_nothing_and_what_is_left_is_sent_at_the_end() -> Result<()> {
    for (sampler, expected) in [("always_off", false), ("always_on", true)] {
        let spans = Spans::start(Manner::Takes).await?;
        let (dir, mut control_plane) =
            sending(&spans.endpoint(), &[("OTEL_TRACES_SAMPLER", sampler)]).await?;
        ensure!(asked(&control_plane, "/api/v1/tenants", &parent(true)).await? == 200);
        // The last request has just been answered: its span still waits for company.
        control_plane.end().await?;
        let of_it = spans.all().iter().any(|came| came.name == "GET /api/v1/tenants");
        assert_eq!(of_it, expected, "{sampler}");
        assert!(expected || spans.all().is_empty(), "{:?}", spans.all());
        let named = log(&dir)?.into_iter().any(|line| line["trace_id"] == TRACE);
        assert!(named, "the log names a trace whether it is kept or not");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_nothing_delays_nobody_and_is_told_and_counted() -> Result<()> {
    for (manner, says, reason) in [
        (None, "Unavailable", None),
        (Some(Manner::Hangs), "the last spans of this process's own traces are not sent", None),
        (Some(Manner::Refuses), "PermissionDenied: who are you", Some("failed")),
        (Some(Manner::Rejects), "the quota is used up", Some("rejected")),
    ] {
        let to = match manner {
            Some(manner) => Spans::start(manner).await?.endpoint(),
            None => "http://127.0.0.1:1".to_owned(),
        };
        let (dir, mut control_plane) = sending(&to, &[]).await?;
        ensure!(asked(&control_plane, "/api/v1/experiments", &parent(true)).await? == 200);
        if let Some(reason) = reason {
            let lost = format!("phoenix_trace_spans_lost_total{{reason=\"{reason}\"}} ");
            eventually("losses are counted", PATIENCE, || async {
                let (_, text) = http::get(control_plane.listening.rest, "/metrics").await.ok()?;
                let line = text.lines().find_map(|line| line.strip_prefix(&lost))?;
                (line != "0").then_some(())
            })
            .await;
        } else if manner.is_none() {
            eventually("it is told", PATIENCE, || async {
                let told = log(&dir).ok()?.into_iter().any(|line| line["message"].to_string().contains(says));
                told.then_some(())
            })
            .await;
        }
        control_plane.end().await?;
        let told: Vec<_> = log(&dir)?.into_iter().filter(|line| line["level"] == "WARN").collect();
        let of_spans = told.iter().filter(|line| line["message"].to_string().contains("own traces"));
        let of_spans: Vec<_> = of_spans.collect();
        assert!(
            of_spans.iter().any(|line| line["message"].to_string().contains(says)),
            "{manner:?}: {told:?}"
        );
        if manner.is_none() {
            let last = of_spans.iter().any(|line| line["message"].to_string().contains("given up in all: "));
            assert!(last, "what the end loses is told, though something was told a moment ago: {of_spans:?}");
        }
        assert!(of_spans.len() <= 2, "one a minute, and one at the end: {of_spans:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_receiver_is_sent_once_it_is_there() -> Result<()> {
    // Bound, and not listening: who connects is refused.
    let socket = TcpSocket::new_v4()?;
    socket.bind("127.0.0.1:0".parse()?)?;
    let (dir, control_plane) = sending(&format!("http://{}", socket.local_addr()?), &[]).await?;
    ensure!(asked(&control_plane, "/api/v1/experiments", &parent(true)).await? == 200);
    eventually("it is told", PATIENCE, || async {
        let refused = |line: &Value| line["message"].to_string().contains("Connection refused");
        log(&dir).ok()?.iter().any(refused).then_some(())
    })
    .await;
    let spans = Spans::start_on(socket.listen(16)?, Manner::Takes)?;
    let came = spans.first("the request", |came| came.trace == TRACE && came.kind == SERVER).await;
    assert_eq!(came.name, "GET /api/v1/experiments");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scraper_that_names_openmetrics_is_given_the_traces_of_times() -> Result<()> {
    let spans = Spans::start(Manner::Takes).await?;
    let (_dir, control_plane) = sending(&spans.endpoint(), &[]).await?;
    ensure!(asked(&control_plane, "/api/v1/experiments", &parent(true)).await? == 200);
    let rest = control_plane.listening.rest;
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n";
    let (_, text) = http::get_with(rest, "/metrics", accept).await?;
    let line = text.lines().find(|line| line.contains(&format!("# {{trace_id=\"{TRACE}\",span_id=")));
    let line = line.context(text.clone())?;
    assert!(line.starts_with("phoenix_http_request_duration_seconds_bucket{"), "{line}");
    assert!(line.contains("route=\"/api/v1/experiments\""), "{line}");
    let (_, text) = http::get(rest, "/metrics").await?;
    assert!(text.contains("phoenix_http_request_duration_seconds_bucket"), "{text}");
    assert!(!text.contains("trace_id"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_json_hold_from_the_first_to_the_failure_and_name_a_callers_trace_without_a_receiver()
-> Result<()> {
    let dir = tempfile::tempdir()?;
    let environment = [("PHOENIX_LOG_FORMAT", "json")];
    let control_plane = ControlPlane::start_in(dir.path(), "info,sqlx=debug", &environment).await?;
    ensure!(asked(&control_plane, "/api/v1/experiments", &parent(true)).await? == 200);
    let named: Vec<_> = log(&dir)?.into_iter().filter(|line| line["trace_id"] == TRACE).collect();
    assert!(!named.is_empty() && named.iter().all(|line| line.get("span_id").is_none()), "{named:?}");
    let of_agent = ["--log-format", "json", "--config", "/nowhere/at-all.yaml"];
    let of_control_plane = ["serve", "--log-format=json", "--data-dir", "/dev/null/no"];
    let runs = [("phoenix-agent", &of_agent[..]), ("phoenix-control-plane", &of_control_plane[..])];
    for (process, arguments) in runs {
        let run = Command::new(binary(process)).args(arguments).stdin(Stdio::null()).output().await?;
        ensure!(!run.status.success(), "{process}");
        let said = String::from_utf8(run.stderr)?;
        let last: Value = serde_json::from_str(said.lines().last().context("nothing is said")?)?;
        assert_eq!((&last["level"], &last["target"]), (&"ERROR".into(), &process.into()));
    }
    Ok(())
}
