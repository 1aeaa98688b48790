//! Freezes: tenants in which nothing goes forward.

use std::collections::HashMap;

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;

/// Freeze of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Since when.
    pub since: UnixMillis,
    /// Address of the person who asked for it.
    pub author: String,
    /// Reason.
    pub reason: String,
}

impl Freeze {
    /// The freeze in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { since, author, reason } = self;
        format!(
            "{author} has frozen the tenant since {since}: {reason}. Until that is lifted nothing starts, advances or is \
             promoted; a rollback is possible."
        )
    }

    /// Freeze of a row that may have none.
    pub(super) fn of_row(row: &Row, since: &str) -> Result<Option<Self>, StoreError> {
        let Some(since) = row.try_get(since)? else { return Ok(None) };
        Ok(Some(Self { since, author: row.try_get("author")?, reason: row.try_get("reason")? }))
    }
}

/// Freeze of a tenant, if there is one.
///
/// # Errors
/// The store's.
pub async fn get(connection: &mut Connection, tenant: TenantId) -> Result<Option<Freeze>, StoreError> {
    let row = query("SELECT since, author, reason FROM freezes WHERE tenant_id = $1").bind(tenant);
    let row = row.fetch_optional(connection).await?;
    row.as_ref().map_or(Ok(None), |row| Freeze::of_row(row, "since"))
}

/// Begin of each freeze that there is, by tenant.
///
/// # Errors
/// The store's.
pub async fn all(connection: &mut Connection) -> Result<HashMap<TenantId, UnixMillis>, StoreError> {
    let rows = query("SELECT tenant_id, since FROM freezes").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("tenant_id")?, row.try_get("since")?))).collect()
}

/// Freezes a tenant that is not frozen.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, tenant: TenantId, freeze: &Freeze) -> Result<(), StoreError> {
    query("INSERT INTO freezes (tenant_id, since, author, reason) VALUES ($1, $2, $3, $4)")
        .bind(tenant)
        .bind(freeze.since)
        .bind(&freeze.author)
        .bind(&freeze.reason)
        .execute(tx)
        .await?;
    Ok(())
}

/// Lifts the freeze of a tenant.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId) -> Result<(), StoreError> {
    query("DELETE FROM freezes WHERE tenant_id = $1").bind(tenant).execute(tx).await?;
    Ok(())
}
