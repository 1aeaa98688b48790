//! The demo's processes: a sink, three agents, and a source for each.
//!
//! ```text
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

use super::cast::{Agent, PARTS};
use super::configs::{AgentFile, Candidate};
use super::http;
use super::processes::{Process, sibling};

/// A connection breaks a moment before the system tells that its process has ended.
const EXPLAIN: Duration = Duration::from_millis(500);

/// Where the sink listens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct SinkListening {
    /// OTLP/gRPC.
    pub otlp: SocketAddr,
    /// `/counts`.
    pub admin: SocketAddr,
}

/// All of it. Dropping kills every process.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    phoenix: PathBuf,
    sink: Process,
    /// Where the sink listens.
    pub sink_listening: SinkListening,
    /// As [`PARTS`].
    pub agents: Vec<Agent>,
    sources: Vec<(Process, PathBuf)>,
}

impl Stage {
    /// Starts the sink and the agents, all on `candidate` at weight 0, with everything they write in
    /// `folder`. Sources come later.
    ///
    /// # Errors
    /// When a binary is missing or does not start.
    pub async fn set(folder: &Path, candidate: &Candidate) -> anyhow::Result<Self> {
        let phoenix = std::env::current_exe().context("cannot tell where this program lies")?;
        let agent_program = sibling("phoenix-agent")?;
        let args = words(&["sink", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let (sink, listening) = Process::start("the sink", &phoenix, &args, folder).await?;
        let sink_listening: SinkListening = addresses(&sink, listening)?;
        let mut agents = Vec::new();
        for part in PARTS {
            let stem = part.name.replace(' ', "-");
            let data_dir = folder.join(&stem);
            std::fs::create_dir_all(&data_dir)
                .with_context(|| format!("cannot make {}", data_dir.display()))?;
            let file = folder.join(format!("{stem}.yaml"));
            write(
                &file,
                &AgentFile { sink: sink_listening.otlp, data_dir: &data_dir, candidate, percent: 0 },
            )?;
            let name = format!("the agent of {}", part.name);
            let args = [String::from("--config"), file.display().to_string()];
            let (process, listening) = Process::start(&name, &agent_program, &args, folder).await?;
            let listening = addresses(&process, listening)?;
            agents.push(Agent { part, process, listening, file, data_dir });
        }
        let folder = folder.to_owned();
        Ok(Self { folder, phoenix, sink, sink_listening, agents, sources: Vec::new() })
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
            let (source, _) = Process::start(&name, &self.phoenix, &args, &self.folder).await?;
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

    /// Writes every agent's file anew and sends SIGHUP, as a person would.
    ///
    /// # Errors
    /// When a file cannot be written, or an agent has ended.
    pub fn edit(&mut self, candidate: &Candidate, percent: u16) -> anyhow::Result<()> {
        let sink = self.sink_listening.otlp;
        for agent in &mut self.agents {
            write(&agent.file, &AgentFile { sink, data_dir: &agent.data_dir, candidate, percent })?;
            agent.process.hang_up()?;
        }
        Ok(())
    }

    /// # Errors
    /// When some process has ended, with its name and last words.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let agents = self.agents.iter_mut().map(|agent| &mut agent.process);
        let sources = self.sources.iter_mut().map(|(source, _)| source);
        agents.chain(sources).try_for_each(Process::check)?;
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

    /// What the sink has counted.
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
        self.sink.stop().await
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn addresses<T: DeserializeOwned>(process: &Process, listening: Value) -> anyhow::Result<T> {
    serde_json::from_value(listening)
        .with_context(|| format!("{} does not say all the addresses it was asked to bind", process.name))
}

/// As editors do it: never a half-written file under an agent's eyes.
fn write(path: &Path, file: &AgentFile<'_>) -> anyhow::Result<()> {
    let next = path.with_extension("next");
    let written = std::fs::write(&next, file.text()).and_then(|()| std::fs::rename(&next, path));
    written.with_context(|| format!("cannot write {}", path.display()))
}
