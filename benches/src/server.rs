//! The real control plane, started from beside this executable, and what the kernel says it used.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use procfs::process::Process;

/// Token by which the first user is made.
pub const SETUP_TOKEN: &str = "a-setup-token-of-a-bench-0123456789";

/// A running control plane; killed when dropped.
pub struct Server {
    child: Child,
    /// REST.
    pub rest: SocketAddr,
    /// Agents.
    pub fleet: SocketAddr,
}

impl Server {
    /// Starts one with its files in `dir`, on a database of a server if one is named (for the service and for the owner), at
    /// these addresses (of REST and of agents) if they are.
    pub fn start(
        program: Option<&Path>,
        dir: &Path,
        database: Option<(&str, &str)>,
        at: Option<(SocketAddr, SocketAddr)>,
    ) -> Result<Self> {
        let beside = std::env::current_exe()?.with_file_name("phoenix-control-plane");
        let program = program.unwrap_or(&beside);
        let token = dir.join("setup-token");
        std::fs::write(&token, SETUP_TOKEN)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (rest, fleet) = at.unwrap_or((any, any));
        let log = std::fs::File::options().create(true).append(true).open(dir.join("log"))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--data-dir").arg(dir.join("data")).arg("--setup-token-file").arg(&token);
        command.args(["--trial", "0s", "--listen", &rest.to_string(), "--fleet-listen", &fleet.to_string()]);
        command.env("RUST_LOG", "warn").env_remove("DATABASE_URL").env_remove("DATABASE_OWNER_URL");
        if let Some((service, owner)) = database {
            command.args(["--database", service, "--database-owner", owner]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).with_context(|| format!("it did not start; {}", dir.display()))?;
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(said["listening"][name].as_str().context("no address")?.parse()?)
        };
        Ok(Self { rest: address("rest")?, fleet: address("fleet")?, child })
    }

    /// CPU seconds so far, user and system.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = self.process()?.stat()?;
        Ok((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
    }

    /// Resident memory now, KiB.
    pub fn memory_kib(&self) -> Result<f64> {
        Ok(self.process()?.status()?.vmrss.unwrap_or(0) as f64)
    }

    fn process(&self) -> Result<Process> {
        Ok(Process::new(i32::try_from(self.child.id())?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
