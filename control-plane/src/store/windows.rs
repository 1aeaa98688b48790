//! Findings of agents, as evidence is made of them. The rows are those of `reports`.

use std::collections::HashSet;

use super::merges::{self, Merged};
use super::sums::{self, Counted};
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
    /// Begin and end of its horizon, Unix nanoseconds by our clock.
    pub stretch: [i64; 2],
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
    let found = sums::counted(connection, (tenant, experiment), agent, step, since).await?;
    let bodies = not_merged(connection, (tenant, experiment), agent, step, since).await?;
    let Counted { counted, idle, received_at, .. } = found;
    Ok(OfStep { bodies, counted, idle, received_at, clock_ahead: found.clock_ahead() })
}

/// Kept bodies of an agent in a step that do not wait to be merged and whose horizons ended after a time, Unix nanoseconds by our
/// clock; oldest first.
async fn not_merged(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    since: i64,
) -> Result<Vec<Body>, StoreError> {
    let rows = query(
        "SELECT body, boot_id, window_start, window_end, clock_offset FROM experiment_windows
         WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4
             AND window_end - clock_offset > $5 AND length(body) > 0 AND to_merge = 0
         ORDER BY window_start, boot_id, generation",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent).bind(step).bind(since);
    let rows = rows.fetch_all(&mut *connection).await?;
    bodies(connection, (tenant, experiment), agent, &rows).await
}

/// The latest kept bodies of an agent in a step, oldest first: so many of those that do not wait to be merged, and of those that do.
///
/// # Errors
/// The store's.
pub async fn latest_of_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    agent: AgentUid,
    step: &str,
    most: u32,
) -> Result<Vec<Body>, StoreError> {
    let rows = query(
        "SELECT * FROM (SELECT body, boot_id, generation, window_start, window_end, clock_offset FROM experiment_windows
             WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4 AND length(body) > 0 AND to_merge = 0
             ORDER BY window_start DESC LIMIT $5) AS kept
         UNION ALL
         SELECT * FROM (SELECT body, boot_id, generation, window_start, window_end, clock_offset FROM experiment_windows
             WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4 AND length(body) > 0 AND to_merge = 1
             ORDER BY window_start DESC LIMIT $5) AS waiting
         ORDER BY window_start, boot_id, generation",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent).bind(step).bind(most);
    let rows = rows.fetch_all(&mut *connection).await?;
    bodies(connection, (tenant, experiment), agent, &rows).await
}

async fn bodies(
    connection: &mut Connection,
    of: (TenantId, ExperimentId),
    agent: AgentUid,
    rows: &[Row],
) -> Result<Vec<Body>, StoreError> {
    let boots = sums::boots(connection, of, agent).await?;
    let read = |row: &Row| {
        let (boot, start): (String, i64) = (row.try_get("boot_id")?, row.try_get("window_start")?);
        let (end, clock_offset): (i64, i64) = (row.try_get("window_end")?, row.try_get("clock_offset")?);
        let is_first = boots.get(&boot).is_some_and(|first| *first == start);
        let after_restart = is_first && boots.iter().any(|(other, first)| *other != boot && *first < start);
        let stretch = [start, end].map(|at| at.saturating_sub(clock_offset));
        Ok(Body { bytes: row.try_get("body")?, after_restart, clock_offset, stretch })
    };
    rows.iter().map(read).collect()
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
               WHERE tenant_id = $1 AND experiment_id = $2 AND (step = 'aa') = $3 AND length(body) > 0 AND to_merge = 0
               GROUP BY agent_uid, boot_id, plans) AS l
             ON l.agent_uid = w.agent_uid AND l.boot_id = w.boot_id AND l.plans = w.plans
                 AND l.latest = w.window_start
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND (w.step = 'aa') = $3 AND length(w.body) > 0 AND w.to_merge = 0
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

/// Figures that varied by chance in a stretch.
#[derive(Clone, Debug, Default)]
pub struct AllVaried {
    /// Those of each agent, oldest first.
    pub rows: Vec<(AgentUid, Varied)>,
    /// Number of horizons of the experiment, in whatever stretch.
    pub all: usize,
}

fn of_merged(merged: &Merged) -> (AgentUid, Varied) {
    let Merged { agent, step, process, horizon } = merged;
    let [nanos_per_point, latency_p99] = horizon.varied;
    let start = horizon.start.saturating_sub(process.clock_offset);
    (*agent, Varied { start, mirror: step == "mirror", nanos_per_point, latency_p99 })
}

/// Figures that varied by chance in the horizons since mirror that begin in a stretch, Unix nanoseconds by our clock, and the
/// number of all there are at that moment.
///
/// # Errors
/// The store's.
pub async fn varied(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    [from, to]: [i64; 2],
) -> Result<AllVaried, StoreError> {
    let rows = query(
        "SELECT kept.horizons, w.agent_uid, w.boot_id, w.generation, w.window_start - w.clock_offset AS start, w.step, w.nanos_per_point, w.latency_p99
         FROM (SELECT CAST(SUM(horizons) AS BIGINT) AS horizons FROM experiment_sums
               WHERE tenant_id = $1 AND experiment_id = $2 AND step <> 'aa') AS kept
         LEFT JOIN experiment_windows AS w ON w.tenant_id = $1 AND w.experiment_id = $2 AND w.step <> 'aa'
             AND w.window_start - w.clock_offset >= $3 AND w.window_start - w.clock_offset < $4
         ORDER BY start, w.agent_uid, w.boot_id, w.generation",
    )
    .bind(tenant)
    .bind(experiment)
    .bind(from)
    .bind(to)
    .fetch_all(connection)
    .await?;
    let (mut found, mut seen) = (AllVaried::default(), HashSet::new());
    for row in &rows {
        let all: Option<i64> = row.try_get("horizons")?;
        found.all = all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0);
        let Some(start) = row.try_get::<Option<i64>>("start")? else { continue };
        let step: String = row.try_get("step")?;
        let varied = Varied {
            start,
            mirror: step == "mirror",
            nanos_per_point: row.try_get("nanos_per_point")?,
            latency_p99: row.try_get("latency_p99")?,
        };
        let agent: AgentUid = row.try_get("agent_uid")?;
        let (boot, generation): (String, i64) = (row.try_get("boot_id")?, row.try_get("generation")?);
        seen.insert((agent, boot, generation, start));
        found.rows.push((agent, varied));
    }
    for merged in merges::within(connection, (tenant, experiment), None, [from, to]).await? {
        let (agent, one) = of_merged(&merged);
        // One that was merged meanwhile was read before.
        let of = (agent, merged.process.boot_id, merged.process.generation, one.start);
        if merged.step != "aa" && (from..to).contains(&one.start) && seen.insert(of) {
            found.rows.push((agent, one));
        }
    }
    found.rows.sort_by_key(|(agent, one)| (one.start, *agent));
    Ok(found)
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
               WHERE tenant_id = $1 AND experiment_id = $2 AND length(body) > 0 AND to_merge = 0 GROUP BY agent_uid) AS l
             ON l.agent_uid = w.agent_uid AND l.latest = w.window_start
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 AND length(w.body) > 0 AND w.to_merge = 0
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
