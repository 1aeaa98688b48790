//! Experiments and what happened to them.

use serde_json::json;

use super::deliveries::{self, News};
use super::fingerprints::Attested;
use super::freezes::Freeze;
use super::{Connection, Row, StoreError, Tx, query, versioned};
use crate::clock::UnixMillis;
use crate::experiment::{ExperimentId, Spec, State, Verdict};
use crate::id::TenantId;
use crate::webhook::{self, OF_EXPERIMENT};

const TABLE: &str = "experiments";

/// One experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Its id.
    pub id: ExperimentId,
    /// Its specification.
    pub spec: Spec,
    /// Its state.
    pub state: State,
    /// Last verdict.
    pub verdict: Option<Verdict>,
    /// One more with each transition: guards them.
    pub version: i64,
    /// Author.
    pub created_by: String,
    /// Time.
    pub created_at: UnixMillis,
    /// Time of its last change.
    pub updated_at: UnixMillis,
    /// Time at which it is to start by itself, while it is pending.
    pub start_at: Option<UnixMillis>,
    /// Freeze of its tenant.
    pub frozen: Option<Freeze>,
    /// The last verdict that the audit chain names.
    pub attested: Option<Attested>,
}

/// Something that happened to one.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number, from 1.
    pub seq: i64,
    /// Time.
    pub at: UnixMillis,
    /// Kind: the name of an action, or `verdict`.
    pub kind: String,
    /// More of it, as JSON.
    pub detail: serde_json::Value,
}

fn read(row: &Row) -> Result<Experiment, StoreError> {
    let (verdict, attested): (Option<&str>, Option<&str>) =
        (row.try_get("verdict")?, row.try_get("attested")?);
    let spec: Spec = versioned::read(TABLE, row.try_get("spec")?)?;
    Ok(Experiment {
        tenant_id: row.try_get("tenant_id")?,
        id: row.try_get("id")?,
        // The column's: a migration may have told two of one name apart.
        spec: Spec { name: row.try_get("name")?, ..spec },
        state: versioned::read(TABLE, row.try_get("state")?)?,
        verdict: verdict.map(|text| versioned::read(TABLE, text)).transpose()?,
        version: row.try_get("version")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        start_at: row.try_get("start_at")?,
        frozen: Freeze::of_row(row, "since")?,
        attested: attested.map(|text| versioned::read(TABLE, text)).transpose()?,
    })
}

/// Writes a new one down.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if the name is taken.
pub async fn insert(tx: &mut Tx, experiment: &Experiment) -> Result<(), StoreError> {
    query(
        "INSERT INTO experiments
             (tenant_id, id, name, spec, phase, state, version, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
    )
    .bind(experiment.tenant_id)
    .bind(experiment.id)
    .bind(&experiment.spec.name)
    .bind(versioned::write(TABLE, &experiment.spec)?)
    .bind(experiment.state.phase().name())
    .bind(versioned::write(TABLE, &experiment.state)?)
    .bind(experiment.version)
    .bind(&experiment.created_by)
    .bind(experiment.created_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// One of a tenant's.
///
/// # Errors
/// The store's.
pub async fn get(
    connection: &mut Connection,
    tenant: TenantId,
    id: ExperimentId,
) -> Result<Option<Experiment>, StoreError> {
    let row = query(
        "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.tenant_id = $1 AND e.id = $2",
    );
    let row = row.bind(tenant).bind(id).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// The one of a tenant's that has this name.
///
/// # Errors
/// The store's.
pub async fn named(
    connection: &mut Connection,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Experiment>, StoreError> {
    let row = query(
        "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.tenant_id = $1 AND e.name = $2",
    );
    let row = row.bind(tenant).bind(name).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Filter and order of a list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Name of the one phase.
    pub phase: Option<String>,
    /// Text that is in the name.
    pub search: Option<String>,
    /// True for the oldest first.
    pub oldest_first: bool,
}

/// Up to `limit` of a tenant's behind `after`, in the order of the filter.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    filter: &Filter,
    (after, limit): (Option<ExperimentId>, u32),
) -> Result<Vec<Experiment>, StoreError> {
    let newest = "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.tenant_id = $1 AND ($2 IS NULL OR e.id < $2) AND ($3 IS NULL OR e.phase = $3)
             AND ($4 IS NULL OR replace(e.name, $4, '') <> e.name)
         ORDER BY e.id DESC LIMIT $5";
    let oldest = "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.tenant_id = $1 AND ($2 IS NULL OR e.id > $2) AND ($3 IS NULL OR e.phase = $3)
             AND ($4 IS NULL OR replace(e.name, $4, '') <> e.name)
         ORDER BY e.id LIMIT $5";
    let query = query(if filter.oldest_first { oldest } else { newest });
    let query = query.bind(tenant).bind(after).bind(&filter.phase);
    let search = filter.search.as_deref().filter(|search| !search.is_empty());
    let query = query.bind(search).bind(limit);
    query.fetch_all(connection).await?.iter().map(read).collect()
}

/// Every tenant's that are under way: what the reconcilers look at.
///
/// # Errors
/// The store's.
pub async fn under_way(connection: &mut Connection) -> Result<Vec<Experiment>, StoreError> {
    let rows = query(
        "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.phase IN ('initializing', 'running', 'paused', 'analyzing') ORDER BY e.id",
    );
    rows.fetch_all(connection).await?.iter().map(read).collect()
}

/// Every tenant's that were completed, or changed after that, since a time: a thousand at most, the latest first.
///
/// # Errors
/// The store's.
pub async fn ended_since(
    connection: &mut Connection,
    since: UnixMillis,
) -> Result<Vec<Experiment>, StoreError> {
    let rows = query(
        "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.phase = 'completed' AND e.updated_at >= $1 ORDER BY e.updated_at DESC LIMIT 1000",
    );
    rows.bind(since).fetch_all(connection).await?.iter().map(read).collect()
}

/// Every tenant's that are pending and whose time to start has come, the longest due first.
///
/// # Errors
/// The store's.
pub async fn due(connection: &mut Connection, now: UnixMillis) -> Result<Vec<Experiment>, StoreError> {
    let rows = query(
        "SELECT e.*, f.since, f.author, f.reason FROM experiments AS e LEFT JOIN freezes AS f ON f.tenant_id = e.tenant_id
         WHERE e.start_at <= $1 AND e.phase = 'pending' ORDER BY e.start_at, e.id",
    );
    rows.bind(now).fetch_all(connection).await?.iter().map(read).collect()
}

/// Gives one that is still at `version` a time to start by itself, or takes it; tells whether it was.
///
/// # Errors
/// The store's.
pub async fn schedule(
    tx: &mut Tx,
    (tenant, id, version): (TenantId, ExperimentId, i64),
    at: Option<UnixMillis>,
) -> Result<bool, StoreError> {
    let done = query(
        "UPDATE experiments SET start_at = $1, version = version + 1
         WHERE tenant_id = $2 AND id = $3 AND version = $4",
    )
    .bind(at)
    .bind(tenant)
    .bind(id)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Moves one to `state` if it is still at `version`; tells whether it was.
///
/// # Errors
/// The store's.
pub async fn transition(
    tx: &mut Tx,
    (tenant, id, version): (TenantId, ExperimentId, i64),
    state: &State,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let done = query(
        "UPDATE experiments SET state = $1, phase = $2, version = version + 1, updated_at = $3, start_at = NULL
         WHERE tenant_id = $4 AND id = $5 AND version = $6",
    )
    .bind(versioned::write(TABLE, state)?)
    .bind(state.phase().name())
    .bind(now)
    .bind(tenant)
    .bind(id)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives one another specification and author if it is still at `version`; tells whether it was.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if its name is taken.
pub async fn replace(tx: &mut Tx, version: i64, experiment: &Experiment) -> Result<bool, StoreError> {
    let done = query(
        "UPDATE experiments SET name = $1, spec = $2, created_by = $3, updated_at = $4, version = version + 1
         WHERE tenant_id = $5 AND id = $6 AND version = $7",
    )
    .bind(&experiment.spec.name)
    .bind(versioned::write(TABLE, &experiment.spec)?)
    .bind(&experiment.created_by)
    .bind(experiment.updated_at)
    .bind(experiment.tenant_id)
    .bind(experiment.id)
    .bind(version)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes what was decided of one, if it is still at `version`; tells whether it was.
///
/// # Errors
/// The store's.
pub async fn decided(
    tx: &mut Tx,
    (tenant, id, version): (TenantId, ExperimentId, i64),
    verdict: &Verdict,
) -> Result<bool, StoreError> {
    let done = query("UPDATE experiments SET verdict = $1 WHERE tenant_id = $2 AND id = $3 AND version = $4")
        .bind(versioned::write(TABLE, verdict)?)
        .bind(tenant)
        .bind(id)
        .bind(version)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes one that is not under way, with all that was found.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: ExperimentId) -> Result<(), StoreError> {
    query("DELETE FROM experiments WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that something happened, and queues it for the webhooks that are told of it.
///
/// # Errors
/// The store's.
pub async fn happened(
    tx: &mut Tx,
    tenant: TenantId,
    id: ExperimentId,
    (at, kind, detail): (UnixMillis, &str, &serde_json::Value),
) -> Result<(), StoreError> {
    query(
        "INSERT INTO experiment_events (tenant_id, experiment_id, seq, at, kind, detail)
         SELECT $1, $2, COALESCE(MAX(seq), 0) + 1, $3, $4, $5
         FROM experiment_events WHERE tenant_id = $1 AND experiment_id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(at)
    .bind(kind)
    .bind(detail.to_string())
    .execute(tx)
    .await?;
    let event = format!("{OF_EXPERIMENT}{kind}");
    // What happens to the tenant is told once, and not of each of its experiments.
    if !webhook::EVENTS.contains(&event.as_str()) {
        return Ok(());
    }
    let row = query("SELECT name FROM experiments WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id);
    let name: String = row.fetch_one(tx).await?.try_get("name")?;
    let about = json!({ "experiment": { "id": id, "name": name } });
    deliveries::tell(tx, tenant, News { event: &event, at, about: &about, detail }).await
}

/// Events after event `after`, oldest first, at most `limit`.
///
/// # Errors
/// The store's.
pub async fn events(
    connection: &mut Connection,
    tenant: TenantId,
    id: ExperimentId,
    (after, limit): (i64, u32),
) -> Result<Vec<Event>, StoreError> {
    let rows = query(
        "SELECT seq, at, kind, detail FROM experiment_events
         WHERE tenant_id = $1 AND experiment_id = $2 AND seq > $3 ORDER BY seq LIMIT $4",
    )
    .bind(tenant)
    .bind(id)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let event = |row: &Row| -> Result<Event, StoreError> {
        let detail: String = row.try_get("detail")?;
        Ok(Event {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            kind: row.try_get("kind")?,
            detail: serde_json::from_str(&detail).map_err(|e| StoreError::row("experiment_events", e))?,
        })
    };
    rows.iter().map(event).collect()
}
