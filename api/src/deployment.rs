//! `/api/v1/deployments`: the pipelines that agents run outside of experiments.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// A version of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployment {
    /// Id of the deployment.
    pub id: Uuid,
    /// Its version, from 1.
    pub version: i64,
    /// The agents.
    pub selector: String,
    /// Id of the pipeline of metrics that it is about; nothing for the one that each agent's file says.
    pub pipeline: Option<String>,
    /// The fragment that they run; nothing where the deployment has ended.
    pub config: Option<String>,
    /// The experiment whose promotion made it; nothing for one that was made by hand.
    pub experiment_id: Option<Uuid>,
    /// Author of the version, as `user/id`, `api-key/id` or `control-plane`.
    pub created_by: String,
    /// Time.
    pub created_at: Timestamp,
    /// Agents that run it, and what the others wait for: of the version in force of one deployment. Lists are without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staging: Option<Staging>,
}

/// Staging of a deployment: what no agent of a version has run goes to one agent, then to 5 %, then to the rest, and each wave
/// waits for the trial of the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Staging {
    /// Number of agents that it is for: they match, and no deployment goes before it there.
    pub of: u32,
    /// Number of those that run it.
    pub on: u32,
    /// Number of those that have refused it.
    pub refused: u32,
    /// Number of those that were told, and have not answered yet.
    pub told: u32,
    /// Number of those that were not told yet.
    pub waiting: u32,
    /// All of it, and what is waited for, in words.
    pub sentence: String,
}

/// The version in force of a deployment, and its place among the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploymentSummary {
    /// Its precedence: of those that an agent matches, it runs the one of the lowest number. 0 for one that has ended, which nobody
    /// runs.
    pub precedence: u32,
    /// The version in force.
    #[serde(flatten)]
    pub version: Deployment,
}

/// A deployment to be made by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeployment {
    /// The agents: `env=prod,region in (eu,us),!canary`; all if it is empty.
    pub selector: String,
    /// Id of the pipeline of metrics; without it, the one that each agent's file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// A fragment of a Collector file, or a whole one.
    pub config: String,
}

/// Rollback of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackDeployment {
    /// The version that is to be in force again.
    pub to: i64,
}
