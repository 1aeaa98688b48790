//! Enrollment of an agent, and the way in which it is known again.
//!
//! An enrollment token names a tenant and labels; it yields a credential bound to the uid that asked. A reply may be
//! lost, so the same token may ask again for the same uid, without a use being counted, **until the credential has been
//! presented once**: from then on the agent has it, and a second enrollment of that uid is refused whatever token comes
//! with it. So nobody who holds a token (a whole DaemonSet shares one) takes over an agent that is at work; an agent
//! that lost its data directory has lost its uid as well and comes in as a new one. An operator who wants a uid back
//! deletes the agent first.

use serde_json::json;
use thiserror::Error;

use crate::audit::{self, By};
use crate::auth::secret::{self, Presented, Purpose};
use crate::clock::UnixMillis;
use crate::id::{AgentUid, TenantId};
use crate::labels::{LabelError, Labels};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::agents::{self, Agent, Credential};
use crate::store::enrollment_tokens::{self, EnrollmentToken};
use crate::store::{StoreError, Tx};

/// Agent that wants to enroll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// Its own name for itself.
    pub uid: AgentUid,
    /// Labels of its file; the token's labels beat these.
    pub labels: Labels,
    /// Name of its host.
    pub host: String,
    /// Its version.
    pub version: String,
}

/// Identity of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentIdentity {
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Its uid.
    pub uid: AgentUid,
    /// Labels that selectors choose it by.
    pub labels: Labels,
    /// Name of its host.
    pub host: String,
}

/// Reason for which an agent stays outside.
#[derive(Debug, Error)]
pub enum EnrollError {
    /// Not a token, an unknown, a revoked or an expired one; which, is not told.
    #[error("a valid token is needed")]
    Refused,
    /// A credential of the right form that no agent here has.
    #[error("no agent here has this credential")]
    Unknown,
    /// The token has let in as many as it may.
    #[error("this enrollment token has no uses left")]
    UsedUp,
    /// Somebody else has that name.
    #[error("agent {0} is enrolled; to enroll it anew, delete it first")]
    Enrolled(AgentUid),
    /// Its labels and the token's together are too many.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Self {
        let said = error.to_string();
        match error {
            EnrollError::Refused | EnrollError::Unknown => Self::unauthenticated(),
            EnrollError::UsedUp => Self::forbidden(said),
            EnrollError::Enrolled(_) => Self::conflict(said),
            EnrollError::Labels(_) => Self::invalid_field("labels", said, "fewer labels"),
            EnrollError::Store(error) => error.into(),
        }
    }
}

/// Lets an agent in: its own token, which is shown this once.
///
/// # Errors
/// [`EnrollError`].
pub async fn enroll(state: &AppState, bearer: &str, request: Enrollment) -> Result<String, EnrollError> {
    let presented = Presented::parse(bearer, Purpose::Enrollment).ok_or(EnrollError::Refused)?;
    let now = state.clock.now();
    let mut tx = state.store.begin().await?;
    let known = enrollment_tokens::presented(&mut tx, &presented.id).await?;
    let (token, hash) = known.ok_or(EnrollError::Refused)?;
    if !presented.is(&hash) || !token.is_good(now) {
        return Err(EnrollError::Refused);
    }
    let minted = secret::mint(&state.entropy, Purpose::Agent);
    let credential = Credential { id: &minted.id, hash: &minted.hash };
    admit(&mut tx, &token, request, credential, now).await?;
    tx.commit().await?;
    Ok(minted.text)
}

async fn admit(
    tx: &mut Tx,
    token: &EnrollmentToken,
    request: Enrollment,
    credential: Credential<'_>,
    now: UnixMillis,
) -> Result<(), EnrollError> {
    let (tenant, uid) = (token.tenant_id, request.uid);
    let agent = Agent {
        uid,
        labels: request.labels.overlaid(&token.labels)?,
        host: request.host,
        version: request.version,
        enrolled_by: token.id.clone(),
        enrolled_at: now,
        credential_used_at: None,
        last_seen: None,
        status: "enrolled".to_owned(),
        health: None,
        offered_hash: None,
        effective_hash: None,
        refuses_configs: false,
    };
    let before = agents::get(tx, tenant, uid).await?;
    let repeated = before.is_some();
    match before {
        Some(before) if before.enrolled_by == token.id && before.credential_used_at.is_none() => {
            agents::replace_credential(tx, tenant, &agent, credential).await?;
        }
        Some(_) => return Err(EnrollError::Enrolled(uid)),
        None if token.has_uses_left() => {
            enrollment_tokens::used(tx, token).await?;
            agents::insert(tx, tenant, &agent, credential).await?;
        }
        None => return Err(EnrollError::UsedUp),
    }
    let detail = json!({ "enrollment_token": token.id, "labels": agent.labels, "repeated": repeated });
    audit::record(tx, now, tenant, By::Agent(uid), "agent.enroll", &format!("agent/{uid}"), &detail).await?;
    Ok(())
}

/// Holder of this credential. One indexed look-up; the first time, also one row written.
///
/// # Errors
/// [`EnrollError::Refused`], [`EnrollError::Unknown`] and the store's.
pub async fn authenticate(state: &AppState, bearer: &str) -> Result<AgentIdentity, EnrollError> {
    let presented = Presented::parse(bearer, Purpose::Agent).ok_or(EnrollError::Refused)?;
    let known = agents::by_credential(&mut *state.store.read().await?, &presented.id).await?;
    let (tenant_id, agent, hash) = known.ok_or(EnrollError::Unknown)?;
    if !presented.is(&hash) {
        return Err(EnrollError::Refused);
    }
    if agent.credential_used_at.is_none() {
        let mut tx = state.store.begin().await?;
        agents::credential_used(&mut tx, tenant_id, &presented.id, state.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(AgentIdentity { tenant_id, uid: agent.uid, labels: agent.labels, host: agent.host })
}
