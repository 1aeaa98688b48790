//! Slices that agents tell, turn by turn, and what was found by comparing them.

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::experiment::across::{AcrossAgents, CollisionName, FleetCollision, MAX_COLLISIONS, Turn};
use crate::id::{AgentUid, TenantId};

/// Turns that are kept: what an agent tells later is not compared any more.
const KEPT_TURNS: i64 = 60;
/// Collisions that are read with what they are about.
const READ: i64 = 100;

/// An experiment and its tenant.
pub type Of = (TenantId, ExperimentId);

/// Slice of one agent, as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Number of slices.
    pub slices: u32,
    /// True if entries are missing.
    pub truncated: bool,
    /// An encoded `phoenix.v1.Slice`.
    pub body: &'a [u8],
}

/// Collision of two agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentsCollision {
    /// Key of the identity.
    pub key: u64,
    /// True if the baseline's output has the writers collide, too.
    pub shared: bool,
    /// The agents.
    pub agents: [AgentUid; 2],
}

/// Tells whether a turn is so old that it is not compared any more.
///
/// # Errors
/// The store's.
pub async fn is_past(connection: &mut Connection, of: Of, turn: i64) -> Result<bool, StoreError> {
    let row: Row =
        query("SELECT MAX(turn) AS latest FROM experiment_turns WHERE tenant_id = $1 AND experiment_id = $2")
            .bind(of.0)
            .bind(of.1)
            .fetch_one(connection)
            .await?;
    let latest: Option<i64> = row.try_get("latest")?;
    Ok(latest.is_some_and(|latest| turn <= latest.saturating_sub(KEPT_TURNS)))
}

/// What every agent has told of a turn.
///
/// # Errors
/// The store's.
pub async fn of_turn(
    connection: &mut Connection,
    of: Of,
    turn: i64,
) -> Result<Vec<(AgentUid, Vec<u8>)>, StoreError> {
    let rows = query(
        "SELECT agent_uid, body FROM experiment_slices
         WHERE tenant_id = $1 AND experiment_id = $2 AND turn = $3 ORDER BY agent_uid",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(turn)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("agent_uid")?, row.try_get("body")?))).collect()
}

/// Keeps what agents have told of a turn, each once, in the place of what it told before, and what the turn covers by now. Old
/// turns are forgotten, but for what they cover.
///
/// # Errors
/// The store's.
pub async fn keep(
    tx: &mut Tx,
    of: Of,
    (turn, overlaps): (i64, bool),
    all: &[(AgentUid, Told<'_>)],
) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "INSERT INTO experiment_slices (tenant_id, experiment_id, turn, agent_uid, slices, truncated, body) VALUES {}
             ON CONFLICT (tenant_id, experiment_id, turn, agent_uid)
             DO UPDATE SET slices = excluded.slices, truncated = excluded.truncated, body = excluded.body",
            values(part.len(), 7, 1)
        );
        let mut keeping = query(AssertSqlSafe(sql));
        for (agent, told) in part {
            keeping = keeping
                .bind(of.0)
                .bind(of.1)
                .bind(turn)
                .bind(*agent)
                .bind(i64::from(told.slices))
                .bind(i64::from(told.truncated))
                .bind(told.body);
        }
        keeping.execute(tx).await?;
    }
    // A word of PostgreSQL's own, if it is not quoted.
    query(
        "INSERT INTO experiment_turns (tenant_id, experiment_id, turn, slices, agents, \"overlaps\")
         SELECT tenant_id, experiment_id, turn, MAX(slices), CAST(SUM(1 - truncated) AS BIGINT), $4 FROM experiment_slices
         WHERE tenant_id = $1 AND experiment_id = $2 AND turn = $3 GROUP BY tenant_id, experiment_id, turn
         ON CONFLICT (tenant_id, experiment_id, turn)
         DO UPDATE SET slices = excluded.slices, agents = excluded.agents,
             \"overlaps\" = CASE WHEN excluded.\"overlaps\" > 0 THEN 1 ELSE experiment_turns.\"overlaps\" END",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(turn)
    .bind(i64::from(overlaps))
    .execute(tx)
    .await?;
    query(
        "DELETE FROM experiment_slices WHERE tenant_id = $1 AND experiment_id = $2 AND turn <=
             (SELECT MAX(turn) FROM experiment_turns WHERE tenant_id = $1 AND experiment_id = $2) - $3",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(KEPT_TURNS)
    .execute(&mut *tx)
    .await?;
    fold(tx, of).await
}

/// Drops turns of which a later one says as much: of the same slices, by as many agents. The later one is itself so old that it
/// does not change any more. So there are never many more turns than slices, however long agents tell them.
async fn fold(tx: &mut Tx, of: Of) -> Result<(), StoreError> {
    query(
        "DELETE FROM experiment_turns WHERE tenant_id = $1 AND experiment_id = $2 AND EXISTS (
             SELECT 1 FROM experiment_turns AS later WHERE later.tenant_id = $1 AND later.experiment_id = $2
                 AND later.turn = (SELECT MAX(turn) FROM experiment_turns WHERE tenant_id = $1 AND experiment_id = $2) - $3
                 AND experiment_turns.turn < later.turn AND experiment_turns.slices = later.slices
                 AND (later.turn - experiment_turns.turn) % CASE WHEN later.slices > 0 THEN later.slices ELSE 1 END = 0
                 AND experiment_turns.agents <= later.agents AND experiment_turns.\"overlaps\" <= later.\"overlaps\")",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(KEPT_TURNS)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps a collision, up to a bound. Of one identity one stands, whatever came first: one that the baseline does not have,
/// then of the agents that are first by uid.
///
/// # Errors
/// The store's.
pub async fn collides(
    tx: &mut Tx,
    of: Of,
    found: AgentsCollision,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO experiment_collisions
             (tenant_id, experiment_id, series_key, shared, one_agent, other_agent, found_at)
         SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE (SELECT COUNT(*) FROM experiment_collisions
                WHERE tenant_id = $1 AND experiment_id = $2 AND shared = $4 AND series_key <> $3) < $8
         ON CONFLICT (tenant_id, experiment_id, series_key) DO UPDATE
         SET shared = excluded.shared, one_agent = excluded.one_agent, other_agent = excluded.other_agent,
             found_at = CASE WHEN excluded.shared < experiment_collisions.shared
                 THEN excluded.found_at ELSE experiment_collisions.found_at END
         WHERE excluded.shared < experiment_collisions.shared
             OR (excluded.shared = experiment_collisions.shared
                 AND (excluded.one_agent < experiment_collisions.one_agent
                     OR (excluded.one_agent = experiment_collisions.one_agent
                         AND excluded.other_agent < experiment_collisions.other_agent)))",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(found.key.cast_signed())
    .bind(i64::from(found.shared))
    .bind(found.agents[0])
    .bind(found.agents[1])
    .bind(now)
    .bind(MAX_COLLISIONS.cast_signed())
    .execute(tx)
    .await?;
    Ok(())
}

/// Keys of the candidate's own collisions that have no names, each with its agents.
///
/// # Errors
/// The store's.
pub async fn unnamed(connection: &mut Connection, of: Of) -> Result<Vec<(u64, [AgentUid; 2])>, StoreError> {
    let rows = query(
        "SELECT series_key, one_agent, other_agent FROM experiment_collisions
         WHERE tenant_id = $1 AND experiment_id = $2 AND metric IS NULL AND shared = 0 ORDER BY series_key",
    )
    .bind(of.0)
    .bind(of.1)
    .fetch_all(connection)
    .await?;
    let read = |row: &Row| {
        let agents = [row.try_get("one_agent")?, row.try_get("other_agent")?];
        Ok((row.try_get::<i64>("series_key")?.cast_unsigned(), agents))
    };
    rows.iter().map(read).collect()
}

/// Names a collision of this agent, if it has no names yet.
///
/// # Errors
/// The store's.
pub async fn name(
    tx: &mut Tx,
    of: Of,
    agent: AgentUid,
    key: u64,
    name: &CollisionName,
) -> Result<(), StoreError> {
    query(
        "UPDATE experiment_collisions SET metric = $5, series = $6, writer = $7
         WHERE tenant_id = $1 AND experiment_id = $2 AND series_key = $3 AND metric IS NULL
             AND (one_agent = $4 OR other_agent = $4)",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(key.cast_signed())
    .bind(agent)
    .bind(&name.metric)
    .bind(&name.series)
    .bind(&name.writer)
    .execute(tx)
    .await?;
    Ok(())
}

/// Everything that was found by comparing agents.
///
/// # Errors
/// The store's.
pub async fn across(connection: &mut Connection, of: Of) -> Result<AcrossAgents, StoreError> {
    let turns = query(
        "SELECT turn, slices, agents, \"overlaps\" FROM experiment_turns
         WHERE tenant_id = $1 AND experiment_id = $2 ORDER BY turn",
    )
    .bind(of.0)
    .bind(of.1)
    .fetch_all(&mut *connection)
    .await?;
    let own: Row = query(
        "SELECT COUNT(*) AS number, MIN(found_at) AS since FROM experiment_collisions
         WHERE tenant_id = $1 AND experiment_id = $2 AND shared = 0",
    )
    .bind(of.0)
    .bind(of.1)
    .fetch_one(&mut *connection)
    .await?;
    let found = query(
        "SELECT one_agent, other_agent, metric, series, writer FROM experiment_collisions
         WHERE tenant_id = $1 AND experiment_id = $2 AND shared = 0
         ORDER BY CASE WHEN metric IS NULL THEN 1 ELSE 0 END, metric, series, series_key LIMIT $3",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(READ)
    .fetch_all(connection)
    .await?;
    Ok(AcrossAgents {
        turns: turns.iter().map(read_turn).collect::<Result<_, _>>()?,
        collisions: own.try_get::<i64>("number")?.cast_unsigned(),
        since: own.try_get("since")?,
        found: found.iter().map(read_collision).collect::<Result<_, _>>()?,
    })
}

fn read_turn(row: &Row) -> Result<Turn, StoreError> {
    let number = |column| -> Result<u32, StoreError> {
        Ok(u32::try_from(row.try_get::<i64>(column)?).unwrap_or(u32::MAX))
    };
    Ok(Turn {
        turn: row.try_get::<i64>("turn")?.cast_unsigned(),
        slices: number("slices")?,
        agents: number("agents")?,
        overlaps: number("overlaps")? > 0,
    })
}

fn read_collision(row: &Row) -> Result<FleetCollision, StoreError> {
    let text = |column| row.try_get::<Option<String>>(column);
    let named = match (text("metric")?, text("series")?, text("writer")?) {
        (Some(metric), Some(series), Some(writer)) => Some(CollisionName { metric, series, writer }),
        _ => None,
    };
    Ok(FleetCollision { agents: [row.try_get("one_agent")?, row.try_get("other_agent")?], named })
}
