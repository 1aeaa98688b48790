//! OpAMP: what an agent says, and what it is answered. No socket here.
//!
//! What always holds: every message is answered; nothing is offered to an agent that does not take configs, or that
//! has not said yet what it runs; what it has refused is not offered again under the same content.

use prost::Message as _;
use proto::generation::{KEY, MEDIA_TYPE};
use proto::opamp::{
    AgentCapabilities, AgentConfigFile, AgentConfigMap, AgentDescription, AgentRemoteConfig, AgentToServer,
    ComponentHealth, CustomMessage, KeyValue, RemoteConfigStatuses, ServerCapabilities, ServerErrorResponse,
    ServerErrorResponseType, ServerToAgent, ServerToAgentFlags, any_value::Value,
};
use proto::quarantine;

use crate::actions::agents::{self, ConfigStatus, Health, StatusUpdate};
use crate::actions::enroll::AgentIdentity;
use crate::labels::{Attributes, PIPELINE};
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::agents as stored;
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{Described, QUARANTINED};

const CAPABILITIES: u64 = ServerCapabilities::AcceptsStatus as u64
    | ServerCapabilities::OffersRemoteConfig as u64
    | ServerCapabilities::AcceptsEffectiveConfig as u64;
/// The sub-component that a candidate is, in an agent's health.
const CANDIDATE: &str = "candidate";
/// Attribute of an agent's description that has its node.
const NODE: &str = "phoenix.node";
/// Begin of the names of attributes that are Phoenix's own.
const OURS: &str = "phoenix.";
/// The most contents in quarantine that are kept of an agent.
const MAX_QUARANTINED: usize = 64;
/// The most that is kept of what an agent says in words.
const MAX_WORDS: usize = 4_096;

/// State of one side of a conversation.
#[derive(Debug, Default)]
pub struct Conversation {
    sequence: Option<u64>,
    takes_config: bool,
    /// Hash of the config that the agent says it was last offered; nothing until it has said so.
    reported: Option<String>,
    greeted: bool,
}

/// Reason for which a message is not looked at.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no message.
    #[error("the message cannot be read: {0}")]
    Encoding(String),
    /// It is another agent's.
    #[error("instance_uid is not that of the credential")]
    AnotherAgent,
}

impl Malformed {
    /// The answer to it.
    #[must_use]
    pub fn answer(&self, agent: &AgentIdentity) -> ServerToAgent {
        let error = ServerErrorResponse {
            r#type: ServerErrorResponseType::BadRequest.into(),
            error_message: self.to_string(),
            details: None,
        };
        ServerToAgent {
            instance_uid: agent.instance_uid.as_bytes().to_vec(),
            error_response: Some(error),
            ..ServerToAgent::default()
        }
    }
}

/// Reads a message of `agent`.
///
/// # Errors
/// [`Malformed`].
pub fn read(bytes: &[u8], agent: &AgentIdentity) -> Result<AgentToServer, Malformed> {
    let message = AgentToServer::decode(bytes).map_err(|error| Malformed::Encoding(error.to_string()))?;
    if message.instance_uid.as_slice() == agent.instance_uid.as_bytes() {
        Ok(message)
    } else {
        Err(Malformed::AnotherAgent)
    }
}

impl Conversation {
    /// Takes a message in, and answers it.
    ///
    /// # Errors
    /// The store's.
    pub async fn heard(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
        message: AgentToServer,
    ) -> Result<ServerToAgent, StoreError> {
        let gap = self.sequence.is_some_and(|last| message.sequence_num != last + 1);
        self.sequence = Some(message.sequence_num);
        self.takes_config = message.capabilities & AgentCapabilities::AcceptsRemoteConfig as u64 != 0;
        if let Some(status) = &message.remote_config_status {
            self.reported = Some(hex::encode(&status.last_remote_config_hash));
        }
        agents::update(state, agent, &status_update(&message)).await?;
        let incomplete = gap || self.reported.is_none();
        let mut answer = self.answer(agent);
        answer.flags = if incomplete { ServerToAgentFlags::ReportFullState as u64 } else { 0 };
        if !gap {
            answer.custom_message = lift(state, agent).await?;
            answer.remote_config = self.offer(state, agent).await?;
        }
        Ok(answer)
    }

    /// A message that nobody asked for, if there is something to offer.
    ///
    /// # Errors
    /// The store's.
    pub async fn unasked(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
    ) -> Result<Option<ServerToAgent>, StoreError> {
        let custom_message = lift(state, agent).await?;
        let remote_config = self.offer(state, agent).await?;
        let something = remote_config.is_some() || custom_message.is_some();
        Ok(something.then(|| ServerToAgent { remote_config, custom_message, ..self.answer(agent) }))
    }

    fn answer(&mut self, agent: &AgentIdentity) -> ServerToAgent {
        let capabilities = if self.greeted { 0 } else { CAPABILITIES };
        self.greeted = true;
        ServerToAgent {
            instance_uid: agent.instance_uid.as_bytes().to_vec(),
            capabilities,
            ..ServerToAgent::default()
        }
    }

    async fn offer(
        &mut self,
        state: &AppState,
        agent: &AgentIdentity,
    ) -> Result<Option<AgentRemoteConfig>, StoreError> {
        let Some(reported) = self.reported.clone().filter(|_| self.takes_config) else { return Ok(None) };
        let mut reader = state.store.read(agent.tenant_id).await?;
        let latest = generations::latest(&mut reader, agent.tenant_id, agent.uid).await?;
        let Some(latest) =
            latest.filter(|latest| latest.config_hash != reported && latest.status != Status::Failed)
        else {
            return Ok(None);
        };
        // Until it says otherwise, what it was last offered is this.
        self.reported = Some(latest.config_hash.clone());
        Ok(Some(config(&latest)))
    }
}

/// What somebody has lifted and the agent still has in quarantine: told with every message until it has not.
async fn lift(state: &AppState, agent: &AgentIdentity) -> Result<Option<CustomMessage>, StoreError> {
    let mut reader = state.store.read(agent.tenant_id).await?;
    let lifting = stored::lifting(&mut reader, agent.tenant_id, agent.uid).await?;
    Ok((!lifting.is_empty()).then(|| quarantine::lift(&lifting)))
}

fn config(offered: &Offered) -> AgentRemoteConfig {
    let body = offered.body.clone().into_bytes();
    let config_hash = proto::generation::config_hash(&body).to_vec();
    let file = AgentConfigFile { body, content_type: MEDIA_TYPE.to_owned() };
    let config_map = [(KEY.to_owned(), file)].into_iter().collect();
    AgentRemoteConfig { config: Some(AgentConfigMap { config_map }), config_hash }
}

/// News that a message has of its agent.
fn status_update(message: &AgentToServer) -> StatusUpdate {
    let mut update = StatusUpdate::default();
    if let Some(description) = &message.agent_description {
        let attribute = |name| attribute(description, name);
        update.version = identifying(description, "service.version");
        update.described = Some(Described {
            host: attribute("host.name"),
            boot_id: attribute("phoenix.boot_id"),
            generation: attribute("phoenix.generation").and_then(|text| text.parse().ok()),
            baseline_digest: attribute("phoenix.baseline.digest"),
            refuses_configs: attribute("phoenix.experiments").as_deref() == Some("refuse"),
            // One that names no node is none to compare with.
            node: attribute(NODE).and_then(|text| text.parse().ok()),
            attributes: surroundings(description),
        });
    }
    update.health = message.health.as_ref().map(|health| {
        let cut = health.component_health_map.get(CANDIDATE).filter(|part| !part.healthy);
        Health { shown: shown(health), candidate_cut: cut.map(|part| clipped(&part.last_error)) }
    });
    if let Some(status) = &message.remote_config_status {
        let hash = hex::encode(&status.last_remote_config_hash);
        let error = Some(clipped(&status.error_message)).filter(|text| !text.is_empty());
        update.config = became(status.status()).map(|status| ConfigStatus { hash, status, error });
    }
    update
}

fn attribute(description: &AgentDescription, name: &str) -> Option<String> {
    named(&description.non_identifying_attributes, name)
}

/// One of the attributes by which the agent itself is named.
fn identifying(description: &AgentDescription, name: &str) -> Option<String> {
    named(&description.identifying_attributes, name)
}

fn named(all: &[KeyValue], name: &str) -> Option<String> {
    all.iter().filter(|attribute| attribute.key == name).find_map(text)
}

fn text(attribute: &KeyValue) -> Option<String> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(clipped(text)),
        _ => None,
    }
}

/// Attributes of what surrounds the agent: all but those that Phoenix has its own names for, and its pipeline of experiments.
fn surroundings(description: &AgentDescription) -> Attributes {
    let all = description.non_identifying_attributes.iter();
    let theirs = all.filter(|attribute| !attribute.key.starts_with(OURS) || attribute.key == PIPELINE);
    Attributes::of(theirs.filter_map(|attribute| Some((attribute.key.clone(), text(attribute)?))))
}

fn shown(health: &ComponentHealth) -> serde_json::Value {
    let mut shown = serde_json::json!({
        "healthy": health.healthy,
        "status": clipped(&health.status),
        "last_error": clipped(&health.last_error),
    });
    if let Some(quarantine) = health.component_health_map.get(quarantine::COMPONENT) {
        let contents = quarantine.component_health_map.iter().take(MAX_QUARANTINED);
        let contents = contents.map(|(id, part)| (clipped(id), clipped(&part.last_error).into()));
        shown[QUARANTINED] = serde_json::Value::Object(contents.collect());
    }
    shown
}

fn became(status: RemoteConfigStatuses) -> Option<Status> {
    match status {
        RemoteConfigStatuses::Applied => Some(Status::Applied),
        RemoteConfigStatuses::Applying => Some(Status::Applying),
        RemoteConfigStatuses::Failed => Some(Status::Failed),
        RemoteConfigStatuses::Unset => None,
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_WORDS).collect()
}
