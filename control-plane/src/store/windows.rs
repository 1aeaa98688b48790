//! Findings of agents, as evidence is made of them. The rows are those of `reports`.

use super::{Connection, Row, StoreError, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

/// Body of a kept report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// True if it is the first horizon of a process that is not the agent's first in this experiment.
    pub after_restart: bool,
    /// Time by which the agent's clock is ahead of ours, or behind (negative), nanoseconds.
    pub clock_offset: i64,
}

/// An agent's horizons in a step.
#[derive(Clone, Debug, Default)]
pub struct OfStep {
    /// The kept bodies, oldest first.
    pub bodies: Vec<Body>,
    /// Number of horizons in which something came in.
    pub counted: u32,
    /// Number of horizons in which nothing did.
    pub idle: u32,
    /// Time at which the last one was received.
    pub received_at: Option<UnixMillis>,
    /// Time by which the agent's clock was furthest ahead of ours, or behind (negative), milliseconds; nothing if it does not
    /// say it.
    pub clock_ahead: Option<i64>,
}

/// An agent's horizons in a step that ended after `since`, Unix nanoseconds by our clock.
///
/// # Errors
/// The store's.
pub async fn of_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    since: i64,
) -> Result<OfStep, StoreError> {
    let rows = query(
        "SELECT w.body, w.received_at, w.points_in, w.clock_measured, w.clock_offset,
             w.window_start = (SELECT MIN(own.window_start) FROM experiment_windows AS own
                 WHERE own.tenant_id = $1 AND own.experiment_id = $2 AND own.agent_uid = $3
                     AND own.boot_id = w.boot_id)
             AND EXISTS (SELECT 1 FROM experiment_windows AS other
                 WHERE other.tenant_id = $1 AND other.experiment_id = $2 AND other.agent_uid = $3
                     AND other.boot_id <> w.boot_id AND other.window_start < w.window_start) AS after_restart
         FROM experiment_windows AS w
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND w.agent_uid = $3 AND w.step = $4
             AND w.window_end - w.clock_offset > $5
         ORDER BY w.window_start",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(agent)
    .bind(step)
    .bind(since)
    .fetch_all(connection)
    .await?;
    let mut found = OfStep::default();
    for row in &rows {
        let (bytes, received_at): (Vec<u8>, UnixMillis) = (row.try_get("body")?, row.try_get("received_at")?);
        let points: Option<i64> = row.try_get("points_in")?;
        if points.is_some_and(|points| points > 0) {
            found.counted += 1;
        } else {
            found.idle += 1;
        }
        if !bytes.is_empty() {
            let (after_restart, clock_offset) = (row.try_get("after_restart")?, row.try_get("clock_offset")?);
            found.bodies.push(Body { bytes, after_restart, clock_offset });
        }
        found.received_at = found.received_at.max(Some(received_at));
        let ahead: Option<i64> = row.try_get("clock_measured")?;
        found.clock_ahead = [found.clock_ahead, ahead].into_iter().flatten().max_by_key(|ahead| ahead.abs());
    }
    Ok(found)
}

/// The latest so many kept bodies of an agent in a step whose horizons ended after a time, Unix nanoseconds by our clock; oldest
/// first.
///
/// # Errors
/// The store's.
pub async fn latest_of_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    (since, most): (i64, usize),
) -> Result<Vec<Body>, StoreError> {
    let rows = query(
        "SELECT w.body, w.clock_offset,
             w.window_start = (SELECT MIN(own.window_start) FROM experiment_windows AS own
                 WHERE own.tenant_id = $1 AND own.experiment_id = $2 AND own.agent_uid = $3
                     AND own.boot_id = w.boot_id)
             AND EXISTS (SELECT 1 FROM experiment_windows AS other
                 WHERE other.tenant_id = $1 AND other.experiment_id = $2 AND other.agent_uid = $3
                     AND other.boot_id <> w.boot_id AND other.window_start < w.window_start) AS after_restart
         FROM experiment_windows AS w
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND w.agent_uid = $3 AND w.step = $4
             AND w.window_end - w.clock_offset > $5 AND length(w.body) > 0
         ORDER BY w.window_start DESC LIMIT $6",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(agent)
    .bind(step)
    .bind(since)
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let read = |row: &Row| {
        let (bytes, after_restart) = (row.try_get("body")?, row.try_get("after_restart")?);
        Ok(Body { bytes, after_restart, clock_offset: row.try_get("clock_offset")? })
    };
    rows.iter().rev().map(read).collect()
}

/// The last body of each process and pair of plans of each agent, oldest first, with its end, Unix nanoseconds by our clock: each
/// has the total of all that it measured. `aa` asks for those of the step in which a pipeline is compared with itself, else for
/// those of all other steps.
///
/// # Errors
/// The store's.
pub async fn last_of_processes(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    aa: bool,
) -> Result<Vec<(AgentUid, i64, Vec<u8>)>, StoreError> {
    let rows = query(
        "SELECT w.agent_uid, w.boot_id, w.plans, w.window_end - w.clock_offset AS ended, w.body FROM experiment_windows AS w
         JOIN (SELECT agent_uid, boot_id, plans, MAX(window_start) AS latest FROM experiment_windows
               WHERE tenant_id = $1 AND experiment_id = $2 AND (step = 'aa') = $3 AND length(body) > 0
               GROUP BY agent_uid, boot_id, plans) AS l
             ON l.agent_uid = w.agent_uid AND l.boot_id = w.boot_id AND l.plans = w.plans
                 AND l.latest = w.window_start
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND (w.step = 'aa') = $3 AND length(w.body) > 0
         ORDER BY w.agent_uid, w.window_start, w.boot_id, w.plans, w.generation DESC",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(aa)
    .fetch_all(connection)
    .await?;
    let mut bodies = Vec::with_capacity(rows.len());
    let mut before: Option<(AgentUid, String, String)> = None;
    for row in &rows {
        let of = (row.try_get("agent_uid")?, row.try_get("boot_id")?, row.try_get("plans")?);
        if before.as_ref() != Some(&of) {
            bodies.push((of.0, row.try_get("ended")?, row.try_get("body")?));
            before = Some(of);
        }
    }
    Ok(bodies)
}

/// Stretch in which an agent compared a candidate with a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The agent.
    pub agent: AgentUid,
    /// Digest of the baseline, as its reports name it; empty where they do not.
    pub baseline: String,
    /// Begin of the first horizon, Unix nanoseconds by our clock.
    pub from: i64,
    /// End of the last one.
    pub to: i64,
}

/// Baselines that each agent of an experiment has compared candidates with.
///
/// # Errors
/// The store's.
pub async fn compared(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<Compared>, StoreError> {
    let rows = query(
        "SELECT agent_uid, baseline, MIN(window_start - clock_offset) AS first, MAX(window_end - clock_offset) AS last
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2
         GROUP BY agent_uid, baseline ORDER BY agent_uid, baseline",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    let read = |row: &Row| {
        Ok(Compared {
            agent: row.try_get("agent_uid")?,
            baseline: row.try_get("baseline")?,
            from: row.try_get("first")?,
            to: row.try_get("last")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Stretch that the horizons of an experiment cover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Begin of the first horizon, Unix nanoseconds by our clock.
    pub from: i64,
    /// End of the last one.
    pub to: i64,
    /// Hours of the week in which one began, from 0 (Thursday 00:00 UTC, as the epoch did) to 167.
    pub hours: Vec<i64>,
}

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// Stretch in which something came in on `agent` after a time, Unix nanoseconds by our clock; without one, on any agent at any
/// time. Nothing where nothing did. `aa` as in [`last_of_processes`].
///
/// # Errors
/// The store's.
pub async fn stretch(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    aa: bool,
    agent: Option<(AgentUid, i64)>,
) -> Result<Option<Stretch>, StoreError> {
    let rows = query(
        "SELECT ((window_start - clock_offset) / $4) % 168 AS hour, MIN(window_start - clock_offset) AS first,
             MAX(window_end - clock_offset) AS last
         FROM experiment_windows
         WHERE tenant_id = $1 AND experiment_id = $2 AND (step = 'aa') = $3 AND points_in > 0
             AND ($5 OR (agent_uid = $6 AND window_end - clock_offset > $7))
         GROUP BY ((window_start - clock_offset) / $4) % 168 ORDER BY hour",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(aa)
    .bind(HOUR)
    .bind(agent.is_none())
    .bind(agent.map(|(uid, _)| uid))
    .bind(agent.map_or(0, |(_, since)| since))
    .fetch_all(connection)
    .await?;
    let mut all: Option<Stretch> = None;
    for row in &rows {
        let (from, to): (i64, i64) = (row.try_get("first")?, row.try_get("last")?);
        let all = all.get_or_insert(Stretch { from, to, hours: Vec::new() });
        (all.from, all.to) = (all.from.min(from), all.to.max(to));
        all.hours.push(row.try_get("hour")?);
    }
    Ok(all)
}

/// Stretch that an agent's reports of a step cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The step.
    pub step: String,
    /// The agent.
    pub agent: AgentUid,
    /// Number of reports.
    pub horizons: u32,
    /// Begin of the first one, Unix nanoseconds by our clock.
    pub from: i64,
    /// End of the last one.
    pub to: i64,
}

/// Stretches that the reports of an experiment cover, one for each step and agent.
///
/// # Errors
/// The store's.
pub async fn covered(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
) -> Result<Vec<Covered>, StoreError> {
    let rows = query(
        "SELECT step, agent_uid, COUNT(*) AS horizons, MIN(window_start - clock_offset) AS first,
             MAX(window_end - clock_offset) AS last
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2
         GROUP BY step, agent_uid ORDER BY step, agent_uid",
    );
    let rows = rows.bind(tenant).bind(experiment).fetch_all(connection).await?;
    let read = |row: &Row| {
        let horizons: i64 = row.try_get("horizons")?;
        Ok(Covered {
            step: row.try_get("step")?,
            agent: row.try_get("agent_uid")?,
            horizons: u32::try_from(horizons).unwrap_or(u32::MAX),
            from: row.try_get("first")?,
            to: row.try_get("last")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Figures that varied by chance in one horizon.
#[derive(Clone, Copy, Debug)]
pub struct Varied {
    /// Start of the horizon, Unix nanoseconds by our clock.
    pub start: i64,
    /// True if it is of the mirror step.
    pub mirror: bool,
    /// Relative error of the time for a point.
    pub nanos_per_point: Option<f64>,
    /// Relative error of what 99 of 100 batches wait.
    pub latency_p99: Option<f64>,
}

/// Figures of an agent that varied by chance since mirror began, oldest first.
///
/// # Errors
/// The store's.
pub async fn varied(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: AgentUid,
) -> Result<Vec<Varied>, StoreError> {
    let rows = query(
        "SELECT window_start - clock_offset AS start, step, nanos_per_point, latency_p99 FROM experiment_windows
         WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step <> 'aa' ORDER BY start",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(agent)
    .fetch_all(connection)
    .await?;
    let read = |row: &Row| {
        let step: String = row.try_get("step")?;
        Ok(Varied {
            start: row.try_get("start")?,
            mirror: step == "mirror",
            nanos_per_point: row.try_get("nanos_per_point")?,
            latency_p99: row.try_get("latency_p99")?,
        })
    };
    rows.iter().map(read).collect()
}

/// The last body of each agent of an experiment, whatever the step: one each, also where two processes or generations of
/// it tell of windows that begin together.
///
/// # Errors
/// The store's.
pub async fn last_of_each(
    connection: &mut Connection,
    tenant: TenantId,
    experiment: ExperimentId,
) -> Result<Vec<(AgentUid, Vec<u8>)>, StoreError> {
    let rows = query(
        "SELECT w.agent_uid, w.body FROM experiment_windows AS w
         JOIN (SELECT agent_uid, MAX(window_start) AS latest FROM experiment_windows
               WHERE tenant_id = $1 AND experiment_id = $2 AND length(body) > 0 GROUP BY agent_uid) AS l
             ON l.agent_uid = w.agent_uid AND l.latest = w.window_start
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND length(w.body) > 0
         ORDER BY w.agent_uid, w.generation DESC, w.received_at DESC, w.boot_id",
    )
    .bind(tenant)
    .bind(experiment)
    .fetch_all(connection)
    .await?;
    let mut last: Vec<(AgentUid, Vec<u8>)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let uid = row.try_get("agent_uid")?;
        if last.last().is_none_or(|(before, _)| *before != uid) {
            last.push((uid, row.try_get("body")?));
        }
    }
    Ok(last)
}
