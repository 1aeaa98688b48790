//! Tenants. The first one runs the installation: its admins make the others.

use super::{Connection, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;

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

/// All tenants.
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
