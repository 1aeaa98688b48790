//! Audit of every change: one chain of rows per tenant, in the same transaction as the change.
//!
//! A row's hash covers its content and the hash of the row before it, and the chain's end stands in a row of its own, so
//! that a row changed, taken out or cut off at the end is found. Whoever writes locks the end first: two changes of a
//! tenant are rows one after the other, in the order in which they commit.

use std::fmt;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::UnixMillis;
use crate::id::{AgentUid, KeyId, TenantId, UserId};
use crate::store::audit::{self as rows, Entry};
use crate::store::{Connection, StoreError, Tx};

/// Rows that are walked over at once.
const AT_ONCE: u32 = 1000;

/// Author of the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A person.
    User(UserId),
    /// A program, by its API key.
    ApiKey(KeyId),
    /// An agent, of itself.
    Agent(AgentUid),
    /// The control plane's own decision.
    ControlPlane,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user/{id}"),
            Self::ApiKey(id) => write!(f, "api-key/{id}"),
            Self::Agent(uid) => write!(f, "agent/{uid}"),
            Self::ControlPlane => f.write_str("control-plane"),
        }
    }
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
    let (seq, previous_hash) = rows::lock_head(tx, tenant).await?;
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
    rows::append(tx, tenant, &entry).await
}

/// Walks a tenant's chain from its beginning to its end.
///
/// # Errors
/// The store's.
pub async fn verify(connection: &mut Connection, tenant: TenantId) -> Result<Chain, StoreError> {
    // Rows that come meanwhile are behind this end.
    let (end, end_hash) = rows::head(connection, tenant).await?;
    let (mut seq, mut previous) = (0, String::new());
    while seq < end {
        let left = u32::try_from(end - seq).unwrap_or(AT_ONCE).min(AT_ONCE);
        let entries = rows::list(connection, tenant, seq, left).await?;
        for entry in &entries {
            seq += 1;
            if entry.seq != seq || entry.previous_hash != previous || entry.hash != hash(tenant, entry) {
                return Ok(Chain::Broken { seq });
            }
            previous.clone_from(&entry.hash);
        }
        if entries.is_empty() {
            return Ok(Chain::Broken { seq: seq + 1 });
        }
    }
    let behind = !rows::list(connection, tenant, end, 1).await?.is_empty();
    // A row comes with its end.
    let left_behind = behind && rows::head(connection, tenant).await?.0 <= end;
    Ok(if previous == end_hash && !left_behind {
        Chain::Intact { rows: end }
    } else {
        Chain::Broken { seq: end + 1 }
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
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests;
