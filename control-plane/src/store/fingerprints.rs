//! Fingerprints: digests over the horizons of an experiment, so that an audit entry can name all that a verdict rests on.
//!
//! Each is over the horizons that were filed since the one before, and over the digest of that one. Of a horizon it has what stays
//! of it once it is merged: its agent, process and stretch, when it came, and the digest of its report. So a fingerprint can be
//! worked out again as long as the experiment is kept. A horizon has the number of its fingerprint from when it is filed, under the
//! write lock, so that it is in exactly one; and it is not merged before that one is taken.

mod digest;

use std::collections::BTreeMap;

pub use digest::{Digester, Item, item};
use serde::{Deserialize, Serialize};

use super::merges::{Horizon, Of as AgentOf, Process, read_horizon};
use super::{Connection, Row, StoreError, Tx, query, versioned};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::{AgentUid, TenantId};

const EXPERIMENTS: &str = "experiments";
/// Horizons that are read at once.
const AT_ONCE: u32 = 2_048;
/// Horizons of which a fingerprint is taken though nothing is decided, so that no decision has to read many more.
const MANY: u32 = 16_384;

/// An experiment and its tenant.
type Of = (TenantId, ExperimentId);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its number, from 1; 0 of none.
    pub number: i64,
    /// Number of all horizons that it covers, with those of the ones before.
    pub horizons: i64,
    /// SHA-256, in hexadecimal.
    pub digest: String,
    /// Time at which the last of the horizons came.
    pub until: UnixMillis,
}

/// The last verdict of an experiment that its tenant's audit chain names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// Place of the entry in the chain.
    pub entry: i64,
    /// Time.
    pub at: UnixMillis,
    /// Step and verb of the verdict.
    pub verdict: [String; 2],
    /// SHA-256 of the answers to its criteria.
    pub answers: String,
    /// Number of the fingerprint of its evidence.
    pub fingerprint: i64,
    /// Number of horizons that the fingerprint covers.
    pub horizons: i64,
    /// Its digest, in hexadecimal.
    pub digest: String,
}

/// Row of a horizon that is kept one by one.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its step.
    pub step: String,
    /// Its process and generation.
    pub process: Process,
    /// It.
    pub horizon: Horizon,
    /// Its report; empty if that was forgotten.
    pub body: Vec<u8>,
}

fn read(row: &Row) -> Result<Fingerprint, StoreError> {
    Ok(Fingerprint {
        number: row.try_get("number")?,
        horizons: row.try_get("horizons")?,
        digest: row.try_get("digest")?,
        until: row.try_get("until")?,
    })
}

/// The last one of an experiment; one with the number 0 before the first.
///
/// # Errors
/// The store's.
pub async fn last(connection: &mut Connection, of: Of) -> Result<Fingerprint, StoreError> {
    let row = query(
        "SELECT e.fingerprints AS number, COALESCE(f.horizons, 0) AS horizons, COALESCE(f.digest, '') AS digest,
             COALESCE(f.until, 0) AS until
         FROM experiments AS e LEFT JOIN experiment_fingerprints AS f
             ON f.tenant_id = e.tenant_id AND f.experiment_id = e.id AND f.number = e.fingerprints
         WHERE e.tenant_id = $1 AND e.id = $2",
    );
    let row = row.bind(of.0).bind(of.1).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}

/// All of an experiment, by number.
///
/// # Errors
/// The store's.
pub async fn all(connection: &mut Connection, of: Of) -> Result<BTreeMap<i64, Fingerprint>, StoreError> {
    let rows = query(
        "SELECT number, horizons, digest, until FROM experiment_fingerprints WHERE tenant_id = $1 AND experiment_id = $2",
    );
    let rows = rows.bind(of.0).bind(of.1).fetch_all(connection).await?;
    rows.iter().map(|row| read(row).map(|one| (one.number, one))).collect()
}

/// Takes the next one, over the horizons that none covers yet. Where there are none, it is the last one still.
///
/// # Errors
/// The store's.
pub async fn take(tx: &mut Tx, of: Of) -> Result<Fingerprint, StoreError> {
    let last = last(tx, of).await?;
    let number = last.number + 1;
    let mut items: BTreeMap<AgentUid, Vec<Item>> = BTreeMap::new();
    let (mut horizons, mut until) = (0, last.until);
    let mut after: Option<(AgentUid, Process, i64)> = None;
    loop {
        let page = open(tx, of, number, after.as_ref()).await?;
        for (agent, step, process, horizon) in &page {
            items.entry(*agent).or_default().push(item(step, process, horizon));
            horizons += 1;
            until = until.max(horizon.received_at);
        }
        let is_all = page.len() < AT_ONCE as usize;
        after = page.into_iter().next_back().map(|(agent, _, process, one)| (agent, process, one.start));
        if is_all {
            break;
        }
    }
    if horizons == 0 {
        return Ok(last);
    }
    let mut digester = Digester::after(&last.digest);
    items.into_iter().for_each(|(agent, items)| digester.add(agent, items));
    let next = Fingerprint { number, horizons: last.horizons + horizons, until, digest: digester.end() };
    keep(tx, of, &next).await?;
    Ok(next)
}

async fn keep(tx: &mut Tx, of: Of, next: &Fingerprint) -> Result<(), StoreError> {
    query(
        "INSERT INTO experiment_fingerprints (tenant_id, experiment_id, number, until, horizons, digest)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(of.0)
    .bind(of.1)
    .bind(next.number)
    .bind(next.until)
    .bind(next.horizons)
    .bind(&next.digest)
    .execute(&mut *tx)
    .await?;
    query("UPDATE experiments SET fingerprints = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(of.0)
        .bind(of.1)
        .bind(next.number)
        .execute(tx)
        .await?;
    Ok(())
}

/// The next horizons that the fingerprint of a number is to cover, behind one.
async fn open(
    connection: &mut Connection,
    of: Of,
    number: i64,
    after: Option<&(AgentUid, Process, i64)>,
) -> Result<Vec<(AgentUid, String, Process, Horizon)>, StoreError> {
    let (agent, boot, generation, start) = match after {
        Some((agent, process, start)) => {
            (agent.to_string(), process.boot_id.as_str(), process.generation, *start)
        }
        None => (String::new(), "", i64::MIN, i64::MIN),
    };
    let rows = query(
        "SELECT agent_uid, step, boot_id, generation, plans, baseline, clock_offset, window_start, window_end, points_in,
             received_at, clock_measured, nanos_per_point, latency_p99, digest, fingerprint
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND fingerprint = $3
             AND (agent_uid, boot_id, generation, window_start) > ($4, $5, $6, $7)
         ORDER BY agent_uid, boot_id, generation, window_start LIMIT $8",
    );
    let rows = rows.bind(of.0).bind(of.1).bind(number).bind(agent).bind(boot).bind(generation).bind(start);
    let read = |row: &Row| {
        let (process, horizon) = read_horizon(row)?;
        Ok((row.try_get("agent_uid")?, row.try_get("step")?, process, horizon))
    };
    rows.bind(AT_ONCE).fetch_all(connection).await?.iter().map(read).collect()
}

/// Tells whether no fingerprint covers so many horizons of an experiment that one is to be taken.
///
/// # Errors
/// The store's.
pub async fn is_due(connection: &mut Connection, of: Of) -> Result<bool, StoreError> {
    let found = query(
        "SELECT 1 AS one FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2
             AND fingerprint = (SELECT fingerprints + 1 FROM experiments WHERE tenant_id = $1 AND id = $2)
         LIMIT 1 OFFSET $3",
    );
    let found = found.bind(of.0).bind(of.1).bind(MANY - 1);
    Ok(found.fetch_optional(connection).await?.is_some())
}

/// Takes one where horizons of an agent in a step that wait to be merged are covered by none: afterward nothing could tell that they
/// are as they came.
///
/// # Errors
/// The store's.
pub async fn take_before_merge(tx: &mut Tx, of: &AgentOf) -> Result<(), StoreError> {
    let found = query(
        "SELECT 1 AS one FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3 AND step = $4
             AND to_merge = 1 AND fingerprint > (SELECT fingerprints FROM experiments WHERE tenant_id = $1 AND id = $2) LIMIT 1",
    );
    let found = found.bind(of.tenant).bind(of.experiment).bind(of.agent).bind(of.step.as_str());
    if found.fetch_optional(&mut *tx).await?.is_some() {
        take(tx, (of.tenant, of.experiment)).await?;
    }
    Ok(())
}

/// Agents of which there are horizons of an experiment, in order.
///
/// # Errors
/// The store's.
pub async fn agents(connection: &mut Connection, of: Of) -> Result<Vec<AgentUid>, StoreError> {
    let rows = query(
        "SELECT agent_uid FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2
         UNION SELECT agent_uid FROM experiment_merges WHERE tenant_id = $1 AND experiment_id = $2
         UNION SELECT agent_uid FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2",
    );
    let rows = rows.bind(of.0).bind(of.1).fetch_all(connection).await?;
    let mut agents = rows.iter().map(|row| row.try_get("agent_uid")).collect::<Result<Vec<AgentUid>, _>>()?;
    agents.sort_unstable();
    Ok(agents)
}

/// The next horizons of an agent that are kept one by one, behind one.
///
/// # Errors
/// The store's.
pub async fn kept(
    connection: &mut Connection,
    (tenant, experiment, agent): (TenantId, ExperimentId, AgentUid),
    after: Option<&Kept>,
    most: u32,
) -> Result<Vec<Kept>, StoreError> {
    let (boot, generation, start) = match after {
        Some(Kept { process, horizon, .. }) => (process.boot_id.as_str(), process.generation, horizon.start),
        None => ("", i64::MIN, i64::MIN),
    };
    let rows = query(
        "SELECT step, boot_id, generation, plans, baseline, clock_offset, window_start, window_end, points_in, received_at,
             clock_measured, nanos_per_point, latency_p99, digest, fingerprint, body
         FROM experiment_windows WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3
             AND (boot_id, generation, window_start) > ($4, $5, $6) ORDER BY boot_id, generation, window_start LIMIT $7",
    );
    let rows = rows.bind(tenant).bind(experiment).bind(agent).bind(boot).bind(generation).bind(start);
    let read = |row: &Row| {
        let (process, horizon) = read_horizon(row)?;
        Ok(Kept { step: row.try_get("step")?, process, horizon, body: row.try_get("body")? })
    };
    rows.bind(most).fetch_all(connection).await?.iter().map(read).collect()
}

/// Number of an agent's horizons as they were added up, and of those in which something came in.
///
/// # Errors
/// The store's.
pub async fn added_up(connection: &mut Connection, of: Of, agent: AgentUid) -> Result<[i64; 2], StoreError> {
    let row = query(
        "SELECT CAST(COALESCE(SUM(horizons), 0) AS BIGINT) AS horizons, CAST(COALESCE(SUM(counted), 0) AS BIGINT) AS counted
         FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2 AND agent_uid = $3",
    );
    let row = row.bind(of.0).bind(of.1).bind(agent).fetch_one(connection).await?;
    Ok([row.try_get("horizons")?, row.try_get("counted")?])
}

/// Texts of an experiment as they are kept: of its specification, and of its last verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// Of the specification.
    pub spec: String,
    /// Of the last verdict; nothing before the first.
    pub verdict: Option<String>,
}

/// Texts of an experiment; nothing if there is no such one any more.
///
/// # Errors
/// The store's.
pub async fn texts(connection: &mut Connection, of: Of) -> Result<Option<Texts>, StoreError> {
    let row = query("SELECT spec, verdict FROM experiments WHERE tenant_id = $1 AND id = $2");
    let row = row.bind(of.0).bind(of.1).fetch_optional(connection).await?;
    row.map(|row| Ok(Texts { spec: row.try_get("spec")?, verdict: row.try_get("verdict")? })).transpose()
}

/// Digests of the baselines that the agents of an experiment have compared its candidate with, so many at most.
///
/// # Errors
/// The store's.
pub async fn baselines(connection: &mut Connection, of: Of, most: u32) -> Result<Vec<String>, StoreError> {
    let rows = query(
        "SELECT DISTINCT baseline FROM experiment_sums WHERE tenant_id = $1 AND experiment_id = $2 AND baseline <> ''
         ORDER BY baseline LIMIT $3",
    );
    let rows = rows.bind(of.0).bind(of.1).bind(most).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("baseline")).collect()
}

/// The last verdict of an experiment that the audit chain names.
///
/// # Errors
/// The store's.
pub async fn last_attested(connection: &mut Connection, of: Of) -> Result<Option<Attested>, StoreError> {
    let row = query("SELECT attested FROM experiments WHERE tenant_id = $1 AND id = $2");
    let row = row.bind(of.0).bind(of.1).fetch_optional(connection).await?;
    let Some(text) = row.map(|row| row.try_get::<Option<String>>("attested")).transpose()?.flatten() else {
        return Ok(None);
    };
    versioned::read(EXPERIMENTS, &text).map(Some)
}

/// Notes the last verdict that the audit chain names.
///
/// # Errors
/// The store's.
pub async fn attested(tx: &mut Tx, of: Of, attested: &Attested) -> Result<(), StoreError> {
    query("UPDATE experiments SET attested = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(of.0)
        .bind(of.1)
        .bind(versioned::write(EXPERIMENTS, attested)?)
        .execute(tx)
        .await?;
    Ok(())
}
