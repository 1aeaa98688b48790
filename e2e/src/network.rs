//! A host of its own on this machine: a network namespace with two links to it, either of which can be cut.
//!
//! Everything happens in a user namespace, so that no privilege is needed and nothing is left behind: the test runs
//! itself again in there.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, Command};

use crate::eventually;

/// Set where the test runs in a namespace.
const INSIDE: &str = "PHOENIX_TEST_INSIDE_A_NAMESPACE";
/// This side and the other of the link for what the control plane says.
const CONTROL: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 1, 2)];
/// The same of the link for data.
const DATA: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 2, 1), Ipv4Addr::new(10, 77, 2, 2)];

/// Tells whether this process may make networks and mount disks. If not, `test` (its whole name, with the module) was run again where it
/// may, and has passed.
pub fn inside(test: &str) -> Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    let again = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .status()
        .context("unshare (util-linux) is needed, and a kernel that lets a user make namespaces")?;
    ensure!(again.success(), "{test} failed in its namespace: {again}");
    Ok(false)
}

/// A namespace behind two links. It ends with this.
#[derive(Debug)]
pub struct Island {
    _holder: Child,
    pid: u32,
}

impl Island {
    /// Makes the namespace and its links.
    pub async fn rise() -> Result<Self> {
        ip(&["link", "set", "lo", "up"]).await?;
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).kill_on_drop(true);
        let holder = holder.spawn()?;
        let pid = holder.id().context("no holder")?;
        let island = Self { _holder: holder, pid };
        island.separate().await?;
        for (name, [here, there]) in [("control", CONTROL), ("data", DATA)] {
            let (near, far, pid) = (format!("{name}0"), format!("{name}1"), pid.to_string());
            ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &pid]).await?;
            ip(&["addr", "add", &format!("{here}/24"), "dev", &near]).await?;
            ip(&["link", "set", &near, "up"]).await?;
            island.ip(&["addr", "add", &format!("{there}/24"), "dev", &far]).await?;
            island.ip(&["link", "set", &far, "up"]).await?;
        }
        island.ip(&["link", "set", "lo", "up"]).await?;
        Ok(island)
    }

    /// Waits until the holder has left this namespace.
    async fn separate(&self) -> Result<()> {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net"));
        let here = of("self")?;
        eventually("a namespace of its own", Duration::from_secs(10), || async {
            of(&self.pid.to_string()).ok().filter(|there| *there != here)
        })
        .await;
        Ok(())
    }

    /// Words before the command line of what is to run in there.
    pub fn enter(&self) -> Vec<String> {
        ["nsenter", "-t", &self.pid.to_string(), "-n", "--"].map(str::to_owned).to_vec()
    }

    /// Lets nothing of the control plane through any more, without a word to either side.
    pub async fn cut(&self) -> Result<()> {
        ip(&["link", "set", "control0", "down"]).await
    }

    /// Lets it through again.
    pub async fn heal(&self) -> Result<()> {
        ip(&["link", "set", "control0", "up"]).await
    }

    /// Address for the control plane.
    pub fn control_plane() -> IpAddr {
        CONTROL[0].into()
    }

    /// Address for the sink.
    pub fn sink() -> IpAddr {
        DATA[0].into()
    }

    /// Address for an agent in there.
    pub fn agent() -> IpAddr {
        DATA[1].into()
    }

    async fn ip(&self, args: &[&str]) -> Result<()> {
        let enter = self.enter();
        let (program, rest) = enter.split_first().context("no words")?;
        run(Command::new(program).args(rest).arg("ip").args(args)).await
    }
}

async fn ip(args: &[&str]) -> Result<()> {
    run(Command::new("ip").args(args)).await
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.output().await.with_context(|| format!("{command:?}: is iproute2 installed?"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
