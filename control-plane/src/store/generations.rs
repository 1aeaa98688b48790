//! Generations that each agent was told to run, and their outcomes.

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
    /// The experiment it belongs to.
    pub experiment_id: Option<ExperimentId>,
    /// The step, as evidence is filed under it.
    pub step: Option<String>,
    /// Its outcome.
    pub status: Status,
    /// Reason for which it failed.
    pub error: Option<String>,
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

/// A generation of an agent by its number.
///
/// # Errors
/// The store's.
pub async fn get(
    connection: &mut Connection,
    tenant: TenantId,
    agent: AgentUid,
    generation: i64,
) -> Result<Option<Offered>, StoreError> {
    let row =
        query("SELECT * FROM agent_generations WHERE tenant_id = $1 AND agent_uid = $2 AND generation = $3")
            .bind(tenant)
            .bind(agent)
            .bind(generation)
            .fetch_optional(connection)
            .await?;
    row.as_ref().map(read).transpose()
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

/// Writes down what an agent is to run from now on.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    tenant: TenantId,
    agent: AgentUid,
    offered: &Offered,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO agent_generations (tenant_id, agent_uid, generation, content, config_hash, body,
             experiment_id, step, status, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(tenant)
    .bind(agent)
    .bind(offered.generation)
    .bind(&offered.content)
    .bind(&offered.config_hash)
    .bind(&offered.body)
    .bind(offered.experiment_id)
    .bind(&offered.step)
    .bind(offered.status.name())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Records the outcome of the generation with this hash; a hash that was never offered changes nothing.
///
/// # Errors
/// The store's.
pub async fn became(
    tx: &mut Tx,
    (tenant, agent): (TenantId, AgentUid),
    config_hash: &str,
    (status, error): (Status, Option<&str>),
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let done = query(
        "UPDATE agent_generations SET status = $1, error = $2,
             applied_at = CASE WHEN $1 = 'applied' THEN COALESCE(applied_at, $3) ELSE applied_at END
         WHERE tenant_id = $4 AND agent_uid = $5 AND config_hash = $6
             AND (status <> $1 OR COALESCE(error, '') <> COALESCE($2, ''))",
    )
    .bind(status.name())
    .bind(error)
    .bind(now)
    .bind(tenant)
    .bind(agent)
    .bind(config_hash)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
