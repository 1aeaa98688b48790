//! `/api/v1/agents`: who is there; and `POST /v1/enroll`, by which they come in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// Its own name for itself.
    pub uid: Uuid,
    /// Labels that selectors choose it by.
    pub labels: BTreeMap<String, String>,
    /// Name of its host, as it says.
    pub host: String,
    /// Its version, as it says.
    pub version: String,
    /// The id of the enrollment token that let it in.
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
    /// True if its own config says `phoenix.experiments: refuse`: nothing is pushed to it, it is in no experiment, and it
    /// runs its own file.
    pub refuses_configs: bool,
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
}

/// The agent's credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// To be sent as `Authorization: Bearer …` from now on. It is shown this once.
    pub token: String,
}
