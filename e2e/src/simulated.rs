//! Agents of a large fleet, simulated: each enrolls, holds an OpAMP session, takes what it is offered and reports what a
//! good candidate shows. No pipeline runs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::SinkExt as _;
use observe::{Comparison, Count, SeriesFates, VariantReport, Volume};
use proto::Findings;
use proto::generation::{Generation, KEY};
use proto::opamp::{
    AgentDescription, AgentRemoteConfig, AgentToServer, AnyValue, KeyValue, RemoteConfigStatus,
    RemoteConfigStatuses, ServerToAgentFlags, any_value::Value as Any,
};
use proto::v1::report_service_client::ReportServiceClient;
use proto::v1::{ReportKey, ReportRequest};
use serde_json::json;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::http;
use crate::opamp::{Socket, answer, connect, frame};
use crate::reporter::now;

/// Time between two horizons.
const HORIZON: Duration = Duration::from_secs(10);
/// Time between two attempts to enroll.
const RETRY: Duration = Duration::from_secs(1);
/// Series of the baseline.
const SERIES: u64 = 100;

/// Where agents come in: at one replica, and at the next one whenever a connection ends.
#[derive(Clone, Debug)]
pub struct Door {
    /// The fleets' listeners, each with the connection for the reports of all agents there.
    replicas: Vec<(SocketAddr, Channel)>,
    /// The enrollment token.
    token: String,
}

impl Door {
    /// One with these listeners, for who has this token.
    pub fn new(fleets: &[SocketAddr], token: &str) -> Result<Self> {
        let replica = |fleet: &SocketAddr| -> Result<_> {
            Ok((*fleet, Endpoint::from_shared(format!("http://{fleet}"))?.connect_lazy()))
        };
        Ok(Self { replicas: fleets.iter().map(replica).collect::<Result<_>>()?, token: token.to_owned() })
    }
}

/// A running agent. It ends without a word when it is dropped, as one whose node loses its power.
#[derive(Debug)]
pub struct Simulated {
    /// Its own name for itself.
    pub uid: Uuid,
    task: JoinHandle<()>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Simulated {
    /// An agent with an empty data directory on the node of this name.
    pub fn start(door: &Door, node: &str) -> Self {
        let uid = Uuid::now_v7();
        let agent = State {
            door: door.clone(),
            node: node.to_owned(),
            uid,
            boot_id: Uuid::now_v7().to_string(),
            sequence: 0,
            status: RemoteConfigStatus::default(),
            running: None,
            horizons: 0,
            at: usize::from(uid.as_bytes()[15]),
        };
        Self { uid, task: tokio::spawn(agent.live()) }
    }
}

struct State {
    door: Door,
    node: String,
    uid: Uuid,
    boot_id: String,
    sequence: u64,
    status: RemoteConfigStatus,
    /// Number and experiment of the generation in force.
    running: Option<(u64, Option<String>)>,
    horizons: u32,
    /// Number of the replica that it comes to, over and over.
    at: usize,
}

impl State {
    fn replica(&self) -> &(SocketAddr, Channel) {
        &self.door.replicas[self.at % self.door.replicas.len()]
    }

    /// Enrolls once, and comes back whenever its session ends.
    async fn live(mut self) {
        let credential = loop {
            match self.enroll().await {
                Ok(credential) => break credential,
                Err(error) => eprintln!("{} does not enroll: {error:#}", self.node),
            }
            self.at += 1;
            tokio::time::sleep(RETRY).await;
        };
        loop {
            if let Err(error) = self.session(&credential).await {
                eprintln!("a session of {} has ended: {error:#}", self.node);
            }
            self.at += 1;
            // Not all of a fleet at once.
            tokio::time::sleep(RETRY + RETRY * u32::from(self.uid.as_bytes()[15] % 8)).await;
        }
    }

    async fn session(&mut self, credential: &str) -> Result<()> {
        let mut socket = connect(self.replica().0, credential).await?;
        self.sequence = 0;
        self.tell(&mut socket).await?;
        let mut began = now();
        let mut due = tokio::time::interval(HORIZON);
        due.tick().await;
        loop {
            tokio::select! {
                message = answer(&mut socket) => {
                    let message = message?;
                    if let Some(error) = message.error_response {
                        bail!("{}", error.error_message);
                    }
                    let asked = message.flags & ServerToAgentFlags::ReportFullState as u64 != 0;
                    let offered = message.remote_config.is_some();
                    if let Some(offer) = message.remote_config {
                        self.take(offer)?;
                        // What an earlier generation measured is no evidence of this one.
                        began = now();
                    }
                    if asked || offered {
                        self.tell(&mut socket).await?;
                    }
                }
                _ = due.tick() => {
                    let end = now();
                    // What finds no room is told with the next horizon.
                    if self.report(credential, [began, end]).await.is_ok() {
                        began = end;
                    }
                    let heartbeat = self.message();
                    socket.send(frame(&heartbeat)).await?;
                }
            }
        }
    }

    /// A credential, however long its node has another agent.
    async fn enroll(&self) -> Result<String> {
        let node = format!("k8s.node.name={}", self.node);
        let body = json!({ "uid": self.uid, "host": self.node, "version": "simulated", "node": node });
        loop {
            let (status, body) =
                http::call(self.replica().0, "POST", "/v1/enroll", &self.door.token, Some(&body)).await?;
            match status {
                201 => return Ok(body["token"].as_str().context("no token")?.to_owned()),
                409 | 429 | 503 => tokio::time::sleep(RETRY).await,
                _ => bail!("{status} {body}"),
            }
        }
    }

    async fn tell(&mut self, socket: &mut Socket) -> Result<()> {
        let number = self.running.as_ref().map_or(1, |(number, _)| *number).to_string();
        let node = format!("k8s.node.name={}", self.node);
        let described = [
            ("host.name", self.node.as_str()),
            ("phoenix.boot_id", &self.boot_id),
            ("phoenix.generation", &number),
            ("phoenix.baseline.digest", "the same on all"),
            ("phoenix.experiments", "allow"),
            ("phoenix.node", &node),
            ("k8s.cluster.name", "large"),
        ];
        let attribute = |(key, value): (&str, &str)| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) }),
        };
        let message = AgentToServer {
            agent_description: Some(AgentDescription {
                identifying_attributes: vec![attribute(("service.version", "simulated"))],
                non_identifying_attributes: described.map(attribute).to_vec(),
            }),
            remote_config_status: Some(self.status.clone()),
            ..self.message()
        };
        Ok(socket.send(frame(&message)).await?)
    }

    /// The next message, which says nothing but that it is there.
    fn message(&mut self) -> AgentToServer {
        let sequence_num = self.sequence;
        self.sequence += 1;
        let instance_uid = self.uid.as_bytes().to_vec();
        AgentToServer { instance_uid, sequence_num, capabilities: 0x3807, ..AgentToServer::default() }
    }

    fn take(&mut self, offer: AgentRemoteConfig) -> Result<()> {
        let mut files = offer.config.unwrap_or_default().config_map;
        let body = String::from_utf8(files.remove(KEY).context("no generation")?.body)?;
        let Generation { number, experiment, .. } = Generation::read(&body).map_err(anyhow::Error::msg)?;
        self.running = Some((number, experiment.map(|experiment| experiment.id)));
        self.status = RemoteConfigStatus {
            last_remote_config_hash: offer.config_hash,
            status: RemoteConfigStatuses::Applied.into(),
            error_message: String::new(),
        };
        Ok(())
    }

    async fn report(&mut self, credential: &str, [start, end]: [u64; 2]) -> Result<()> {
        let Some((generation, Some(experiment))) = self.running.clone() else { return Ok(()) };
        self.horizons += 1;
        let total = found(self.horizons);
        let findings =
            Findings { window_end: end, made_at: end, horizon: found(1), total, ..Findings::default() };
        let (body, digest) = findings.encode();
        let boot_id = self.boot_id.clone();
        let key = ReportKey { boot_id, experiment, generation, window_start: start };
        let report = ReportRequest {
            key: Some(key),
            digest: digest.to_vec(),
            body,
            sent_at: now(),
            ..ReportRequest::default()
        };
        let mut request = tonic::Request::new(tokio_stream::once(report));
        request.metadata_mut().insert("authorization", format!("Bearer {credential}").parse()?);
        let mut acks = ReportServiceClient::new(self.replica().1.clone()).report(request).await?.into_inner();
        while acks.message().await?.is_some() {}
        Ok(())
    }
}

/// Findings of a candidate that drops half of the series, of which nobody asked for any, over so many horizons.
fn found(number: u32) -> Comparison {
    let horizons = u64::from(number);
    let count = |value: u64| Count { value, exact: true };
    let variant = |series: u64| VariantReport {
        output: Volume { requests: horizons, points: series * horizons, bytes: series * horizons * 100 },
        series: count(series),
        active_series: series,
        monthly_usd: series as f64,
        ..VariantReport::default()
    };
    let mut candidate = variant(SERIES / 2);
    candidate.units = count(4);
    candidate.assigned_points = SERIES / 4 * horizons;
    candidate.delivered =
        Volume { requests: horizons, points: SERIES / 4 * horizons, bytes: 1_000 * horizons };
    candidate.delivery.confirmed = SERIES / 4 * horizons;
    Comparison {
        windows: number,
        seconds: HORIZON.as_secs_f64() * f64::from(number),
        exact: true,
        input: Volume { requests: horizons, points: SERIES * horizons, bytes: SERIES * horizons * 100 },
        input_series: count(SERIES),
        baseline: variant(SERIES),
        candidate,
        lost_by_candidate: count(SERIES / 2),
        candidate_only_collisions: count(0),
        fates: SeriesFates {
            of: count(SERIES),
            as_it_is: SERIES / 2,
            lost: SERIES / 2,
            ..SeriesFates::default()
        },
        ..Comparison::default()
    }
    .with_savings()
}
