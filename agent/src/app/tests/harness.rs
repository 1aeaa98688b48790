//! An agent in this process, and means to talk to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipelines::yaml::Source;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::admin::Admin;
use crate::app::{App, BoundAddresses, Event};
use crate::config::{self, Settings};
use crate::deliver::{ExporterKind, OtlpSettings};
use crate::receive::{Protocol, ReceiverSettings};

pub const ANY: &str = "127.0.0.1:0";

/// A config that sends every signal to `sink`, with waits short enough for a test. The metrics
/// pipelines, processors and our own section are `more`'s, if it says anything of them.
pub fn config(sink: SocketAddr, more: &str) -> String {
    let metrics = "metrics: { receivers: [otlp], exporters: [otlp] }";
    let more =
        if more.is_empty() { format!("service:\n  pipelines:\n    {metrics}") } else { more.to_owned() };
    let (before, after) = more.split_once("  pipelines:\n").expect("service.pipelines");
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: {ANY} }}, http: {{ endpoint: {ANY} }} }} }} }}
exporters:
  otlp:
    endpoint: http://{sink}
    compression: none
    retry_on_failure: {{ initial_interval: 10ms, max_interval: 20ms }}
extensions: {{ health_check: {{ endpoint: {ANY} }} }}
{before}  extensions: [health_check]
  telemetry: {{ metrics: {{ address: {ANY} }} }}
  pipelines:
    traces: {{ receivers: [otlp], exporters: [otlp] }}
    logs: {{ receivers: [otlp], exporters: [otlp] }}
{after}
"
    )
}

pub fn source(text: &str) -> [Source; 1] {
    [Source { name: "test.yaml".to_owned(), text: text.to_owned() }]
}

/// Settings that a config says.
pub fn load(text: &str) -> Settings {
    config::load(&source(text), &|_| None).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Settings that pass everything through to `sink`.
pub fn settings(sink: SocketAddr) -> Settings {
    load(&config(sink, ""))
}

/// The receiver's part of [`settings`] for a protocol.
pub fn receiver(settings: &mut Settings, protocol: Protocol) -> &mut ReceiverSettings {
    settings.receivers.iter_mut().find(|receiver| receiver.protocol == protocol).expect("a receiver")
}

/// The OTLP exporter's part of [`settings`].
pub fn otlp(settings: &mut Settings) -> &mut OtlpSettings {
    match &mut settings.exporters[0].kind {
        ExporterKind::Otlp { otlp, .. } => otlp,
        other => panic!("expected an OTLP exporter, got {other:?}"),
    }
}

pub struct Agent {
    pub listening: BoundAddresses,
    pub shared: Arc<Admin>,
    events: mpsc::Sender<Event>,
    task: JoinHandle<()>,
}

impl Agent {
    pub async fn start(settings: &Settings) -> Self {
        let app = App::build(settings.clone()).await.expect("build");
        let (listening, shared) = (app.listening().expect("addresses"), app.shared());
        let (events, mut next) = mpsc::channel(1);
        let task = tokio::spawn(app.run(async move || next.recv().await.unwrap_or(Event::Stop)));
        Self { listening, shared, events, task }
    }

    /// Rereads the file, as after SIGHUP, with the content `text`.
    pub async fn reread(&self, text: &str) {
        let settings = config::load(&source(text), &|_| None).map_err(|problems| problems.to_string());
        self.events.send(Event::Reread(Box::new(settings))).await.expect("running");
    }

    /// Asks it to stop, and waits until it has drained.
    pub async fn stop(self) {
        drop(self.events);
        self.task.await.expect("run");
    }

    pub async fn client(&self) -> MetricsServiceClient<Channel> {
        let address = self.listening.otlp_grpc.expect("grpc");
        MetricsServiceClient::connect(format!("http://{address}")).await.expect("connect")
    }

    /// The value of one line of `/metrics`.
    pub async fn metric(&self, line: &str) -> Option<f64> {
        let response = request(self.listening.admin, "GET", "/metrics", &[], Vec::new()).await;
        let text = String::from_utf8(response.body).expect("text");
        let found = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        found.map(|value| value.parse().expect("number"))
    }

    /// `/health`, as its owner sees it.
    pub async fn health(&self) -> serde_json::Value {
        let response = request(self.listening.admin, "GET", "/health", &[], Vec::new()).await;
        serde_json::from_slice(&response.body).expect("json")
    }
}

pub struct Response {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

/// One HTTP/1.1 request on a connection of its own.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response {
    let stream = TcpStream::connect(address).await.expect("connect");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    let mut builder = http::Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = builder.body(Full::new(bytes::Bytes::from(body))).expect("request");
    let (parts, body) = sender.send_request(request).await.expect("response").into_parts();
    let body = body.collect().await.expect("body").to_bytes().to_vec();
    Response { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// A request of `processes` resources with one gauge of `points` points each.
pub fn export(processes: usize, points: usize) -> ExportMetricsServiceRequest {
    let attribute = |key: &str, value| {
        let value = Some(AnyValue { value: Some(value) });
        KeyValue { key: key.into(), value, ..Default::default() }
    };
    let resource_metrics = (0..processes).map(|pid| {
        let attributes = vec![
            attribute("process.pid", Value::IntValue(pid as i64)),
            attribute("process.executable.name", Value::StringValue(format!("app-{}", pid % 5))),
            attribute("host.name", Value::StringValue("web-1".into())),
        ];
        let data_points = (0..points).map(|n| NumberDataPoint {
            time_unix_nano: 1_700_000_000_000_000_000 + n as u64,
            value: Some(number_data_point::Value::AsInt(n as i64)),
            ..Default::default()
        });
        let gauge = Gauge { data_points: data_points.collect() };
        let name = "process.memory.usage".into();
        let metric = Metric { name, unit: "By".into(), data: Some(Data::Gauge(gauge)), ..Default::default() };
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }
    });
    ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
}

/// Polls until `condition` holds; fails the test if it does not within three minutes, which a busy machine may take.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within three minutes: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
