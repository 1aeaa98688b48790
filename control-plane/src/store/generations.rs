//! Generations that each agent was told to run, and their outcomes.

use std::collections::HashMap;

use proto::quarantine::QUARANTINED;
use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// One generation of one agent.
#[derive(Clone, Debug)]
pub struct Offered {
    /// Its number.
    pub generation: i64,
    /// Digest of everything but the number.
    pub content: String,
    /// OpAMP's hash of the body, in hexadecimal.
    pub config_hash: String,
    /// The body.
    pub body: String,
    /// The experiment that it belongs to, or whose promotion it is.
    pub experiment_id: Option<ExperimentId>,
    /// The step, as evidence is filed under it; nothing outside of one.
    pub step: Option<String>,
    /// Its outcome.
    pub status: Status,
    /// Reason for which it failed.
    pub error: Option<String>,
    /// Digests of the pipelines that it was compared with, where it was promoted: an agent whose file has another refuses it.
    pub compared_with: Vec<String>,
}

impl Offered {
    /// The experiment that it is a step of; nothing outside of one, a promotion's among them.
    pub fn in_experiment(&self) -> Option<ExperimentId> {
        self.experiment_id.filter(|_| self.step.is_some())
    }

    /// True if its agent has the content in quarantine.
    pub fn is_quarantined(&self) -> bool {
        let error = self.error.as_deref().unwrap_or_default();
        self.status == Status::Failed && error.starts_with(QUARANTINED)
    }
}

/// Generation that an agent was told to run, and when.
#[derive(Clone, Debug)]
pub struct Told {
    /// The generation.
    pub offered: Offered,
    /// Time at which it was written down for the agent.
    pub told_at: UnixMillis,
    /// Time at which the agent ran it.
    pub applied_at: Option<UnixMillis>,
}

/// Outcome of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing is known yet.
    Pending,
    /// The agent is at it.
    Applying,
    /// It is in force, or was.
    Applied,
    /// The agent refused it: it is not offered again.
    Failed,
}

impl Status {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applying => "applying",
            Self::Applied => "applied",
            Self::Failed => "failed",
        }
    }

    fn read(name: &str) -> Result<Self, StoreError> {
        let all = [Self::Pending, Self::Applying, Self::Applied, Self::Failed];
        let found = all.into_iter().find(|status| status.name() == name);
        found.ok_or_else(|| StoreError::row("agent_generations", name))
    }
}

fn read(row: &Row) -> Result<Offered, StoreError> {
    Ok(Offered {
        generation: row.try_get("generation")?,
        content: row.try_get("content")?,
        config_hash: row.try_get("config_hash")?,
        body: row.try_get("body")?,
        experiment_id: row.try_get("experiment_id")?,
        step: row.try_get("step")?,
        status: Status::read(row.try_get("status")?)?,
        error: row.try_get("error")?,
        compared_with: {
            let text: Option<String> = row.try_get("compared_with")?;
            text.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
        },
    })
}

/// The latest generation of an agent: what it is to run.
///
/// # Errors
/// The store's.
pub async fn latest(
    connection: &mut Connection,
    tenant: TenantId,
    agent: AgentUid,
) -> Result<Option<Offered>, StoreError> {
    let row = query(
        "SELECT * FROM agent_generations WHERE tenant_id = $1 AND agent_uid = $2
         ORDER BY generation DESC LIMIT 1",
    )
    .bind(tenant)
    .bind(agent)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(read).transpose()
}

/// The latest generation of each of a tenant's agents, without its body.
///
/// # Errors
/// The store's.
pub async fn latest_of(
    connection: &mut Connection,
    tenant: TenantId,
    agents: &[AgentUid],
) -> Result<HashMap<AgentUid, Offered>, StoreError> {
    let mut all = HashMap::with_capacity(agents.len());
    for part in parts(agents) {
        let sql = format!(
            "SELECT told.agent_uid, told.generation, told.content, told.config_hash, '' AS body, told.experiment_id, told.step,
                 told.status, told.error, told.compared_with
             FROM agent_generations AS told WHERE told.tenant_id = $1 AND told.agent_uid IN {}
                 AND told.generation = (SELECT MAX(generation) FROM agent_generations AS last
                     WHERE last.tenant_id = $1 AND last.agent_uid = told.agent_uid)",
            values(1, part.len(), 2)
        );
        let mut asked = query(AssertSqlSafe(sql)).bind(tenant);
        for agent in part {
            asked = asked.bind(*agent);
        }
        for row in asked.fetch_all(connection).await? {
            all.insert(row.try_get("agent_uid")?, read(&row)?);
        }
    }
    Ok(all)
}

/// The latest generation of every agent of every tenant that is not archived, without its body: what the reconcilers compare
/// with what is wanted.
///
/// # Errors
/// The store's.
pub async fn latest_of_all(
    connection: &mut Connection,
) -> Result<HashMap<(TenantId, AgentUid), Offered>, StoreError> {
    let rows = query(
        "SELECT told.tenant_id, told.agent_uid, told.generation, told.content, told.config_hash, '' AS body,
             told.experiment_id, told.step, told.status, told.error, told.compared_with
         FROM agents JOIN agent_generations AS told ON told.tenant_id = agents.tenant_id AND told.agent_uid = agents.uid
             AND told.generation = (SELECT MAX(generation) FROM agent_generations AS last
                 WHERE last.tenant_id = agents.tenant_id AND last.agent_uid = agents.uid)
         WHERE agents.archived_at IS NULL",
    );
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok(((row.try_get("tenant_id")?, row.try_get("agent_uid")?), read(row)?))).collect()
}

/// Number of the latest generation of each of these agents that there is, of whichever tenant; 0 before the first.
///
/// # Errors
/// The store's.
pub async fn last_numbers(
    connection: &mut Connection,
    all: &[(TenantId, AgentUid)],
) -> Result<HashMap<(TenantId, AgentUid), i64>, StoreError> {
    let mut last = HashMap::with_capacity(all.len());
    for part in parts(all) {
        let sql = format!(
            "SELECT agents.tenant_id, agents.uid, (SELECT MAX(generation) FROM agent_generations AS told
                 WHERE told.tenant_id = agents.tenant_id AND told.agent_uid = agents.uid) AS generation
             FROM (VALUES {}) AS asked
             JOIN agents ON agents.tenant_id = asked.column1 AND agents.uid = asked.column2",
            values(part.len(), 2, 1)
        );
        let mut asking = query(AssertSqlSafe(sql));
        for (tenant, agent) in part {
            asking = asking.bind(*tenant).bind(*agent);
        }
        for row in asking.fetch_all(connection).await? {
            let generation: Option<i64> = row.try_get("generation")?;
            last.insert((row.try_get("tenant_id")?, row.try_get("uid")?), generation.unwrap_or(0));
        }
    }
    Ok(last)
}

/// Up to `limit` generations of an agent before number `before`, the newest first.
///
/// # Errors
/// The store's.
pub async fn history(
    connection: &mut Connection,
    (tenant, agent): (TenantId, AgentUid),
    before: i64,
    limit: u32,
) -> Result<Vec<Told>, StoreError> {
    let rows = query(
        "SELECT * FROM agent_generations WHERE tenant_id = $1 AND agent_uid = $2 AND generation < $3
         ORDER BY generation DESC LIMIT $4",
    );
    let rows = rows.bind(tenant).bind(agent).bind(before).bind(limit).fetch_all(connection).await?;
    let told = |row: &Row| {
        let (told_at, applied_at) = (row.try_get("created_at")?, row.try_get("applied_at")?);
        Ok(Told { offered: read(row)?, told_at, applied_at })
    };
    rows.iter().map(told).collect()
}

/// Steps of generations that were offered as part of an experiment, by agent and number. Others are not in it.
///
/// # Errors
/// The store's.
pub async fn steps(
    connection: &mut Connection,
    tenant: TenantId,
    all: &[(AgentUid, i64)],
) -> Result<HashMap<(AgentUid, i64), (ExperimentId, String)>, StoreError> {
    let mut steps = HashMap::with_capacity(all.len());
    for part in parts(all) {
        let sql = format!(
            "SELECT told.agent_uid, told.generation, told.experiment_id, told.step FROM (VALUES {}) AS asked
             CROSS JOIN agent_generations AS told
             WHERE told.tenant_id = $1 AND told.agent_uid = asked.column1 AND told.generation = asked.column2
                 AND told.experiment_id IS NOT NULL AND told.step IS NOT NULL",
            values(part.len(), 2, 2)
        );
        let mut asking = query(AssertSqlSafe(sql)).bind(tenant);
        for (agent, generation) in part {
            asking = asking.bind(*agent).bind(*generation);
        }
        for row in asking.fetch_all(connection).await? {
            let key = (row.try_get("agent_uid")?, row.try_get("generation")?);
            steps.insert(key, (row.try_get("experiment_id")?, row.try_get("step")?));
        }
    }
    Ok(steps)
}

/// Agents of every tenant that were told something and have not answered yet.
///
/// # Errors
/// The store's.
pub async fn unanswered(connection: &mut Connection) -> Result<Vec<(TenantId, AgentUid)>, StoreError> {
    let rows = query(
        "SELECT told.tenant_id, told.agent_uid FROM agent_generations AS told
         JOIN agents ON agents.tenant_id = told.tenant_id AND agents.uid = told.agent_uid
             AND agents.offered_hash = told.config_hash
         WHERE told.status = 'pending'",
    );
    let rows = rows.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, row.try_get("agent_uid")?))).collect()
}

/// Times at which the first and the last of a step's agents was first told to run it; nothing before any was.
///
/// # Errors
/// The store's.
pub async fn offers(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    step: &str,
) -> Result<Option<[UnixMillis; 2]>, StoreError> {
    let row = query(
        "SELECT MIN(told) AS first, MAX(told) AS last FROM (
             SELECT MIN(created_at) AS told FROM agent_generations
             WHERE tenant_id = $1 AND experiment_id = $2 AND step = $3 GROUP BY agent_uid) AS offers",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(step)
    .fetch_one(connection)
    .await?;
    let (first, last): (Option<UnixMillis>, Option<UnixMillis>) =
        (row.try_get("first")?, row.try_get("last")?);
    Ok(first.zip(last).map(|(first, last)| [first, last]))
}

/// Agents that have run a step of an experiment with a weight, each with the time from which on units left by the candidate there.
///
/// # Errors
/// The store's.
pub async fn delivering(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<(AgentUid, UnixMillis)>, StoreError> {
    let rows = query(
        "SELECT agent_uid, MIN(applied_at) AS since FROM agent_generations
         WHERE tenant_id = $1 AND experiment_id = $2 AND step NOT IN ('aa', 'mirror') AND applied_at IS NOT NULL
         GROUP BY agent_uid ORDER BY agent_uid",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("agent_uid")?, row.try_get("since")?))).collect()
}

/// Agents that were told to run a step of an experiment, each with what became of it last.
///
/// # Errors
/// The store's.
pub async fn of_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    step: &str,
) -> Result<Vec<(AgentUid, Answered)>, StoreError> {
    let rows = query(
        "SELECT agent_uid, status, error FROM agent_generations
         WHERE tenant_id = $1 AND experiment_id = $2 AND step = $3 ORDER BY agent_uid, generation DESC",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(step).fetch_all(connection).await?;
    let mut all: Vec<(AgentUid, Answered)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let uid = row.try_get("agent_uid")?;
        if all.last().is_none_or(|(before, _)| *before != uid) {
            let status = Status::read(row.try_get("status")?)?;
            all.push((uid, Answered { status, error: row.try_get("error")? }));
        }
    }
    Ok(all)
}

/// The step of an experiment that agents were last told to run; nothing before the first.
///
/// # Errors
/// The store's.
pub async fn last_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Option<String>, StoreError> {
    let row = query(
        "SELECT step FROM agent_generations WHERE tenant_id = $1 AND experiment_id = $2 AND step IS NOT NULL
         ORDER BY created_at DESC, generation DESC LIMIT 1",
    );
    let row = row.bind(tenant).bind(experiment).fetch_optional(connection).await?;
    row.map_or(Ok(None), |row| row.try_get("step"))
}

/// Answer of an agent to what it was told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its last outcome on the agent.
    pub status: Status,
    /// Reason for which the agent has refused it.
    pub error: Option<String>,
}

/// Answers of all agents that were told to run what an experiment has promoted.
///
/// # Errors
/// The store's.
pub async fn answers(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<HashMap<AgentUid, Answered>, StoreError> {
    let rows = query(
        "SELECT told.agent_uid, told.status, told.error FROM agent_generations AS told
         WHERE told.tenant_id = $1 AND told.experiment_id = $2 AND told.step IS NULL
             AND told.generation = (SELECT MAX(generation) FROM agent_generations AS last
                 WHERE last.tenant_id = told.tenant_id AND last.agent_uid = told.agent_uid
                     AND last.experiment_id = told.experiment_id AND last.step IS NULL)",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    let read = |row: &Row| {
        let status = Status::read(row.try_get("status")?)?;
        Ok((row.try_get("agent_uid")?, Answered { status, error: row.try_get("error")? }))
    };
    rows.iter().map(read).collect()
}

/// Tells whether an agent has applied this content before, under any number.
///
/// # Errors
/// The store's.
pub async fn has_applied(
    connection: &mut Connection,
    (tenant, agent): (TenantId, AgentUid),
    content: &str,
) -> Result<bool, StoreError> {
    let found = query(
        "SELECT 1 FROM agent_generations
         WHERE tenant_id = $1 AND agent_uid = $2 AND content = $3 AND applied_at IS NOT NULL LIMIT 1",
    )
    .bind(tenant)
    .bind(agent)
    .bind(content)
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// Agents of these that have applied this content before, under any number.
///
/// # Errors
/// The store's.
pub async fn have_applied(
    connection: &mut Connection,
    tenant: TenantId,
    agents: &[AgentUid],
    content: &str,
) -> Result<Vec<AgentUid>, StoreError> {
    let mut all = Vec::new();
    for part in parts(agents) {
        let sql = format!(
            "SELECT DISTINCT agent_uid FROM agent_generations
             WHERE tenant_id = $1 AND content = $2 AND applied_at IS NOT NULL AND agent_uid IN {}",
            values(1, part.len(), 3)
        );
        let mut asked = query(AssertSqlSafe(sql)).bind(tenant).bind(content);
        for agent in part {
            asked = asked.bind(*agent);
        }
        for row in asked.fetch_all(connection).await? {
            all.push(row.try_get("agent_uid")?);
        }
    }
    Ok(all)
}

/// Writes down what agents are to run from now on, and that each is offered it.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    all: &[(TenantId, AgentUid, Offered)],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "INSERT INTO agent_generations (tenant_id, agent_uid, generation, content, config_hash, body, experiment_id, step,
                 status, created_at, compared_with)
             VALUES {}",
            values(part.len(), 11, 1)
        );
        let mut inserting = query(AssertSqlSafe(sql));
        for (tenant, agent, offered) in part {
            inserting = inserting
                .bind(*tenant)
                .bind(*agent)
                .bind(offered.generation)
                .bind(&offered.content)
                .bind(&offered.config_hash)
                .bind(&offered.body)
                .bind(offered.experiment_id)
                .bind(&offered.step)
                .bind(offered.status.name())
                .bind(now)
                .bind(Some(offered.compared_with.join(" ")).filter(|text| !text.is_empty()));
        }
        inserting.execute(tx).await?;
        let sql = format!(
            "UPDATE agents SET offered_hash = told.column3 FROM (VALUES {}) AS told
             WHERE agents.tenant_id = told.column1 AND agents.uid = told.column2",
            values(part.len(), 3, 1)
        );
        let mut offering = query(AssertSqlSafe(sql));
        for (tenant, agent, offered) in part {
            offering = offering.bind(*tenant).bind(*agent).bind(&offered.config_hash);
        }
        offering.execute(tx).await?;
    }
    Ok(())
}
