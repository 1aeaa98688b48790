//! What agents say of themselves, read and written for many of them at once.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::sessions::{CONNECTED, Described};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};
use crate::store::generations::Status;

/// News of one message of an agent; nothing where it is silent.
#[derive(Debug, Default)]
pub struct StatusUpdate {
    /// Description of itself.
    pub described: Option<Described>,
    /// Its version.
    pub version: Option<String>,
    /// Its health.
    pub health: Option<Health>,
    /// State of the config that it was last offered.
    pub config: Option<ConfigStatus>,
    /// Part of what it was pushed that it runs.
    pub runs: Option<Runs>,
    /// True if it can run a generation.
    pub takes_generations: Option<bool>,
    /// What it runs, if it is not what it was pushed: files by name, JSON.
    pub files: Option<String>,
    /// What became of the connection settings that it was offered last.
    pub settings: Option<SettingsStatus>,
}

impl StatusUpdate {
    /// Tells whether it says nothing but that its agent is there.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let Self { described, version, health, config, runs, takes_generations, files, settings } = self;
        let none = described.is_none() && version.is_none() && health.is_none() && config.is_none();
        none && runs.is_none() && takes_generations.is_none() && files.is_none() && settings.is_none()
    }
}

/// What became of connection settings that an agent was offered.
#[derive(Debug)]
pub struct SettingsStatus {
    /// Hash of the settings, in hexadecimal.
    pub hash: String,
    /// State, in a word.
    pub status: &'static str,
    /// Reason for which they could not be used.
    pub error: Option<String>,
}

/// Health of an agent.
#[derive(Debug)]
pub struct Health {
    /// The whole of it, as shown to people.
    pub shown: Value,
    /// Error for which the candidate was cut out, if it was.
    pub candidate_cut: Option<String>,
}

/// Part of what an agent was pushed that it runs.
#[derive(Debug, PartialEq, Eq)]
pub enum Runs {
    /// Nothing: its own file.
    Own,
    /// The config of this hash, in hexadecimal.
    Pushed(String),
}

/// State of a config that an agent was offered.
#[derive(Debug)]
pub struct ConfigStatus {
    /// Hash of the config, in hexadecimal.
    pub hash: String,
    /// State.
    pub status: Status,
    /// Reason for which it failed.
    pub error: Option<String>,
}

/// What an agent has said of itself so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its version.
    pub version: String,
    /// Its health, JSON.
    pub health: Option<String>,
    /// Hash of the config that it runs.
    pub effective_hash: Option<String>,
    /// Name of its host.
    pub host: String,
    /// Its process.
    pub boot_id: Option<String>,
    /// The generation in force.
    pub generation: Option<i64>,
    /// Digest of the plan in charge.
    pub baseline_digest: Option<String>,
    /// True if the pipeline of its file was changed while a pushed one is in its place.
    pub local_override_pending: bool,
    /// Reason for which it cut the candidate out.
    pub candidate_cut: Option<String>,
    /// Attributes of its surroundings, JSON.
    pub attributes: Option<String>,
    /// True if its owner wants nothing that is pushed.
    pub refuses_configs: bool,
    /// True if it can run a generation.
    pub takes_generations: bool,
    /// Identity of its node.
    pub node: Option<String>,
    /// Hash of the config that it is offered.
    pub offered_hash: Option<String>,
    /// True if somebody has lifted contents from its quarantine.
    pub lifting: bool,
    /// The replica that it was connected to when this was read.
    pub replica: Option<String>,
}

impl Said {
    /// Takes a description in; tells whether the agent has begun or ceased to refuse configs, or has other attributes or
    /// another baseline.
    ///
    /// # Errors
    /// Attributes that are no JSON, which none are.
    pub fn describe(&mut self, described: &Described) -> Result<bool, StoreError> {
        let attributes = serde_json::to_string(&described.attributes);
        let attributes = attributes.map_err(|error| StoreError::row("agents", error))?;
        let moved = self.attributes.as_deref().unwrap_or("{}") != attributes;
        let rebased = self.baseline_digest != described.baseline_digest;
        let turned = self.refuses_configs != described.refuses_configs;
        self.attributes = Some(attributes);
        self.refuses_configs = described.refuses_configs;
        self.host = described.host.clone().unwrap_or_else(|| std::mem::take(&mut self.host));
        self.boot_id.clone_from(&described.boot_id);
        self.generation = described.generation;
        self.baseline_digest.clone_from(&described.baseline_digest);
        self.local_override_pending = described.local_override_pending;
        Ok(moved || turned || rebased)
    }

    /// Takes in why it has cut the candidate out, or that it has not; tells whether that is news.
    pub fn cut(&mut self, why: Option<String>) -> bool {
        let news = self.candidate_cut.as_deref().unwrap_or_default() != why.as_deref().unwrap_or_default();
        self.candidate_cut = why;
        news
    }

    /// Takes its health in, as it is shown.
    pub fn health(&mut self, shown: &Value) {
        self.health = Some(shown.to_string());
    }
}

fn said(row: &Row) -> Result<(AgentUid, Said), StoreError> {
    let said = Said {
        version: row.try_get("version")?,
        health: row.try_get("health")?,
        effective_hash: row.try_get("effective_hash")?,
        host: row.try_get("host")?,
        boot_id: row.try_get("boot_id")?,
        generation: row.try_get("generation")?,
        baseline_digest: row.try_get("baseline_digest")?,
        local_override_pending: row.try_get("local_override_pending")?,
        candidate_cut: row.try_get("candidate_cut")?,
        attributes: row.try_get("attributes")?,
        refuses_configs: row.try_get("refuses_configs")?,
        takes_generations: row.try_get("takes_generations")?,
        node: row.try_get("node")?,
        offered_hash: row.try_get("offered_hash")?,
        lifting: row.try_get::<Option<&str>>("lifting")?.is_some(),
        replica: row.try_get("replica")?,
    };
    Ok((row.try_get("uid")?, said))
}

/// What is known of an agent, besides what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Hash of the config that it is offered.
    pub offered_hash: Option<String>,
    /// True if somebody has lifted contents from its quarantine.
    pub lifting: bool,
}

/// News of an agent of a tenant, and when it was heard.
pub type Heard = (TenantId, AgentUid, UnixMillis, StatusUpdate);

/// What agents of a tenant have said so far; nothing of those that there are not.
///
/// # Errors
/// The store's.
pub async fn of(
    connection: &mut Connection,
    tenant: TenantId,
    agents: &[AgentUid],
) -> Result<HashMap<AgentUid, Said>, StoreError> {
    let mut all = HashMap::with_capacity(agents.len());
    for part in parts(agents) {
        let sql = format!(
            "SELECT uid, version, health, effective_hash, host, boot_id, generation, baseline_digest, candidate_cut, attributes,
                 refuses_configs, takes_generations, node, offered_hash, lifting, local_override_pending, replica
             FROM agents WHERE tenant_id = $1 AND uid IN {}",
            values(1, part.len(), 2)
        );
        let mut asked = query(AssertSqlSafe(sql)).bind(tenant);
        for agent in part {
            asked = asked.bind(*agent);
        }
        for row in asked.fetch_all(connection).await? {
            all.extend([said(&row)?]);
        }
    }
    Ok(all)
}

/// Time at which an agent was last heard, of which `said.column2` is news. It never goes back: a sign of life that waited while a
/// message was stored, and one that came to a replica whose clock is behind, are not later than what is known. What is known and
/// more than a minute ahead was noted before the clock was set back.
const LATEST: &str = "last_seen = CASE WHEN agents.last_seen BETWEEN said.column2 AND said.column2 + 60000
                 THEN agents.last_seen ELSE said.column2 END";

/// Keeps what agents of a tenant have said, each with the time at which it was heard: they are connected to this replica.
///
/// # Errors
/// The store's.
pub async fn keep(
    tx: &mut Tx,
    (tenant, replica): (TenantId, &str),
    all: &[(AgentUid, UnixMillis, &Said)],
) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "UPDATE agents SET status = $2, replica = $3, archived_at = NULL, {LATEST},
                 version = said.column3, health = said.column4, effective_hash = said.column5, host = said.column6,
                 boot_id = said.column7, generation = said.column8, baseline_digest = said.column9,
                 candidate_cut = said.column10, attributes = said.column11, refuses_configs = said.column12,
                 takes_generations = said.column13, local_override_pending = said.column14
             FROM (VALUES {}) AS said WHERE agents.tenant_id = $1 AND agents.uid = said.column1",
            values(part.len(), 14, 4)
        );
        let mut keeping = query(AssertSqlSafe(sql)).bind(tenant).bind(CONNECTED).bind(replica);
        for (agent, heard, said) in part {
            keeping = keeping
                .bind(*agent)
                .bind(*heard)
                .bind(&said.version)
                .bind(&said.health)
                .bind(&said.effective_hash)
                .bind(&said.host)
                .bind(&said.boot_id)
                .bind(said.generation)
                .bind(&said.baseline_digest)
                .bind(&said.candidate_cut)
                .bind(&said.attributes)
                .bind(said.refuses_configs)
                .bind(said.takes_generations)
                .bind(said.local_override_pending);
        }
        keeping.execute(tx).await?;
    }
    Ok(())
}

/// Notes when agents of a tenant were heard, that are connected to this replica.
///
/// # Errors
/// The store's.
pub async fn heard(
    tx: &mut Tx,
    (tenant, replica): (TenantId, &str),
    all: &[(AgentUid, UnixMillis)],
) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "UPDATE agents SET status = $2, replica = $3, archived_at = NULL, {LATEST}
             FROM (VALUES {}) AS said WHERE agents.tenant_id = $1 AND agents.uid = said.column1",
            values(part.len(), 2, 4)
        );
        let mut noting = query(AssertSqlSafe(sql)).bind(tenant).bind(CONNECTED).bind(replica);
        for (agent, heard) in part {
            noting = noting.bind(*agent).bind(*heard);
        }
        noting.execute(tx).await?;
    }
    Ok(())
}

/// Outcome of the generation of an agent that has this hash.
#[derive(Clone, Debug)]
pub struct Became {
    /// The agent.
    pub agent: AgentUid,
    /// OpAMP's hash of the body, in hexadecimal.
    pub hash: String,
    /// The outcome.
    pub status: Status,
    /// Reason for which it failed.
    pub error: Option<String>,
}

/// Generation whose outcome is news.
#[derive(Clone, Debug)]
pub struct News {
    /// The agent.
    pub agent: AgentUid,
    /// The experiment of which it is no step, but the promotion that the agent has refused.
    pub not_promoted: Option<ExperimentId>,
    /// The experiment of which it is the promotion that the agent has taken, after it had refused it.
    pub taken: Option<ExperimentId>,
}

/// Records outcomes of generations, one of each; a hash that was never offered changes nothing. Those that are news.
///
/// # Errors
/// The store's.
pub async fn became(
    tx: &mut Tx,
    tenant: TenantId,
    all: &[Became],
    now: UnixMillis,
) -> Result<Vec<News>, StoreError> {
    let mut changed = Vec::new();
    for part in parts(all) {
        let sql = format!(
            "UPDATE agent_generations SET status = said.column4, error = said.column5,
                 applied_at = CASE WHEN said.column4 = 'applied' THEN COALESCE(applied_at, $1) ELSE applied_at END
             FROM (VALUES {}) AS said
             WHERE tenant_id = said.column1 AND agent_uid = said.column2 AND config_hash = said.column3
                 AND (status <> said.column4 OR COALESCE(error, '') <> COALESCE(said.column5, ''))
             RETURNING agent_uid, CASE WHEN step IS NULL AND status = 'failed' THEN experiment_id END AS not_promoted,
                 CASE WHEN step IS NULL AND status = 'applied' AND EXISTS (
                     SELECT 1 FROM agent_generations AS before
                     WHERE before.tenant_id = agent_generations.tenant_id AND before.agent_uid = agent_generations.agent_uid
                         AND before.experiment_id = agent_generations.experiment_id AND before.step IS NULL
                         AND before.status = 'failed' AND before.generation < agent_generations.generation)
                 THEN experiment_id END AS taken",
            values(part.len(), 5, 2)
        );
        let mut recording = query(AssertSqlSafe(sql)).bind(now);
        for Became { agent, hash, status, error } in part {
            recording = recording.bind(tenant).bind(*agent).bind(hash).bind(status.name()).bind(error);
        }
        for row in recording.fetch_all(tx).await? {
            let (not_promoted, taken) = (row.try_get("not_promoted")?, row.try_get("taken")?);
            changed.push(News { agent: row.try_get("agent_uid")?, not_promoted, taken });
        }
    }
    Ok(changed)
}
