//! `/api/v1/agents`: who is there; and `POST /v1/enroll`, by which they come in.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Id of its record, which stays while the agents on its node are replaced.
    pub uid: Uuid,
    /// The present agent's own name for itself.
    pub instance_uid: Uuid,
    /// Identity of its node, as it says; `key=value#uid` where it is there beside another agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Labels that selectors choose it by.
    pub labels: BTreeMap<String, String>,
    /// Attributes of its surroundings, as it says; selectors choose it by these, too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Name of its host, as it says.
    pub host: String,
    /// Its version, as it says.
    pub version: String,
    /// The id of the enrollment token, or of the API key, that let it in; or `certificate:` and the certificate's name (CN).
    pub enrolled_by: String,
    /// Time.
    pub enrolled_at: Timestamp,
    /// Time at which it was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// State, in a word: `enrolled` until it first connects.
    pub status: String,
    /// Its health, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub health: Option<Value>,
    /// Contents that killed it and that it does not run until somebody lifts their quarantine: what is known of each, by
    /// its id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<String, String>,
    /// The hash of the config it is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered_hash: Option<String>,
    /// The hash of the config it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_hash: Option<String>,
    /// True if the pipeline of its file was changed while a pushed one is in its place: the change is in force only once nothing
    /// is pushed to it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_override_pending: bool,
    /// What it has refused of what it was told last: it runs what it ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_config: Option<RefusedConfig>,
    /// What it waits for before it is told a content that is new to agents of its version, in a sentence. Of one agent alone; lists are
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// True if nothing is pushed to it and it is in no experiment: its own config says `phoenix.experiments: refuse`, it cannot
    /// run a generation, or it has no credential of its own.
    pub refuses_configs: bool,
    /// False of an agent that came by a token over OpAMP and has not used a credential of its own yet: it is heard, and nothing
    /// is offered to it but such a credential.
    #[serde(default = "yes")]
    pub own_credential: bool,
    /// Outcome of the connection settings that it was offered, with a credential of its own in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_settings: Option<ConnectionSettings>,
    /// Config that it says it runs, files by name, where that is not what it was pushed; values that may be secrets are left out.
    /// Of one agent alone; lists are without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub effective_config: BTreeMap<String, String>,
    /// Time at which another agent of its node last took the place of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
    /// The last time at which an agent came back that was replaced, while both are in conflict: nothing that they report
    /// counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_conflict_at: Option<Timestamp>,
    /// Time at which it was archived, because nothing was heard of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
}

/// Generation that an agent was told last and has refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedConfig {
    /// Its number.
    pub generation: i64,
    /// The reason that the agent gives.
    pub reason: String,
}

/// Outcome of connection settings that an agent was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionSettings {
    /// State, in a word: `offered`, then what it says: `applying`, `applied` or `failed`. Failed ones are not offered again.
    pub status: String,
    /// Reason for which it could not use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// True, for answers of a release that knew no agent without a credential of its own.
fn yes() -> bool {
    true
}

/// Agent that wants to enroll. What a newer agent says besides is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enroll {
    /// The agent's own name for itself: a UUIDv7.
    pub uid: Uuid,
    /// Labels of its file; the token's labels beat these.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Name of its host.
    #[serde(default)]
    pub host: String,
    /// Its version.
    pub version: String,
    /// Identity of its node, `key=value`: a new agent on a node takes the place of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "host.id=4c4c4544-0046")]
    pub node: Option<String>,
}

/// The agent's credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// To be sent as `Authorization: Bearer …` from now on. It is shown this once. None for an agent that came by a certificate,
    /// which is its credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Without what is secret.
impl fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolled").finish_non_exhaustive()
    }
}

/// Generation that an agent was told to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentGeneration {
    /// Its number.
    pub generation: i64,
    /// The experiment that it is of.
    pub experiment_id: Option<Uuid>,
    /// The step of the experiment.
    pub step: Option<String>,
    /// Outcome: pending, applying, applied or failed.
    pub status: String,
    /// Reason for which the agent refused it.
    pub error: Option<String>,
    /// OpAMP's hash of the body, in hexadecimal.
    pub config_hash: String,
    /// The body, as it was pushed: both pipelines, the split and what is observed. Nothing of the file of the agent is in it.
    pub body: String,
    /// True if the agent says that it runs it now.
    pub in_force: bool,
    /// Time at which it was written down for the agent.
    pub told_at: Timestamp,
    /// Time at which the agent ran it.
    pub applied_at: Option<Timestamp>,
}
