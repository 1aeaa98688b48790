//! SDKs of other languages as senders: each transport, compression and encoding that they have.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result, ensure};
use e2e::agent::Agent;
use e2e::eventually;
use e2e::intake::Intake;
use recount::point::{Measure, Point, points};
use tokio::process::Command;

use super::{PATIENCE, peer};

/// An SDK's ways: transport with its encoding, and compressions; a Collector takes no deflate over gRPC either.
const PYTHON: [(&str, &[&str]); 2] =
    [("grpc", &["none", "gzip"]), ("http/protobuf", &["none", "gzip", "deflate"])];
const JAVASCRIPT: [(&str, &[&str]); 3] =
    [("grpc", &["none", "gzip"]), ("http/protobuf", &["none", "gzip"]), ("http/json", &["none", "gzip"])];
/// The value of the attribute `text` of each point.
const TEXT: &str = "žluťoučký \u{1f426}";

fn source(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

fn config(sink: &str, dir: &Path) -> String {
    format!(
        "receivers:
  otlp: {{ protocols: {{ grpc: {{ endpoint: '127.0.0.1:0' }}, http: {{ endpoint: '127.0.0.1:0' }} }} }}
exporters:
  otlp: {{ endpoint: '{sink}', tls: {{ insecure: true }} }}
extensions:
  health_check: {{ endpoint: '127.0.0.1:0' }}
service:
  extensions: [health_check]
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlp] }}
phoenix:
  data_dir: {}
  admin: '127.0.0.1:0'
",
        dir.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Python and JavaScript SDKs: make test-peers"]
async fn sdks_of_other_languages_are_understood_in_every_way_that_they_send() -> Result<()> {
    let (dir, sink) = (tempfile::tempdir()?, Intake::start().await?);
    let agent = Agent::start(dir.path(), &config(&sink.endpoint(), dir.path())).await?;
    let python = [peer("python/bin/python").into_os_string(), source("python/sender.py").into_os_string()];
    let node = ["node".into(), peer("javascript/sender.mjs").into_os_string()];
    let all = [("python", python, &PYTHON[..]), ("javascript", node, &JAVASCRIPT[..])];
    let mut tried = 0;
    for (language, words, ways) in all {
        for (transport, compressions) in ways {
            for compression in *compressions {
                let at =
                    if *transport == "grpc" { agent.listening.otlp_grpc } else { agent.listening.otlp_http };
                let name = format!("{language} {transport} {compression}");
                let output = Command::new(&words[0])
                    .arg(&words[1])
                    .args([transport, compression])
                    .arg(at.context("no such receiver")?.to_string())
                    .arg(&name)
                    .kill_on_drop(true)
                    .output()
                    .await?;
                sent(&name, &output)?;
                arrived(&name, &sink).await?;
                tried += 1;
            }
        }
    }
    ensure!(tried == 11, "5 ways of Python, 6 of JavaScript: {tried}");
    Ok(())
}

fn sent(name: &str, output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {said}");
    Ok(())
}

/// Waits for this sender's points, and checks each value.
async fn arrived(name: &str, sink: &Intake) -> Result<()> {
    let of = |point: &Point| point.series.resource.said("service.name").as_deref() == Some(name);
    let found = eventually(name, PATIENCE, || {
        let all =
            sink.arrivals().iter().flat_map(|(_, request)| points(request)).filter(of).collect::<Vec<_>>();
        std::future::ready((all.len() >= 15).then_some(all))
    })
    .await;
    ensure!(found.len() == 15, "{name}: {} points", found.len());
    for point in found {
        let number: f64 = point.series.said("number").context("no number")?.parse()?;
        ensure!(point.series.said("text").as_deref() == Some(TEXT), "{name}: {:?}", point.series);
        let right = match (point.series.metric.as_str(), &point.measure) {
            ("sender.counter", measure) => measure.number() == Some(number),
            ("sender.gauge", measure) => measure.number() == Some(number / 4.0),
            ("sender.histogram", Measure::Distribution { count, sum, .. }) => {
                (*count, *sum) == (1, number * 10.0)
            }
            _ => false,
        };
        ensure!(right, "{name}: {point:?}");
    }
    Ok(())
}
