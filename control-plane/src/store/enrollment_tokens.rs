//! Tokens that let agents in.

use serde_json::to_string;

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{TenantId, UserId};
use crate::labels::Labels;

const TABLE: &str = "enrollment_tokens";

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentToken {
    /// Its public part.
    pub id: String,
    /// Tenant whose agents it lets in.
    pub tenant_id: TenantId,
    /// Labels that it gives them.
    pub labels: Labels,
    /// Number of agents that it lets in; without it, any number.
    pub max_uses: Option<u32>,
    /// Number of agents that it has let in.
    pub uses: u32,
    /// Person who made it.
    pub created_by: UserId,
    /// Time.
    pub created_at: UnixMillis,
    /// From when on it lets nobody in.
    pub expires_at: UnixMillis,
    /// Time at which somebody ended it.
    pub revoked_at: Option<UnixMillis>,
}

impl EnrollmentToken {
    /// Tells whether it is good at all; how often it was used is another question.
    pub fn is_good(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Tells whether it lets one more agent in.
    pub fn has_uses_left(&self) -> bool {
        self.max_uses.is_none_or(|most| self.uses < most)
    }
}

/// Adds a token.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, token: &EnrollmentToken, secret_hash: &str) -> Result<(), StoreError> {
    let labels = to_string(&token.labels).map_err(|error| StoreError::row(TABLE, error))?;
    query(
        "INSERT INTO enrollment_tokens
         (id, tenant_id, secret_hash, labels, max_uses, uses, created_by, created_at, expires_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&token.id)
    .bind(token.tenant_id)
    .bind(secret_hash)
    .bind(labels)
    .bind(token.max_uses)
    .bind(token.uses)
    .bind(token.created_by)
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.revoked_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The token of this id and what was kept of its secret. Names no tenant: an agent that comes in has none yet.
///
/// # Errors
/// The store's.
pub async fn presented(
    connection: &mut Connection,
    id: &str,
) -> Result<Option<(EnrollmentToken, String)>, StoreError> {
    let row = query("SELECT * FROM enrollment_tokens WHERE id = $1").bind(id);
    let row = row.fetch_optional(connection).await?;
    row.map(|row| Ok((token(&row)?, row.try_get("secret_hash")?))).transpose()
}

/// Up to `limit` tokens behind `after`.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    after: &str,
    limit: u32,
) -> Result<Vec<EnrollmentToken>, StoreError> {
    let rows = query("SELECT * FROM enrollment_tokens WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(tenant)
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(token).collect()
}

/// Counts a use.
///
/// # Errors
/// The store's.
pub async fn used(tx: &mut Tx, token: &EnrollmentToken) -> Result<(), StoreError> {
    query("UPDATE enrollment_tokens SET uses = uses + 1 WHERE tenant_id = $1 AND id = $2")
        .bind(token.tenant_id)
        .bind(&token.id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a token; says whether there is one. Agents that it has let in stay.
///
/// # Errors
/// The store's.
pub async fn revoke(tx: &mut Tx, tenant: TenantId, id: &str, now: UnixMillis) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE enrollment_tokens SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

fn token(row: &Row) -> Result<EnrollmentToken, StoreError> {
    let labels: &str = row.try_get("labels")?;
    Ok(EnrollmentToken {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        labels: serde_json::from_str(labels).map_err(|error| StoreError::row(TABLE, error))?,
        max_uses: row.try_get("max_uses")?,
        uses: row.try_get("uses")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked_at: row.try_get("revoked_at")?,
    })
}
