//! Authentication of an access token: what it says of somebody is read anew from the store for every request.

use super::keys::Keys;
use super::{Actor, Session, token};
use crate::clock::UnixMillis;
use crate::refusal::Refusal;
use crate::store::Store;
use crate::store::users::{self, User};

/// Holder and session of this access token.
///
/// # Errors
/// 401 for a token that is not ours, over or revoked, and for a holder who is disabled; and the store's.
pub async fn authenticate(
    store: &Store,
    keys: &Keys,
    now: UnixMillis,
    token: &str,
) -> Result<(Actor, Session), Refusal> {
    let claims = token::verify(keys, token, now).ok_or_else(Refusal::unauthenticated)?;
    let mut reader = store.read().await?;
    let user = users::holder(&mut reader, (claims.tenant, claims.sub), claims.sid, claims.jti).await?;
    let User { id, tenant_id, email, role, .. } = user.ok_or_else(Refusal::unauthenticated)?;
    let expires_at = UnixMillis(claims.exp.saturating_mul(1000));
    let session = Session { jti: claims.jti, login: claims.sid, expires_at };
    Ok((Actor { tenant_id, user_id: id, email, role, session }, session))
}

/// Tells whether the session of somebody who was let in goes on: it is not over or revoked, and they are not disabled.
///
/// # Errors
/// 401 if it has ended; and the store's.
pub async fn still(store: &Store, now: UnixMillis, actor: &Actor) -> Result<(), Refusal> {
    let ended = || Refusal::Unauthenticated("the session has ended; log in again".to_owned());
    if now >= actor.session.expires_at {
        return Err(ended());
    }
    let mut reader = store.read().await?;
    let Session { jti, login, .. } = actor.session;
    let user = users::holder(&mut reader, (actor.tenant_id, actor.user_id), login, jti).await?;
    user.map(drop).ok_or_else(ended)
}
