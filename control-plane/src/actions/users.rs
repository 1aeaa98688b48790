//! Users and tenants: how they are made, changed, and sent out.

use std::fmt;
use std::net::IpAddr;

use serde_json::json;
use thiserror::Error;

use crate::audit::{self, By};
use crate::auth::password::PasswordError;
use crate::auth::{Actor, secret};
use crate::hash::sha256;
use crate::id::{TenantId, UserId, is_name};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::users::{self, User};
use crate::store::{Across, Connection, StoreError, Tx, logins, tenants};

/// Reason for which somebody was not let in or made.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The password or the account is wrong; which, is not told.
    #[error("the email address or the password is wrong")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts; try again in {0} s")]
    TooMany(u64),
    /// Nobody logs in with a password.
    #[error("nobody logs in with a password here; log in by `phoenix login --sso`")]
    NoPasswords,
    /// Not an email address.
    #[error("an email address has an @ between two parts and at most 254 characters, not {0:?}")]
    Email(String),
    /// Not a name.
    #[error("a name has 1 to 64 characters out of a-z, 0-9, '.', '_' and '-', not {0:?}")]
    Name(String),
    /// Taken by someone.
    #[error("{0} is taken")]
    Taken(String),
    /// The first user exists.
    #[error("this control plane is set up; ask an admin for an account")]
    SetUp,
    /// Signing failed.
    #[error("a token cannot be signed: {0}")]
    Sign(String),
    /// The password is not acceptable, or there is no time for it.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        let said = error.to_string();
        match error {
            AccountError::Wrong => Self::Unauthenticated(said),
            AccountError::NoPasswords => Self::forbidden(said),
            AccountError::TooMany(seconds) => Self::too_many(said, seconds),
            AccountError::Email(_) => Self::invalid_field("email", said, "name@host"),
            AccountError::Name(_) => Self::invalid_field("name", said, "for example team-1"),
            AccountError::Taken(_) | AccountError::SetUp => Self::conflict(said),
            AccountError::Password(PasswordError::Length) => {
                Self::invalid_field("password", said, "12 to 256 characters")
            }
            AccountError::Password(PasswordError::Busy) => Self::unavailable(said),
            AccountError::Password(PasswordError::Hash(_)) | AccountError::Sign(_) => Self::internal(said),
            AccountError::Store(error) => error.into(),
        }
    }
}

/// A person to be made.
pub struct NewUser {
    /// Their address.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Their role.
    pub role: Role,
    /// True for a service account, whose password nobody is told.
    pub service: bool,
}

/// Without what is secret.
impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("email", &self.email)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Makes the first tenant and its admin. Works once: with the setup's token, while there is nobody.
///
/// # Errors
/// [`AccountError`].
pub async fn setup(
    state: &AppState,
    token: &str,
    tenant: &str,
    admin: NewUser,
    from: IpAddr,
) -> Result<User, AccountError> {
    let now = state.clock.now();
    let attempt = state.auth.attempts.attempt("setup", from, now);
    attempt.map_err(|wait| AccountError::TooMany(wait.as_secs() + 1))?;
    let Some(kept) = &state.auth.setup else { return Err(AccountError::SetUp) };
    if !secret::same(&sha256(token), kept) {
        return Err(AccountError::Wrong);
    }
    let hash = hash(state, &admin).await?;
    let mut tx = state.store.begin(Across::Setup).await?;
    if users::any(&mut tx).await? {
        return Err(AccountError::SetUp);
    }
    let user = found(state, &mut tx, tenant, admin, &hash, None).await?;
    tx.commit().await?;
    Ok(user)
}

/// Makes another tenant and its admin. Only admins of the first tenant do that.
///
/// # Errors
/// Forbidden for anybody else, and [`AccountError`]'s.
pub async fn add_tenant(
    state: &AppState,
    actor: &Actor,
    name: &str,
    admin: NewUser,
) -> Result<User, Refusal> {
    if tenants::first(&mut *state.store.read(Across::Tenants).await?).await? != Some(actor.tenant_id) {
        return Err(Refusal::forbidden("only the first tenant's admins make others"));
    }
    let hash = hash(state, &admin).await?;
    let mut tx = state.store.begin(Across::Tenants).await?;
    let user = found(state, &mut tx, name, admin, &hash, Some(By::from(actor))).await?;
    tx.commit().await?;
    Ok(user)
}

/// Makes a person in the actor's tenant.
///
/// # Errors
/// [`AccountError`].
pub async fn add_user(state: &AppState, actor: &Actor, new: NewUser) -> Result<User, AccountError> {
    let hash = hash(state, &new).await?;
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let user = insert(state, &mut tx, actor.tenant_id, new, &hash, Some(By::from(actor))).await?;
    tx.commit().await?;
    Ok(user)
}

/// Somebody of the actor's tenant.
///
/// # Errors
/// Not found for somebody who is not of the tenant; and the store's.
pub async fn get(connection: &mut Connection, actor: &Actor, id: UserId) -> Result<User, Refusal> {
    let user = users::by_id(connection, actor.tenant_id, id).await?;
    user.ok_or_else(|| Refusal::not_found("user", id))
}

/// Refuses a change of somebody who is not of the tenant, or is at another version than the one that is asked for.
async fn is_at(tx: &mut Tx, actor: &Actor, id: UserId, asked: Option<i64>) -> Result<(), Refusal> {
    let user = get(tx, actor, id).await?;
    Refusal::unless_at(format_args!("user {}", user.email), user.version, asked)
}

/// Ends a person's access, at once. Not one's own: then there might be no admin left.
///
/// # Errors
/// A conflict for oneself; not found for somebody who is not of the tenant; changed for another version; and the store's.
pub async fn disable(
    state: &AppState,
    actor: &Actor,
    (id, version): (UserId, Option<i64>),
) -> Result<User, Refusal> {
    if id == actor.user_id {
        return Err(Refusal::conflict("nobody ends their own access"));
    }
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    is_at(&mut tx, actor, id, version).await?;
    let user = users::disable(&mut tx, actor.tenant_id, id, now).await?;
    let user = user.ok_or_else(|| Refusal::not_found("user", id))?;
    keeps_an_admin(&mut tx, actor).await?;
    logins::end_others(&mut tx, (actor.tenant_id, id), None, now).await?;
    let object = format!("user/{id}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "user.disable", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.departed();
    Ok(user)
}

/// Lets somebody do things again who was disabled; they log in anew.
///
/// # Errors
/// Not found for somebody who is not of the tenant; changed for another version; and the store's.
pub async fn enable(
    state: &AppState,
    actor: &Actor,
    (id, version): (UserId, Option<i64>),
) -> Result<User, Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    is_at(&mut tx, actor, id, version).await?;
    let user = users::enable(&mut tx, actor.tenant_id, id).await?;
    let user = user.ok_or_else(|| Refusal::not_found("user", id))?;
    let object = format!("user/{id}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "user.enable", &object, &json!({})).await?;
    tx.commit().await?;
    Ok(user)
}

/// Gives somebody another role, which is in force with their next request. Not oneself: then there might be no admin left.
///
/// # Errors
/// A conflict for oneself; not found for somebody who is not of the tenant; changed for another version; and the store's.
pub async fn set_role(
    state: &AppState,
    actor: &Actor,
    (id, version): (UserId, Option<i64>),
    role: Role,
) -> Result<User, Refusal> {
    if id == actor.user_id {
        return Err(Refusal::conflict("nobody changes their own role"));
    }
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    is_at(&mut tx, actor, id, version).await?;
    let user = users::set_role(&mut tx, actor.tenant_id, id, role).await?;
    let user = user.ok_or_else(|| Refusal::not_found("user", id))?;
    keeps_an_admin(&mut tx, actor).await?;
    let (object, detail) = (format!("user/{id}"), json!({ "role": role }));
    audit::record(&mut tx, now, actor.tenant_id, actor, "user.role", &object, &detail).await?;
    tx.commit().await?;
    Ok(user)
}

/// Refuses a change after which a tenant has no admin: two may send each other out at the same time.
async fn keeps_an_admin(tx: &mut Tx, actor: &Actor) -> Result<(), Refusal> {
    if users::has_admin(tx, actor.tenant_id).await? {
        return Ok(());
    }
    Err(Refusal::conflict("nobody would be left who is an admin; make somebody else one before"))
}

async fn hash(state: &AppState, new: &NewUser) -> Result<String, AccountError> {
    Ok(state.auth.passwords.hash(new.password.clone()).await?)
}

async fn found(
    state: &AppState,
    tx: &mut Tx,
    name: &str,
    admin: NewUser,
    hash: &str,
    by: Option<By>,
) -> Result<User, AccountError> {
    if !is_name(name) {
        return Err(AccountError::Name(name.chars().take(64).collect()));
    }
    let now = state.clock.now();
    let tenant = TenantId(state.entropy.uuid(now));
    tenants::insert(tx, tenant, name, now).await.map_err(|error| taken(error, name))?;
    insert(state, tx, tenant, admin, hash, by).await
}

/// Adds a person. Without `by`, they made themselves.
///
/// # Errors
/// [`AccountError`].
pub(super) async fn insert(
    state: &AppState,
    tx: &mut Tx,
    tenant_id: TenantId,
    new: NewUser,
    hash: &str,
    by: Option<By>,
) -> Result<User, AccountError> {
    let email = address(&new.email)?;
    let now = state.clock.now();
    let id = UserId(state.entropy.uuid(now));
    let NewUser { role, service, .. } = new;
    let user = User { id, tenant_id, email, role, created_at: now, disabled_at: None, service, version: 1 };
    users::insert(tx, &user, hash).await.map_err(|error| taken(error, &user.email))?;
    let object = format!("user/{id}");
    let detail = json!({ "email": user.email, "role": user.role, "service": user.service });
    audit::record(tx, now, tenant_id, by.unwrap_or(By::User(id)), "user.create", &object, &detail).await?;
    Ok(user)
}

fn taken(error: StoreError, name: &str) -> AccountError {
    if error.is_duplicate() { AccountError::Taken(name.to_owned()) } else { error.into() }
}

/// An email address, as it is kept.
///
/// # Errors
/// [`AccountError::Email`] for what is none.
pub(super) fn address(text: &str) -> Result<String, AccountError> {
    let email = text.to_lowercase();
    if is_email(&email) { Ok(email) } else { Err(AccountError::Email(email.chars().take(64).collect())) }
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
    parts && text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}
