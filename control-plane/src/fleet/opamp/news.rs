//! News that a message has of its agent, in our own words.

use proto::generation::{KEY, MEDIA_TYPE, config_hash};
use proto::opamp::{
    AgentCapabilities, AgentDescription, AgentToServer, ComponentHealth, ConnectionSettingsStatuses,
    EffectiveConfig, KeyValue, RemoteConfigStatuses, any_value::Value,
};
use proto::promotion::OVERRIDE_PENDING;
use proto::quarantine;

use crate::labels::{Attributes, PIPELINE};
use crate::store::arrivals::FAILED;
use crate::store::generations::Status;
use crate::store::sessions::{Described, QUARANTINED};
use crate::store::statuses::{ConfigStatus, Health, Runs, SettingsStatus, StatusUpdate};

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

/// Name of the host and version of an agent, as its description has them.
pub fn host_and_version(message: &AgentToServer) -> (String, String) {
    let Some(description) = &message.agent_description else { return Default::default() };
    let version = identifying(description, "service.version");
    (attribute(description, "host.name").unwrap_or_default(), version.unwrap_or_default())
}

/// Tells whether an agent of these capabilities can run a generation. One that is made of a Collector's components runs a
/// Collector's file and would fail on anything else.
pub fn takes_generations(capabilities: u64) -> bool {
    capabilities & AgentCapabilities::AcceptsRemoteConfig as u64 != 0
        && capabilities & AgentCapabilities::ReportsAvailableComponents as u64 == 0
}

/// News that a message has of its agent. Of one without a credential of its own nothing counts by which others are measured:
/// its node, a candidate, a config.
pub fn status_update(message: &AgentToServer, own_credential: bool) -> StatusUpdate {
    let mut update = StatusUpdate::default();
    if let Some(description) = &message.agent_description {
        let attribute = |name| attribute(description, name);
        update.version = identifying(description, "service.version");
        update.described = Some(Described {
            host: attribute("host.name"),
            boot_id: attribute("phoenix.boot_id"),
            generation: attribute("phoenix.generation").and_then(|text| text.parse().ok()),
            baseline_digest: attribute("phoenix.baseline.digest"),
            local_override_pending: attribute(OVERRIDE_PENDING).as_deref() == Some("true"),
            refuses_configs: attribute("phoenix.experiments").as_deref() == Some("refuse"),
            // One that names no node is none to compare with.
            node: attribute(NODE).filter(|_| own_credential).and_then(|text| text.parse().ok()),
            attributes: surroundings(description),
        });
    }
    update.health = message.health.as_ref().map(|health| {
        let cut = health.component_health_map.get(CANDIDATE);
        let cut = cut.filter(|part| own_credential && !part.healthy);
        Health { shown: shown(health), candidate_cut: cut.map(|part| clipped(&part.last_error)) }
    });
    if let Some(status) = message.remote_config_status.as_ref().filter(|_| own_credential) {
        let hash = hex::encode(&status.last_remote_config_hash);
        let error = Some(clipped(&status.error_message)).filter(|text| !text.is_empty());
        update.config = became(status.status()).map(|status| ConfigStatus { hash, status, error });
    }
    update.runs = message.effective_config.as_ref().filter(|_| own_credential).and_then(runs);
    update.settings = message.connection_settings_status.as_ref().map(|status| SettingsStatus {
        hash: hex::encode(&status.last_connection_settings_hash),
        status: match status.status() {
            ConnectionSettingsStatuses::Unset => "unset",
            ConnectionSettingsStatuses::Applied => "applied",
            ConnectionSettingsStatuses::Applying => "applying",
            ConnectionSettingsStatuses::Failed => FAILED,
        },
        error: Some(clipped(&status.error_message)).filter(|text| !text.is_empty()),
    });
    update
}

/// Part of what an agent was pushed that it runs; nothing of one that runs files of a Collector.
fn runs(config: &EffectiveConfig) -> Option<Runs> {
    let files = &config.config_map.as_ref()?.config_map;
    if files.is_empty() {
        return Some(Runs::Own);
    }
    let file = files.get(KEY).filter(|file| file.content_type == MEDIA_TYPE)?;
    Some(Runs::Pushed(hex::encode(config_hash(&file.body))))
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

/// As much of an agent's words as is kept, without what the store does not keep.
fn clipped(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').take(MAX_WORDS).collect()
}
