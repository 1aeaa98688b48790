//! Audit of every change: one chain of rows per tenant, in the same transaction as the change.
//!
//! A row's hash covers its content and the hash of the row before it, and the chain's end stands in a row of its own, so
//! that a row changed, taken out or cut off at the end is found. Whoever writes locks the end first: two changes of a
//! tenant are rows one after the other, in the order in which they commit. Each row's place and hash are signed under a key
//! that is not in the database, so that a chain that was written anew is found.

use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::chain_keys::{ChainKeys, Signed};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, KeyId, TenantId, UserId};
use crate::store::audit::{self as rows, Entry, Place};
use crate::store::{Across, Connection, Store, StoreError, Tx};

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

/// Result of a walk over a chain, by its hashes.
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

/// Result of a walk over a chain, by its signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    /// Number of rows whose signature is right.
    pub signed: i64,
    /// Number of rows without one.
    pub unsigned: i64,
    /// The first row that is not signed for, and why.
    pub unfit: Option<(i64, Unfit)>,
}

/// Reason for which a row is not signed for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It has no signature, and no row behind those of before the first key may be without one.
    #[error("it has no signature: whoever wrote it did not have the keys of the audit chains")]
    Unsigned,
    /// It has a signature that its key does not make.
    #[error("its signature is not the one that its key makes: whoever wrote it did not have the key")]
    Wrong,
    /// Its key is not in the file.
    #[error(
        "it is signed under the key {0}, which is not in audit-keys.json: put the file back that has it, or whoever wrote it made \
         the key up"
    )]
    UnknownKey(String),
}

/// Action of the row by which a chain is signed for as it is.
const BEGIN: &str = "audit.begin";

/// Adds a row to the tenant's chain, and returns its place. It is there once `tx` commits, and only then.
///
/// `action` is `thing.verb` (`experiment.start`), `object` is `thing/id`; `detail` must hold no secret.
///
/// A row is signed if the store has keys and the row before it is signed by one of them. So one that somebody without the keys
/// has put there is signed for by no later one.
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
) -> Result<i64, StoreError> {
    let place = rows::lock_head(tx, tenant).await?;
    let keys = tx.chain_keys();
    let keys = keys.as_deref().filter(|keys| {
        let vouched = place.seq == 1 || is_vouched(keys, tenant, &place);
        if !vouched {
            let seq = place.seq - 1;
            tracing::error!(
                %tenant, seq,
                "an entry of the audit chain has no signature of ours: those behind it get none; see `phoenix audit verify`"
            );
        }
        vouched
    });
    let entry = Entry {
        seq: place.seq,
        at: now,
        actor: by.into().to_string(),
        action: action.to_owned(),
        object: object.to_owned(),
        detail: detail.to_string(),
        previous_hash: place.previous_hash,
        hash: String::new(),
        signature: None,
    };
    let seq = entry.seq;
    append(tx, tenant, entry, keys).await?;
    Ok(seq)
}

async fn append(
    tx: &mut Tx,
    tenant: TenantId,
    mut entry: Entry,
    keys: Option<&ChainKeys>,
) -> Result<(), StoreError> {
    entry.hash = hash(tenant, &entry);
    entry.signature = keys.and_then(|keys| keys.sign(tenant, entry.seq, &entry.hash));
    rows::append(tx, tenant, &entry).await
}

/// Tells whether the row before a place is signed by one of these keys.
fn is_vouched(keys: &ChainKeys, tenant: TenantId, place: &Place) -> bool {
    let check = |signature| keys.check(tenant, place.seq - 1, &place.previous_hash, signature);
    place.previous_signature.as_ref().map(check) == Some(Signed::Right)
}

/// Signs for each chain whose end no key vouches for as it is, by a row of its own.
///
/// # Errors
/// The store's.
pub async fn begin(store: &Store, keys: &ChainKeys, now: UnixMillis) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let ends = rows::heads(&mut *store.read(Across::Boot).await?, after, AT_ONCE).await?;
        let Some((last, ..)) = ends.last() else { return Ok(()) };
        after = Some(*last);
        for (tenant, ..) in ends.into_iter().filter(|(_, seq, _)| *seq > 0) {
            let mut tx = store.begin(tenant).await?;
            let place = rows::lock_head(&mut tx, tenant).await?;
            if is_vouched(keys, tenant, &place) {
                continue;
            }
            let entry = Entry {
                seq: place.seq,
                at: now,
                actor: By::ControlPlane.to_string(),
                action: BEGIN.to_owned(),
                object: format!("tenant/{tenant}"),
                detail: json!({ "key_id": keys.newest() }).to_string(),
                previous_hash: place.previous_hash,
                hash: String::new(),
                signature: None,
            };
            append(&mut tx, tenant, entry, Some(keys)).await?;
            tx.commit().await?;
        }
    }
}

/// Walks a tenant's chain from its beginning to its end; with keys, by its signatures as well.
///
/// # Errors
/// The store's.
pub async fn verify(
    connection: &mut Connection,
    tenant: TenantId,
    keys: Option<&ChainKeys>,
) -> Result<(Chain, Option<Signatures>), StoreError> {
    // Rows that come meanwhile are behind this end.
    let (end, end_hash) = rows::head(connection, tenant).await?;
    let (mut seq, mut previous) = (0, String::new());
    let mut signatures = keys.map(|keys| (keys, Signatures::default()));
    while seq < end {
        let left = u32::try_from(end - seq).unwrap_or(AT_ONCE).min(AT_ONCE);
        let entries = rows::list(connection, tenant, seq, left).await?;
        for entry in &entries {
            seq += 1;
            if entry.seq != seq || entry.previous_hash != previous || entry.hash != hash(tenant, entry) {
                return Ok((Chain::Broken { seq }, signatures.map(|(_, signatures)| signatures)));
            }
            previous.clone_from(&entry.hash);
            if let Some((keys, signatures)) = &mut signatures {
                signatures.count(keys, tenant, entry);
            }
        }
        if entries.is_empty() {
            return Ok((Chain::Broken { seq: seq + 1 }, signatures.map(|(_, signatures)| signatures)));
        }
    }
    let behind = !rows::list(connection, tenant, end, 1).await?.is_empty();
    // A row comes with its end.
    let left_behind = behind && rows::head(connection, tenant).await?.0 <= end;
    let chain = if previous == end_hash && !left_behind {
        Chain::Intact { rows: end }
    } else {
        Chain::Broken { seq: end + 1 }
    };
    Ok((chain, signatures.map(|(_, signatures)| signatures.at_the_end())))
}

impl Signatures {
    fn count(&mut self, keys: &ChainKeys, tenant: TenantId, entry: &Entry) {
        let unfit = match &entry.signature {
            None => {
                self.unsigned += 1;
                (self.signed > 0).then_some(Unfit::Unsigned)
            }
            Some(signature) => match keys.check(tenant, entry.seq, &entry.hash, signature) {
                Signed::Right => {
                    self.signed += 1;
                    None
                }
                Signed::Wrong => Some(Unfit::Wrong),
                Signed::UnknownKey => Some(Unfit::UnknownKey(signature.key_id.clone())),
            },
        };
        if self.unfit.is_none() {
            self.unfit = unfit.map(|why| (entry.seq, why));
        }
    }

    /// The same of a whole chain: where there are keys, its end is signed.
    fn at_the_end(self) -> Self {
        let none = self.signed == 0 && self.unsigned > 0 && self.unfit.is_none();
        if none { Self { unfit: Some((1, Unfit::Unsigned)), ..self } } else { self }
    }
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
