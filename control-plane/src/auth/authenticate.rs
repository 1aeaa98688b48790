//! Authentication of access tokens and API keys: what they say of somebody is read anew from the store for every request.

use super::actor::{Credential, Key};
use super::keys::Keys;
use super::secret::{Presented, Purpose};
use super::{Actor, Session, token};
use crate::clock::UnixMillis;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::store::api_keys::{self, ApiKey};
use crate::store::users::{self, User};
use crate::store::{Across, Store};

/// Kind of an API key that lets agents in over OpAMP and reaches nothing else. No role has it, and no key without a kind.
pub const CONNECT: &str = "agents:connect";

/// Holder of this access token or API key.
///
/// # Errors
/// 401 for one that is not ours, over or revoked, and for a holder who is disabled; and the store's.
pub async fn authenticate(
    store: &Store,
    keys: &Keys,
    now: UnixMillis,
    token: &str,
) -> Result<Actor, Refusal> {
    if Presented::is_of(token, Purpose::ApiKey) {
        return program(store, now, token).await;
    }
    let claims = token::verify(keys, token, now).map_err(|why| nobody(why.to_string()))?;
    let mut reader = store.read(claims.tenant).await?;
    let user = users::holder(&mut reader, (claims.tenant, claims.sub), claims.sid, claims.jti).await?;
    let User { id, tenant_id, email, role, .. } = user.ok_or_else(|| nobody(ENDED))?;
    let session = Session { jti: claims.jti, login: claims.sid, expires_at: claims.end() };
    Ok(Actor { tenant_id, user_id: id, email, role, credential: Credential::Session(session) })
}

async fn program(store: &Store, now: UnixMillis, text: &str) -> Result<Actor, Refusal> {
    let (key, owner) = good(store, now, text).await?;
    let ApiKey { id, tenant_id, owner_id, role, kind, last_used_at, .. } = key;
    let credential = Credential::Key(Key { id, kind, last_used_at });
    Ok(Actor { tenant_id, user_id: owner_id, email: owner.email, role: role.min(owner.role), credential })
}

/// Sentence about a token of ours whose login goes on no more.
const ENDED: &str = "the login of this access token has ended: by a logout, by another password, or because the person was disabled \
                     or deleted; log in again (`phoenix login`)";
/// Sentence about a text that begins as a key and is no whole one, which shows without looking anything up.
const MISTYPED: &str = "the API key is mistyped or not whole: its checksum does not fit; copy it again as it was shown, or make \
                        another (`phoenix api-key create`)";
/// Sentence about a whole key that nobody has, by its id or by its secret.
const UNKNOWN: &str = "no API key of this control plane has this text: it is of another one, or ended so long ago that it is \
                       forgotten; make another (`phoenix api-key create`)";

fn nobody(why: impl Into<String>) -> Refusal {
    Refusal::Unauthenticated(why.into())
}

/// A key that is good, and its owner.
async fn good(store: &Store, now: UnixMillis, text: &str) -> Result<(ApiKey, User), Refusal> {
    let presented = Presented::parse(text, Purpose::ApiKey).ok_or_else(|| nobody(MISTYPED))?;
    let id = presented.id.parse().map_err(|_| nobody(UNKNOWN))?;
    let found = api_keys::presented(&mut *store.read(Across::Credential).await?, id).await?;
    let found = found.filter(|(_, hash)| presented.is(hash));
    let (key, _) = found.ok_or_else(|| nobody(UNKNOWN))?;
    if !key.is_good(now) {
        return Err(over(&key));
    }
    let owner = users::by_id(&mut *store.read(key.tenant_id).await?, key.tenant_id, key.owner_id).await?;
    let owner = owner.filter(|owner| owner.disabled_at.is_none()).ok_or_else(|| orphaned(&key))?;
    Ok((key, owner))
}

/// The API key that lets agents in: one of this kind alone, whose owner may let agents in.
///
/// # Errors
/// 401 as for [`authenticate`]; forbidden for a key of another kind, and for an owner who may not; and the store's.
pub async fn connecting(store: &Store, now: UnixMillis, text: &str) -> Result<ApiKey, Refusal> {
    let (key, owner) = good(store, now, text).await?;
    if key.kind.as_deref() != Some(CONNECT) {
        let said = format!("the API key {} lets no agent in; make one of the kind {CONNECT}", key.id);
        return Err(Refusal::forbidden(said));
    }
    if owner.role < Role::Operator {
        let said = format!("the owner of the API key {} may let no agent in: that needs an operator", key.id);
        return Err(Refusal::forbidden(said));
    }
    Ok(key)
}

fn over(key: &ApiKey) -> Refusal {
    let (why, at) = match key.revoked_at {
        Some(at) => ("was revoked", at),
        None => ("has expired", key.expires_at),
    };
    nobody(format!(
        "the API key {} {why}, at {at}; make another (`phoenix api-key create`), or ask its owner for one",
        key.id
    ))
}

fn orphaned(key: &ApiKey) -> Refusal {
    nobody(format!("the owner of the API key {} is disabled or deleted; use a key of somebody else", key.id))
}

/// Tells whether what somebody was let in with goes on: it is not over or revoked, and they are not disabled.
///
/// # Errors
/// 401 if it has ended; and the store's.
pub async fn still(store: &Store, now: UnixMillis, actor: &Actor) -> Result<(), Refusal> {
    let ended = || Refusal::Unauthenticated("the session has ended; log in again".to_owned());
    let mut reader = store.read(actor.tenant_id).await?;
    match &actor.credential {
        Credential::Session(Session { expires_at, .. }) if now >= *expires_at => Err(ended()),
        Credential::Session(Session { jti, login, .. }) => {
            let user = users::holder(&mut reader, (actor.tenant_id, actor.user_id), *login, *jti).await?;
            user.map(drop).ok_or_else(ended)
        }
        Credential::Key(Key { id, .. }) => {
            let key = api_keys::presented(&mut reader, *id).await?.map(|(key, _)| key);
            let key = key.ok_or_else(|| nobody(UNKNOWN))?;
            if !key.is_good(now) {
                return Err(over(&key));
            }
            let owner = users::by_id(&mut reader, actor.tenant_id, actor.user_id).await?;
            let may = owner.is_some_and(|owner| owner.disabled_at.is_none());
            if may { Ok(()) } else { Err(orphaned(&key)) }
        }
    }
}
