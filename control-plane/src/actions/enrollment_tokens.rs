//! Enrollment tokens: what lets agents in, made and ended by people.

use std::time::Duration;

use serde_json::{Value, json};

use crate::audit;
use crate::auth::Actor;
use crate::auth::secret::{self, Purpose};
use crate::labels::Labels;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::enrollment_tokens::{self, EnrollmentToken};

/// Kind of an API key that makes tokens in whatever role it acts.
const KIND: &str = "enrollment-tokens";
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Labels that it gives to agents.
    pub labels: Labels,
    /// Number of agents that it lets in; any number if nothing.
    pub max_uses: Option<u32>,
    /// Time for which it is valid.
    pub expires_in: Duration,
}

/// Makes a token. Returns it, and its whole text, which is shown this once. It lets agents in, so that it takes an admin, or an API
/// key that an admin has made for that alone.
///
/// # Errors
/// Forbidden for anybody else; invalid for a lifetime of nothing or of more than a year; and the store's.
pub async fn create(
    state: &AppState,
    actor: &Actor,
    new: NewToken,
) -> Result<(EnrollmentToken, String), Refusal> {
    let NewToken { labels, max_uses, expires_in } = new;
    if actor.role < Role::Admin && !actor.is_for(KIND) {
        return Err(Refusal::forbidden(format!(
            "an enrollment token lets agents in: this needs the role admin, and yours is {}; or an API key of the kind {KIND}, which an \
             admin makes (`phoenix api-key create NAME --kind {KIND}`)",
            actor.role
        )));
    }
    if expires_in.is_zero() || expires_in > LONGEST {
        let expected = "for example 24h; 366d at most";
        return Err(Refusal::invalid_field("expires_in", "out of bounds", expected));
    }
    let minted = secret::mint(&state.entropy, Purpose::Enrollment);
    let now = state.clock.now();
    let token = EnrollmentToken {
        id: minted.id,
        tenant_id: actor.tenant_id,
        labels,
        max_uses,
        uses: 0,
        created_by: actor.user_id,
        created_at: now,
        expires_at: now.plus(expires_in),
        revoked_at: None,
    };
    let mut tx = state.store.begin(actor.tenant_id).await?;
    enrollment_tokens::insert(&mut tx, &token, &minted.hash).await?;
    let object = format!("enrollment-token/{}", token.id);
    let max_uses = token.max_uses.map_or(Value::from("unlimited"), Value::from);
    let detail = json!({ "labels": token.labels, "max_uses": max_uses, "expires_at": token.expires_at });
    audit::record(&mut tx, now, actor.tenant_id, actor, "enrollment-token.create", &object, &detail).await?;
    tx.commit().await?;
    Ok((token, minted.text))
}

/// Ends a token. Agents that it has let in stay, but for those over OpAMP that have no credential of their own.
///
/// # Errors
/// Not found for one that is not of the tenant or has ended; and the store's.
pub async fn revoke(state: &AppState, actor: &Actor, id: &str) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if !enrollment_tokens::revoke(&mut tx, actor.tenant_id, id, now).await? {
        return Err(Refusal::not_found("enrollment token", id));
    }
    let object = format!("enrollment-token/{id}");
    let nothing = json!({});
    audit::record(&mut tx, now, actor.tenant_id, actor, "enrollment-token.revoke", &object, &nothing).await?;
    tx.commit().await?;
    // Who came by it and has no credential of its own goes.
    state.hub.departed();
    Ok(())
}
