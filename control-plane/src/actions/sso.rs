//! Single sign-on: people whom an identity provider vouches for, made at their first login, in the role of their groups.

use std::net::IpAddr;

use serde_json::json;

use super::logins::{self, Tokens};
use super::users::{self as people, AccountError, NewUser};
use crate::audit::{self, By};
use crate::clock::UnixMillis;
use crate::id::TenantId;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::sso::{Begun, Ending, Identity, Sso, SsoError};
use crate::state::AppState;
use crate::store::users::{self, User};
use crate::store::{Across, Tx, logins as rows, tenants};

impl From<SsoError> for Refusal {
    fn from(error: SsoError) -> Self {
        let said = error.to_string();
        match error {
            SsoError::Redirect => Self::invalid_field(
                "redirect_uri",
                said,
                "http://127.0.0.1:PORT/PATH, on the person's own machine",
            ),
            SsoError::Away(_) => {
                tracing::error!("{said}");
                Self::unavailable("the identity provider cannot be asked; the control plane's log says why")
            }
            SsoError::Flow | SsoError::Answer(_) => Self::Unauthenticated(said),
        }
    }
}

fn sso(state: &AppState) -> Result<&Sso, Refusal> {
    let none =
        || Refusal::NotFound("this control plane has no identity provider (serve --oidc-issuer)".to_owned());
    state.sso.as_ref().ok_or_else(none)
}

/// Begins a login of somebody who listens at `redirect_uri` on their own machine.
///
/// # Errors
/// Not found where there is no provider; too many from an address; invalid for an address that is not the person's own machine;
/// and not available while the provider cannot be asked.
pub async fn begin(state: &AppState, redirect_uri: &str, from: IpAddr) -> Result<Begun, Refusal> {
    let (sso, now) = (sso(state)?, state.clock.now());
    let attempt = state.auth.attempts.attempt("sso", from, now);
    let attempt = attempt.map_err(|wait| AccountError::TooMany(wait.as_secs() + 1))?;
    let begun = sso.begin((&state.seal, &state.entropy), redirect_uri, now).await?;
    state.auth.attempts.succeeded(attempt);
    Ok(begun)
}

/// Ends a login, and lets the person in.
///
/// # Errors
/// As [`begin`]; unauthenticated for a flow or an answer that does not count; forbidden for somebody of whose groups none has a
/// role, or who is disabled; a conflict for an address that is somebody else's here, and for the last admin whose groups give
/// another role; and the store's.
pub async fn finish(state: &AppState, ending: Ending<'_>, from: IpAddr) -> Result<Tokens, Refusal> {
    let (sso, now) = (sso(state)?, state.clock.now());
    let attempt = state.auth.attempts.attempt("sso", from, now);
    let attempt = attempt.map_err(|wait| AccountError::TooMany(wait.as_secs() + 1))?;
    let identity = sso.finish(&state.seal, ending, now).await?;
    let tenant = tenant(state, sso).await?;
    let known = users::by_subject(&mut *state.store.read(tenant).await?, tenant, &identity.subject).await?;
    let unguessable = match (known, identity.role) {
        (None, Some(_)) => Some(unguessable(state).await?),
        _ => None,
    };
    let mut tx = state.store.begin(tenant).await?;
    let known = users::by_subject(&mut tx, tenant, &identity.subject).await?;
    let Some(role) = identity.role else {
        return Err(turned_away(state, tx, known, identity, now).await?);
    };
    let user = match known {
        Some(user) => user,
        None => first(state, &mut tx, tenant, (&identity, role), unguessable).await?,
    };
    if user.disabled_at.is_some() {
        return Err(Refusal::forbidden(format!("{} is disabled here; ask an admin", user.email)));
    }
    let user = in_role(&mut tx, user, role, now).await?;
    let ends_at = now.plus(sso.settings.session);
    let (tokens, trimmed) = logins::open(state, &mut tx, user, (now, ends_at), (from, "sso")).await?;
    tx.commit().await?;
    state.auth.attempts.succeeded(attempt);
    if trimmed {
        state.hub.departed();
    }
    Ok(tokens)
}

/// The tenant that people come into.
async fn tenant(state: &AppState, sso: &Sso) -> Result<TenantId, Refusal> {
    let mut reader = state.store.read(Across::Login).await?;
    let found = match &sso.settings.tenant {
        Some(name) => tenants::named(&mut reader, name).await?,
        None => tenants::first(&mut reader).await?,
    };
    found.ok_or_else(|| {
        Refusal::conflict("the tenant of the identity provider's people is not there (serve --oidc-tenant); set one up first")
    })
}

/// Ends the logins of somebody who has no group with a role any more. Returns what they are told.
async fn turned_away(
    state: &AppState,
    mut tx: Tx,
    known: Option<User>,
    identity: Identity,
    now: UnixMillis,
) -> Result<Refusal, Refusal> {
    if let Some(user) = known {
        let who = (user.tenant_id, user.id);
        rows::end_others(&mut tx, who, None, now).await?;
        let (object, detail) = (format!("user/{}", user.id), json!({ "reason": "no group has a role" }));
        audit::record(&mut tx, now, user.tenant_id, By::ControlPlane, "auth.refused", &object, &detail)
            .await?;
        tx.commit().await?;
        state.hub.departed();
    }
    Ok(Refusal::forbidden(format!(
        "none of the groups of {} has a role here; ask an admin (serve --oidc-role GROUP=ROLE)",
        identity.email
    )))
}

/// A password that nobody is told, and its hash, which takes a while.
async fn unguessable(state: &AppState) -> Result<(String, String), AccountError> {
    let password = hex::encode(state.entropy.bytes::<32>());
    let hash = state.auth.passwords.hash(password.clone()).await?;
    Ok((password, hash))
}

/// Person who comes for the first time: whoever has the address here already, if the provider has verified it, else a new one.
async fn first(
    state: &AppState,
    tx: &mut Tx,
    tenant: TenantId,
    (identity, role): (&Identity, Role),
    unguessable: Option<(String, String)>,
) -> Result<User, Refusal> {
    if !identity.verified {
        let email = &identity.email;
        let said =
            format!("the identity provider has not verified the address {email} (claim email_verified)");
        return Err(Refusal::forbidden(said));
    }
    let known = users::by_email(tx, &identity.email).await?.map(|(user, _)| user);
    let user = match known.filter(|user| user.tenant_id == tenant) {
        Some(user) if user.service => {
            return Err(Refusal::conflict(format!("{} is a service account here", user.email)));
        }
        Some(user) => user,
        None => {
            // They were known a moment ago.
            let (password, hash) = unguessable.ok_or(SsoError::Flow)?;
            let new = NewUser { email: identity.email.clone(), password, role, service: false };
            people::insert(state, tx, tenant, new, &hash, Some(By::ControlPlane)).await?
        }
    };
    if !users::set_subject(tx, (tenant, user.id), &identity.subject).await? {
        let said = format!("{} is somebody else of the identity provider here", user.email);
        return Err(Refusal::conflict(said));
    }
    Ok(user)
}

/// The same person, in the role of their groups.
async fn in_role(tx: &mut Tx, user: User, role: Role, now: UnixMillis) -> Result<User, Refusal> {
    if user.role == role {
        return Ok(user);
    }
    users::set_role(tx, user.tenant_id, user.id, role).await?;
    if !users::has_admin(tx, user.tenant_id).await? {
        let who = &user.email;
        return Err(Refusal::conflict(format!(
            "by their groups {who} would be {role}, and nobody would be left who is an admin; give one of their groups that role \
             (serve --oidc-role GROUP=admin), or make somebody else an admin before"
        )));
    }
    let (object, detail) = (format!("user/{}", user.id), json!({ "role": role, "by": "groups" }));
    audit::record(tx, now, user.tenant_id, By::ControlPlane, "user.role", &object, &detail).await?;
    Ok(User { role, ..user })
}
