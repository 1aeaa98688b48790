//! Bad input: each kind gets the code and the words that say where and what.

use anyhow::Result;
use bytes::{BufMut, Bytes, BytesMut};
use e2e::agent::{Agent, refused};
use e2e::configs::{Experiment, MARKED};
use e2e::http::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use simulator::profile::{Host, Profile, Role};
use simulator::sink::Sink;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

const PROTOBUF: &str = "application/x-protobuf";
const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Sends bytes as they are: what no client library would send.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let mut bytes = BytesMut::new();
        bytes.put(source);
        Ok(Some(bytes.freeze()))
    }
}

async fn export(agent: &Agent, bytes: &[u8]) -> Result<Status> {
    let channel = tonic::transport::Channel::from_shared(agent.endpoint())?.connect().await?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let request = Request::new(Bytes::copy_from_slice(bytes));
    let answer = client.unary(request, EXPORT.parse()?, Raw).await;
    Ok(answer.err().unwrap_or_else(|| Status::ok("accepted")))
}

fn scrape() -> Vec<u8> {
    let request: ExportMetricsServiceRequest =
        Host::new(Profile::Realistic, Role::Web, "h", 20, 3).scrape(1_000_000_000);
    request.encode_to_vec()
}

fn experiment(dir: &std::path::Path, sink: &Sink, candidate: &[&str], weight: &str) -> String {
    let sink = sink.endpoint();
    Experiment { sink, data_dir: dir, baseline: &[], candidate, weight, unit: "process" }.text()
}

#[tokio::test]
async fn malformed_requests_are_refused_with_their_offset_and_nothing_of_them_leaves() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let agent = Agent::start(dir.path(), &experiment(dir.path(), &sink, &[MARKED], "50%")).await?;
    let whole = scrape();
    let deep = [&[0x0a, 0x7f][..], &[0x0a; 300]].concat();
    let cases: [(&str, &[u8], &str); 4] = [
        ("cut off", &whole[..whole.len() / 2], "a length reaches past the end of its message"),
        ("a group", &[0x0b], "group"),
        ("an absurd length", &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "byte 1"),
        ("nested without end", &deep, "byte"),
    ];
    for (name, bytes, expected) in cases {
        let status = export(&agent, bytes).await?;
        assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status:?}");
        assert!(status.message().contains(expected), "{name}: {status:?}");
        let http = agent.listening.otlp_http.expect("an HTTP receiver");
        let answer = post(http, "/v1/metrics", PROTOBUF, bytes).await?;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.headers.contains(&format!("content-type: {PROTOBUF}")), "{name}: {}", answer.headers);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains(expected), "{name}: {text}");
    }
    assert_eq!(export(&agent, &whole).await?.code(), Code::Ok, "and a good one is still taken");
    assert!(agent.terminate().await?.success());
    assert_eq!(sink.counts().requests, if sink.counts().points_of("candidate") > 0 { 2 } else { 1 });
    Ok(())
}

#[tokio::test]
async fn too_much_is_refused_by_the_codes_of_otlp() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let config = experiment(dir.path(), &sink, &[MARKED], "50%").replace(
        "grpc: { endpoint: 127.0.0.1:0 }\n      http: { endpoint: 127.0.0.1:0 }",
        "grpc: { endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 1 }\n      \
         http: { endpoint: 127.0.0.1:0, max_request_body_size: 1048576 }",
    );
    let agent = Agent::start(dir.path(), &config).await?;
    let large = vec![0_u8; 2 << 20];
    assert_eq!(export(&agent, &large).await?.code(), Code::ResourceExhausted);
    let http = agent.listening.otlp_http.expect("an HTTP receiver");
    assert_eq!(post(http, "/v1/metrics", PROTOBUF, &large).await?.status, 413);
    assert_eq!(post(http, "/v1/nothing", PROTOBUF, &[]).await?.status, 404);
    assert_eq!(post(http, "/v1/metrics", "text/plain", &[]).await?.status, 415);
    assert_eq!(post(http, "/v1/metrics", PROTOBUF, &[]).await?.status, 200, "an empty request succeeds");
    assert_eq!(export(&agent, &[]).await?.code(), Code::Ok);
    assert_eq!(sink.counts().requests, 0);
    Ok(())
}

#[tokio::test]
async fn a_bad_config_ends_the_start_with_line_column_and_what_was_expected() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let good = experiment(dir.path(), &sink, &[MARKED], "25%");
    let cases = [
        (
            "processor",
            good.replace("resource/mark: {", "resuorce/mark: {")
                .replace("[resource/mark]", "[resuorce/mark]"),
            "resource",
        ),
        ("key", good.replace("action: insert", "acton: insert"), "action"),
        ("weight", good.replace("weight: 25%", "weight: 250%"), "weight"),
        ("exporter key", good.replace("compression: none", "compresion: none"), "compression"),
        (
            "condition",
            good.replace(MARKED, "filter/x: { metrics: { datapoint: ['metric.nam == \"x\"'] } }")
                .replace("[resource/mark]", "[filter/x]"),
            "metric",
        ),
        (
            "component",
            good.replace(
                "exporters: [otlp] }\n    metrics/candidate",
                "exporters: [kafka] }\n    metrics/candidate",
            ),
            "kafka",
        ),
    ];
    for (name, config, expected) in cases {
        assert_ne!(config, good, "{name}");
        let (code, said) = refused(dir.path(), &config).await?;
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains("refused.yaml:"), "{name}: {said}");
        let place = said.split("refused.yaml:").nth(1).unwrap_or_default();
        let mut numbers = place.split(':').map(|part| part.trim().parse::<u32>());
        assert!(matches!((numbers.next(), numbers.next()), (Some(Ok(_)), Some(Ok(_)))), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_config_at_sighup_leaves_the_old_generation_running_and_health_says_why() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
    let good = experiment(dir.path(), &sink, &[MARKED], "25%");
    let agent = Agent::start(dir.path(), &good).await?;
    let generation = agent.generation().await?;
    agent.reload(&good.replace("action: insert", "acton: insert"))?;
    let error = e2e::eventually("the reason in /health", std::time::Duration::from_secs(20), || async {
        agent.health().await.ok()?["config_error"].as_str().map(str::to_owned)
    })
    .await;
    assert!(error.contains("acton") && error.contains("action"), "{error}");
    assert_eq!(agent.generation().await?, generation);
    assert_eq!(export(&agent, &scrape()).await?.code(), Code::Ok, "the old generation goes on");
    let next = agent.swap(&good.replace("weight: 25%", "weight: 50%")).await?;
    assert!(next > generation);
    e2e::eventually("a good config clears it", std::time::Duration::from_secs(20), || async {
        agent.health().await.ok()?["config_error"].is_null().then_some(())
    })
    .await;
    Ok(())
}
