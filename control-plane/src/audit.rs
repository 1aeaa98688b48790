//! Audit of every change: one chain of rows per tenant, in the same transaction as the change.
//!
//! A row's hash covers its content and the hash of the row before it, and the chain's end stands in a row of its own, so
//! that a row changed, taken out or cut off at the end is found. Whoever writes locks the end first: two changes of a
//! tenant are rows one after the other, in the order in which they commit.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use crate::clock::UnixMillis;
use crate::hash::hex;
use crate::id::{AgentUid, TenantId, UserId};
use crate::store::{Connection, Row, StoreError, Tx};

/// Hash that stands before the first row.
const GENESIS: &str = "";

/// Author of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person.
    User(UserId),
    /// An agent, of itself.
    Agent(AgentUid),
    /// The control plane's own decision.
    ControlPlane,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user/{id}"),
            Self::Agent(uid) => write!(f, "agent/{uid}"),
            Self::ControlPlane => f.write_str("control-plane"),
        }
    }
}

/// A row of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the tenant's chain, from 1.
    pub seq: i64,
    /// Time.
    pub at: UnixMillis,
    /// Author, as [`By`] shows it.
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

/// Result of a walk over a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Every row is as it was written.
    Intact {
        /// Number of rows.
        rows: i64,
    },
    /// The first place at which it is not.
    Broken {
        /// The row's place.
        seq: i64,
    },
}

/// Adds a row to the tenant's chain. It is there once `tx` commits, and only then.
///
/// `action` is `thing.verb` (`experiment.start`), `object` is `thing/id`; `detail` must hold no secret.
///
/// # Errors
/// The store's.
pub async fn record(
    tx: &mut Tx,
    now: UnixMillis,
    tenant: TenantId,
    by: impl Into<By>,
    action: &str,
    object: &str,
    detail: &Value,
) -> Result<(), StoreError> {
    let (seq, previous_hash) = lock_head(tx, tenant).await?;
    let mut entry = Entry {
        seq,
        at: now,
        actor: by.into().to_string(),
        action: action.to_owned(),
        object: object.to_owned(),
        detail: detail.to_string(),
        previous_hash,
        hash: String::new(),
    };
    entry.hash = hash(tenant, &entry);
    sqlx::query(
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
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE audit_heads SET hash = $2 WHERE tenant_id = $1")
        .bind(tenant)
        .bind(&entry.hash)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes the chain's end for this transaction: the new row's place, and the hash before it.
async fn lock_head(tx: &mut Tx, tenant: TenantId) -> Result<(i64, String), StoreError> {
    sqlx::query("INSERT INTO audit_heads (tenant_id, seq, hash) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING")
        .bind(tenant)
        .bind(GENESIS)
        .execute(&mut **tx)
        .await?;
    let row = sqlx::query("UPDATE audit_heads SET seq = seq + 1 WHERE tenant_id = $1 RETURNING seq, hash")
        .bind(tenant)
        .fetch_one(&mut **tx)
        .await?;
    Ok((row.try_get("seq")?, row.try_get("hash")?))
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
    let rows =
        sqlx::query("SELECT * FROM audit_logs WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3")
            .bind(tenant)
            .bind(after)
            .bind(limit)
            .fetch_all(connection)
            .await?;
    rows.iter().map(entry).collect()
}

/// Walks a tenant's chain from its beginning to its end.
///
/// # Errors
/// The store's.
pub async fn verify(connection: &mut Connection, tenant: TenantId) -> Result<Chain, StoreError> {
    const AT_ONCE: u32 = 1000;
    let (mut seq, mut previous) = (0, GENESIS.to_owned());
    loop {
        let entries = list(&mut *connection, tenant, seq, AT_ONCE).await?;
        for entry in &entries {
            seq += 1;
            if entry.seq != seq || entry.previous_hash != previous || entry.hash != hash(tenant, entry) {
                return Ok(Chain::Broken { seq });
            }
            previous.clone_from(&entry.hash);
        }
        if entries.is_empty() {
            break;
        }
    }
    let head = sqlx::query("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_optional(connection)
        .await?;
    let head = match head {
        Some(row) => (row.try_get("seq")?, row.try_get("hash")?),
        None => (0, GENESIS.to_owned()),
    };
    Ok(if head == (seq, previous) { Chain::Intact { rows: seq } } else { Chain::Broken { seq: seq + 1 } })
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

/// Every field with its length before it, so that no two rows are the same bytes.
fn hash(tenant: TenantId, entry: &Entry) -> String {
    let (tenant, seq, at) = (tenant.to_string(), entry.seq.to_string(), entry.at.0.to_string());
    let fields =
        [&tenant, &seq, &at, &entry.actor, &entry.action, &entry.object, &entry.detail, &entry.previous_hash];
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests;
