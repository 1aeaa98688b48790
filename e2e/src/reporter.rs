//! Somebody who reports as an agent does: with a real agent's credential and generation, and findings of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use proto::Findings;
use proto::v1::report_service_client::ReportServiceClient;
use proto::v1::{ReportAck, ReportKey, ReportRequest};
use serde_json::{Value, json};
use simulator::sink::Sink;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::agent::Agent;
use crate::control_plane::ControlPlane;
use crate::eventually;
use crate::fleet::{Node, connected};

/// A second, in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// See the module. The agent itself reports once an hour, so all that is found is what this one says.
#[derive(Debug)]
pub struct Reporter {
    /// The agent whose credential is used.
    pub agent: Agent,
    /// The experiment that runs.
    pub experiment: String,
    /// The generation of its first step.
    pub generation: u64,
    /// Earliest time of its reports, Unix nanoseconds.
    pub began: u64,
    credential: String,
    fleet: std::net::SocketAddr,
    _sink: Sink,
}

/// Unix nanoseconds.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

impl Reporter {
    /// An agent under this control plane, in the first step of an experiment with this policy.
    pub async fn start(control_plane: &ControlPlane, dir: &std::path::Path, policy: Value) -> Result<Self> {
        let sink = Sink::bind("127.0.0.1:0".parse()?).await?;
        let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
        let node = Node::new(dir, "node", sink.endpoint(), control_plane.listening, &token)?;
        let agent = node.start().await?;
        connected(&agent).await;
        let fragment = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
        let body = json!({ "name": "long", "candidate": { "config": fragment }, "report_every": "1h",
                           "weights_bp": [5000, 10000], "policy": policy });
        let experiment = control_plane.experiment(&body).await?;
        eventually("running", Duration::from_secs(30), || async {
            (control_plane.show(&experiment, "/status").await.ok()?["phase"] == "running").then_some(())
        })
        .await;
        let generation = agent.generation().await?;
        let credential = std::fs::read_to_string(node.dir.join("data/credential"))?;
        let fleet = control_plane.listening.fleet;
        Ok(Self { agent, experiment, generation, began: now(), credential, fleet, _sink: sink })
    }

    /// A client that has not said who it is.
    pub async fn client(&self) -> Result<ReportServiceClient<Channel>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.fleet))?;
        Ok(ReportServiceClient::new(endpoint.connect().await?))
    }

    /// Report of ten seconds that ended ten seconds ago, changed.
    pub fn report(&self, change: impl FnOnce(&mut ReportKey, &mut Findings)) -> ReportRequest {
        let start = now() - 20 * SECOND;
        let mut key = ReportKey {
            boot_id: Uuid::nil().to_string(),
            experiment: self.experiment.clone(),
            generation: self.generation,
            window_start: start,
        };
        let mut findings =
            Findings { window_end: start + 10 * SECOND, made_at: now(), ..Findings::default() };
        change(&mut key, &mut findings);
        let (body, digest) = findings.encode();
        ReportRequest { key: Some(key), digest: digest.to_vec(), body, ..ReportRequest::default() }
    }

    /// Sends reports on one stream: an acknowledgement each, or what ended the stream.
    pub async fn send(&self, reports: Vec<ReportRequest>) -> Result<Vec<Result<ReportAck, tonic::Status>>> {
        let mut request = tonic::Request::new(tokio_stream::iter(reports));
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.credential).parse()?);
        let mut acks = self.client().await?.report(request).await?.into_inner();
        let mut answers = Vec::new();
        loop {
            match acks.message().await {
                Ok(Some(ack)) => answers.push(Ok(ack)),
                Ok(None) => return Ok(answers),
                Err(status) => {
                    answers.push(Err(status));
                    return Ok(answers);
                }
            }
        }
    }
}
