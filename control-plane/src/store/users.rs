//! People, and the access tokens of theirs that are no longer good.

use uuid::Uuid;

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::{LoginId, TenantId, UserId};
use crate::role::Role;

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Tenant whose things they see.
    pub tenant_id: TenantId,
    /// Their address, in lower case.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// Since when they are known.
    pub created_at: UnixMillis,
    /// Since when they may no longer do anything.
    pub disabled_at: Option<UnixMillis>,
    /// True for a service account: a program's own, with which nobody logs in.
    pub service: bool,
    /// One more with each change of the role, and each time that they are sent out or let in again.
    pub version: i64,
}

/// Adds a person.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if the address is taken.
pub async fn insert(tx: &mut Tx, user: &User, password_hash: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO users (id, tenant_id, email, password_hash, role, created_at, disabled_at, service)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(user.id)
    .bind(user.tenant_id)
    .bind(&user.email)
    .bind(password_hash)
    .bind(user.role)
    .bind(user.created_at)
    .bind(user.disabled_at)
    .bind(user.service)
    .execute(tx)
    .await?;
    Ok(())
}

/// Tells whether there is anybody at all, in any tenant.
///
/// # Errors
/// The store's.
pub async fn any(connection: &mut Connection) -> Result<bool, StoreError> {
    Ok(query("SELECT 1 FROM users LIMIT 1").fetch_optional(connection).await?.is_some())
}

/// User with this address, and their password's hash. The one question that names no tenant: it finds it.
///
/// # Errors
/// The store's.
pub async fn by_email(
    connection: &mut Connection,
    email: &str,
) -> Result<Option<(User, String)>, StoreError> {
    let found = query("SELECT * FROM users WHERE email = $1").bind(email).fetch_optional(connection);
    found.await?.map(|row| Ok((user(&row)?, row.try_get("password_hash")?))).transpose()
}

/// A person of the tenant.
///
/// # Errors
/// The store's.
pub async fn by_id(
    connection: &mut Connection,
    tenant: TenantId,
    id: UserId,
) -> Result<Option<User>, StoreError> {
    let row = query("SELECT * FROM users WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(user).transpose()
}

/// Up to `limit` people behind `after`.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, StoreError> {
    let rows = query("SELECT * FROM users WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
        .bind(tenant)
        .bind(after.unwrap_or(UserId(Uuid::nil())))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(user).collect()
}

/// Ends a person's access. Nothing if there is no such person; who is disabled stays so from when they were.
///
/// # Errors
/// The store's.
pub async fn disable(
    tx: &mut Tx,
    tenant: TenantId,
    id: UserId,
    now: UnixMillis,
) -> Result<Option<User>, StoreError> {
    let row = query(
        "UPDATE users SET disabled_at = coalesce(disabled_at, $3), version = version + 1
         WHERE tenant_id = $1 AND id = $2 RETURNING *",
    )
    .bind(tenant)
    .bind(id)
    .bind(now)
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(user).transpose()
}

/// Lets somebody do things again. Nothing if there is no such person.
///
/// # Errors
/// The store's.
pub async fn enable(tx: &mut Tx, tenant: TenantId, id: UserId) -> Result<Option<User>, StoreError> {
    let row = query(
        "UPDATE users SET disabled_at = NULL, version = version + 1 WHERE tenant_id = $1 AND id = $2 RETURNING *",
    );
    let row = row.bind(tenant).bind(id).fetch_optional(tx).await?;
    row.as_ref().map(user).transpose()
}

/// Gives somebody another role. Nothing if there is no such person.
///
/// # Errors
/// The store's.
pub async fn set_role(
    tx: &mut Tx,
    tenant: TenantId,
    id: UserId,
    role: Role,
) -> Result<Option<User>, StoreError> {
    let row = query(
        "UPDATE users SET role = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 RETURNING *",
    );
    let row = row.bind(tenant).bind(id).bind(role).fetch_optional(tx).await?;
    row.as_ref().map(user).transpose()
}

/// The person whom an identity provider knows as this.
///
/// # Errors
/// The store's.
pub async fn by_subject(
    connection: &mut Connection,
    tenant: TenantId,
    subject: &str,
) -> Result<Option<User>, StoreError> {
    let row = query("SELECT * FROM users WHERE tenant_id = $1 AND subject = $2").bind(tenant).bind(subject);
    row.fetch_optional(connection).await?.as_ref().map(user).transpose()
}

/// Notes whom an identity provider knows somebody as; tells whether they were known as nobody before.
///
/// # Errors
/// The store's.
pub async fn set_subject(
    tx: &mut Tx,
    (tenant, id): (TenantId, UserId),
    subject: &str,
) -> Result<bool, StoreError> {
    let done = query("UPDATE users SET subject = $3 WHERE tenant_id = $1 AND id = $2 AND subject IS NULL");
    let done = done.bind(tenant).bind(id).bind(subject).execute(tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Tells whether a tenant has a person who is an admin and may do things.
///
/// # Errors
/// The store's.
pub async fn has_admin(connection: &mut Connection, tenant: TenantId) -> Result<bool, StoreError> {
    let found = query(
        "SELECT 1 FROM users
         WHERE tenant_id = $1 AND role = $2 AND disabled_at IS NULL AND service = FALSE LIMIT 1",
    );
    let found = found.bind(tenant).bind(Role::Admin).fetch_optional(connection).await?;
    Ok(found.is_some())
}

/// Keeps another hash of somebody's password: of a new one, or a better one of the same.
///
/// # Errors
/// The store's.
pub async fn set_password(
    tx: &mut Tx,
    (tenant, id): (TenantId, UserId),
    password_hash: &str,
) -> Result<(), StoreError> {
    query("UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .bind(password_hash)
        .execute(tx)
        .await?;
    Ok(())
}

/// Holder of the token `jti` of a login, if they may still do anything, the login goes on, and the token was not revoked.
///
/// # Errors
/// The store's.
pub async fn holder(
    connection: &mut Connection,
    (tenant, id): (TenantId, UserId),
    login: LoginId,
    jti: Uuid,
) -> Result<Option<User>, StoreError> {
    let row = query(
        "SELECT * FROM users WHERE tenant_id = $1 AND id = $2 AND disabled_at IS NULL
         AND EXISTS (SELECT 1 FROM logins WHERE tenant_id = $1 AND id = $3 AND user_id = $2 AND ended_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE tenant_id = $1 AND jti = $4)",
    )
    .bind(tenant)
    .bind(id)
    .bind(login)
    .bind(jti.to_string())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(user).transpose()
}

/// Ends a token before its time, and forgets those whose time has come.
///
/// # Errors
/// The store's.
pub async fn revoke(
    tx: &mut Tx,
    (tenant, user): (TenantId, UserId),
    jti: Uuid,
    expires_at: UnixMillis,
    now: UnixMillis,
) -> Result<(), StoreError> {
    query("DELETE FROM revoked_tokens WHERE tenant_id = $1 AND expires_at <= $2")
        .bind(tenant)
        .bind(now)
        .execute(tx)
        .await?;
    query(
        "INSERT INTO revoked_tokens (jti, tenant_id, user_id, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(jti.to_string())
    .bind(tenant)
    .bind(user)
    .bind(expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        email: row.try_get("email")?,
        role: row.try_get("role")?,
        created_at: row.try_get("created_at")?,
        disabled_at: row.try_get("disabled_at")?,
        service: row.try_get("service")?,
        version: row.try_get("version")?,
    })
}
