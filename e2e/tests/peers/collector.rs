//! A real Collector as a process.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use e2e::eventually;
use tokio::process::{Child, Command};

use super::{PATIENCE, peer};

/// The variable that names its stand-ins.
pub const STAND_INS: &str = "PHOENIX_STAND_INS";

/// A Collector that runs; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    child: Child,
    log: PathBuf,
}

impl Collector {
    /// Starts it on files of which the later ones win, and waits until it is ready.
    pub async fn start(dir: &Path, files: &[&Path], stand_ins: &str) -> Result<Self> {
        let log = dir.join("collector.log");
        let mut command = Command::new(peer("collector"));
        for file in files {
            command.arg("--config").arg(file);
        }
        let child = command
            .current_dir(dir)
            .env(STAND_INS, stand_ins)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let mut started = Self { child, log };
        eventually("the Collector is ready", PATIENCE, || {
            let ready = started.said().contains("Everything is ready") || started.ended().is_some();
            std::future::ready(ready.then_some(()))
        })
        .await;
        anyhow::ensure!(started.ended().is_none(), "the Collector has ended: {}", started.said());
        Ok(started)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM, and waits for the end: what it holds has left then.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        let pid = self.child.id().context("the Collector has ended")?.to_string();
        std::process::Command::new("kill").args(["-TERM", &pid]).status()?;
        Ok(tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .context("the Collector does not end")??)
    }
}
