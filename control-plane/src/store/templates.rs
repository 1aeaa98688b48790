//! Templates and their versions.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{TenantId, UserId};

/// A name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The newest version there ever was.
    pub latest_version: u32,
    /// True if it was taken out of use.
    pub deleted: bool,
}

/// A version, which never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// The template's name.
    pub name: String,
    /// Its number, from 1.
    pub version: u32,
    /// The template as it was written.
    pub text: String,
    /// SHA-256 of the text.
    pub digest: String,
    /// Author.
    pub created_by: UserId,
    /// Time.
    pub created_at: UnixMillis,
}

/// Versions of a name.
///
/// # Errors
/// The store's.
pub async fn head(
    connection: &mut Connection,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Head>, StoreError> {
    let row =
        query("SELECT latest_version, deleted_at FROM config_templates WHERE tenant_id = $1 AND name = $2")
            .bind(tenant)
            .bind(name)
            .fetch_optional(connection)
            .await?;
    let head = |row: Row| {
        let deleted: Option<UnixMillis> = row.try_get("deleted_at")?;
        Ok(Head { latest_version: row.try_get("latest_version")?, deleted: deleted.is_some() })
    };
    row.map(head).transpose()
}

/// Adds a version and makes it the latest; the name is in use from now on.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if there is one of this number.
pub async fn insert(tx: &mut Tx, tenant: TenantId, version: &TemplateVersion) -> Result<(), StoreError> {
    query(
        "INSERT INTO config_templates (tenant_id, name, latest_version, deleted_at) VALUES ($1, $2, $3, NULL)
         ON CONFLICT (tenant_id, name) DO UPDATE SET latest_version = $3, deleted_at = NULL",
    )
    .bind(tenant)
    .bind(&version.name)
    .bind(version.version)
    .execute(tx)
    .await?;
    query(
        "INSERT INTO config_template_versions (tenant_id, name, version, text, digest, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant)
    .bind(&version.name)
    .bind(version.version)
    .bind(&version.text)
    .bind(&version.digest)
    .bind(version.created_by)
    .bind(version.created_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// A version of a template that is in use; without a number, the latest.
///
/// # Errors
/// The store's.
pub async fn get(
    connection: &mut Connection,
    tenant: TenantId,
    name: &str,
    version: Option<u32>,
) -> Result<Option<TemplateVersion>, StoreError> {
    let row = query(
        "SELECT v.* FROM config_template_versions v
         JOIN config_templates t ON t.tenant_id = v.tenant_id AND t.name = v.name
         WHERE t.tenant_id = $1 AND t.name = $2 AND t.deleted_at IS NULL
         AND v.version = coalesce($3, t.latest_version)",
    )
    .bind(tenant)
    .bind(name)
    .bind(version)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(template_version).transpose()
}

/// The latest versions of up to `limit` templates in use, behind `after`, by name.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    after: &str,
    limit: u32,
) -> Result<Vec<TemplateVersion>, StoreError> {
    let rows = query(
        "SELECT v.* FROM config_templates t
         JOIN config_template_versions v
           ON v.tenant_id = t.tenant_id AND v.name = t.name AND v.version = t.latest_version
         WHERE t.tenant_id = $1 AND t.name > $2 AND t.deleted_at IS NULL ORDER BY t.name LIMIT $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(template_version).collect()
}

/// Takes a name out of use; says whether it was in use.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, name: &str, now: UnixMillis) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE config_templates SET deleted_at = $3
         WHERE tenant_id = $1 AND name = $2 AND deleted_at IS NULL",
    )
    .bind(tenant)
    .bind(name)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

fn template_version(row: &Row) -> Result<TemplateVersion, StoreError> {
    Ok(TemplateVersion {
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        text: row.try_get("text")?,
        digest: row.try_get("digest")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
    })
}
