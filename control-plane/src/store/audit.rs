//! Audit rows: one chain per tenant, and the end of each chain in a row of its own.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::chain_keys::Signature;
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
    /// Signature of place and hash; none of rows that were written without a key.
    pub signature: Option<Signature>,
}

/// Place of a row that is to be written, and what the row before it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its place, from 1.
    pub seq: i64,
    /// Hash of the row before it; empty for the first.
    pub previous_hash: String,
    /// Signature of the row before it.
    pub previous_signature: Option<Signature>,
}

/// Takes the chain's end for this transaction.
///
/// # Errors
/// The store's.
pub async fn lock_head(tx: &mut Tx, tenant: TenantId) -> Result<Place, StoreError> {
    query("INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING")
        .bind(tenant)
        .bind(GENESIS)
        .execute(tx)
        .await?;
    let row =
        query("UPDATE audit_heads SET seq = seq + 1 WHERE tenant_id = $1 RETURNING seq, hash, key_id, mac")
            .bind(tenant)
            .fetch_one(tx)
            .await?;
    let (seq, previous_hash) = (row.try_get("seq")?, row.try_get("hash")?);
    Ok(Place { seq, previous_hash, previous_signature: signature(&row)? })
}

/// Tells whether the end of any chain is signed.
///
/// # Errors
/// The store's.
pub async fn any_signed(connection: &mut Connection) -> Result<bool, StoreError> {
    let signed = query("SELECT 1 AS one FROM audit_heads WHERE tenant_id >= $1 AND mac IS NOT NULL LIMIT 1");
    let signed = signed.bind(TenantId(uuid::Uuid::nil()));
    Ok(signed.fetch_optional(connection).await?.is_some())
}

fn signature(row: &Row) -> Result<Option<Signature>, StoreError> {
    let (key_id, mac): (Option<String>, Option<String>) = (row.try_get("key_id")?, row.try_get("mac")?);
    Ok(key_id.zip(mac).map(|(key_id, mac)| Signature { key_id, mac }))
}

/// Writes a row, whose end was locked, and makes its hash the chain's end.
///
/// # Errors
/// The store's.
pub async fn append(tx: &mut Tx, tenant: TenantId, entry: &Entry) -> Result<(), StoreError> {
    let key_id = entry.signature.as_ref().map(|signature| signature.key_id.clone());
    let mac = entry.signature.as_ref().map(|signature| signature.mac.clone());
    query(
        "INSERT INTO audit_logs (tenant_id, seq, at, actor, action, object, detail, previous_hash, hash, key_id, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
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
    .bind(&key_id)
    .bind(&mac)
    .execute(tx)
    .await?;
    query("UPDATE audit_heads SET hash = $2, key_id = $3, mac = $4 WHERE tenant_id = $1")
        .bind(tenant)
        .bind(&entry.hash)
        .bind(&key_id)
        .bind(&mac)
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
        signature: signature(row)?,
    })
}
