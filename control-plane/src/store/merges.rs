//! Horizons of an agent in a step that were put together, so that what an experiment keeps does not grow with its reports.
//!
//! A merge tells each horizon still (its begin and end, its digest, when it came, what varied), so that nothing that is counted
//! changes by it, and a report that comes again is known. Of their figures it has one: sums, the worst, and the last.

mod merge;
mod wire;

pub use merge::{Grain, Horizon, Merge, Process};

use std::collections::BTreeMap;

use super::{Connection, Row, StoreError, Tx, query, sums};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// Nanoseconds by which two offsets of one clock may differ: an hour.
const APART: i64 = 3_600_000_000_000;

/// Agent in a step of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Of {
    /// Tenant of the experiment.
    pub tenant: TenantId,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The agent.
    pub agent: AgentUid,
    /// The step.
    pub step: String,
}

/// Report that waits to be merged.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its process and generation.
    pub process: Process,
    /// The horizon.
    pub horizon: Horizon,
    /// Its body; empty if it was forgotten.
    pub body: Vec<u8>,
    /// True if horizons after it were merged before: it may be one of those.
    pub is_late: bool,
}

/// Horizon that was merged.
#[derive(Clone, Debug)]
pub struct Merged {
    /// Its agent.
    pub agent: AgentUid,
    /// Its step.
    pub step: String,
    /// Its process and generation.
    pub process: Process,
    /// The horizon.
    pub horizon: Horizon,
}

/// Merge of a stretch.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Time that it is of.
    pub grain: Grain,
    /// Begin of that time, Unix nanoseconds by our clock.
    pub start: i64,
    /// The merge.
    pub merge: Merge,
}

/// Step, grain and begin of a merge of an agent.
pub type Key = (String, i64, i64);

/// Agents and steps with so many horizons that wait to be merged, or with one that came before a time; as many as asked for at
/// most.
///
/// # Errors
/// The store's.
pub async fn waiting(
    connection: &mut Connection,
    least: u32,
    before: UnixMillis,
    most: u32,
) -> Result<Vec<Of>, StoreError> {
    let rows = query(
        "SELECT tenant_id, experiment_id, agent_uid, step FROM experiment_windows WHERE to_merge = 1
         GROUP BY tenant_id, experiment_id, agent_uid, step HAVING COUNT(*) >= $1 OR MIN(received_at) < $2
         ORDER BY tenant_id, experiment_id, agent_uid, step LIMIT $3",
    );
    read_all(&rows.bind(least).bind(before).bind(most).fetch_all(connection).await?)
}

/// Agents and steps with merges of a grain that ended before a time, Unix nanoseconds by our clock; as many as asked for at most.
///
/// # Errors
/// The store's.
pub async fn old(
    connection: &mut Connection,
    grain: Grain,
    before: i64,
    most: u32,
) -> Result<Vec<Of>, StoreError> {
    let rows = query(
        "SELECT DISTINCT tenant_id, experiment_id, agent_uid, step FROM experiment_merges
         WHERE grain = $1 AND ended_at <= $2 ORDER BY tenant_id, experiment_id, agent_uid, step LIMIT $3",
    );
    read_all(&rows.bind(grain.seconds()).bind(before).bind(most).fetch_all(connection).await?)
}

/// Agents and steps of an experiment with merges that are not of a whole step; as many as asked for at most.
///
/// # Errors
/// The store's.
pub async fn unfinished(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    most: u32,
) -> Result<Vec<Of>, StoreError> {
    let rows = query(
        "SELECT DISTINCT tenant_id, experiment_id, agent_uid, step FROM experiment_merges
         WHERE tenant_id = $1 AND experiment_id = $2 AND grain > 0 ORDER BY agent_uid, step LIMIT $3",
    );
    read_all(&rows.bind(tenant).bind(experiment).bind(most).fetch_all(connection).await?)
}

fn read_all(rows: &[Row]) -> Result<Vec<Of>, StoreError> {
    let read = |row: &Row| {
        Ok(Of {
            tenant: row.try_get("tenant_id")?,
            experiment: row.try_get("experiment_id")?,
            agent: row.try_get("agent_uid")?,
            step: row.try_get("step")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Begin of the first horizon of each process of an agent, by its id.
///
/// # Errors
/// The store's.
pub async fn boots(connection: &mut Connection, of: &Of) -> Result<BTreeMap<String, i64>, StoreError> {
    sums::boots(connection, (of.tenant, of.experiment), of.agent).await
}

/// Tells whether horizons of other steps than this one, or without one of any, do not wait that came before a time, but for the
/// last ones.
///
/// # Errors
/// The store's.
pub async fn is_any_over(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    step: Option<&str>,
    before: UnixMillis,
) -> Result<bool, StoreError> {
    let found = query(
        "SELECT 1 FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND to_merge = 0
             AND step <> $3 AND received_at < $4
             AND (length(body) = 0 OR window_start < (SELECT MAX(last.window_start) FROM experiment_windows AS last
                 WHERE last.tenant_id = $1 AND last.experiment_id = $2 AND last.agent_uid = experiment_windows.agent_uid
                     AND last.boot_id = experiment_windows.boot_id AND last.plans = experiment_windows.plans
                     AND length(last.body) > 0 AND last.to_merge = 0)) LIMIT 1",
    );
    let found = found.bind(tenant).bind(experiment).bind(step.unwrap_or_default()).bind(before);
    Ok(found.fetch_optional(connection).await?.is_some())
}

/// Lets horizons of other steps than this one wait to be merged that came before a time, but for the last of each process and pair
/// of plans, whose totals are read. Without a step, those of all.
///
/// # Errors
/// The store's.
pub async fn let_wait(
    tx: &mut Tx,
    (tenant, experiment): (TenantId, ExperimentId),
    step: Option<&str>,
    before: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE experiment_windows SET to_merge = 1 WHERE tenant_id = $1 AND experiment_id = $2 AND to_merge = 0
             AND step <> $3 AND received_at < $4
             AND (length(body) = 0 OR window_start < (SELECT MAX(last.window_start) FROM experiment_windows AS last
                 WHERE last.tenant_id = $1 AND last.experiment_id = $2 AND last.agent_uid = experiment_windows.agent_uid
                     AND last.boot_id = experiment_windows.boot_id AND last.plans = experiment_windows.plans
                     AND length(last.body) > 0 AND last.to_merge = 0))",
    )
        .bind(tenant)
        .bind(experiment)
        .bind(step.unwrap_or_default())
        .bind(before)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes the earliest horizons out that wait to be merged, as many as asked for at most.
///
/// # Errors
/// The store's.
pub async fn take(tx: &mut Tx, of: &Of, most: u32) -> Result<Vec<Waiting>, StoreError> {
    let rows = query(
        "SELECT boot_id, generation, plans, baseline, clock_offset, window_start, window_end, points_in, received_at,
             clock_measured, nanos_per_point, latency_p99, digest, fingerprint, body,
             (SELECT MAX(merged_until) FROM experiment_sums AS sum WHERE sum.tenant_id = $1 AND sum.experiment_id = $2
                 AND sum.agent_uid = $3 AND sum.boot_id = experiment_windows.boot_id
                 AND sum.generation = experiment_windows.generation) AS merged_until
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4 AND to_merge = 1
         ORDER BY window_start, boot_id, generation LIMIT $5",
    );
    let rows = rows.bind(of.tenant).bind(of.experiment).bind(of.agent).bind(of.step.as_str()).bind(most);
    let mut all = Vec::new();
    for row in &rows.fetch_all(&mut *tx).await? {
        let waiting = read_waiting(row)?;
        let Process { boot_id, generation, plans, baseline, clock_offset } = &waiting.process;
        query(
            "DELETE FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3
                 AND boot_id = $4 AND generation = $5 AND window_start = $6",
        )
        .bind(of.tenant)
        .bind(of.experiment)
        .bind(of.agent)
        .bind(boot_id)
        .bind(*generation)
        .bind(waiting.horizon.start)
        .execute(&mut *tx)
        .await?;
        query(
            "UPDATE experiment_sums SET merged_until = $10 WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3
                 AND boot_id = $4 AND generation = $5 AND step = $6 AND plans = $7 AND baseline = $8 AND clock_offset = $9
                 AND (merged_until IS NULL OR merged_until < $10)",
        )
        .bind(of.tenant)
        .bind(of.experiment)
        .bind(of.agent)
        .bind(boot_id)
        .bind(*generation)
        .bind(of.step.as_str())
        .bind(plans)
        .bind(baseline)
        .bind(*clock_offset)
        .bind(waiting.horizon.end)
        .execute(&mut *tx)
        .await?;
        all.push(waiting);
    }
    Ok(all)
}

fn read_waiting(row: &Row) -> Result<Waiting, StoreError> {
    let merged_until: Option<i64> = row.try_get("merged_until")?;
    let (process, horizon) = read_horizon(row)?;
    let is_late = merged_until.is_some_and(|until| horizon.start < until);
    Ok(Waiting { is_late, process, horizon, body: row.try_get("body")? })
}

/// Horizon of a row that is kept one by one, with its process and generation.
pub(super) fn read_horizon(row: &Row) -> Result<(Process, Horizon), StoreError> {
    let points: Option<i64> = row.try_get("points_in")?;
    let process = Process {
        boot_id: row.try_get("boot_id")?,
        generation: row.try_get("generation")?,
        plans: row.try_get("plans")?,
        baseline: row.try_get("baseline")?,
        clock_offset: row.try_get("clock_offset")?,
    };
    let horizon = Horizon {
        start: row.try_get("window_start")?,
        end: row.try_get("window_end")?,
        came_in: points.is_some_and(|points| points > 0),
        received_at: row.try_get("received_at")?,
        clock_ahead: row.try_get("clock_measured")?,
        varied: [row.try_get("nanos_per_point")?, row.try_get("latency_p99")?],
        digest: row.try_get("digest")?,
        fingerprint: row.try_get("fingerprint")?,
    };
    Ok((process, horizon))
}

/// Takes a horizon back that was taken out of those that wait, if it was merged before: a release that knows no merges has filed
/// it once more, and its sums count it twice. Tells whether it was one.
///
/// # Errors
/// The store's.
pub async fn take_back(tx: &mut Tx, of: &Of, again: &Waiting) -> Result<bool, StoreError> {
    let Waiting { process, horizon, is_late, .. } = again;
    if !is_late {
        return Ok(false);
    }
    let is_it = |one: &Merged| {
        (&one.process.boot_id, one.process.generation, one.horizon.start)
            == (&process.boot_id, process.generation, horizon.start)
    };
    // What was merged has an offset that was measured at another time.
    let about = [horizon.start.saturating_sub(APART), horizon.end.saturating_add(APART)]
        .map(|at| at.saturating_sub(process.clock_offset));
    let own = within(tx, (of.tenant, of.experiment), Some(of.agent), about).await?;
    if !own.iter().any(is_it) {
        return Ok(false);
    }
    query(
        "UPDATE experiment_sums SET horizons = horizons - 1, counted = counted - $10 WHERE tenant_id = $1 AND experiment_id = $2
             AND agent_uid = $3 AND boot_id = $4 AND generation = $5 AND step = $6 AND plans = $7 AND baseline = $8
             AND clock_offset = $9",
    )
    .bind(of.tenant)
    .bind(of.experiment)
    .bind(of.agent)
    .bind(&process.boot_id)
    .bind(process.generation)
    .bind(of.step.as_str())
    .bind(&process.plans)
    .bind(&process.baseline)
    .bind(process.clock_offset)
    .bind(i64::from(horizon.came_in))
    .execute(&mut *tx)
    .await?;
    // Those of another offset have nothing else.
    query("DELETE FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND horizons = 0")
        .bind(of.tenant)
        .bind(of.experiment)
        .bind(of.agent)
        .execute(tx)
        .await?;
    Ok(true)
}

/// Adds a merge to the one that is kept of its time.
///
/// # Errors
/// The store's.
pub async fn add(tx: &mut Tx, of: &Of, stretch: Stretch) -> Result<(), StoreError> {
    let Stretch { grain, start, mut merge } = stretch;
    let row = query(
        "SELECT body FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4
             AND grain = $5 AND start = $6",
    );
    let row = row.bind(of.tenant).bind(of.experiment).bind(of.agent).bind(of.step.as_str());
    if let Some(row) = row.bind(grain.seconds()).bind(start).fetch_optional(&mut *tx).await? {
        let mut kept = wire::read(&row.try_get::<Vec<u8>>("body")?)?;
        kept.and(merge);
        merge = kept;
    }
    let Some([began_at, ended_at]) = merge.ends() else { return Ok(()) };
    query(
        "INSERT INTO experiment_merges (tenant_id, experiment_id, agent_uid, step, grain, start, began_at, ended_at, body)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant_id, experiment_id, agent_uid, step, grain, start)
         DO UPDATE SET began_at = excluded.began_at, ended_at = excluded.ended_at, body = excluded.body",
    )
    .bind(of.tenant)
    .bind(of.experiment)
    .bind(of.agent)
    .bind(of.step.as_str())
    .bind(grain.seconds())
    .bind(start)
    .bind(began_at)
    .bind(ended_at)
    .bind(wire::write(&merge)?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts the merges of these grains that ended before a time, Unix nanoseconds by our clock, into those of a coarser one. A time of
/// the coarser grain goes over as a whole.
///
/// # Errors
/// The store's.
pub async fn coarsen(
    tx: &mut Tx,
    of: &Of,
    (finer, grain): (&[Grain], Grain),
    before: i64,
) -> Result<(), StoreError> {
    for finer in finer {
        let rows = query(
            "DELETE FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4
                 AND grain = $5 AND ended_at <= $6 RETURNING body",
        );
        let rows = rows.bind(of.tenant).bind(of.experiment).bind(of.agent).bind(of.step.as_str());
        let mut coarse: BTreeMap<i64, Merge> = BTreeMap::new();
        for row in rows.bind(finer.seconds()).bind(before).fetch_all(&mut *tx).await? {
            let merge = wire::read(&row.try_get::<Vec<u8>>("body")?)?;
            let Some([_, ended_at]) = merge.ends() else { continue };
            coarse.entry(grain.start(ended_at)).or_default().and(merge);
        }
        for (start, merge) in coarse {
            add(tx, of, Stretch { grain, start, merge }).await?;
        }
    }
    Ok(())
}

/// Merges of an agent in a step, the latest first, as many as asked for at most.
///
/// # Errors
/// The store's.
pub async fn latest(connection: &mut Connection, of: &Of, most: u32) -> Result<Vec<Stretch>, StoreError> {
    let rows = query(
        "SELECT grain, start, body FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3
             AND step = $4 ORDER BY ended_at DESC LIMIT $5",
    );
    let rows = rows.bind(of.tenant).bind(of.experiment).bind(of.agent).bind(of.step.as_str()).bind(most);
    let read = |row: &Row| {
        let merge = wire::read(&row.try_get::<Vec<u8>>("body")?)?;
        Ok(Stretch { grain: Grain::of(row.try_get("grain")?), start: row.try_get("start")?, merge })
    };
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// Horizons that were merged, of an agent or of all: all that have a part of a stretch in them, Unix nanoseconds by our clock, and
/// some besides.
///
/// # Errors
/// The store's.
pub async fn within(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: Option<AgentUid>,
    [from, to]: [i64; 2],
) -> Result<Vec<Merged>, StoreError> {
    let rows = query(
        "SELECT agent_uid, step, body FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2
             AND ($3 OR agent_uid = $4) AND ended_at > $5 AND began_at < $6",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent.is_none()).bind(agent);
    let rows = rows.bind(from).bind(to).fetch_all(connection).await?;
    let mut all = Vec::new();
    for row in &rows {
        let (agent, step): (AgentUid, String) = (row.try_get("agent_uid")?, row.try_get("step")?);
        let merge = wire::read(&row.try_get::<Vec<u8>>("body")?)?;
        for (process, horizons) in merge.horizons {
            let of = |horizon| Merged { agent, step: step.clone(), process: process.clone(), horizon };
            all.extend(horizons.into_values().map(of));
        }
    }
    Ok(all)
}

/// The next merges of an agent behind one, in the order of their keys, each with its step, grain and begin.
///
/// # Errors
/// The store's.
pub async fn behind(
    connection: &mut Connection,
    (tenant, experiment, agent): (TenantId, ExperimentId, AgentUid),
    after: (&str, i64, i64),
    most: u32,
) -> Result<Vec<(Key, Merge)>, StoreError> {
    let rows = query(
        "SELECT step, grain, start, body FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3
             AND (step, grain, start) > ($4, $5, $6) ORDER BY step, grain, start LIMIT $7",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent).bind(after.0).bind(after.1).bind(after.2);
    let read = |row: &Row| {
        let key = (row.try_get("step")?, row.try_get("grain")?, row.try_get("start")?);
        Ok((key, wire::read(&row.try_get::<Vec<u8>>("body")?)?))
    };
    rows.bind(most).fetch_all(connection).await?.iter().map(read).collect()
}

/// Experiments that ended before a time and of which something may be to be merged still; as many as asked for at most.
///
/// # Errors
/// The store's.
pub async fn ended(
    connection: &mut Connection,
    before: UnixMillis,
    most: u32,
) -> Result<Vec<(TenantId, ExperimentId)>, StoreError> {
    let rows = query(
        "SELECT tenant_id, id FROM experiments WHERE phase IN ('completed', 'failed', 'cancelled') AND merged_at IS NULL
             AND updated_at < $1 ORDER BY tenant_id, id LIMIT $2",
    );
    let rows = rows.bind(before).bind(most).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, row.try_get("id")?))).collect()
}

/// Notes that nothing of an experiment waits to be merged any more, unless something does.
///
/// # Errors
/// The store's.
pub async fn finish(
    tx: &mut Tx,
    (tenant, experiment): (TenantId, ExperimentId),
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE experiments SET merged_at = $3 WHERE tenant_id = $1 AND id = $2
             AND NOT EXISTS (SELECT 1 FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND to_merge = 1)
             AND NOT EXISTS (SELECT 1 FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2 AND grain > 0)",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}
