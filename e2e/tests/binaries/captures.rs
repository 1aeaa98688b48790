//! Files that an agent writes to a disk that fills up meanwhile, read by `phoenix compare`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::agent::{Agent, binary};
use e2e::disk::Disk;
use e2e::network::inside;
use e2e::served::PATIENCE;
use e2e::{eventually, traffic};
use serde_json::Value;
use simulator::profile::{Host, Profile, Role};

/// The formats, each with its keys.
const FORMATS: [(&str, &str); 4] = [
    ("json", "format: json"),
    ("proto", "format: proto"),
    ("packed", "compression: zstd"),
    ("rolled", "format: proto, compression: zstd, rotation: { max_megabytes: 1 }"),
];

fn config(out: &Path) -> String {
    let exporters: String = FORMATS
        .iter()
        .map(|(name, keys)| {
            let path = out.join(name).join("out.data");
            format!("\n  file/{name}: {{ path: '{}', create_directory: true, {keys} }}", path.display())
        })
        .collect();
    let ids: Vec<String> = FORMATS.iter().map(|(name, _)| format!("file/{name}")).collect();
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: 127.0.0.1:0 }} }} }} }}
exporters:{exporters}
extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [{}] }} }}
phoenix: {{ admin: 127.0.0.1:0 }}
",
        ids.join(", ")
    )
}

/// What `phoenix compare` says of two captures.
async fn compared(left: &Path, right: &Path) -> Result<Value> {
    let mut compare = tokio::process::Command::new(binary("phoenix"));
    compare.arg("compare").args([left, right]).arg("--json");
    let output = compare.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captures_on_a_disk_that_fills_up_hold_every_point_once_and_compare_reads_them() -> Result<()> {
    if !inside("captures::captures_on_a_disk_that_fills_up_hold_every_point_once_and_compare_reads_them")? {
        return Ok(());
    }
    super::disks::lo_up()?;
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("out");
    let disk = Disk::mount(&out, 32 << 20)?;
    let agent = Agent::start(dir.path(), &config(&out)).await?;
    let mut client = traffic::client(&agent.endpoint()).await?;
    let mut host = Host::new(Profile::Realistic, Role::Web, "web-1", 60, 7);
    let (mut sent, mut now) = (0, 1_767_225_600_000_000_000);
    for round in 0..30 {
        if round == 10 {
            settled(&agent, sent).await;
            disk.fill()?;
        }
        if round == 20 {
            eventually("it says that the disk is full", PATIENCE, || async {
                let health = agent.health().await.ok()?;
                let why = health["failing_exporters"]["file/json"].as_str()?;
                (health["status"] == "degraded" && why.contains("No space left")).then_some(())
            })
            .await;
            disk.free()?;
        }
        now += 10_000_000_000;
        host.step(Duration::from_secs(10));
        let request = host.scrape(now);
        sent += simulator::point_count(&request);
        client.export(request).await?;
    }
    settled(&agent, sent).await;
    let health = agent.health().await?;
    assert_eq!((&health["status"], &health["points"]["dropped"]), (&"ok".into(), &0.into()), "{health:#}");
    agent.terminate().await?;
    for (name, _) in &FORMATS[1..] {
        let said = compared(&out.join("json"), &out.join(name)).await?;
        for side in ["baseline", "candidate"] {
            let volume = &said["report"]["comparison"][side]["output"];
            assert_eq!(volume["points"], sent, "{name}: {volume:#}");
        }
        assert_eq!(said["passed"], true, "{name}");
    }
    Ok(())
}

/// Waits until every format has so many points.
async fn settled(agent: &Agent, points: u64) {
    eventually("every point stands in every file", PATIENCE, || async {
        let health = agent.health().await.ok()?;
        (health["points"]["delivered"] == points * FORMATS.len() as u64).then_some(())
    })
    .await;
}
