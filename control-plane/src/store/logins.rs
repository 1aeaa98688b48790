//! Logins, and the refresh tokens by which they go on.

use std::time::Duration;

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{LoginId, TenantId, UserId};

/// Time for which an ended login is remembered: longer than any access token of it.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// Tenant of the person.
    pub tenant_id: TenantId,
    /// Person who logged in.
    pub user_id: UserId,
    /// Time of the login.
    pub created_at: UnixMillis,
    /// Time from which on nothing goes on with it.
    pub ends_at: UnixMillis,
    /// Time at which it ended before.
    pub ended_at: Option<UnixMillis>,
}

/// A refresh token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its public part.
    pub id: String,
    /// Time.
    pub created_at: UnixMillis,
    /// Time from which on it is not exchanged any more.
    pub expires_at: UnixMillis,
    /// Time at which it was exchanged first, or put aside.
    pub exchanged_at: Option<UnixMillis>,
    /// The token that it was exchanged for; of one that was put aside, nothing.
    pub successor: Option<String>,
}

/// Adds a login.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, login: &Login) -> Result<(), StoreError> {
    query(
        "INSERT INTO logins (id, tenant_id, user_id, created_at, ends_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(login.id)
    .bind(login.tenant_id)
    .bind(login.user_id)
    .bind(login.created_at)
    .bind(login.ends_at)
    .bind(login.ended_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds a token to a login.
///
/// # Errors
/// The store's.
pub async fn insert_token(
    tx: &mut Tx,
    login: &Login,
    token: &RefreshToken,
    secret_hash: &str,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO refresh_tokens
         (id, tenant_id, login_id, secret_hash, created_at, expires_at, exchanged_at, successor)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&token.id)
    .bind(login.tenant_id)
    .bind(login.id)
    .bind(secret_hash)
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.exchanged_at)
    .bind(&token.successor)
    .execute(tx)
    .await?;
    Ok(())
}

/// The token of this id, what was kept of its secret, and its login. Names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn presented(
    connection: &mut Connection,
    id: &str,
) -> Result<Option<(RefreshToken, String, Login)>, StoreError> {
    let row = query("SELECT * FROM refresh_tokens WHERE id = $1").bind(id);
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let (tenant, login): (TenantId, LoginId) = (row.try_get("tenant_id")?, row.try_get("login_id")?);
    let of = query("SELECT * FROM logins WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(login);
    let Some(of) = of.fetch_optional(&mut *connection).await? else { return Ok(None) };
    Ok(Some((token(&row)?, row.try_get("secret_hash")?, self::login(&of)?)))
}

/// Tells whether a login's token was exchanged or put aside.
///
/// # Errors
/// The store's.
pub async fn is_exchanged(tx: &mut Tx, tenant: TenantId, id: &str) -> Result<bool, StoreError> {
    let row =
        query("SELECT 1 FROM refresh_tokens WHERE tenant_id = $1 AND id = $2 AND exchanged_at IS NOT NULL")
            .bind(tenant)
            .bind(id)
            .fetch_optional(tx)
            .await?;
    Ok(row.is_some())
}

/// Notes that a token was exchanged for another, or put aside for one.
///
/// # Errors
/// The store's.
pub async fn exchanged(
    tx: &mut Tx,
    tenant: TenantId,
    id: &str,
    successor: Option<&str>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE refresh_tokens SET exchanged_at = coalesce(exchanged_at, $3), successor = $4
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant)
    .bind(id)
    .bind(now)
    .bind(successor)
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends a login, at once.
///
/// # Errors
/// The store's.
pub async fn end(tx: &mut Tx, tenant: TenantId, id: LoginId, now: UnixMillis) -> Result<(), StoreError> {
    query("UPDATE logins SET ended_at = coalesce(ended_at, $3) WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends all logins of a person but one.
///
/// # Errors
/// The store's.
pub async fn end_others(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    but: Option<LoginId>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query(
        "UPDATE logins SET ended_at = $4
         WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND id <> coalesce($3, '')",
    )
    .bind(tenant)
    .bind(user)
    .bind(but)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets all logins of a person but `login` and the `most` latest others, of which those that have ended go first; says
/// whether there were more.
///
/// # Errors
/// The store's.
pub async fn trim(tx: &mut Tx, login: &Login, most: u32) -> Result<bool, StoreError> {
    let mut changed = 0;
    for statement in [
        "DELETE FROM refresh_tokens WHERE tenant_id = $1 AND login_id IN (
           SELECT id FROM logins WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND id NOT IN (
             SELECT id FROM logins WHERE tenant_id = $1 AND user_id = $2 AND id <> $3
             ORDER BY ended_at IS NULL DESC, created_at DESC, id LIMIT $4))",
        "DELETE FROM logins WHERE tenant_id = $1 AND user_id = $2 AND id <> $3 AND id NOT IN (
           SELECT id FROM logins WHERE tenant_id = $1 AND user_id = $2 AND id <> $3
           ORDER BY ended_at IS NULL DESC, created_at DESC, id LIMIT $4)",
    ] {
        let trimmed = query(statement).bind(login.tenant_id).bind(login.user_id).bind(login.id).bind(most);
        changed = trimmed.execute(tx).await?.rows_affected();
    }
    Ok(changed > 0)
}

/// Forgets all exchanged tokens of a login but the `most` latest.
///
/// # Errors
/// The store's.
pub async fn trim_tokens(tx: &mut Tx, login: &Login, most: u32) -> Result<(), StoreError> {
    let statement = "DELETE FROM refresh_tokens
         WHERE tenant_id = $1 AND login_id = $2 AND exchanged_at IS NOT NULL AND id NOT IN (
           SELECT id FROM refresh_tokens WHERE tenant_id = $1 AND login_id = $2 AND exchanged_at IS NOT NULL
           ORDER BY created_at DESC, id LIMIT $3)";
    query(statement).bind(login.tenant_id).bind(login.id).bind(most).execute(tx).await?;
    Ok(())
}

/// Forgets the logins and the tokens of a tenant whose time has come.
///
/// # Errors
/// The store's.
pub async fn forget(tx: &mut Tx, tenant: TenantId, now: UnixMillis) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM refresh_tokens WHERE tenant_id = $1 AND (expires_at <= $2 OR login_id IN (
           SELECT id FROM logins WHERE tenant_id = $1 AND (ends_at <= $2 OR ended_at <= $3)))",
        "DELETE FROM logins WHERE tenant_id = $1 AND (ends_at <= $2 OR ended_at <= $3)",
    ] {
        let forgotten = query(statement).bind(tenant).bind(now).bind(now.before(REMEMBERED));
        forgotten.execute(tx).await?;
    }
    Ok(())
}

fn login(row: &Row) -> Result<Login, StoreError> {
    Ok(Login {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        user_id: row.try_get("user_id")?,
        created_at: row.try_get("created_at")?,
        ends_at: row.try_get("ends_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

fn token(row: &Row) -> Result<RefreshToken, StoreError> {
    Ok(RefreshToken {
        id: row.try_get("id")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        exchanged_at: row.try_get("exchanged_at")?,
        successor: row.try_get("successor")?,
    })
}
