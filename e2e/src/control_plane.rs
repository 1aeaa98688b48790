//! A `phoenix-control-plane` process, and a person who talks to it over REST.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};

use crate::agent::binary;
use crate::http;

const PATIENCE: Duration = Duration::from_secs(30);
/// Time for which each wave runs a new content.
const TRIAL: &str = "2s";
/// The token by which the first admin is made.
pub const SETUP_TOKEN: &str = "a-setup-token-of-a-test-0123456789";
/// The first admin's address.
pub const EMAIL: &str = "admin@example.org";
/// Their password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Its addresses.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Listening {
    /// REST.
    pub rest: SocketAddr,
    /// Agents.
    pub fleet: SocketAddr,
}

/// A running control plane; killed when dropped.
#[derive(Debug)]
pub struct ControlPlane {
    /// Nothing while it is away.
    child: Option<Child>,
    dir: PathBuf,
    /// Its addresses.
    pub listening: Listening,
    token: String,
}

/// Place of one that was killed, until it is started again: nobody else is given its ports meanwhile.
#[derive(Debug)]
pub struct Away {
    /// Folder of its data.
    pub dir: PathBuf,
    /// Its addresses.
    pub at: Listening,
    /// Bound, and not listening: who connects is refused, and who asks for any port gets another.
    _held: [TcpSocket; 2],
}

impl Away {
    fn from(dir: PathBuf, at: Listening) -> Result<Self> {
        Ok(Self { dir, at, _held: [held(at.rest)?, held(at.fleet)?] })
    }

    /// Starts one here.
    pub async fn restart(&self) -> Result<ControlPlane> {
        let mut started = ControlPlane::run(&self.dir, self.at).await?;
        started.login().await?;
        Ok(started)
    }

    /// One that is away: nobody answers.
    pub fn unreachable(&self) -> ControlPlane {
        ControlPlane { child: None, dir: self.dir.clone(), listening: self.at, token: String::new() }
    }
}

fn held(at: SocketAddr) -> Result<TcpSocket> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Whoever listens here next says the same, and is let in.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    Ok(socket)
}

impl ControlPlane {
    /// Starts one with its data in `dir`, and makes its first admin.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_at(dir, Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same, where the place of a node's agent may be taken so long after the last word of it.
    pub async fn start_replacing(dir: &Path, take_over_after: &str) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = Listening { rest: any, fleet: any };
        let more = ["--take-over-after", take_over_after];
        Self::set_up(Self::run_with(dir, at, "info,sqlx=warn", &more).await?).await
    }

    /// The same, with agents coming in at this address.
    pub async fn start_at(dir: &Path, fleet: IpAddr) -> Result<Self> {
        let rest = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_on(dir, Listening { rest, fleet: SocketAddr::new(fleet, 0) }).await
    }

    /// The same, at these addresses.
    pub async fn start_on(dir: &Path, at: Listening) -> Result<Self> {
        Self::set_up(Self::run(dir, at).await?).await
    }

    /// The same at any addresses, with this filter of its log and these variables.
    pub async fn start_in(dir: &Path, filter: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = Listening { rest: any, fleet: any };
        Self::set_up(Self::run_in(dir, at, filter, variables, &[]).await?).await
    }

    /// The same at any addresses, in TLS with a certificate and its key, with these options besides; nobody is set up.
    pub async fn start_secured(dir: &Path, [cert, key]: [&Path; 2], more: &[&str]) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let [cert, key] = [cert, key].map(|path| path.display().to_string());
        let more = [&["--tls-cert", &cert, "--tls-key", &key], more].concat();
        Self::run_with(dir, Listening { rest: any, fleet: any }, "info,sqlx=warn", &more).await
    }

    /// The same at any addresses, with these options besides.
    pub async fn start_with(dir: &Path, more: &[&str]) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = Listening { rest: any, fleet: any };
        Self::set_up(Self::run_with(dir, at, "info,sqlx=warn", more).await?).await
    }

    /// Another one on a database in which there is an admin, at these addresses, or any.
    pub async fn start_beside(dir: &Path, at: Option<Listening>, more: &[&str]) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let at = at.unwrap_or(Listening { rest: any, fleet: any });
        let mut started = Self::run_with(dir, at, "info,sqlx=warn", more).await?;
        started.login().await?;
        Ok(started)
    }

    async fn set_up(mut started: Self) -> Result<Self> {
        let setup = json!({ "token": SETUP_TOKEN, "email": EMAIL, "password": PASSWORD });
        started.expect("POST", "/api/v1/auth/setup", Some(&setup), 201).await?;
        started.login().await?;
        Ok(started)
    }

    async fn run(dir: &Path, at: Listening) -> Result<Self> {
        Self::run_with(dir, at, "info,sqlx=warn", &[]).await
    }

    async fn run_with(dir: &Path, at: Listening, filter: &str, more: &[&str]) -> Result<Self> {
        Self::run_in(dir, at, filter, &[], more).await
    }

    async fn run_in(
        dir: &Path,
        at: Listening,
        filter: &str,
        variables: &[(&str, &str)],
        more: &[&str],
    ) -> Result<Self> {
        let token_file = dir.join("setup-token");
        std::fs::write(&token_file, SETUP_TOKEN)?;
        let log = std::fs::File::options().create(true).append(true).open(dir.join("control-plane.log"))?;
        let mut child = Command::new(binary("phoenix-control-plane"))
            .env("RUST_LOG", filter)
            // Nothing is named by chance: its state is in its folder.
            .env_remove("DATABASE_URL")
            .env_remove("DATABASE_OWNER_URL")
            .envs(variables.iter().copied())
            .arg("serve")
            .arg("--data-dir")
            .arg(dir.join("control-plane"))
            .arg("--listen")
            .arg(at.rest.to_string())
            .arg("--fleet-listen")
            .arg(at.fleet.to_string())
            .args(["--trial", TRIAL])
            .args(more)
            .arg("--setup-token-file")
            .arg(&token_file)
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = String::new();
        let listening = loop {
            line.clear();
            let read = tokio::time::timeout(PATIENCE, said.read_line(&mut line)).await;
            ensure!(
                read.context("the control plane says nothing")?? > 0,
                "it did not start: {}",
                dir.display()
            );
            if let Ok(said) = serde_json::from_str::<Value>(&line) {
                break serde_json::from_value(said["listening"].clone())?;
            }
        };
        // What else it says must not fill the pipe.
        tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
        Ok(Self { child: Some(child), dir: dir.to_owned(), listening, token: String::new() })
    }

    async fn login(&mut self) -> Result<()> {
        let login = json!({ "email": EMAIL, "password": PASSWORD });
        let answer = self.expect("POST", "/api/v1/auth/login", Some(&login), 200).await?;
        self.token = answer["access_token"].as_str().context("no token")?.to_owned();
        Ok(())
    }

    /// `kill -9`, and a start on the same data and the same ports.
    pub async fn crash_and_restart(self) -> Result<Self> {
        self.crash().await?.restart().await
    }

    /// `kill -9`: where it was.
    pub async fn crash(mut self) -> Result<Away> {
        if let Some(child) = &mut self.child {
            child.kill().await?;
        }
        Away::from(self.dir.clone(), self.listening)
    }

    /// Ends it by a signal, and waits until it has gone.
    pub async fn end(&mut self) -> Result<()> {
        let pid = self.pid().context("it is away")?;
        let killed = Command::new("kill").arg(pid.to_string()).status().await?;
        ensure!(killed.success(), "{killed}");
        if let Some(mut child) = self.child.take() {
            let ended = tokio::time::timeout(PATIENCE, child.wait()).await.context("it does not end")??;
            ensure!(ended.success(), "{ended}");
        }
        Ok(())
    }

    /// Its process, unless it is away.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// The admin's access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Somebody else with this role: their access token.
    pub async fn person(&self, email: &str, role: &str) -> Result<String> {
        let body = json!({ "email": email, "role": role, "password": PASSWORD });
        self.expect("POST", "/api/v1/users", Some(&body), 201).await?;
        let login = json!({ "email": email, "password": PASSWORD });
        let answer = self.expect("POST", "/api/v1/auth/login", Some(&login), 200).await?;
        Ok(answer["access_token"].as_str().context("no token")?.to_owned())
    }

    /// One REST call as the admin: status and body.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        http::call(self.listening.rest, method, path, &self.token, body).await
    }

    /// One REST call that is expected to end with `status`.
    pub async fn expect(&self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Result<Value> {
        let (got, body) = self.call(method, path, body).await?;
        if got != status {
            bail!("{method} {path}: expected {status}, got {got}: {body:#}");
        }
        Ok(body)
    }

    /// An enrollment token for agents with these labels.
    pub async fn enrollment_token(&self, labels: Value) -> Result<String> {
        let body = json!({ "labels": labels, "max_uses": "unlimited" });
        let made = self.expect("POST", "/api/v1/enrollment-tokens", Some(&body), 201).await?;
        Ok(made["token"].as_str().context("no token")?.to_owned())
    }

    /// Writes an experiment down and starts it; its id.
    pub async fn experiment(&self, body: &Value) -> Result<String> {
        let made = self.expect("POST", "/api/v1/experiments", Some(body), 201).await?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        self.expect("POST", &format!("/api/v1/experiments/{id}/start"), None, 200).await?;
        Ok(id)
    }

    /// `GET /api/v1/experiments/{id}/…`.
    pub async fn show(&self, id: &str, what: &str) -> Result<Value> {
        self.expect("GET", &format!("/api/v1/experiments/{id}{what}"), None, 200).await
    }
}
