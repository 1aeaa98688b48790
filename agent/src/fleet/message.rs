//! The agent's own state over OpAMP, of which only changes are sent.

use std::collections::HashMap;

use prost::Message as _;
use proto::generation::{KEY, MEDIA_TYPE, config_hash};
use proto::opamp::{
    AgentCapabilities, AgentConfigFile, AgentConfigMap, AgentDescription, AgentDisconnect, AgentRemoteConfig,
    AgentToServer, AnyValue, ComponentHealth, CustomCapabilities, CustomMessage, EffectiveConfig, KeyValue,
    RemoteConfigStatus, RemoteConfigStatuses, any_value::Value,
};
use proto::promotion::OVERRIDE_PENDING;
use proto::{preview, quarantine};

use super::{ActiveGeneration, Identity};
use crate::telemetry::{Condition, Phase};

/// Capabilities of this agent, but for [`AgentCapabilities::AcceptsRemoteConfig`].
const CAPABILITIES: u64 = AgentCapabilities::ReportsStatus as u64
    | AgentCapabilities::ReportsEffectiveConfig as u64
    | AgentCapabilities::ReportsHealth as u64
    | AgentCapabilities::ReportsRemoteConfig as u64
    | AgentCapabilities::ReportsHeartbeat as u64;

/// The sub-component that a candidate is, in the health.
pub const CANDIDATE: &str = "candidate";

/// The agent's whole state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub description: AgentDescription,
    pub health: ComponentHealth,
    pub effective: EffectiveConfig,
    pub status: RemoteConfigStatus,
    pub capabilities: u64,
}

impl State {
    /// Current state. `status` is what became of the last offer of this process, if there was one.
    pub fn of(
        identity: &Identity,
        condition: &Condition,
        in_force: &ActiveGeneration,
        status: Option<&RemoteConfigStatus>,
    ) -> Self {
        Self {
            description: description(identity, in_force),
            health: health(identity, condition),
            effective: effective(in_force),
            status: status
                .filter(|status| holds(status, in_force))
                .cloned()
                .unwrap_or_else(|| committed(in_force)),
            capabilities: capabilities(in_force),
        }
    }
}

/// Encoder of the agent's messages: numbers them, and remembers the state that was sent.
#[derive(Debug)]
pub struct StateEncoder {
    uid: Vec<u8>,
    sequence: u64,
    capabilities: u64,
    sent: Option<State>,
}

impl StateEncoder {
    /// An encoder that has sent nothing yet. `uid` is a UUID in text.
    pub fn new(uid: &str) -> Self {
        let uid = uuid::Uuid::parse_str(uid).unwrap_or_default().as_bytes().to_vec();
        Self { uid, sequence: 0, capabilities: CAPABILITIES, sent: None }
    }

    /// Forgets what was sent, because the control plane asks for everything.
    pub fn reset(&mut self) {
        self.sent = None;
    }

    /// Message with what has changed in `state`; nothing if it was sent already.
    pub fn changes(&mut self, state: &State) -> Option<Vec<u8>> {
        let sent = self.sent.replace(state.clone());
        self.capabilities = state.capabilities;
        let mut message = AgentToServer::default();
        let is_first = sent.is_none();
        let new = |differs: fn(&State, &State) -> bool| sent.as_ref().is_none_or(|sent| differs(sent, state));
        message.agent_description =
            new(|a, b| a.description != b.description).then(|| state.description.clone());
        message.health = new(|a, b| a.health != b.health).then(|| state.health.clone());
        message.effective_config = new(|a, b| a.effective != b.effective).then(|| state.effective.clone());
        message.remote_config_status = new(|a, b| a.status != b.status).then(|| state.status.clone());
        if is_first {
            let capabilities = [quarantine::CAPABILITY, preview::CAPABILITY].map(str::to_owned).to_vec();
            message.custom_capabilities = Some(CustomCapabilities { capabilities });
        }
        (message != AgentToServer::default()).then(|| self.frame(message))
    }

    /// Message that says nothing but that the agent is there.
    pub fn heartbeat(&mut self) -> Vec<u8> {
        self.frame(AgentToServer::default())
    }

    /// Message of what OpAMP has no message for.
    pub fn custom(&mut self, message: CustomMessage) -> Vec<u8> {
        self.frame(AgentToServer { custom_message: Some(message), ..AgentToServer::default() })
    }

    /// Last message of a connection.
    pub fn disconnect(&mut self) -> Vec<u8> {
        self.frame(AgentToServer { agent_disconnect: Some(AgentDisconnect {}), ..Default::default() })
    }

    /// Frame of a WebSocket message: a header that is always 0, then the protobuf.
    fn frame(&mut self, message: AgentToServer) -> Vec<u8> {
        let message = AgentToServer {
            instance_uid: self.uid.clone(),
            sequence_num: self.sequence,
            capabilities: self.capabilities,
            ..message
        };
        self.sequence += 1;
        let mut frame = vec![0];
        frame.extend(message.encode_to_vec());
        frame
    }
}

/// An offer, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// OpAMP's hash of the body.
    pub hash: Vec<u8>,
    /// The generation's body.
    pub body: String,
    /// Digests of the pipelines that it was compared with.
    pub compared_with: Vec<String>,
}

/// Hash of an offer, the generation's body in it, and what that was compared with.
///
/// # Errors
/// Why it is no offer that this agent takes, for a person.
pub fn offered(offer: AgentRemoteConfig) -> Result<Offered, (Vec<u8>, String)> {
    let (hash, compared_with) = (offer.config_hash, offer.compared_with);
    let refuse = |why: &str| (hash.clone(), why.to_owned());
    let mut files = offer.config.unwrap_or_default().config_map;
    let Some(file) = files.remove(KEY) else {
        return Err(refuse("the config has no phoenix.yaml, and this agent runs nothing else"));
    };
    if !files.is_empty() {
        return Err(refuse("the config brings other files than phoenix.yaml"));
    }
    if file.content_type != MEDIA_TYPE {
        return Err((
            hash,
            format!("phoenix.yaml is of type {:?}, expected {MEDIA_TYPE}", file.content_type),
        ));
    }
    if config_hash(&file.body).as_slice() != hash {
        return Err(refuse("config_hash is not the SHA-256 of phoenix.yaml"));
    }
    match String::from_utf8(file.body) {
        Ok(body) => Ok(Offered { hash, body, compared_with }),
        Err(_) => Err(refuse("phoenix.yaml is no UTF-8")),
    }
}

/// Outcome of an offer.
pub fn status(hash: Vec<u8>, status: RemoteConfigStatuses, error: Option<String>) -> RemoteConfigStatus {
    RemoteConfigStatus {
        last_remote_config_hash: hash,
        status: status.into(),
        error_message: error.unwrap_or_default(),
    }
}

/// Tells whether an outcome is still true: what was applied may have given way to the node's own file.
fn holds(status: &RemoteConfigStatus, in_force: &ActiveGeneration) -> bool {
    let running = in_force.body.as_ref().map(|body| config_hash(body.as_bytes()));
    status.status() != RemoteConfigStatuses::Applied
        || running.is_some_and(|running| running.as_slice() == status.last_remote_config_hash)
}

/// Status after a start: what the ledger holds was applied, by this process or an earlier one.
fn committed(in_force: &ActiveGeneration) -> RemoteConfigStatus {
    match &in_force.body {
        Some(body) => status(config_hash(body.as_bytes()).to_vec(), RemoteConfigStatuses::Applied, None),
        None => status(Vec::new(), RemoteConfigStatuses::Unset, None),
    }
}

/// Capabilities: without that of taking configs where the node's owner wants nothing pushed.
fn capabilities(in_force: &ActiveGeneration) -> u64 {
    if in_force.refuses { CAPABILITIES } else { CAPABILITIES | AgentCapabilities::AcceptsRemoteConfig as u64 }
}

fn description(identity: &Identity, in_force: &ActiveGeneration) -> AgentDescription {
    let labels = identity.labels.iter().map(|(name, value)| (format!("phoenix.label.{name}"), value.clone()));
    let described = [
        ("host.name", identity.host.clone()),
        ("os.type", std::env::consts::OS.to_owned()),
        ("phoenix.boot_id", identity.boot_id.clone()),
        ("phoenix.generation", in_force.generation.to_string()),
        ("phoenix.baseline.digest", in_force.baseline.clone()),
        ("phoenix.experiments", if in_force.refuses { "refuse" } else { "allow" }.to_owned()),
    ];
    // The agent's own names are not anybody else's to give.
    let own = |name: &str| name.starts_with("phoenix.") || described.iter().any(|(known, _)| *known == name);
    let surroundings: Vec<_> = identity.attributes.iter().filter(|(name, _)| !own(name)).collect();
    let pipeline = in_force.pipeline.iter().map(|name| ("phoenix.pipeline".to_owned(), name.clone()));
    let node = identity.node.iter().map(|node| ("phoenix.node".to_owned(), node.clone()));
    let edited = in_force.local_override_pending.then(|| (OVERRIDE_PENDING.to_owned(), "true".to_owned()));
    AgentDescription {
        identifying_attributes: vec![
            attribute("service.name".into(), "io.phoenix.agent".into()),
            attribute("service.version".into(), env!("CARGO_PKG_VERSION").into()),
            attribute("service.instance.id".into(), identity.uid.clone()),
        ],
        non_identifying_attributes: described
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .chain(labels)
            .chain(pipeline)
            .chain(node)
            .chain(edited)
            .chain(surroundings.into_iter().map(|(name, value)| (name.clone(), value.clone())))
            .map(|(name, value)| attribute(name, value))
            .collect(),
    }
}

fn attribute(key: String, value: String) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(Value::StringValue(value)) }) }
}

fn health(identity: &Identity, condition: &Condition) -> ComponentHealth {
    let part = |healthy, last_error: Option<&String>| ComponentHealth {
        healthy,
        start_time_unix_nano: identity.started,
        last_error: last_error.cloned().unwrap_or_default(),
        ..ComponentHealth::default()
    };
    let mut whole = part(condition.phase == Phase::Running, condition.config_error.as_ref());
    whole.status = format!("{:?}", condition.phase).to_lowercase();
    if let Some(why) = &condition.candidate_cut {
        whole.component_health_map = HashMap::from([(CANDIDATE.to_owned(), part(false, Some(why)))]);
    }
    if !condition.quarantined.is_empty() {
        let contents = condition.quarantined.iter().map(|(id, words)| (id.clone(), part(false, Some(words))));
        let mut quarantine = part(false, None);
        quarantine.component_health_map = contents.collect();
        whole.component_health_map.insert(quarantine::COMPONENT.to_owned(), quarantine);
    }
    whole
}

/// The pushed body; what the node's owner wrote stays on the node.
fn effective(in_force: &ActiveGeneration) -> EffectiveConfig {
    let file = |body: &String| AgentConfigFile {
        body: body.clone().into_bytes(),
        content_type: MEDIA_TYPE.to_owned(),
    };
    let files = in_force.body.iter().map(|body| (KEY.to_owned(), file(body))).collect();
    EffectiveConfig { config_map: Some(AgentConfigMap { config_map: files }) }
}
