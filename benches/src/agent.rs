//! The real agent, started from beside this executable, and what the kernel says it used.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use procfs::process::Process;

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    /// Address at which it takes OTLP/gRPC.
    pub grpc: SocketAddr,
    _config: tempfile::NamedTempFile,
}

impl Agent {
    /// Starts an agent on `config`.
    pub fn start(config: &str) -> anyhow::Result<Self> {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        std::fs::write(file.path(), config)?;
        let program = std::env::current_exe()?.with_file_name("phoenix-agent");
        let mut child = Command::new(&program)
            .arg("--config")
            .arg(file.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line).context("the agent did not start")?;
        let Some(grpc) = said["listening"]["otlp_grpc"].as_str() else { bail!("no address in {line}") };
        Ok(Self { grpc: grpc.parse()?, child, _config: file })
    }

    /// CPU seconds so far, user and system.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = self.process()?.stat()?;
        Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
    }

    /// Resident memory now and at its peak, MiB.
    pub fn memory_mib(&self) -> anyhow::Result<(f64, f64)> {
        let status = self.process()?.status()?;
        let mib = |kib: Option<u64>| kib.unwrap_or(0) as f64 / 1024.0;
        Ok((mib(status.vmrss), mib(status.vmhwm)))
    }

    fn process(&self) -> anyhow::Result<Process> {
        Ok(Process::new(i32::try_from(self.child.id())?)?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
