//! Who is on the stage: three agents, what feeds each, and what each of them serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Report;
use serde::Deserialize;

use super::http;
use super::processes::Process;
use super::prometheus::Samples;

/// One agent and what feeds it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What its host is called.
    pub name: &'static str,
    /// What feeds it, for a person.
    pub about: &'static str,
    /// What `phoenix simulate` is told.
    pub(super) source: &'static [&'static str],
}

/// Everybody.
pub const PARTS: [Part; 3] = [
    Part { name: "this machine", about: "the real /proc of this machine", source: &["--source", "proc"] },
    Part {
        name: "web-1",
        about: "a simulated web host: 150 processes, now and then another one",
        source: &["--role", "web", "--host", "web-1", "--processes", "150", "--seed", "11"],
    },
    Part {
        name: "batch-1",
        about: "a simulated batch host: 120 processes that come and go all the time",
        source: &[
            "--role",
            "batch",
            "--host",
            "batch-1",
            "--processes",
            "120",
            "--seed",
            "12",
            "--profile",
            "high-churn",
        ],
    },
];

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// Who it is.
    pub part: Part,
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub listening: Listening,
    /// Its Collector file.
    pub file: PathBuf,
}

/// Where an agent listens.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Listening {
    /// OTLP/gRPC.
    pub otlp_grpc: SocketAddr,
    /// `/health`.
    pub health: SocketAddr,
    /// `/metrics` and `/experiment`.
    pub admin: SocketAddr,
}

/// What the demo reads of `/health`.
#[derive(Clone, Debug, Deserialize)]
pub struct Health {
    /// The generation in force.
    pub generation: u64,
    /// Why the candidate was cut out.
    pub candidate_cut: Option<String>,
    /// What became of points.
    pub points: Owed,
}

/// Part of [`Health`].
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Owed {
    /// Accepted and not yet settled with the destination.
    pub owed: u64,
}

impl Agent {
    /// What it has measured; nothing before its first experiment.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn report(&self) -> anyhow::Result<Option<Report>> {
        http::found(self.listening.admin, "/experiment").await
    }

    /// What it counts about itself.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub async fn metrics(&self) -> anyhow::Result<Samples> {
        Samples::parse(&http::text(self.listening.admin, "/metrics").await?)
    }

    /// How it is.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> anyhow::Result<Health> {
        http::json(self.listening.health, "/health").await
    }
}
