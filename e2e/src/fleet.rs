//! Agents under a control plane, each fed by a simulated host.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use simulator::profile::{Host, Profile, Role};
use tokio::task::JoinHandle;

use crate::agent::Agent;
use crate::control_plane::Listening;
use crate::{eventually, traffic};

/// An agent's file: metrics pass through, a control plane may try candidates.
#[derive(Clone, Debug)]
pub struct Node {
    /// Folder of the agent's files.
    pub dir: PathBuf,
    /// Address of the outputs' destination.
    pub sink: String,
    /// Address of the control plane.
    pub fleet: std::net::SocketAddr,
    /// Token to enroll with.
    pub token: String,
    /// Name of its host.
    pub name: String,
    /// Its addresses.
    pub listen: IpAddr,
    /// Words before its own command line, which start it.
    pub enter: Vec<String>,
    /// More lines of the section `phoenix`.
    pub more: &'static str,
}

impl Node {
    /// A node with its files in `dir/name`.
    pub fn new(dir: &Path, name: &str, sink: String, at: Listening, token: &str) -> Result<Self> {
        let (dir, name) = (dir.join(name), name.to_owned());
        std::fs::create_dir_all(&dir)?;
        let (token, listen) = (token.to_owned(), Ipv4Addr::LOCALHOST.into());
        Ok(Self { dir, sink, fleet: at.fleet, token, name, listen, enter: Vec::new(), more: "" })
    }

    /// The file's text.
    pub fn config(&self) -> String {
        let Self { dir, sink, fleet, token, listen, more, .. } = self;
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: '{listen}:0' }} }} }} }}
exporters:
  otlp:
    endpoint: '{sink}'
    compression: none
    tls: {{ insecure: true }}
    retry_on_failure: {{ initial_interval: 50ms, max_interval: 200ms }}
extensions: {{ health_check: {{ endpoint: '{listen}:0' }} }}
service:
  extensions: [health_check]
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlp] }}
phoenix:
  admin: '{listen}:0'
  max_added_latency: 1m
  data_dir: '{}'
  control_plane: {{ endpoint: 'ws://{fleet}/v1/opamp', token: '{token}' }}
{more}",
            dir.join("data").display()
        )
    }

    /// The generation that the agent's ledger holds: what a restart runs, whether an attempt or committed.
    pub fn kept(&self) -> Result<u64> {
        let read = |name: &str| -> Result<serde_json::Value> {
            Ok(serde_json::from_slice(&std::fs::read(self.dir.join("data").join(name))?)?)
        };
        let attempt =
            read("trials.json").unwrap_or_default()["standing"]["attempt"]["entry"]["generation"].as_u64();
        attempt.or(read("ledger.json")?["generation"].as_u64()).context("no generation in the ledger")
    }

    /// Starts the agent.
    pub async fn start(&self) -> Result<Agent> {
        Agent::start_as(&self.dir, &self.config(), &self.enter, &self.name).await
    }
}

/// Waits until the agent is connected to its control plane.
pub async fn connected(agent: &Agent) {
    eventually("the agent connects", Duration::from_secs(30), || async {
        let session = agent.metric("phoenix_fleet_connected", "").await.ok()?;
        (session == 1.0).then_some(())
    })
    .await;
}

/// Time between two scrapes.
const PAUSE: Duration = Duration::from_millis(200);

/// A simulated host that sends a scrape every 200 ms until it is dropped or stopped.
#[derive(Debug)]
pub struct Source {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Source {
    /// Begins to send to `endpoint`; what is refused or finds nobody is sent again.
    pub fn start(endpoint: String, number: u64) -> Self {
        let mut host = host_of(number);
        Self::of(endpoint, move |now| {
            host.step(PAUSE);
            host.scrape(now)
        })
    }

    /// Begins to send what `scrape` makes of the time, Unix nanoseconds.
    pub fn of(
        endpoint: String,
        scrape: impl FnMut(u64) -> ExportMetricsServiceRequest + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(send(endpoint, scrape, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Ends it: the points that were acknowledged.
    pub async fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

/// The host of a [`Source`]: the same processes whenever it is made.
#[must_use]
pub fn host_of(number: u64) -> Host {
    Host::new(Profile::Realistic, Role::Web, &format!("host-{number}"), 40, number)
}

async fn send(
    endpoint: String,
    mut scrape: impl FnMut(u64) -> ExportMetricsServiceRequest,
    stop: Arc<AtomicBool>,
) -> u64 {
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let request = scrape(u64::try_from(now.as_nanos()).unwrap_or_default());
        let points = simulator::sink::point_keys(&request).len() as u64;
        while !stop.load(Ordering::Relaxed) {
            let sent = match traffic::client(&endpoint).await {
                Ok(mut client) => client.export(request.clone()).await.is_ok(),
                Err(_) => false,
            };
            if sent {
                acknowledged += points;
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    acknowledged
}
