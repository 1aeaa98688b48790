//! Invitations: what lets a person choose a password and come in, once.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{TenantId, UserId};
use crate::role::Role;

/// An invitation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its public part.
    pub id: String,
    /// Tenant that the person will be of.
    pub tenant_id: TenantId,
    /// Address of the person.
    pub email: String,
    /// Role of the person.
    pub role: Role,
    /// Person who made it.
    pub created_by: UserId,
    /// Time.
    pub created_at: UnixMillis,
    /// From when on it lets nobody in.
    pub expires_at: UnixMillis,
    /// Time at which the person came in.
    pub accepted_at: Option<UnixMillis>,
    /// Time at which somebody ended it.
    pub revoked_at: Option<UnixMillis>,
}

impl Invitation {
    /// Tells whether it lets somebody in.
    #[must_use]
    pub fn is_good(&self, now: UnixMillis) -> bool {
        self.accepted_at.is_none() && self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Adds an invitation.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, invitation: &Invitation, secret_hash: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO invitations (id, tenant_id, email, role, secret_hash, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&invitation.id)
    .bind(invitation.tenant_id)
    .bind(&invitation.email)
    .bind(invitation.role)
    .bind(secret_hash)
    .bind(invitation.created_by)
    .bind(invitation.created_at)
    .bind(invitation.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The invitation of this id and what was kept of its secret. Names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn presented(
    connection: &mut Connection,
    id: &str,
) -> Result<Option<(Invitation, String)>, StoreError> {
    let row = query("SELECT * FROM invitations WHERE id = $1").bind(id).fetch_optional(connection).await?;
    row.map(|row| Ok((invitation(&row)?, row.try_get("secret_hash")?))).transpose()
}

/// Up to `limit` invitations behind `after`.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    after: &str,
    limit: u32,
) -> Result<Vec<Invitation>, StoreError> {
    let rows = query("SELECT * FROM invitations WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(invitation).collect()
}

/// Notes that the person came in; tells whether nobody had before, and nobody had ended it.
///
/// # Errors
/// The store's.
pub async fn accept(tx: &mut Tx, tenant: TenantId, id: &str, now: UnixMillis) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE invitations SET accepted_at = $3
         WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
    );
    Ok(changed.bind(tenant).bind(id).bind(now).execute(tx).await?.rows_affected() == 1)
}

/// Ends one that nobody has accepted; tells whether there is one.
///
/// # Errors
/// The store's.
pub async fn revoke(tx: &mut Tx, tenant: TenantId, id: &str, now: UnixMillis) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE invitations SET revoked_at = coalesce(revoked_at, $3)
         WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL",
    );
    Ok(changed.bind(tenant).bind(id).bind(now).execute(tx).await?.rows_affected() == 1)
}

fn invitation(row: &Row) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        email: row.try_get("email")?,
        role: row.try_get("role")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        accepted_at: row.try_get("accepted_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}
