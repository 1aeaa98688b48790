//! Real peers of the binaries: Collectors, Prometheus, and SDKs of other languages.
//!
//! `make test-peers` builds them and runs this; `PHOENIX_PEERS` names their folder, `target/peers` without it.

mod adopted;
mod collector;
mod opamp;
mod own_telemetry;
mod points;
mod prometheus;
mod senders;
mod shapes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::agent::binary;
use serde_json::Value;
use tokio::process::Command;

/// Time for what a peer does, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A peer's program or folder.
fn peer(name: &str) -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers");
    let folder = std::env::var_os("PHOENIX_PEERS").map_or(built, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run `make test-peers`", path.display());
    path
}

/// A public shape of a Collector's file.
fn shape(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/testdata/field").join(name).join("config.yaml")
}

/// An address of this machine that nobody listens on.
fn free() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The document of `phoenix adopt`, which must take the file.
async fn adopt(file: &Path, out: &Path, words: &[&str], stand_ins: &str) -> Result<Value> {
    let output = Command::new(binary("phoenix"))
        .arg("adopt")
        .arg(file)
        .args(["-o", "json", "--out"])
        .arg(out)
        .args(words)
        .env(collector::STAND_INS, stand_ins)
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}: {said}{document}", file.display());
    serde_json::from_str(&document).with_context(|| document)
}

/// Stand-ins for all components of a document of `adopt`; those that are built in are left out by the Collector itself.
fn stand_ins(document: &Value) -> Vec<String> {
    let rows = document["components"].as_array().map(Vec::as_slice).unwrap_or_default();
    let named = rows.iter().filter_map(|row| {
        let id = row["component"].as_str()?;
        Some(format!("{}/{}", row["section"].as_str()?, id.split('/').next()?))
    });
    let mut all: Vec<String> = named.collect();
    all.sort();
    all.dedup();
    all
}
