//! API keys: made and ended by people, used by programs.

use std::time::Duration;

use serde_json::json;

use crate::audit;
use crate::auth::secret::{self, Purpose};
use crate::auth::{Actor, CONNECT, Credential, Key};
use crate::clock::UnixMillis;
use crate::id::{KeyId, UserId, is_name};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::api_keys::{self, ApiKey};
use crate::store::{StoreError, Tx, users};

/// Kinds of things that a key can be bound to: the tags of the routes that programs may use.
pub const KINDS: [&str; 8] =
    ["agents", "audit", "deployments", "enrollment-tokens", "experiments", "freeze", "templates", "webhooks"];

/// Kinds of which a key lets agents in.
const ADMITTING: [&str; 2] = ["enrollment-tokens", CONNECT];
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// The most keys of a person that are neither over nor ended, and the most of the others that are remembered.
const MOST: i64 = 100;
/// Time after which a use is noted again.
const NOTED: Duration = Duration::from_secs(60);

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Purpose, such as `ci`.
    pub name: String,
    /// The highest role that it acts in; its owner's if nothing.
    pub role: Option<Role>,
    /// The one kind of thing that it reaches; all if nothing.
    pub kind: Option<String>,
    /// Time for which it is valid.
    pub expires_in: Duration,
    /// The service account that it is of; the actor if nothing.
    pub owner: Option<UserId>,
}

/// Owner of a key to be made, and their role: the actor, or for an admin a service account of their tenant.
async fn owner(tx: &mut Tx, actor: &Actor, asked: Option<UserId>) -> Result<(UserId, Role), Refusal> {
    let Some(id) = asked.filter(|id| *id != actor.user_id) else { return Ok((actor.user_id, actor.role)) };
    if actor.role < Role::Admin {
        let why = format!("to make a key of a service account takes the role admin; yours is {}", actor.role);
        return Err(Refusal::forbidden(why));
    }
    let found = users::by_id(tx, actor.tenant_id, id).await?;
    let found = found.ok_or_else(|| Refusal::not_found("service account", id))?;
    if !found.service {
        let why = format!("{} is a person, who makes their own keys", found.email);
        return Err(Refusal::invalid_field("owner_id", why, "the id of a service account, or none"));
    }
    Ok((found.id, found.role))
}

/// Makes a key. Returns it, and its whole text, which is shown this once.
///
/// # Errors
/// Invalid for a name that is none, a role above the actor's own, a kind that there is not, and a lifetime of nothing or of more
/// than a year; forbidden for a kind that lets agents in, unless an admin asks; a conflict past a hundred keys; and the store's.
pub async fn create(state: &AppState, actor: &Actor, new: NewKey) -> Result<(ApiKey, String), Refusal> {
    let (now, tenant_id) = (state.clock.now(), actor.tenant_id);
    let mut tx = state.store.begin(tenant_id).await?;
    let (owner_id, highest) = owner(&mut tx, actor, new.owner).await?;
    check(actor, highest, &new)?;
    let NewKey { name, role, kind, expires_in, .. } = new;
    let role = role.unwrap_or(highest);
    let minted = secret::mint(&state.entropy, Purpose::ApiKey);
    let key = ApiKey {
        id: minted.id.parse().map_err(Refusal::internal)?,
        tenant_id,
        owner_id,
        name,
        role,
        kind,
        created_at: now,
        expires_at: now.plus(expires_in),
        last_used_at: None,
        revoked_at: None,
    };
    if api_keys::count(&mut tx, (tenant_id, owner_id), now).await? >= MOST {
        return Err(Refusal::conflict(format!(
            "there are {MOST} API keys of this owner; revoke one that nobody uses"
        )));
    }
    api_keys::trim(&mut tx, (tenant_id, owner_id), now, MOST).await?;
    api_keys::insert(&mut tx, &key, &minted.hash).await?;
    let object = format!("api-key/{}", key.id);
    let detail = json!({ "name": key.name, "owner": owner_id, "role": key.role, "kind": key.kind, "expires_at": key.expires_at });
    audit::record(&mut tx, now, tenant_id, actor, "api-key.create", &object, &detail).await?;
    tx.commit().await?;
    Ok((key, minted.text))
}

fn check(actor: &Actor, highest: Role, new: &NewKey) -> Result<(), Refusal> {
    if !is_name(&new.name) {
        let said = format!("{:?} is no name", new.name.chars().take(64).collect::<String>());
        return Err(Refusal::invalid_field(
            "name",
            said,
            "1 to 64 characters out of a-z, 0-9, '.', '_' and '-'",
        ));
    }
    if let Some(role) = new.role.filter(|role| *role > highest) {
        let said = format!("a key of {highest} has at most that role, not {role}");
        return Err(Refusal::invalid_field("role", said, format!("at most {highest}")));
    }
    if let Some(kind) = new.kind.as_deref().filter(|kind| *kind != CONNECT && !KINDS.contains(kind)) {
        let said = format!("there are no {:?}", kind.chars().take(64).collect::<String>());
        let expected = format!("one of {}, {CONNECT}", KINDS.join(", "));
        return Err(Refusal::invalid_field("kind", said, expected));
    }
    if let Some(kind) = new.kind.as_deref().filter(|kind| ADMITTING.contains(kind)) {
        if actor.role < Role::Admin {
            let said = format!(
                "a key of the kind {kind} lets agents in: to make one takes the role admin; yours is {}",
                actor.role
            );
            return Err(Refusal::forbidden(said));
        }
        let acts_in = new.role.unwrap_or(highest);
        if acts_in < Role::Operator {
            let said = format!(
                "a key of the kind {kind} lets agents in, which takes an operator; this one would act as {acts_in}"
            );
            return Err(Refusal::forbidden(said));
        }
    }
    if new.expires_in.is_zero() || new.expires_in > LONGEST {
        return Err(Refusal::invalid_field("expires_in", "out of bounds", "for example 90d; 366d at most"));
    }
    Ok(())
}

/// Ends a key: one's own, and for an admin anybody's.
///
/// # Errors
/// Not found for one that is not of the tenant, or not one's own; and the store's.
pub async fn revoke(state: &AppState, actor: &Actor, id: KeyId) -> Result<(), Refusal> {
    let now = state.clock.now();
    let owner = (actor.role < Role::Admin).then_some(actor.user_id);
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if !api_keys::revoke(&mut tx, actor.tenant_id, owner, id, now).await? {
        return Err(Refusal::not_found("API key", id));
    }
    let object = format!("api-key/{id}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "api-key.revoke", &object, &json!({})).await?;
    tx.commit().await?;
    state.hub.departed();
    Ok(())
}

/// Notes the use of an API key, if that is worth a change: the last one noted is a minute ago. What asks goes on where it
/// cannot be noted.
pub async fn note_use(state: &AppState, actor: &Actor, now: UnixMillis) {
    let Credential::Key(Key { id, last_used_at, .. }) = &actor.credential else { return };
    if last_used_at.is_some_and(|last| last <= now && now < last.plus(NOTED)) {
        return;
    }
    let noted: Result<(), StoreError> = async {
        let mut tx = state.store.begin(actor.tenant_id).await?;
        api_keys::used(&mut tx, actor.tenant_id, *id, now).await?;
        tx.commit().await
    }
    .await;
    if let Err(error) = noted {
        tracing::warn!(%id, %error, "the use of an API key is not noted");
    }
}
