//! A `phoenix-agent` process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use observe::Report;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{eventually, http};

const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time of a swap on a machine that has other tests to run.
const SWAP: Duration = Duration::from_secs(120);

/// Addresses of an agent.
#[derive(Clone, Debug, Deserialize)]
pub struct Listening {
    /// OTLP/gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP/HTTP.
    pub otlp_http: Option<SocketAddr>,
    /// Every receiver's, by id and protocol, such as `otlp/2 http`.
    pub receivers: BTreeMap<String, String>,
    /// `/health` and `/ready`.
    pub health: SocketAddr,
    /// `/metrics` and `/experiment`.
    pub admin: SocketAddr,
}

/// A running agent; killed when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    config: PathBuf,
    /// Its addresses.
    pub listening: Listening,
}

/// A binary of this workspace, built beside the tests.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let dir = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let path = dir.join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// Runs an agent that is expected not to start: its exit code and what it said on standard error.
pub async fn refused(dir: &Path, config: &str) -> Result<(Option<i32>, String)> {
    let path = dir.join("refused.yaml");
    std::fs::write(&path, config)?;
    let run = Command::new(binary("phoenix-agent")).arg("--config").arg(&path).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.context("the agent started all the same")??;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

impl Agent {
    /// Starts an agent on `config`, which is written to `dir`.
    pub async fn start(dir: &Path, config: &str) -> Result<Self> {
        Self::start_as(dir, config, &[], "a-host").await
    }

    /// The same by another program, whose words are `enter`, on a host of this name.
    pub async fn start_as(dir: &Path, config: &str, enter: &[String], host: &str) -> Result<Self> {
        let path = dir.join("agent.yaml");
        std::fs::write(&path, config)?;
        let program = binary("phoenix-agent").into_os_string();
        let mut words = enter.iter().map(OsString::from).chain([program]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env("OTEL_RESOURCE_ATTRIBUTES", format!("host.name={host}"));
        Self::launch(dir, command, path).await
    }

    /// Starts an agent on a file that lies in `dir`, with more words of the command line.
    pub async fn start_on(dir: &Path, file: &Path, words: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary("phoenix-agent"));
        command.args(words).current_dir(dir);
        Self::launch(dir, command, file.to_owned()).await
    }

    async fn launch(dir: &Path, mut command: Command, config: PathBuf) -> Result<Self> {
        let log = std::fs::File::options().create(true).append(true).open(dir.join("agent.log"))?;
        let mut child = command
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().context("no standard output")?);
        tokio::time::timeout(PATIENCE, said.read_line(&mut line))
            .await
            .context("the agent says nothing")??;
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            bail!("the agent did not start: {}", std::fs::read_to_string(dir.join("agent.log"))?);
        };
        Ok(Self { child, config, listening: serde_json::from_value(said["listening"].clone())? })
    }

    /// The gRPC receiver's URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listening.otlp_grpc.map(|addr| addr.to_string()).unwrap_or_default())
    }

    /// The gRPC URL of a receiver by its id.
    pub fn endpoint_of(&self, receiver: &str) -> String {
        let address = self.listening.receivers.get(&format!("{receiver} grpc"));
        format!("http://{}", address.map(String::as_str).unwrap_or_default())
    }

    /// Writes another config and sends SIGHUP; does not wait.
    pub fn reload(&self, config: &str) -> Result<()> {
        // As an editor does it: never a half-written file under the agent's eyes.
        let next = self.config.with_extension("next");
        std::fs::write(&next, config)?;
        std::fs::rename(&next, &self.config)?;
        self.signal("HUP")
    }

    /// Writes another config, sends SIGHUP and waits until a later generation serves; returns its number.
    pub async fn swap(&self, config: &str) -> Result<u64> {
        let before = self.generation().await?;
        self.reload(config)?;
        Ok(eventually("a new generation", SWAP, || async {
            self.generation().await.ok().filter(|generation| *generation > before)
        })
        .await)
    }

    /// Bytes that the process has read, from files and sockets.
    pub fn bytes_read(&self) -> Result<u64> {
        let pid = self.child.id().context("it is gone")?;
        let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
        let read = io.lines().find_map(|line| line.strip_prefix("rchar:")).context("no rchar")?;
        Ok(read.trim().parse()?)
    }

    /// Most memory that the process has had, in MiB.
    pub fn peak_mib(&self) -> Result<f64> {
        self.mib("VmHWM:")
    }

    /// Most memory that the process has had, in MiB, without the pages of its program: a debug build has 24 MiB of them, a release 9.
    pub fn own_peak_mib(&self) -> Result<f64> {
        Ok(self.peak_mib()? - self.mib("RssFile:")?)
    }

    fn mib(&self, kind: &str) -> Result<f64> {
        let pid = self.child.id().context("it is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(kind));
        let line = line.with_context(|| format!("no {kind}"))?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib / 1_024.0)
    }

    /// `/health`, as its owner sees it.
    pub async fn health(&self) -> Result<Value> {
        Ok(serde_json::from_str(&http::get(self.listening.admin, "/health").await?.1)?)
    }

    /// The generation that serves.
    pub async fn generation(&self) -> Result<u64> {
        self.health().await?["generation"].as_u64().context("no generation in /health")
    }

    /// `/experiment`.
    pub async fn report(&self) -> Result<Report> {
        let (status, body) = http::get(self.listening.admin, "/experiment").await?;
        serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))
    }

    /// Sum of all samples of a metric whose labels contain `label`.
    pub async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let (_, body) = http::get(self.listening.admin, "/metrics").await?;
        let mut sum = 0.0;
        for line in body.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').context("not a sample")?;
            let (found, labels) = series.split_once('{').unwrap_or((series, ""));
            if found == name && labels.contains(label) {
                sum += value.parse::<f64>()?;
            }
        }
        Ok(sum)
    }

    /// Sends a signal by name, e.g. `HUP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().context("the agent has ended")?;
        let sent =
            std::process::Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
        if sent.success() { Ok(()) } else { bail!("kill -{name} {pid} failed") }
    }

    /// `kill -9`.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .context("the agent does not end")?
            .map_err(Into::into)
    }
}
