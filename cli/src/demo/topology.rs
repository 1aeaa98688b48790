//! The demo's topology: three agents, the source of each, and the endpoints that each of them serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Report;
use serde::Deserialize;

use super::http;
use super::process::Process;
use super::prometheus::Samples;

/// One agent and what feeds it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Name of its host.
    pub name: &'static str,
    /// Source of its traffic, for a person.
    pub about: &'static str,
    /// Arguments of `phoenix simulate`.
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
    /// Its part in the demo.
    pub part: Part,
    /// Its process.
    pub process: Process,
    /// Its addresses.
    pub listening: Listening,
    /// Its Collector file.
    pub file: PathBuf,
}

/// Addresses of an agent.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Listening {
    /// OTLP/gRPC.
    pub otlp_grpc: SocketAddr,
    /// `/health`.
    pub health: SocketAddr,
    /// `/metrics` and `/experiment`.
    pub admin: SocketAddr,
}

/// Part of `/health` that the demo reads.
#[derive(Clone, Debug, Deserialize)]
pub struct Health {
    /// The generation in force.
    pub generation: u64,
    /// Reason for which the candidate was cut out.
    pub candidate_cut: Option<String>,
    /// Account of points.
    pub points: Owed,
}

/// Part of [`Health`].
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Owed {
    /// Accepted and not yet settled with the destination.
    pub owed: u64,
}

impl Agent {
    /// Its measurements; nothing before its first experiment.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn report(&self) -> anyhow::Result<Option<Report>> {
        http::found(self.listening.admin, "/experiment").await
    }

    /// Its own counters.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub async fn metrics(&self) -> anyhow::Result<Samples> {
        Samples::parse(&http::text(self.listening.admin, "/metrics").await?)
    }

    /// Its health.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> anyhow::Result<Health> {
        http::json(self.listening.health, "/health").await
    }
}
