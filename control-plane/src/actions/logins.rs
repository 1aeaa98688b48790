//! Logins: coming in with a password, going on by refresh tokens, going out.
//!
//! A refresh token is good once (RFC 9700 §4.14.2). One that comes a second time was stolen, or its answer was lost: for
//! [`GRACE`] and while nobody has used what it was exchanged for, it is exchanged again and that one is put aside; after
//! that, its login ends with all of its tokens.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::users::AccountError;
use crate::audit::{self, By};
use crate::auth::password::Compared;
use crate::auth::secret::{self, Presented, Purpose};
use crate::auth::token::{self, Claims};
use crate::auth::{Actor, Session};
use crate::clock::UnixMillis;
use crate::id::LoginId;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::logins::{self, Login, RefreshToken};
use crate::store::users::{self, User};
use crate::store::{Across, StoreError, Tx};

/// Time for which a refresh token is valid.
pub const REFRESH: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest time from a password to the next.
const LONGEST: Duration = Duration::from_secs(90 * 24 * 3600);
/// Time in which a token may come again because the answer was lost.
const GRACE: Duration = Duration::from_secs(30);

/// Most logins of a person besides the newest; the oldest ends when there is another.
const MOST: u32 = 99;
/// Exchanged tokens of a login that are known when they come again. Somebody who renews when a token is nearly over
/// exchanges fewer in the time for which one is valid.
const KNOWN_AGAIN: u32 = 1000;

/// Tokens of a login, and whose they are.
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// Time for which it is valid.
    pub expires_in: Duration,
    /// The refresh token.
    pub refresh: String,
    /// Time for which that is valid.
    pub refresh_expires_in: Duration,
    /// Their holder.
    pub user: User,
}

/// Without what is secret.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_in", &self.expires_in)
            .field("refresh_expires_in", &self.refresh_expires_in)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Lets somebody in.
///
/// # Errors
/// [`AccountError`].
pub async fn login(
    state: &AppState,
    email: &str,
    password: String,
    from: IpAddr,
) -> Result<Tokens, AccountError> {
    let Proven { user, hash, rehashed } = proven(state, email, password, from).await?;
    let now = state.clock.now();
    let tenant = user.tenant_id;
    let mut tx = state.store.begin(tenant).await?;
    stands(&mut tx, &user, &hash).await?;
    if let Some(hash) = rehashed {
        users::set_password(&mut tx, (tenant, user.id), &hash).await?;
    }
    let (tokens, trimmed) = open(state, &mut tx, user, (now, now.plus(LONGEST)), (from, "password")).await?;
    tx.commit().await?;
    if trimmed {
        state.hub.departed();
    }
    Ok(tokens)
}

/// Opens a login of somebody who has proven who they are, in some way. Returns its tokens, and whether it ended an older one.
pub(super) async fn open(
    state: &AppState,
    tx: &mut Tx,
    user: User,
    (now, ends_at): (UnixMillis, UnixMillis),
    (from, way): (IpAddr, &str),
) -> Result<(Tokens, bool), AccountError> {
    let (tenant_id, id) = (user.tenant_id, LoginId(state.entropy.uuid(now)));
    let login = Login { id, tenant_id, user_id: user.id, created_at: now, ends_at, ended_at: None };
    logins::forget(tx, tenant_id, now).await?;
    logins::insert(tx, &login).await?;
    let trimmed = logins::trim(tx, &login, MOST).await?;
    let (tokens, _) = issue(state, tx, &login, user, now).await?;
    let (object, detail) = (format!("user/{}", login.user_id), json!({ "address": from, "by": way }));
    audit::record(tx, now, tenant_id, By::User(login.user_id), "auth.login", &object, &detail).await?;
    Ok((tokens, trimmed))
}

/// Refuses where nobody logs in with a password.
pub(super) fn passwords(state: &AppState) -> Result<(), AccountError> {
    if state.auth.no_passwords { Err(AccountError::NoPasswords) } else { Ok(()) }
}

/// Person who has proven their password.
struct Proven {
    user: User,
    /// The hash that the password was compared with.
    hash: String,
    /// A better one, where there is one.
    rehashed: Option<String>,
}

/// Person of this address and password.
async fn proven(
    state: &AppState,
    email: &str,
    password: String,
    from: IpAddr,
) -> Result<Proven, AccountError> {
    passwords(state)?;
    let attempt = state.auth.attempts.attempt(email, from, state.clock.now());
    let attempt = attempt.map_err(|wait| AccountError::TooMany(wait.as_secs() + 1))?;
    let known = users::by_email(&mut *state.store.read(Across::Login).await?, &email.to_lowercase()).await?;
    let kept = known.as_ref().map(|(_, hash)| hash.clone());
    let compared = state.auth.passwords.compare(password, kept, from.into()).await?;
    let Some((user, hash)) = known else { return Err(AccountError::Wrong) };
    let Compared::Same { rehashed } = compared else { return Err(failed(state, user, from)) };
    if user.disabled_at.is_some() {
        return Err(failed(state, user, from));
    }
    state.auth.attempts.succeeded(attempt);
    Ok(Proven { user, hash, rehashed })
}

/// Notes in the audit log that somebody was not let in as this person. Who asks does not wait for it: how long it takes would
/// tell that there is such a person.
fn failed(state: &AppState, user: User, from: IpAddr) -> AccountError {
    let now = state.clock.now();
    if let Some(unnoted) = state.auth.attempts.failed(&user.email, now) {
        let state = state.clone();
        tokio::spawn(async move {
            let noted: Result<(), StoreError> = async {
                let mut tx = state.store.begin(user.tenant_id).await?;
                let (object, detail) =
                    (format!("user/{}", user.id), json!({ "address": from, "unnoted_before": unnoted }));
                let by = By::ControlPlane;
                audit::record(&mut tx, now, user.tenant_id, by, "auth.failed", &object, &detail).await?;
                tx.commit().await
            }
            .await;
            if let Err(error) = noted {
                tracing::warn!(user = %user.id, %error, "a failed login is not noted");
            }
        });
    }
    AccountError::Wrong
}

/// Refuses what was proven with a hash that is not theirs any more: a comparison takes so long that a password may change or
/// a person be disabled meanwhile.
async fn stands(tx: &mut Tx, user: &User, hash: &str) -> Result<(), AccountError> {
    let now = users::by_email(tx, &user.email).await?;
    let same = now.is_some_and(|(now, kept)| now.id == user.id && now.disabled_at.is_none() && kept == hash);
    if same { Ok(()) } else { Err(AccountError::Wrong) }
}

/// Exchanges a refresh token for new tokens.
///
/// # Errors
/// 401 for one that is unknown, over, or was exchanged before; and the store's.
pub async fn refresh(state: &AppState, text: &str, from: IpAddr) -> Result<Tokens, Refusal> {
    let over =
        || Refusal::Unauthenticated("the refresh token is not valid any more; log in again".to_owned());
    let now = state.clock.now();
    let presented = Presented::parse(text, Purpose::Refresh).ok_or_else(over)?;
    // Who has no such token does not get as far as the write lock.
    let known = logins::presented(&mut *state.store.read(Across::Credential).await?, &presented.id).await?;
    let (.., login) = known.filter(|(_, hash, _)| presented.is(hash)).ok_or_else(over)?;
    let tenant = login.tenant_id;
    let mut tx = state.store.begin(tenant).await?;
    let (kept, _, login) = logins::presented(&mut tx, &presented.id).await?.ok_or_else(over)?;
    let user = users::by_id(&mut tx, login.tenant_id, login.user_id).await?;
    let user = user.filter(|user| user.disabled_at.is_none()).ok_or_else(over)?;
    if login.ended_at.is_some() || now >= login.ends_at.min(kept.expires_at) {
        return Err(over());
    }
    if !may_be_exchanged(&mut tx, &login, &kept, now).await? {
        logins::end(&mut tx, login.tenant_id, login.id, now).await?;
        let (object, detail) = (format!("user/{}", user.id), json!({ "address": from, "login": login.id }));
        audit::record(&mut tx, now, login.tenant_id, By::ControlPlane, "auth.reuse", &object, &detail)
            .await?;
        tx.commit().await?;
        state.hub.departed();
        let said =
            "the refresh token was used before, so that its login has ended for everybody; log in again";
        return Err(Refusal::Unauthenticated(said.to_owned()));
    }
    if let Some(aside) = &kept.successor {
        logins::exchanged(&mut tx, login.tenant_id, aside, None, now).await?;
    }
    let (tokens, successor) = issue(state, &mut tx, &login, user, now).await?;
    logins::exchanged(&mut tx, login.tenant_id, &kept.id, Some(&successor), now).await?;
    logins::trim_tokens(&mut tx, &login, KNOWN_AGAIN).await?;
    logins::forget(&mut tx, tenant, now).await?;
    tx.commit().await?;
    Ok(tokens)
}

/// Tells whether a token has not been exchanged, or only just now for one that nobody has used.
async fn may_be_exchanged(
    tx: &mut Tx,
    login: &Login,
    token: &RefreshToken,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    match (token.exchanged_at, &token.successor) {
        (None, _) => Ok(true),
        // Either way: a clock that goes back gives nobody more time.
        (Some(at), Some(successor)) if now < at.plus(GRACE) && at < now.plus(GRACE) => {
            Ok(!logins::is_exchanged(tx, login.tenant_id, successor).await?)
        }
        (Some(_), _) => Ok(false),
    }
}

/// Makes an access and a refresh token of a login. Returns them and the public part of the latter.
async fn issue(
    state: &AppState,
    tx: &mut Tx,
    login: &Login,
    user: User,
    now: UnixMillis,
) -> Result<(Tokens, String), AccountError> {
    let claims = Claims::new(login, state.entropy.uuid(now), now);
    let access = token::sign(&state.auth.keys, &claims).map_err(AccountError::Sign)?;
    let minted = secret::mint(&state.entropy, Purpose::Refresh);
    let expires_at = now.plus(REFRESH).min(login.ends_at);
    let refresh =
        RefreshToken { id: minted.id, created_at: now, expires_at, exchanged_at: None, successor: None };
    logins::insert_token(tx, login, &refresh, &minted.hash).await?;
    let tokens = Tokens {
        access,
        expires_in: now.until(UnixMillis(claims.exp.saturating_mul(1000))),
        refresh: minted.text,
        refresh_expires_in: now.until(expires_at),
        user,
    };
    Ok((tokens, refresh.id))
}

/// Ends a login with all of its tokens, at once.
///
/// # Errors
/// The store's.
pub async fn logout(state: &AppState, actor: &Actor, session: Session) -> Result<(), StoreError> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    users::revoke(&mut tx, (actor.tenant_id, actor.user_id), session.jti, session.expires_at, now).await?;
    logins::end(&mut tx, actor.tenant_id, session.login, now).await?;
    let object = format!("user/{}", actor.user_id);
    audit::record(&mut tx, now, actor.tenant_id, actor, "auth.logout", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.departed();
    Ok(())
}

/// Changes one's own password, and ends one's other logins.
///
/// # Errors
/// [`AccountError`]'s, and 401 for a session that has ended meanwhile.
pub async fn change_password(
    state: &AppState,
    actor: &Actor,
    session: Session,
    (current, new): (String, String),
    from: IpAddr,
) -> Result<(), Refusal> {
    let Proven { user, hash, .. } = proven(state, &actor.email, current, from).await?;
    let new = state.auth.passwords.hash(new).await.map_err(AccountError::from)?;
    let (now, who) = (state.clock.now(), (actor.tenant_id, actor.user_id));
    let mut tx = state.store.begin(actor.tenant_id).await?;
    stands(&mut tx, &user, &hash).await?;
    users::holder(&mut tx, who, session.login, session.jti).await?.ok_or_else(Refusal::unauthenticated)?;
    users::set_password(&mut tx, who, &new).await?;
    logins::end_others(&mut tx, who, Some(session.login), now).await?;
    let object = format!("user/{}", actor.user_id);
    audit::record(&mut tx, now, actor.tenant_id, actor, "user.password", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.departed();
    Ok(())
}
