//! An agent of the tests' own: it takes what it is offered and reports what it is told to.

use std::collections::HashMap;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use observe::{Comparison, Count, Coverage, Volume};
use prost::Message as _;
use proto::Findings;
use proto::generation::{Generation, KEY};
use proto::opamp::{
    AgentDescription, AgentRemoteConfig, AgentToServer, AnyValue, ComponentHealth, EffectiveConfig, KeyValue,
    RemoteConfigStatus, RemoteConfigStatuses, ServerToAgent, any_value::Value,
};
use proto::quarantine::{COMPONENT, QUARANTINED};
use proto::v1::report_service_client::ReportServiceClient;
use proto::v1::{ReportAck, ReportKey, ReportRequest, ReportStatus};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use uuid::Uuid;

use crate::server::{Server, exchange};

/// Attribute that has the digest of the pipeline in charge.
pub const BASELINE: &str = "phoenix.baseline.digest";
/// Digest of the pipeline of its file.
pub const OWN: &str = "0wn";

/// That it takes configs.
const CAPABILITIES: u64 = 2;

pub struct Agent<'a> {
    server: &'a Server,
    pub uid: Uuid,
    credential: String,
    offered: Option<AgentRemoteConfig>,
    /// What it says of itself, by the attributes' names.
    pub says: Vec<(&'static str, String)>,
    /// What it says of what it was offered last while it waits for something new.
    waits: RemoteConfigStatuses,
}

impl<'a> Agent<'a> {
    pub async fn enroll(server: &'a Server, admin: &str) -> Self {
        Self::enroll_as(server, admin, 1).await
    }

    /// The one of this number, as its label `number` says. It is of a version of its own, so that it is in no other one's waves.
    pub async fn enroll_as(server: &'a Server, admin: &str, number: u8) -> Self {
        Self::enroll_of(server, admin, number, &number.to_string()).await
    }

    /// The one of this number, of a version that others may have.
    pub async fn enroll_of(server: &'a Server, admin: &str, number: u8, version: &str) -> Self {
        let labels = json!({ "labels": { "number": number.to_string() } });
        let token = server.post("/api/v1/enrollment-tokens", admin, labels).await.body;
        let uid: Uuid = format!("018f4f9e-0000-7000-8000-0000000000{number:02x}").parse().unwrap();
        let body = json!({ "uid": uid, "labels": {}, "host": format!("h{number}"), "version": version });
        let enrolled = server.fleet("/v1/enroll", token["token"].as_str().unwrap(), body).await;
        assert_eq!(enrolled.status, StatusCode::CREATED, "{enrolled:?}");
        let credential = enrolled.body["token"].as_str().unwrap().to_owned();
        let says = vec![(BASELINE, OWN.to_owned())];
        Self { server, uid, credential, offered: None, says, waits: RemoteConfigStatuses::Applied }
    }

    /// Asks what to run, until it is offered something new, and says that it runs it.
    pub async fn apply(&mut self) {
        self.is_offered_anew().await;
        self.waits = RemoteConfigStatuses::Applied;
        self.say(RemoteConfigStatuses::Applied).await;
    }

    async fn is_offered_anew(&mut self) {
        let before = self.offered.clone();
        while self.offered == before {
            if let Some(offer) = self.say(self.waits).await {
                self.offered = Some(offer);
            }
        }
    }

    /// Asks what to run, until it is offered something new, and says that it does not run it, but its own file.
    pub async fn refuse(&mut self, why: &str) {
        self.is_offered_anew().await;
        self.waits = RemoteConfigStatuses::Unset;
        self.answer(RemoteConfigStatuses::Failed, why).await;
    }

    /// Digests of the pipelines that what it was offered last was compared with.
    pub fn compared_with(&self) -> &[String] {
        &self.offered.as_ref().unwrap().compared_with
    }

    /// What it was offered last.
    pub fn body(&self) -> String {
        let offered = self.offered.as_ref().unwrap().config.as_ref().unwrap();
        String::from_utf8(offered.config_map[KEY].body.clone()).unwrap()
    }

    /// Asks once what to run; tells whether it is offered something.
    pub async fn is_offered(&self) -> bool {
        self.say(RemoteConfigStatuses::Unset).await.is_some()
    }

    pub async fn say(&self, status: RemoteConfigStatuses) -> Option<AgentRemoteConfig> {
        self.answer(status, "").await
    }

    async fn answer(&self, status: RemoteConfigStatuses, error: &str) -> Option<AgentRemoteConfig> {
        let hash = self.offered.as_ref().map(|offered| offered.config_hash.clone());
        let runs = self.offered.as_ref().filter(|_| status == RemoteConfigStatuses::Applied);
        let config_map = runs.and_then(|offered| offered.config.clone()).unwrap_or_default();
        let status = RemoteConfigStatus {
            last_remote_config_hash: hash.unwrap_or_default(),
            status: status.into(),
            error_message: error.to_owned(),
        };
        let said = |(name, value): &(&str, String)| KeyValue {
            key: (*name).to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue(value.clone())) }),
        };
        let message = AgentToServer {
            instance_uid: self.uid.as_bytes().to_vec(),
            capabilities: CAPABILITIES,
            agent_description: Some(AgentDescription {
                non_identifying_attributes: self.says.iter().map(said).collect(),
                ..AgentDescription::default()
            }),
            effective_config: Some(EffectiveConfig { config_map: Some(config_map) }),
            remote_config_status: Some(status),
            health: error.strip_prefix(QUARANTINED).map(in_quarantine),
            ..AgentToServer::default()
        };
        let request = Request::post("/v1/opamp")
            .header("host", "phoenix.test")
            .header("authorization", format!("Bearer {}", self.credential))
            .header("content-type", "application/x-protobuf");
        let body = Full::new(Bytes::from(message.encode_to_vec()));
        let (head, bytes) = exchange(self.server.at.fleet, request.body(body).unwrap()).await;
        assert_eq!(head.status, StatusCode::OK);
        ServerToAgent::decode(bytes).unwrap().remote_config
    }

    /// A stream of reports that sends none: both its ends.
    pub async fn stream(&self) -> (mpsc::Sender<ReportRequest>, Streaming<ReportAck>) {
        let (sender, reports) = mpsc::channel(1);
        let endpoint = format!("http://{}", self.server.at.fleet);
        let mut client = ReportServiceClient::connect(endpoint).await.unwrap();
        let mut request = tonic::Request::new(ReceiverStream::new(reports));
        let bearer = format!("Bearer {}", self.credential).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        (sender, client.report(request).await.unwrap().into_inner())
    }

    /// Reports a horizon of the generation it runs.
    pub async fn report(&self, experiment: &str) {
        let generation = Generation::read(&self.body()).unwrap().number;
        let end = u64::try_from(self.server.state.clock.now().0).unwrap() * 1_000_000;
        let key = ReportKey {
            boot_id: Uuid::nil().to_string(),
            experiment: experiment.to_owned(),
            generation,
            window_start: end - 10_000_000_000,
        };
        let (body, digest) = findings(end).encode();
        let sent =
            ReportRequest { key: Some(key), digest: digest.to_vec(), body, ..ReportRequest::default() };
        let endpoint = format!("http://{}", self.server.at.fleet);
        let mut client = ReportServiceClient::connect(endpoint).await.unwrap();
        let mut request = tonic::Request::new(tokio_stream::iter([sent]));
        let bearer = format!("Bearer {}", self.credential).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        let mut acks = client.report(request).await.unwrap().into_inner();
        let ack = acks.message().await.unwrap().unwrap();
        assert_eq!(ack.status(), ReportStatus::Accepted, "{}", ack.reason);
    }
}

/// Hundred points of forty series came in; the candidate keeps sixty of thirty.
fn findings(window_end: u64) -> Findings {
    let volume = |points| Volume { requests: 1, points, bytes: points * 50 };
    let series = |value| Count { value, exact: true };
    let mut found = Comparison {
        windows: 1,
        seconds: 10.0,
        exact: true,
        input: volume(100),
        input_series: series(40),
        lost_by_candidate: series(10),
        coverage: Coverage { critical: 2, baseline: 2, candidate: 2, ..Coverage::default() },
        ..Comparison::default()
    };
    (found.baseline.output, found.baseline.series) = (volume(100), series(40));
    (found.candidate.output, found.candidate.series) = (volume(60), series(30));
    let found = found.with_savings();
    Findings {
        window_end,
        made_at: window_end,
        horizon: found.clone(),
        total: found,
        baseline_digest: "b1".to_owned(),
        candidate_digest: "c1".to_owned(),
        ..Findings::default()
    }
}

/// Health of an agent that has one content in quarantine.
fn in_quarantine(why: &str) -> ComponentHealth {
    let content = ComponentHealth { last_error: why.to_owned(), ..ComponentHealth::default() };
    let contents = HashMap::from([("00".to_owned(), content)]);
    let all = ComponentHealth { component_health_map: contents, ..ComponentHealth::default() };
    let parts = HashMap::from([(COMPONENT.to_owned(), all)]);
    ComponentHealth { healthy: true, component_health_map: parts, ..ComponentHealth::default() }
}
