//! Audit rows: one chain per tenant, and the end of each chain in a row of its own.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;

/// Hash that stands before the first row.
const GENESIS: &str = "";

/// A row of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the tenant's chain, from 1.
    pub seq: i64,
    /// Time.
    pub at: UnixMillis,
    /// Author, as `user/id`, `agent/uid` or `control-plane`.
    pub actor: String,
    /// Action, as `thing.verb`.
    pub action: String,
    /// To what, as `thing/id`.
    pub object: String,
    /// The rest, as JSON.
    pub detail: String,
    /// The hash of the row before it; empty for the first.
    pub previous_hash: String,
    /// SHA-256 of all the above.
    pub hash: String,
}

/// Takes the chain's end for this transaction. Returns the new row's place and the hash before it.
///
/// # Errors
/// The store's.
pub async fn lock_head(tx: &mut Tx, tenant: TenantId) -> Result<(i64, String), StoreError> {
    query("INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING")
        .bind(tenant)
        .bind(GENESIS)
        .execute(tx)
        .await?;
    let row = query("UPDATE audit_heads SET seq = seq + 1 WHERE tenant_id = $1 RETURNING seq, hash")
        .bind(tenant)
        .fetch_one(tx)
        .await?;
    Ok((row.try_get("seq")?, row.try_get("hash")?))
}

/// Writes a row, whose end was locked, and makes its hash the chain's end.
///
/// # Errors
/// The store's.
pub async fn append(tx: &mut Tx, tenant: TenantId, entry: &Entry) -> Result<(), StoreError> {
    query(
        "INSERT INTO audit_logs (tenant_id, seq, at, actor, action, object, detail, previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant)
    .bind(entry.seq)
    .bind(entry.at)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.object)
    .bind(&entry.detail)
    .bind(&entry.previous_hash)
    .bind(&entry.hash)
    .execute(tx)
    .await?;
    query("UPDATE audit_heads SET hash = $2 WHERE tenant_id = $1")
        .bind(tenant)
        .bind(&entry.hash)
        .execute(tx)
        .await?;
    Ok(())
}

/// Up to `limit` rows behind `after`, in order.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    after: i64,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let rows = query("SELECT * FROM audit_logs WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(entry).collect()
}

/// Filter of rows: nothing lets all through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The one author.
    pub actor: Option<String>,
    /// The one action.
    pub action: Option<String>,
    /// The one thing.
    pub object: Option<String>,
    /// Not before this time.
    pub from: Option<UnixMillis>,
    /// Before this time.
    pub to: Option<UnixMillis>,
}

/// Up to `limit` rows behind `after` that a filter lets through, in order.
///
/// # Errors
/// The store's.
pub async fn filtered(
    connection: &mut Connection,
    tenant: TenantId,
    filter: &Filter,
    (after, limit): (i64, u32),
) -> Result<Vec<Entry>, StoreError> {
    let rows = query(
        "SELECT * FROM audit_logs
         WHERE tenant_id = $1 AND seq > $2 AND ($3 IS NULL OR actor = $3) AND ($4 IS NULL OR action = $4)
             AND ($5 IS NULL OR object = $5) AND at >= $6 AND at < $7
         ORDER BY seq LIMIT $8",
    )
    .bind(tenant)
    .bind(after)
    .bind(&filter.actor)
    .bind(&filter.action)
    .bind(&filter.object)
    .bind(filter.from.unwrap_or(UnixMillis(i64::MIN)))
    .bind(filter.to.unwrap_or(UnixMillis(i64::MAX)))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

/// Up to `limit` rows behind `after` of what people and programs asked of an experiment, in order.
///
/// # Errors
/// The store's.
pub async fn signals(
    connection: &mut Connection,
    tenant: TenantId,
    object: &str,
    (after, limit): (i64, u32),
) -> Result<Vec<Entry>, StoreError> {
    let rows = query(
        "SELECT * FROM audit_logs
         WHERE tenant_id = $1 AND object = $2 AND seq > $3 AND actor <> 'control-plane' AND action IN
             ('experiment.start', 'experiment.pause', 'experiment.resume', 'experiment.stop', 'experiment.promote',
              'experiment.rollback', 'experiment.cancel', 'experiment.approve')
         ORDER BY seq LIMIT $4",
    )
    .bind(tenant)
    .bind(object)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(entry).collect()
}

/// The chain's end: the place and the hash of its last row; 0 and an empty text for a chain without rows.
///
/// # Errors
/// The store's.
pub async fn head(connection: &mut Connection, tenant: TenantId) -> Result<(i64, String), StoreError> {
    let head = query("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_optional(connection)
        .await?;
    match head {
        Some(row) => Ok((row.try_get("seq")?, row.try_get("hash")?)),
        None => Ok((0, GENESIS.to_owned())),
    }
}

/// Up to `limit` ends of chains of the tenants behind `after`: tenant, place and hash of the last row.
///
/// # Errors
/// The store's.
pub async fn heads(
    connection: &mut Connection,
    after: Option<TenantId>,
    limit: u32,
) -> Result<Vec<(TenantId, i64, String)>, StoreError> {
    let rows = query(
        "SELECT tenant_id, seq, hash FROM audit_heads WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2",
    );
    let rows = rows.bind(after.unwrap_or(TenantId(uuid::Uuid::nil()))).bind(limit);
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("tenant_id")?, row.try_get("seq")?, row.try_get("hash")?)))
        .collect()
}

/// Hashes of the rows at these places, of those that there are.
///
/// # Errors
/// The store's.
pub async fn hashes(
    connection: &mut Connection,
    tenant: TenantId,
    seqs: &[i64],
) -> Result<HashMap<i64, String>, StoreError> {
    let mut all = HashMap::with_capacity(seqs.len());
    for part in parts(seqs) {
        let sql = format!(
            "SELECT seq, hash FROM audit_logs WHERE tenant_id = $1 AND seq IN {}",
            values(1, part.len(), 2)
        );
        let mut asked = query(AssertSqlSafe(sql)).bind(tenant);
        for seq in part {
            asked = asked.bind(*seq);
        }
        for row in asked.fetch_all(connection).await? {
            all.insert(row.try_get("seq")?, row.try_get("hash")?);
        }
    }
    Ok(all)
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        at: row.try_get("at")?,
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        object: row.try_get("object")?,
        detail: row.try_get("detail")?,
        previous_hash: row.try_get("previous_hash")?,
        hash: row.try_get("hash")?,
    })
}
