//! API keys: what programs come with.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{KeyId, TenantId, UserId};
use crate::role::Role;

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public part.
    pub id: KeyId,
    /// Tenant whose things it reaches.
    pub tenant_id: TenantId,
    /// Person who made it, and whose rights it has at most.
    pub owner_id: UserId,
    /// Purpose, such as `ci`.
    pub name: String,
    /// The highest role that it acts in.
    pub role: Role,
    /// The one kind of thing that it reaches; without it, all.
    pub kind: Option<String>,
    /// Time.
    pub created_at: UnixMillis,
    /// From when on it lets nobody in.
    pub expires_at: UnixMillis,
    /// Time of its last use, to about a minute.
    pub last_used_at: Option<UnixMillis>,
    /// Time at which somebody ended it.
    pub revoked_at: Option<UnixMillis>,
}

impl ApiKey {
    /// Tells whether it lets somebody in.
    pub fn is_good(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Adds a key.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, key: &ApiKey, secret_hash: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO api_keys
         (id, tenant_id, owner_id, name, secret_hash, role, kind, created_at, expires_at, last_used_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(key.id)
    .bind(key.tenant_id)
    .bind(key.owner_id)
    .bind(&key.name)
    .bind(secret_hash)
    .bind(key.role)
    .bind(&key.kind)
    .bind(key.created_at)
    .bind(key.expires_at)
    .bind(key.last_used_at)
    .bind(key.revoked_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The key of this id and what was kept of its secret. Names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn presented(
    connection: &mut Connection,
    id: KeyId,
) -> Result<Option<(ApiKey, String)>, StoreError> {
    let row = query("SELECT * FROM api_keys WHERE id = $1").bind(id).fetch_optional(connection).await?;
    row.map(|row| Ok((key(&row)?, row.try_get("secret_hash")?))).transpose()
}

/// Number of a person's keys that are neither over nor ended.
///
/// # Errors
/// The store's.
pub async fn count(
    tx: &mut Tx,
    (tenant, owner): (TenantId, UserId),
    now: UnixMillis,
) -> Result<i64, StoreError> {
    let row = query(
        "SELECT count(*) AS keys FROM api_keys
         WHERE tenant_id = $1 AND owner_id = $2 AND revoked_at IS NULL AND expires_at > $3",
    )
    .bind(tenant)
    .bind(owner)
    .bind(now)
    .fetch_one(tx)
    .await?;
    row.try_get("keys")
}

/// Forgets a person's keys that are over or ended, but the `most` that were good longest.
///
/// # Errors
/// The store's.
pub async fn trim(
    tx: &mut Tx,
    (tenant, owner): (TenantId, UserId),
    now: UnixMillis,
    most: i64,
) -> Result<(), StoreError> {
    let statement = "DELETE FROM api_keys
         WHERE tenant_id = $1 AND owner_id = $2 AND (revoked_at IS NOT NULL OR expires_at <= $3) AND id NOT IN (
           SELECT id FROM api_keys
           WHERE tenant_id = $1 AND owner_id = $2 AND (revoked_at IS NOT NULL OR expires_at <= $3)
           ORDER BY coalesce(revoked_at, expires_at) DESC, id LIMIT $4)";
    query(statement).bind(tenant).bind(owner).bind(now).bind(most).execute(tx).await?;
    Ok(())
}

/// Up to `limit` keys behind `after`: of a person, or of all.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    owner: Option<UserId>,
    (after, limit): (&str, u32),
) -> Result<Vec<ApiKey>, StoreError> {
    let rows = query(
        "SELECT * FROM api_keys WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR owner_id = $3)
         ORDER BY id LIMIT $4",
    )
    .bind(tenant)
    .bind(after)
    .bind(owner)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(key).collect()
}

/// Notes a use.
///
/// # Errors
/// The store's.
pub async fn used(tx: &mut Tx, tenant: TenantId, id: KeyId, now: UnixMillis) -> Result<(), StoreError> {
    query("UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a key of a person, or anybody's; says whether there is one.
///
/// # Errors
/// The store's.
pub async fn revoke(
    tx: &mut Tx,
    tenant: TenantId,
    owner: Option<UserId>,
    id: KeyId,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $4)
         WHERE tenant_id = $1 AND id = $2 AND ($3 IS NULL OR owner_id = $3)",
    )
    .bind(tenant)
    .bind(id)
    .bind(owner)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

fn key(row: &Row) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        owner_id: row.try_get("owner_id")?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        kind: row.try_get("kind")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}
