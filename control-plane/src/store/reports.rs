//! Reports of agents, looked for and written for many of them at once: a whole horizon a row, each once, by the report key.

use observe::Slices;
use proto::Invalid;
use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, StoreError, Tx, merges, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::gather::Unhandled;
use crate::id::{AgentUid, TenantId};

/// Horizons of an agent in a step that a verdict looks at; older ones are merged, and go on counting.
pub const KEPT: u32 = 64;

/// A report that has been read.
#[derive(Debug)]
pub struct Report {
    /// Id of the agent's process.
    pub boot_id: String,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// Number of the generation that it was measured under.
    pub generation: i64,
    /// The agent's clock when it was sent, in nanoseconds since the epoch; nothing if it does not say.
    pub sent_at: Option<i64>,
    /// Start of its first window and end of its last, in nanoseconds since the epoch by the agent's clock.
    pub window: (i64, i64),
    /// Points that came in.
    pub points_in: i64,
    /// Relative errors of the time for a point, and of what 99 of 100 batches wait.
    pub varied: [Option<f64>; 2],
    /// Writers of a share of the candidate's output.
    pub slices: Slices,
    /// Name of the two plans that are compared.
    pub plans: String,
    /// Digest of the first of them, in hexadecimal; empty if the agent does not say it.
    pub baseline: String,
    /// Digest of the body, in hexadecimal.
    pub digest: String,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// A report of an agent of a tenant, and when it came.
#[derive(Debug)]
pub struct Come {
    /// The agent's tenant.
    pub tenant: TenantId,
    /// The agent.
    pub agent: AgentUid,
    /// Time at which it came: its agent's clock is measured by it.
    pub at: UnixMillis,
    /// The report.
    pub report: Report,
}

/// Outcome of a report that is filed: keys of identities that its agent is to name.
pub type Outcome = Result<Vec<u64>, FilingError>;

/// Reason for which a report is not filed.
#[derive(Debug)]
pub enum FilingError {
    /// It has been filed before.
    Known,
    /// It never will be: a word that it is counted by, and a sentence for a person.
    Rejected(&'static str, String),
    /// Too many wait to be filed; it may be sent again.
    Full,
    /// The store failed; it may be sent again.
    Store(StoreError),
}

impl From<StoreError> for FilingError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Unhandled> for FilingError {
    fn from(unhandled: Unhandled) -> Self {
        match unhandled {
            Unhandled::Full => Self::Full,
            Unhandled::Ended => Self::Store(StoreError::Ended),
        }
    }
}

impl From<Invalid> for FilingError {
    fn from(invalid: Invalid) -> Self {
        Self::Rejected(invalid.word(), invalid.to_string())
    }
}

/// Owner and subject of a report of a tenant. Times are Unix nanoseconds by the agent's clock.
#[derive(Clone, Debug)]
pub struct Key<'a> {
    /// Id of the experiment.
    pub experiment_id: ExperimentId,
    /// Agent of the report.
    pub agent: AgentUid,
    /// Process of the agent.
    pub boot_id: &'a str,
    /// Number of the generation.
    pub generation: i64,
    /// Start of the first window.
    pub window_start: i64,
}

/// Outcome of a look for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    /// It is not kept.
    New,
    /// It is kept already.
    Again,
    /// Another content is kept under its key.
    Other,
    /// Another horizon of this process and generation is kept that has a part of this one in it: points would count
    /// twice.
    Overlaps,
}

/// Content of a report, and what is looked at without reading its body.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// End of the last window, Unix nanoseconds by the agent's clock.
    pub window_end: i64,
    /// Step of the generation.
    pub step: &'a str,
    /// Digest of the body, in hexadecimal.
    pub digest: &'a str,
    /// The body as it came.
    pub body: &'a [u8],
    /// Time at which it came.
    pub received_at: UnixMillis,
    /// Time by which the agent's clock is ahead of ours, or behind (negative), when it sent this, milliseconds; nothing if it
    /// does not say it.
    pub clock_ahead: Option<i64>,
    /// The same as it counts for all reports of this process and generation, nanoseconds.
    pub clock_offset: i64,
    /// Points that came in.
    pub points_in: i64,
    /// Name of the two plans that are compared: horizons of other plans are never added to these.
    pub plans: &'a str,
    /// Digest of the first of them; empty if the agent does not say it.
    pub baseline: &'a str,
    /// Relative errors of the time for a point, and of what 99 of 100 batches wait.
    pub varied: [Option<f64>; 2],
}

/// Earlier reports of the process and the generation of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Digest of what is kept under its key.
    digest: Option<String>,
    /// End of the last horizon that begins before the report ends. What is kept of one process and generation does not
    /// overlap, so this one alone can have a part of it. Another process, or another generation, may share a window with it:
    /// each tells its own part.
    ended: Option<i64>,
    /// Time by which the agent's clock is ahead of ours, nanoseconds, as it was frozen by the first report of this process and
    /// generation; nothing before that. Windows of one process and generation so never overlap in our time.
    pub clock_offset: Option<i64>,
}

impl Kept {
    /// With those that were merged.
    async fn with_merged(
        self,
        connection: &mut Connection,
        tenant: TenantId,
        (key, end): (&Key<'_>, i64),
    ) -> Result<Self, StoreError> {
        let offset = self.clock_offset.unwrap_or(0);
        let stretch = [key.window_start, end].map(|at| at.saturating_sub(offset));
        let of = (tenant, key.experiment_id);
        let merged = merges::within(connection, of, Some(key.agent), stretch).await?;
        let is_own = |process: &merges::Process| {
            process.boot_id == key.boot_id && process.generation == key.generation
        };
        let own = merged.into_iter().filter(|one| is_own(&one.process) && one.horizon.start < end);
        Ok(own.fold(self, |kept, one| {
            let is_it = one.horizon.start == key.window_start;
            Self {
                digest: kept.digest.or_else(|| is_it.then_some(one.horizon.digest)),
                ended: kept.ended.max(Some(one.horizon.end)),
                ..kept
            }
        }))
    }

    /// Outcome of a report that begins then and has this digest.
    #[must_use]
    pub fn filed(&self, window_start: i64, digest: &str) -> Filed {
        match &self.digest {
            Some(kept) if kept == digest => Filed::Again,
            Some(_) => Filed::Other,
            None if self.ended.is_some_and(|ended| ended > window_start) => Filed::Overlaps,
            None => Filed::New,
        }
    }
}

fn kept_text(rows: usize) -> String {
    format!(
        "SELECT asked.column1 AS place,
             (SELECT digest FROM experiment_windows AS own WHERE own.tenant_id = $1
                 AND own.experiment_id = asked.column2 AND own.agent_uid = asked.column3
                 AND own.boot_id = asked.column4 AND own.generation = asked.column5
                 AND own.window_start = asked.column6) AS digest,
             (SELECT window_end FROM experiment_windows AS own WHERE own.tenant_id = $1
                 AND own.experiment_id = asked.column2 AND own.agent_uid = asked.column3
                 AND own.boot_id = asked.column4 AND own.generation = asked.column5
                 AND own.window_start < asked.column7 ORDER BY own.window_start DESC LIMIT 1) AS ended,
             (SELECT clock_offset FROM experiment_sums AS sum WHERE sum.tenant_id = $1
                 AND sum.experiment_id = asked.column2 AND sum.agent_uid = asked.column3
                 AND sum.boot_id = asked.column4 AND sum.generation = asked.column5 LIMIT 1) AS clock_offset,
             (SELECT MAX(merged_until) FROM experiment_sums AS sum WHERE sum.tenant_id = $1
                 AND sum.experiment_id = asked.column2 AND sum.agent_uid = asked.column3
                 AND sum.boot_id = asked.column4 AND sum.generation = asked.column5) AS merged_until
         FROM (VALUES {}) AS asked ORDER BY place",
        values(rows, 7, 2)
    )
}

/// Earlier reports of the processes and generations of reports, of each in order; a report is its key and its end. Each costs
/// three looks into an index, however much is kept.
///
/// # Errors
/// The store's.
pub async fn kept(
    connection: &mut Connection,
    tenant: TenantId,
    all: &[(Key<'_>, i64)],
) -> Result<Vec<Kept>, StoreError> {
    let mut found = Vec::with_capacity(all.len());
    for part in parts(all) {
        let mut asking = query(AssertSqlSafe(kept_text(part.len()))).bind(tenant);
        for (place, (key, end)) in (0_u32..).zip(part) {
            asking = asking
                .bind(place)
                .bind(key.experiment_id)
                .bind(key.agent)
                .bind(key.boot_id)
                .bind(key.generation)
                .bind(key.window_start)
                .bind(*end);
        }
        for (row, (key, end)) in asking.fetch_all(&mut *connection).await?.iter().zip(part) {
            let kept = Kept {
                digest: row.try_get("digest")?,
                ended: row.try_get("ended")?,
                clock_offset: row.try_get("clock_offset")?,
            };
            let merged_until: Option<i64> = row.try_get("merged_until")?;
            let is_late = merged_until.is_some_and(|until| key.window_start < until);
            found.push(if is_late { kept.with_merged(connection, tenant, (key, *end)).await? } else { kept });
        }
    }
    Ok(found)
}

/// Keeps reports, at most one of each agent.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, tenant: TenantId, all: &[(Key<'_>, Content<'_>)]) -> Result<(), StoreError> {
    for part in parts(all) {
        let sql = format!(
            "INSERT INTO experiment_windows (tenant_id, experiment_id, agent_uid, boot_id, generation, window_start,
                 window_end, step, digest, received_at, body, nanos_per_point, latency_p99, points_in, plans,
                 clock_offset, clock_measured, baseline, fingerprint)
             SELECT told.*, experiments.fingerprints + 1 FROM (VALUES {}) AS told
             JOIN experiments ON experiments.tenant_id = told.column1 AND experiments.id = told.column2",
            values(part.len(), 18, 1)
        );
        let mut inserting = query(AssertSqlSafe(sql));
        for (key, content) in part {
            inserting = inserting
                .bind(tenant)
                .bind(key.experiment_id)
                .bind(key.agent)
                .bind(key.boot_id)
                .bind(key.generation)
                .bind(key.window_start)
                .bind(content.window_end)
                .bind(content.step)
                .bind(content.digest)
                .bind(content.received_at)
                .bind(content.body)
                .bind(content.varied[0])
                .bind(content.varied[1])
                .bind(content.points_in)
                .bind(content.plans)
                .bind(content.clock_offset)
                .bind(content.clock_ahead)
                .bind(content.baseline);
        }
        inserting.execute(tx).await?;
        let_wait(tx, tenant, part).await?;
    }
    Ok(())
}

/// Lets horizons wait to be merged that no verdict looks at again. The last of each process stays, because its total has all that
/// the process measured. Only rows that do not wait are looked at: what this costs does not grow with the horizons before.
async fn let_wait(tx: &mut Tx, tenant: TenantId, all: &[(Key<'_>, Content<'_>)]) -> Result<(), StoreError> {
    let mut letting = query(AssertSqlSafe(let_wait_text(all.len()))).bind(KEPT - 1);
    for (key, content) in all {
        letting = letting.bind(tenant).bind(key.experiment_id).bind(key.agent).bind(content.step);
    }
    letting.execute(tx).await?;
    Ok(())
}

fn let_wait_text(rows: usize) -> String {
    format!(
        "UPDATE experiment_windows SET to_merge = 1 FROM (VALUES {}) AS told
         WHERE experiment_windows.tenant_id = told.column1 AND experiment_windows.experiment_id = told.column2
             AND experiment_windows.agent_uid = told.column3 AND experiment_windows.step = told.column4
             AND length(experiment_windows.body) > 0 AND experiment_windows.to_merge = 0
             AND experiment_windows.window_start < (SELECT latest.window_start FROM experiment_windows AS latest
                 WHERE latest.tenant_id = told.column1 AND latest.experiment_id = told.column2
                     AND latest.agent_uid = told.column3 AND latest.step = told.column4
                     AND length(latest.body) > 0 AND latest.to_merge = 0
                 ORDER BY latest.window_start DESC LIMIT 1 OFFSET $1)
             AND experiment_windows.window_start < (SELECT MAX(last.window_start) FROM experiment_windows AS last
                 WHERE last.tenant_id = told.column1 AND last.experiment_id = told.column2
                     AND last.agent_uid = told.column3 AND last.boot_id = experiment_windows.boot_id
                     AND last.plans = experiment_windows.plans AND length(last.body) > 0 AND last.to_merge = 0)",
        values(rows, 4, 2)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Across, Address, Store};

    const BY_PROCESS: &str = "USING INDEX sqlite_autoindex_experiment_windows_1 (tenant_id=? AND experiment_id=? AND \
                              agent_uid=? AND boot_id=? AND generation=?";
    const BODIES: &str = "INDEX experiment_bodies_by_";

    #[tokio::test]
    async fn of_a_file_no_statement_reads_what_was_kept_before_but_by_an_index_of_what_it_looks_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::prepare(&Address::of_data_dir(dir.path()), None).await.unwrap();
        let mut reader = store.read(Across::Reconcile).await.unwrap();
        for (text, index, number) in [(kept_text(2), BY_PROCESS, 2), (let_wait_text(2), BODIES, 3)] {
            let plan = query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}")));
            let plan = plan.fetch_all(&mut reader).await.unwrap();
            let looks: Vec<String> = plan.iter().map(|row| row.try_get("detail").unwrap()).collect();
            let looks: Vec<_> = looks
                .into_iter()
                .filter(|look| look.starts_with("SEARCH") || look.contains("experiment_windows"))
                .filter(|look| !look.starts_with("SEARCH sum "))
                .collect();
            assert_eq!(looks.len(), number, "{looks:#?}");
            assert!(looks.iter().all(|look| look.contains(index)), "{looks:#?}");
        }
    }
}
