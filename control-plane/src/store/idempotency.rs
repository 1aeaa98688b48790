//! Keys of requests that are not to be done twice, with the answer that each one had.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;

/// Key of a request, within what its caller sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Tenant of the caller.
    pub tenant_id: TenantId,
    /// Caller, as the audit log names them.
    pub caller: String,
    /// The key.
    pub key: String,
}

/// Request that came with a key first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Digest of the request.
    pub digest: String,
    /// Time at which it was begun.
    pub begun_at: UnixMillis,
    /// The sealed answer; nothing while there is none.
    pub answer: Option<String>,
    /// True once it has changed something.
    pub committed: bool,
}

/// The request of a key.
///
/// # Errors
/// The store's.
pub async fn get(tx: &mut Tx, key: &RequestKey) -> Result<Option<Kept>, StoreError> {
    let row = query(
        "SELECT digest, begun_at, answer, committed FROM idempotency_keys WHERE tenant_id = $1 AND caller = $2 AND request_key = $3",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .fetch_optional(tx)
    .await?;
    let kept = |row: &Row| {
        let (digest, begun_at) = (row.try_get("digest")?, row.try_get("begun_at")?);
        Ok(Kept { digest, begun_at, answer: row.try_get("answer")?, committed: row.try_get("committed")? })
    };
    row.as_ref().map(kept).transpose()
}

/// Number of keys of a caller, once those of before `old` are forgotten.
///
/// # Errors
/// The store's.
pub async fn count(tx: &mut Tx, key: &RequestKey, old: UnixMillis) -> Result<i64, StoreError> {
    query("DELETE FROM idempotency_keys WHERE tenant_id = $1 AND begun_at < $2")
        .bind(key.tenant_id)
        .bind(old)
        .execute(tx)
        .await?;
    let row = query("SELECT count(*) AS keys FROM idempotency_keys WHERE tenant_id = $1 AND caller = $2");
    row.bind(key.tenant_id).bind(&key.caller).fetch_one(tx).await?.try_get("keys")
}

/// Notes that a request is begun, in place of one that came to no answer.
///
/// # Errors
/// The store's.
pub async fn begin(tx: &mut Tx, key: &RequestKey, digest: &str, now: UnixMillis) -> Result<(), StoreError> {
    query(
        "INSERT INTO idempotency_keys (tenant_id, caller, request_key, digest, begun_at, answer)
         VALUES ($1, $2, $3, $4, $5, NULL)
         ON CONFLICT (tenant_id, caller, request_key) DO UPDATE SET digest = $4, begun_at = $5, answer = NULL,
             committed = FALSE",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .bind(digest)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps the answer of the request that was begun at this time.
///
/// # Errors
/// The store's.
pub async fn answered(
    tx: &mut Tx,
    key: &RequestKey,
    begun_at: UnixMillis,
    answer: &str,
) -> Result<(), StoreError> {
    query(
        "UPDATE idempotency_keys SET answer = $5
         WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND begun_at = $4",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .bind(begun_at)
    .bind(answer)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a request that was begun at this time and changed nothing. One that changed something was begun at `lost` from now on:
/// nobody waits for its answer.
///
/// # Errors
/// The store's.
pub async fn forget(
    tx: &mut Tx,
    key: &RequestKey,
    begun_at: UnixMillis,
    lost: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE idempotency_keys SET begun_at = $5
         WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND begun_at = $4 AND committed",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .bind(begun_at)
    .bind(lost)
    .execute(tx)
    .await?;
    query(
        "DELETE FROM idempotency_keys
         WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND begun_at = $4 AND NOT committed",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .bind(begun_at)
    .execute(tx)
    .await?;
    Ok(())
}

tokio::task_local! {
    /// The request that is being done, and the time at which it was begun.
    static DOING: (RequestKey, UnixMillis);
}

/// Does the work of a request. Whatever of it is made to last says so beside the key, in the same transaction.
pub async fn doing<T>(key: RequestKey, begun_at: UnixMillis, work: impl Future<Output = T>) -> T {
    DOING.scope((key, begun_at), work).await
}

/// Notes that the request that is being done, if one is, has changed something.
///
/// # Errors
/// The store's.
pub(super) async fn changes(connection: &mut Connection) -> Result<(), StoreError> {
    let Ok((key, begun_at)) = DOING.try_with(Clone::clone) else { return Ok(()) };
    query(
        "UPDATE idempotency_keys SET committed = TRUE
         WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND begun_at = $4",
    )
    .bind(key.tenant_id)
    .bind(&key.caller)
    .bind(&key.key)
    .bind(begun_at)
    .execute(connection)
    .await?;
    Ok(())
}
