//! Findings of agents, as evidence is made of them. The rows are those of `reports`.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sqlx::AssertSqlSafe;

use super::merges::{self, Merged};
use super::sums;
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
    /// Begin and end of its horizon, Unix nanoseconds by our clock.
    pub stretch: [i64; 2],
}

/// Report of a horizon that is kept one by one, with its body unless that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Process, generation, and begin of the horizon by the agent's clock, Unix nanoseconds.
    pub key: (String, i64, i64),
    /// Time by which the agent's clock is ahead of ours, or behind (negative), nanoseconds.
    pub clock_offset: i64,
    /// Its body; empty where it was not asked for.
    pub body: Vec<u8>,
}

/// The latest so many horizons of an agent in a step that are kept one by one and ended after a time, Unix nanoseconds by our
/// clock; oldest first. Their bodies are read where they begin after `known`, by the agent's clock.
///
/// # Errors
/// The store's.
pub async fn kept_of_step(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    (agent, step): (AgentUid, &str),
    (since, most): (i64, u32),
    known: Option<i64>,
) -> Result<Vec<Kept>, StoreError> {
    let rows = query(
        "SELECT boot_id, generation, window_start, clock_offset, CASE WHEN window_start > $7 THEN body END AS body
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4
             AND window_end - clock_offset > $5 AND length(body) > 0 AND to_merge = 0
         ORDER BY window_start DESC, boot_id DESC, generation DESC LIMIT $6",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent).bind(step).bind(since).bind(most);
    let read = |row: &Row| {
        Ok(Kept {
            key: (row.try_get("boot_id")?, row.try_get("generation")?, row.try_get("window_start")?),
            clock_offset: row.try_get("clock_offset")?,
            body: row.try_get::<Option<Vec<u8>>>("body")?.unwrap_or_default(),
        })
    };
    rows.bind(known.unwrap_or(i64::MIN)).fetch_all(connection).await?.iter().rev().map(read).collect()
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
    let boots = sums::boots(connection, (tenant, experiment), agent).await?;
    let read = |row: &Row| {
        let (boot, start): (String, i64) = (row.try_get("boot_id")?, row.try_get("window_start")?);
        let (end, clock_offset): (i64, i64) = (row.try_get("window_end")?, row.try_get("clock_offset")?);
        let after_restart = is_after_restart(&boots, (&boot, start));
        let stretch = [start, end].map(|at| at.saturating_sub(clock_offset));
        Ok(Body { bytes: row.try_get("body")?, after_restart, stretch })
    };
    rows.iter().map(read).collect()
}

/// Tells whether a horizon that begins then is the first of a process that is not the agent's first. `boots` has the begin of the
/// first one of each.
#[must_use]
pub fn is_after_restart(boots: &BTreeMap<String, i64>, (boot, start): (&str, i64)) -> bool {
    let is_first = boots.get(boot) == Some(&start);
    is_first && boots.iter().any(|(other, first)| other != boot && *first < start)
}

/// The last body of each process and pair of plans of each agent, or of one, oldest first, with its end, Unix nanoseconds by our
/// clock: each has the total of all that it measured. `aa` asks for those of the step in which a pipeline is compared with itself,
/// else for those of all other steps.
///
/// # Errors
/// The store's.
pub async fn last_of_processes(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    aa: bool,
    agent: Option<AgentUid>,
) -> Result<Vec<(AgentUid, i64, Vec<u8>)>, StoreError> {
    let [own, of_w] = if agent.is_some() { ["AND agent_uid = $4", "AND w.agent_uid = $4"] } else { [""; 2] };
    let sql = format!(
        "SELECT w.agent_uid, w.boot_id, w.plans, w.window_end - w.clock_offset AS ended, w.body FROM experiment_windows AS w
         JOIN (SELECT agent_uid, boot_id, plans, MAX(window_start) AS latest FROM experiment_windows
               WHERE tenant_id = $1 AND experiment_id = $2 {own} AND (step = 'aa') = $3 AND length(body) > 0 AND to_merge = 0
               GROUP BY agent_uid, boot_id, plans) AS l
             ON l.agent_uid = w.agent_uid AND l.boot_id = w.boot_id AND l.plans = w.plans
                 AND l.latest = w.window_start
         WHERE w.tenant_id = $1 AND w.experiment_id = $2 {of_w} AND (w.step = 'aa') = $3 AND length(w.body) > 0
             AND w.to_merge = 0
         ORDER BY w.agent_uid, w.window_start, w.boot_id, w.plans, w.generation DESC"
    );
    let mut asking = query(AssertSqlSafe(sql)).bind(tenant).bind(experiment).bind(aa);
    if let Some(agent) = agent {
        asking = asking.bind(agent);
    }
    let rows = asking.fetch_all(connection).await?;
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
    /// Hash of its process and generation.
    pub of: u64,
}

/// Figures that varied by chance in a stretch.
#[derive(Clone, Debug, Default)]
pub struct AllVaried {
    /// Those of each agent, oldest first.
    pub rows: Vec<(AgentUid, Varied)>,
    /// Number of horizons of the experiment, in whatever stretch.
    pub all: usize,
    /// Time at which the last report came of those that are kept one by one.
    pub latest: Option<UnixMillis>,
}

/// Hash of a process and a generation.
fn hashed(boot: &str, generation: i64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (boot, generation).hash(&mut hasher);
    hasher.finish()
}

fn of_merged(merged: &Merged) -> (AgentUid, Varied) {
    let Merged { agent, step, process, horizon } = merged;
    let [nanos_per_point, latency_p99] = horizon.varied;
    let start = horizon.start.saturating_sub(process.clock_offset);
    let of = hashed(&process.boot_id, process.generation);
    (*agent, Varied { start, mirror: step == "mirror", nanos_per_point, latency_p99, of })
}

/// Figures that varied by chance in the horizons since mirror that begin in a stretch, Unix nanoseconds by our clock, and the
/// number of all there are at that moment.
///
/// # Errors
/// The store's.
pub async fn varied(
    connection: &mut Connection,
    of: (TenantId, ExperimentId),
    [from, to]: [i64; 2],
) -> Result<AllVaried, StoreError> {
    let mut found = varied_since(connection, of, (UnixMillis(i64::MIN), [from, to])).await?;
    let mut seen: HashSet<_> = found.rows.iter().map(|(agent, one)| (*agent, one.of, one.start)).collect();
    for merged in merges::within(connection, of, None, [from, to]).await? {
        let (agent, one) = of_merged(&merged);
        // One that was merged meanwhile was read before.
        if merged.step != "aa" && (from..to).contains(&one.start) && seen.insert((agent, one.of, one.start)) {
            found.rows.push((agent, one));
        }
    }
    found.rows.sort_by_key(|(agent, one)| (one.start, *agent));
    Ok(found)
}

/// The same of the horizons alone that were not merged, and whose reports came at a time or later.
///
/// # Errors
/// The store's.
pub async fn varied_since(
    connection: &mut Connection,
    (tenant, experiment): (TenantId, ExperimentId),
    (since, [from, to]): (UnixMillis, [i64; 2]),
) -> Result<AllVaried, StoreError> {
    let rows = query(
        "SELECT kept.horizons, w.agent_uid, w.boot_id, w.generation, w.window_start - w.clock_offset AS start, w.step,
             w.nanos_per_point, w.latency_p99, w.received_at
         FROM (SELECT CAST(SUM(horizons) AS BIGINT) AS horizons FROM experiment_sums
               WHERE tenant_id = $1 AND experiment_id = $2 AND step <> 'aa') AS kept
         LEFT JOIN experiment_windows AS w ON w.tenant_id = $1 AND w.experiment_id = $2 AND w.step <> 'aa'
             AND w.received_at >= $3 AND w.window_start - w.clock_offset >= $4 AND w.window_start - w.clock_offset < $5
         ORDER BY start, w.agent_uid, w.boot_id, w.generation",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(since).bind(from).bind(to);
    let mut found = AllVaried::default();
    for row in &rows.fetch_all(connection).await? {
        let all: Option<i64> = row.try_get("horizons")?;
        found.all = all.and_then(|all| usize::try_from(all).ok()).unwrap_or(0);
        let Some(start) = row.try_get::<Option<i64>>("start")? else { continue };
        let step: String = row.try_get("step")?;
        let boot: String = row.try_get("boot_id")?;
        let varied = Varied {
            start,
            mirror: step == "mirror",
            nanos_per_point: row.try_get("nanos_per_point")?,
            latency_p99: row.try_get("latency_p99")?,
            of: hashed(&boot, row.try_get("generation")?),
        };
        found.latest = found.latest.max(Some(row.try_get("received_at")?));
        found.rows.push((row.try_get("agent_uid")?, varied));
    }
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
