//! Invitations: an admin says who may come in, and the person chooses the password.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::users::{self, AccountError, NewUser};
use crate::audit;
use crate::auth::Actor;
use crate::auth::secret::{self, Presented, Purpose};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::Across;
use crate::store::invitations::{self, Invitation};
use crate::store::users::User;

const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

/// Invites somebody to the actor's tenant. Returns the invitation, and its whole text, which is shown this once.
///
/// # Errors
/// Invalid for what is no address, and for a lifetime of nothing or of more than a month; and the store's.
pub async fn create(
    state: &AppState,
    actor: &Actor,
    (email, role): (&str, Role),
    expires_in: Duration,
) -> Result<(Invitation, String), Refusal> {
    let email = users::address(email)?;
    if expires_in.is_zero() || expires_in > LONGEST {
        return Err(Refusal::invalid_field("expires_in", "out of bounds", "for example 7d; 31d at most"));
    }
    let minted = secret::mint(&state.entropy, Purpose::Invitation);
    let now = state.clock.now();
    let invitation = Invitation {
        id: minted.id,
        tenant_id: actor.tenant_id,
        email,
        role,
        created_by: actor.user_id,
        created_at: now,
        expires_at: now.plus(expires_in),
        accepted_at: None,
        revoked_at: None,
    };
    let mut tx = state.store.begin(actor.tenant_id).await?;
    invitations::insert(&mut tx, &invitation, &minted.hash).await?;
    let object = format!("invitation/{}", invitation.id);
    let detail = json!({
        "email": invitation.email, "role": invitation.role, "expires_at": invitation.expires_at,
    });
    audit::record(&mut tx, now, actor.tenant_id, actor, "invitation.create", &object, &detail).await?;
    tx.commit().await?;
    Ok((invitation, minted.text))
}

/// Makes the person who was invited, with a password of their own.
///
/// # Errors
/// 401 for an invitation that is unknown, over, accepted or ended; a conflict if the address is taken; invalid for a
/// password that is none.
pub async fn accept(state: &AppState, text: &str, password: String, from: IpAddr) -> Result<User, Refusal> {
    let over = || {
        Refusal::Unauthenticated("the invitation is not valid any more; ask an admin for another".to_owned())
    };
    super::logins::passwords(state)?;
    let attempt = state.auth.attempts.attempt("invitation", from, state.clock.now());
    attempt.map_err(|wait| AccountError::TooMany(wait.as_secs() + 1))?;
    let presented = Presented::parse(text, Purpose::Invitation).ok_or_else(over)?;
    let found =
        invitations::presented(&mut *state.store.read(Across::Credential).await?, &presented.id).await?;
    let (invitation, _) = found.filter(|(_, hash)| presented.is(hash)).ok_or_else(over)?;
    if !invitation.is_good(state.clock.now()) {
        return Err(over());
    }
    let Invitation { id, tenant_id, email, role, .. } = invitation;
    let hash = state.auth.passwords.hash(password.clone()).await.map_err(AccountError::from)?;
    let now = state.clock.now();
    let mut tx = state.store.begin(tenant_id).await?;
    // Somebody may have been faster while the password was hashed.
    if !invitations::accept(&mut tx, tenant_id, &id, now).await? {
        return Err(over());
    }
    let new = NewUser { email, password, role, service: false };
    let user = users::insert(state, &mut tx, tenant_id, new, &hash, None).await?;
    let object = format!("invitation/{id}");
    let (by, detail) = (audit::By::User(user.id), json!({ "address": from }));
    audit::record(&mut tx, now, tenant_id, by, "invitation.accept", &object, &detail).await?;
    tx.commit().await?;
    Ok(user)
}

/// Ends an invitation that nobody has accepted.
///
/// # Errors
/// Not found for one that is not of the tenant, or that was accepted; and the store's.
pub async fn revoke(state: &AppState, actor: &Actor, id: &str) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if !invitations::revoke(&mut tx, actor.tenant_id, id, now).await? {
        return Err(Refusal::not_found("open invitation", id));
    }
    let object = format!("invitation/{id}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "invitation.revoke", &object, &json!({})).await?;
    Ok(tx.commit().await?)
}
