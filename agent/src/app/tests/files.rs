//! The exporter to a file: what stands in it, and a disk that is full.

use std::path::Path;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use pipelines::json::{self, Request};
use prost::Message as _;

use super::harness::{Agent, config, eventually, export, load};

/// A config whose exporter writes to a file, with these keys besides.
fn to_file(path: &Path, keys: &str) -> crate::config::Settings {
    let text = config("127.0.0.1:1".parse().expect("an address"), "");
    let (before, rest) = text.split_once("  otlp:\n    endpoint:").expect("the exporter");
    let (_, after) = rest.split_once("extensions:").expect("extensions");
    let exporter = format!("  file:\n    path: '{}'\n    {keys}\nextensions:{after}", path.display());
    load(&format!("{before}{exporter}").replace("exporters: [otlp]", "exporters: [file]"))
}

fn request(protobuf: &[u8]) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(protobuf).expect("a request")
}

/// Requests with their length before each.
fn framed(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (one, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        found.push(one.to_vec());
        bytes = rest;
    }
    found
}

fn from_json(json: &[u8]) -> ExportMetricsServiceRequest {
    request(&json::decode(Request::Metrics, json, 1 << 20).expect("OTLP/JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_holds_what_was_sent_in_the_order_in_which_it_came() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made/out");
    let sent: Vec<_> = (1..=5).map(|points| export(3, points)).collect();
    type Read = fn(&[u8]) -> Vec<ExportMetricsServiceRequest>;
    let cases: [(&str, Read); 4] = [
        ("format: json", |bytes| {
            let lines = bytes.strip_suffix(b"\n").expect("a whole line").split(|byte| *byte == b'\n');
            lines.map(from_json).collect()
        }),
        ("format: proto", |bytes| framed(bytes).iter().map(|one| request(one)).collect()),
        ("compression: zstd", |bytes| {
            let all = framed(bytes);
            all.iter().map(|one| from_json(&zstd::stream::decode_all(&one[..]).expect("zstd"))).collect()
        }),
        ("format: proto\n    compression: zstd", |bytes| {
            let all = framed(bytes);
            all.iter().map(|one| request(&zstd::stream::decode_all(&one[..]).expect("zstd"))).collect()
        }),
    ];
    for (keys, read) in cases {
        let agent = Agent::start(&to_file(&path, &format!("create_directory: true\n    {keys}"))).await;
        let mut client = agent.client().await;
        for one in &sent {
            client.export(one.clone()).await.expect("accepted");
        }
        eventually("all is confirmed", async || agent.health().await["points"]["delivered"] == 45).await;
        // Each agent begins the file anew.
        assert_eq!(read(&std::fs::read(&path).expect("a file")), sent, "{keys}");
        agent.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_no_point_is_told_in_health_and_is_forgotten_once_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.json");
    std::os::unix::fs::symlink("/dev/full", &path).expect("a device that is always full");
    let agent = Agent::start(&to_file(&path, "append: true")).await;
    let mut client = agent.client().await;
    let sent: Vec<_> = (1..=3).map(|points| export(1, points)).collect();
    for one in &sent {
        client.export(one.clone()).await.expect("accepted");
    }
    eventually("it is told", async || {
        let health = agent.health().await;
        let said = health["failing_exporters"]["file"].as_str().unwrap_or_default().to_owned();
        health["status"] == "degraded" && said.contains("No space left") && said.contains("out.json")
    })
    .await;
    assert_eq!(agent.health().await["points"]["owed"], 6);
    std::fs::remove_file(&path).expect("room");
    eventually("all is confirmed", async || agent.health().await["points"]["delivered"] == 6).await;
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(text.lines().map(|line| from_json(line.as_bytes())).collect::<Vec<_>>(), sent);
    let health = agent.health().await;
    assert_eq!((&health["status"], &health["failing_exporters"]), (&"ok".into(), &serde_json::json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_opened_is_an_error_at_boot_that_names_the_exporter() {
    let settings = to_file(Path::new("/no/such/folder/out"), "format: json");
    let error = crate::app::App::build(settings).await.expect_err("no folder").to_string();
    assert!(error.starts_with("exporter file: cannot open /no/such/folder/out: "), "{error}");
}
