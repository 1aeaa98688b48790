//! The demo's processes: a control plane, a sink, three agents, and a source for each.
//!
//! ```text
//!                                     control plane
//!                            generations │ ▲ reports
//! this machine's /proc ─▶ source ─▶ agent ─┐
//! a simulated web host ─▶ source ─▶ agent ─┼─▶ sink, which counts by variant and generation
//! a simulated batch host ▶ source ─▶ agent ─┘
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use simulator::sender::SenderCounts;
use simulator::sink::SinkCounts;
use tokio::time::Instant;

use super::configs::AgentFile;
use super::files::secret_file;
use super::http;
use super::operator::{Operator, secret};
use super::process::{Process, sibling};
use super::topology::{Agent, PARTS, Part};

/// A connection breaks a moment before the system tells that its process has ended.
const EXPLAIN: Duration = Duration::from_millis(500);

/// Addresses of the sink.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SinkListening {
    /// OTLP/gRPC.
    pub otlp: SocketAddr,
    /// `/counts`.
    pub admin: SocketAddr,
}

/// Addresses of the control plane.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ControlListening {
    /// REST, for people.
    pub rest: SocketAddr,
    /// Enrollment, OpAMP and reports, for agents.
    pub fleet: SocketAddr,
}

/// All of it. Dropping kills every process.
pub struct Processes {
    folder: PathBuf,
    phoenix: PathBuf,
    sink: Process,
    control_plane: Process,
    /// Addresses of the sink.
    pub sink_listening: SinkListening,
    /// Addresses of the control plane.
    pub control: ControlListening,
    /// The person who asks it.
    pub operator: Operator,
    /// As [`PARTS`].
    pub agents: Vec<Agent>,
    sources: Vec<(Process, PathBuf)>,
}

impl Processes {
    /// Starts the sink, the control plane and the agents, with everything they write in `folder`, and waits until
    /// the agents have enrolled. Sources come later.
    ///
    /// # Errors
    /// When a binary is missing or does not start, or an agent does not come in.
    pub async fn set(folder: &Path, database: Option<[&str; 2]>) -> anyhow::Result<Self> {
        let phoenix = std::env::current_exe().context("cannot tell where this program lies")?;
        let agent_program = sibling("phoenix-agent")?;
        let args = words(&["sink", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let (sink, listening) = Process::start("the sink", &phoenix, &args, &[], folder).await?;
        let sink_listening: SinkListening = addresses(&sink, listening)?;
        let setup_token = secret(32);
        let (control_plane, control) = control_plane(folder, &setup_token, database).await?;
        let operator = Operator::set_up(&format!("http://{}", control.rest), &setup_token).await?;
        let token_file = secret_file(folder, "enrollment-token", &operator.enrollment_token().await?)?;
        let mut agents = Vec::new();
        for part in PARTS {
            let stem = part.name.replace(' ', "-");
            let data_dir = folder.join(&stem);
            std::fs::create_dir_all(&data_dir)
                .with_context(|| format!("cannot make {}", data_dir.display()))?;
            let file = AgentFile {
                sink: sink_listening.otlp,
                fleet: control.fleet,
                token_file: &token_file,
                data_dir: &data_dir,
            };
            let path = folder.join(format!("{stem}.yaml"));
            std::fs::write(&path, file.text()).with_context(|| format!("cannot write {}", path.display()))?;
            agents.push(agent(part, &agent_program, path, folder).await?);
        }
        operator.gathered(agents.len()).await?;
        operator.keep_template().await?;
        let folder = folder.to_owned();
        Ok(Self {
            folder,
            phoenix,
            sink,
            control_plane,
            sink_listening,
            control,
            operator,
            agents,
            sources: Vec::new(),
        })
    }

    /// Starts a source for each agent, scraping every second.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start_sources(&mut self) -> anyhow::Result<()> {
        for agent in &self.agents {
            let part = agent.part;
            let counts = self.folder.join(format!("{}-sent.json", part.name.replace(' ', "-")));
            let mut args = words(&["simulate", "--interval", "1s", "--stats-listen", "127.0.0.1:0"]);
            args.extend(words(part.source));
            args.extend([String::from("--endpoint"), format!("http://{}", agent.listening.otlp_grpc)]);
            args.extend([String::from("--stats-file"), counts.display().to_string()]);
            let name = format!("the source of {}", part.name);
            let (source, _) = Process::start(&name, &self.phoenix, &args, &[], &self.folder).await?;
            self.sources.push((source, counts));
        }
        Ok(())
    }

    /// Stops the sources and returns what became of every point of theirs, in the order of the agents.
    ///
    /// # Errors
    /// When one ends in failure or leaves no counts.
    pub async fn stop_sources(&mut self) -> anyhow::Result<Vec<SenderCounts>> {
        let mut all = Vec::new();
        for (source, counts) in std::mem::take(&mut self.sources) {
            source.stop().await?;
            let text = std::fs::read_to_string(&counts)
                .with_context(|| format!("the source left no counts in {}", counts.display()))?;
            all.push(serde_json::from_str(&text).with_context(|| format!("{}", counts.display()))?);
        }
        Ok(all)
    }

    /// # Errors
    /// When some process has ended, with its name and last words.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let agents = self.agents.iter_mut().map(|agent| &mut agent.process);
        let sources = self.sources.iter_mut().map(|(source, _)| source);
        agents.chain(sources).try_for_each(Process::check)?;
        self.control_plane.check()?;
        self.sink.check()
    }

    /// The reason behind an error: that a process has ended explains best why it did not answer.
    pub async fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let end = Instant::now() + EXPLAIN;
        loop {
            match self.check() {
                Err(ended) => return ended,
                Ok(()) if Instant::now() > end => return error,
                Ok(()) => tokio::time::sleep(EXPLAIN / 10).await,
            }
        }
    }

    /// The generation that each agent runs.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn generations(&self) -> anyhow::Result<Vec<u64>> {
        let mut generations = Vec::new();
        for agent in &self.agents {
            generations.push(agent.health().await?.generation);
        }
        Ok(generations)
    }

    /// Points that each agent has had confirmed.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn sent(&self) -> anyhow::Result<Vec<u64>> {
        let mut sent = Vec::new();
        for agent in &self.agents {
            sent.push(agent.metrics().await?.count("otelcol_exporter_sent_metric_points", &[]));
        }
        Ok(sent)
    }

    /// Counts of the sink.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn sink_counts(&self) -> anyhow::Result<SinkCounts> {
        http::json(self.sink_listening.admin, "/counts").await
    }

    /// Stops what still runs, against the stream.
    ///
    /// # Errors
    /// When something ends in failure; the rest is killed then.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        self.stop_sources().await?;
        for agent in self.agents {
            agent.process.stop().await?;
        }
        self.control_plane.stop().await?;
        self.sink.stop().await
    }
}

async fn control_plane(
    folder: &Path,
    setup_token: &str,
    database: Option<[&str; 2]>,
) -> anyhow::Result<(Process, ControlListening)> {
    let token_file = secret_file(folder, "setup-token", setup_token)?;
    let mut args = words(&["serve", "--listen", "127.0.0.1:0", "--fleet-listen", "127.0.0.1:0"]);
    args.extend(words(&["--trial", "2s"]));
    for (flag, path) in [("--data-dir", folder.join("control-plane")), ("--setup-token-file", token_file)] {
        args.extend([flag.to_owned(), path.display().to_string()]);
    }
    let program = sibling("phoenix-control-plane")?;
    // Not on the command line, which everybody can read: there may be a password in it. Without one it is the data directory's file.
    let env: Vec<(&str, &str)> = match database {
        Some([service, owner]) => vec![("DATABASE_URL", service), ("DATABASE_OWNER_URL", owner)],
        None => Vec::new(),
    };
    let (process, listening) = Process::start("the control plane", &program, &args, &env, folder).await?;
    let listening = addresses(&process, listening)?;
    Ok((process, listening))
}

async fn agent(part: Part, program: &Path, file: PathBuf, folder: &Path) -> anyhow::Result<Agent> {
    let name = format!("the agent of {}", part.name);
    let args = [String::from("--config"), file.display().to_string()];
    // One machine plays three hosts, so each agent is told what its own is called.
    let host = format!("host.name={}", part.name.replace(' ', "%20"));
    let env = [("OTEL_RESOURCE_ATTRIBUTES", host.as_str())];
    let (process, listening) = Process::start(&name, program, &args, &env, folder).await?;
    let listening = addresses(&process, listening)?;
    Ok(Agent { part, process, listening, file })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn addresses<T: DeserializeOwned>(process: &Process, listening: Value) -> anyhow::Result<T> {
    serde_json::from_value(listening)
        .with_context(|| format!("{} does not say all the addresses it was asked to bind", process.name))
}
