//! The served loop on a small scale: a control plane, agents under it, a simulated host for each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use simulator::sink::Sink;

use crate::agent::Agent;
use crate::control_plane::ControlPlane;
use crate::fleet::{Node, Source, connected};

/// Time that anything may take to be seen.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Drops what nobody looks at; the rest stays.
pub const GOOD: &str = "processors:
  filter/virtual: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }
service: { pipelines: { metrics: { processors: [filter/virtual] } } }
";
/// Drops what is small, whoever's it is.
pub const CARELESS: &str = "processors:
  filter/small: { metrics: { datapoint: ['metric.name == \"process.memory.usage\" and value_int < 20000000000'] } }
service: { pipelines: { metrics: { processors: [filter/small] } } }
";
/// Makes processes write one series.
pub const COLLIDING: &str = "processors:
  resource/no_pids: { attributes: [ { key: process.pid, action: delete } ] }
service: { pipelines: { metrics: { processors: [resource/no_pids] } } }
";
/// A control plane, two agents under it, and a host for each.
#[derive(Debug)]
pub struct Loop {
    /// Folder of all files.
    pub dir: tempfile::TempDir,
    /// Sink at which points arrive.
    pub sink: Sink,
    /// The control plane, which decides.
    pub control_plane: ControlPlane,
    /// The agents' files.
    pub nodes: Vec<Node>,
    /// As `nodes`.
    pub agents: Vec<Agent>,
    /// As `nodes`.
    pub sources: Vec<Source>,
}

impl Loop {
    /// Two agents, connected and fed.
    pub async fn start() -> Result<Self> {
        Self::of(2).await
    }

    /// So many agents, connected and fed.
    pub async fn of(agents: usize) -> Result<Self> {
        let mut served = Self::alone(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()).await?;
        for _ in 0..agents {
            let node = served.node().await?;
            served.join(node).await?;
        }
        Ok(served)
    }

    /// No agent yet; agents find the control plane at one address and the sink at the other.
    pub async fn alone(fleet: IpAddr, sink: IpAddr) -> Result<Self> {
        Self::alone_in(tempfile::tempdir()?, fleet, sink).await
    }

    /// The same, where the place of a node's agent may be taken so long after the last word of it.
    pub async fn replacing(take_over_after: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let control_plane = ControlPlane::start_replacing(dir.path(), take_over_after).await?;
        Self::before(dir, control_plane, Ipv4Addr::LOCALHOST.into()).await
    }

    /// The same, with its files in `dir`.
    pub async fn alone_in(dir: tempfile::TempDir, fleet: IpAddr, sink: IpAddr) -> Result<Self> {
        let control_plane = ControlPlane::start_at(dir.path(), fleet).await?;
        Self::before(dir, control_plane, sink).await
    }

    async fn before(dir: tempfile::TempDir, control_plane: ControlPlane, sink: IpAddr) -> Result<Self> {
        let sink = Sink::bind(SocketAddr::new(sink, 0)).await?;
        let (nodes, agents, sources) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { dir, sink, control_plane, nodes, agents, sources })
    }

    /// Files for another agent, with a token of its own.
    pub async fn node(&self) -> Result<Node> {
        let token = self.control_plane.enrollment_token(json!({ "env": "test" })).await?;
        let name = format!("node-{}", self.nodes.len() + 1);
        Node::new(self.dir.path(), &name, self.sink.endpoint(), self.control_plane.listening, &token)
    }

    /// Starts an agent, waits until it is connected, and feeds it.
    pub async fn join(&mut self, node: Node) -> Result<()> {
        let agent = node.start().await?;
        connected(&agent).await;
        self.add(node, agent);
        Ok(())
    }

    /// Feeds an agent that was started.
    pub fn add(&mut self, node: Node, agent: Agent) {
        self.nodes.push(node);
        self.sources.push(Source::start(agent.endpoint(), self.nodes.len() as u64));
        self.agents.push(agent);
    }

    /// Status of an experiment; nothing while the control plane does not answer.
    pub async fn status(&self, id: &str) -> Option<Value> {
        self.control_plane.show(id, "/status").await.ok()
    }

    /// Waits until the status is as `wanted`; that status. Panics with the last status after `PATIENCE`.
    pub async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status(id).await.unwrap_or_default();
            if wanted(&status) {
                return status;
            }
            // An end that was not asked for never becomes what is.
            let over = status["outcome"] != Value::Null || status["phase"] == "failed";
            assert!(!over, "{what}: it is over, and not so: {status:#}");
            assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}, but {status:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a step.
    pub async fn in_step(&self, id: &str, step: &str) -> Value {
        self.until(id, &format!("the step {step}"), |s| s["phase"] == "running" && s["step"] == step).await
    }

    /// The kinds of what happened, in order, without verdicts and waves.
    pub async fn history(&self, id: &str) -> Result<Vec<String>> {
        let rest = self.control_plane.listening.rest;
        let events = crate::http::events(rest, id, self.control_plane.token()).await?;
        let kinds = events.iter().filter_map(|event| event["kind"].as_str()).map(str::to_owned);
        Ok(kinds.filter(|kind| !["verdict", "wave"].contains(&kind.as_str())).collect())
    }

    /// The generation of each agent.
    pub async fn generations(&self) -> Vec<u64> {
        let mut generations = Vec::new();
        for agent in &self.agents {
            generations.push(agent.generation().await.unwrap_or(0));
        }
        generations
    }
}

/// An experiment on both, at 50 and 100 % after mirror, with windows and horizons of a second.
pub fn experiment(name: &str, candidate: &str) -> Value {
    json!({
        "name": name,
        "selector": "env=test",
        "candidate": { "config": candidate },
        "weights_bp": [5000, 10000],
        "window": "1s",
        "report_every": "1s",
        "lookback": "1s",
        "critical": [{ "executables": ["nginx", "postgres"], "metrics": ["process.cpu.time", "process.memory.usage"],
                       "granularity": "process" }],
        "policy": { "min_horizons": 2, "min_cardinality_reduction": 0.05, "max_lens_error": 0.01 },
    })
}
