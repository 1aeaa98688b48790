//! Tenants. The first one runs the installation: its admins make the others.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name; of one that was deleted, with its id behind it, so that the name is free.
    pub name: String,
    /// Time.
    pub created_at: UnixMillis,
    /// Time at which it was deleted.
    pub deleted_at: Option<UnixMillis>,
}

/// Adds a tenant.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if the name is taken.
pub async fn insert(tx: &mut Tx, id: TenantId, name: &str, now: UnixMillis) -> Result<(), StoreError> {
    query("INSERT INTO tenants (id, name, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(name)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ids of all tenants.
///
/// # Errors
/// The store's.
pub async fn all(connection: &mut Connection) -> Result<Vec<TenantId>, StoreError> {
    let rows = query("SELECT id FROM tenants ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("id")).collect()
}

/// The tenant that was there first.
///
/// # Errors
/// The store's.
pub async fn first(connection: &mut Connection) -> Result<Option<TenantId>, StoreError> {
    let row = query("SELECT id FROM tenants ORDER BY created_at, id LIMIT 1");
    let row = row.fetch_optional(connection).await?;
    row.map(|row| row.try_get("id")).transpose()
}

/// The tenant of a name.
///
/// # Errors
/// The store's.
pub async fn named(connection: &mut Connection, name: &str) -> Result<Option<TenantId>, StoreError> {
    let row = query("SELECT id FROM tenants WHERE name = $1 AND deleted_at IS NULL").bind(name);
    row.fetch_optional(connection).await?.map(|row| row.try_get("id")).transpose()
}

/// One tenant.
///
/// # Errors
/// The store's.
pub async fn get(connection: &mut Connection, id: TenantId) -> Result<Option<Tenant>, StoreError> {
    let row = query("SELECT * FROM tenants WHERE id = $1").bind(id).fetch_optional(connection).await?;
    row.as_ref().map(tenant).transpose()
}

/// Up to `limit` tenants behind `after`, those that were deleted among them.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    after: Option<TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>, StoreError> {
    let rows = query("SELECT * FROM tenants WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.unwrap_or(TenantId(uuid::Uuid::nil())))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(tenant).collect()
}

/// Statements that remove all that a tenant has, each after those of what refers to it. What is of an agent or an experiment
/// goes with that. The audit chain stays.
const EMPTIED: [&str; 20] = [
    "DELETE FROM idempotency_keys WHERE tenant_id = $1",
    "DELETE FROM previews WHERE tenant_id = $1",
    "DELETE FROM webhooks WHERE tenant_id = $1",
    "DELETE FROM freezes WHERE tenant_id = $1",
    "DELETE FROM invitations WHERE tenant_id = $1",
    "DELETE FROM api_keys WHERE tenant_id = $1",
    "DELETE FROM refresh_tokens WHERE tenant_id = $1",
    "DELETE FROM logins WHERE tenant_id = $1",
    "DELETE FROM revoked_tokens WHERE tenant_id = $1",
    "DELETE FROM token_uses WHERE tenant_id = $1",
    "DELETE FROM node_claims WHERE tenant_id = $1",
    "DELETE FROM known_contents WHERE tenant_id = $1",
    "DELETE FROM deployments WHERE tenant_id = $1",
    "DELETE FROM experiments WHERE tenant_id = $1",
    "DELETE FROM config_template_versions WHERE tenant_id = $1",
    "DELETE FROM config_templates WHERE tenant_id = $1",
    "DELETE FROM agents WHERE tenant_id = $1",
    "DELETE FROM enrollment_tokens WHERE tenant_id = $1",
    "DELETE FROM users WHERE tenant_id = $1",
    "UPDATE tenants SET name = name || ' ' || id WHERE id = $1",
];

/// Removes all that a tenant has but its audit chain, and marks it as deleted.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, id: TenantId, now: UnixMillis) -> Result<(), StoreError> {
    for statement in EMPTIED {
        query(statement).bind(id).execute(tx).await?;
    }
    query("UPDATE tenants SET deleted_at = $2 WHERE id = $1").bind(id).bind(now).execute(tx).await?;
    Ok(())
}

fn tenant(row: &Row) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: row.try_get("created_at")?,
        deleted_at: row.try_get("deleted_at")?,
    })
}
