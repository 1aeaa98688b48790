//! Freezes: a tenant in which nothing goes forward until somebody lifts it. What puts something back goes through.

use serde_json::json;

use crate::audit;
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::experiment::Reason;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::deliveries::{self, News};
use crate::store::freezes::{self, Freeze};
use crate::store::{StoreError, Tx, experiments};

/// The most characters of a reason.
const MAX_REASON: usize = 1_000;

/// Freeze of the actor's tenant, if there is one.
///
/// # Errors
/// The store's.
pub async fn get(state: &AppState, actor: &Actor) -> Result<Option<Freeze>, Refusal> {
    Ok(freezes::get(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id).await?)
}

/// Freezes the actor's tenant. One that is frozen for the same reason already stays as it is.
///
/// # Errors
/// Invalid without a reason; a conflict if it is frozen for another one, which stands wherever something was refused for it; and
/// the store's.
pub async fn freeze(state: &AppState, actor: &Actor, reason: &str) -> Result<Freeze, Refusal> {
    let reason = reason.trim().trim_end_matches('.');
    let length = reason.chars().count();
    if !(1..=MAX_REASON).contains(&length) {
        let expected = format!("the reason of the freeze, of 1 to {MAX_REASON} characters");
        return Err(Refusal::invalid_field("reason", format!("a reason of {length} characters"), expected));
    }
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if let Some(known) = freezes::get(&mut tx, actor.tenant_id).await? {
        if known.reason == reason {
            return Ok(known);
        }
        let Freeze { since, author, reason } = known;
        return Err(Refusal::conflict(format!(
            "{author} has frozen the tenant already, since {since}: {reason}. That reason stays, and yours is not kept; for another \
             one lift the freeze (`phoenix unfreeze`) and freeze again"
        )));
    }
    let freeze = Freeze { since: now, author: actor.email.clone(), reason: reason.to_owned() };
    freezes::insert(&mut tx, actor.tenant_id, &freeze).await?;
    note(&mut tx, actor, now, ("freeze", freeze.sentence())).await?;
    let detail = json!({ "reason": freeze.reason });
    let told = json!({ "by": freeze.author, "reason": freeze.reason, "sentence": freeze.sentence() });
    tell(&mut tx, actor, (now, "tenant.freeze", &told)).await?;
    audit::record(&mut tx, now, actor.tenant_id, actor, "tenant.freeze", &object(actor), &detail).await?;
    tx.commit().await?;
    woken(state);
    Ok(freeze)
}

/// Lifts the freeze of the actor's tenant.
///
/// # Errors
/// Not found where there is none; changed for one that began at another time than was asked, in milliseconds; and the store's.
pub async fn unfreeze(state: &AppState, actor: &Actor, asked: Option<i64>) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let Some(known) = freezes::get(&mut tx, actor.tenant_id).await? else {
        return Err(Refusal::NotFound("the tenant is not frozen".to_owned()));
    };
    Refusal::unless_at("the freeze", known.since.0, asked)?;
    freezes::delete(&mut tx, actor.tenant_id).await?;
    let sentence = format!("{} lifted the freeze of {}.", actor.email, known.author);
    let told = json!({ "by": actor.email, "reason": known.reason, "sentence": sentence });
    tell(&mut tx, actor, (now, "tenant.unfreeze", &told)).await?;
    note(&mut tx, actor, now, ("unfreeze", sentence)).await?;
    let detail = json!({ "since": known.since, "by": known.author, "reason": known.reason });
    audit::record(&mut tx, now, actor.tenant_id, actor, "tenant.unfreeze", &object(actor), &detail).await?;
    tx.commit().await?;
    woken(state);
    Ok(())
}

fn object(actor: &Actor) -> String {
    format!("tenant/{}", actor.tenant_id)
}

/// Tells those who watch the experiments that are under way.
async fn note(
    tx: &mut Tx,
    actor: &Actor,
    now: UnixMillis,
    (kind, sentence): (&str, String),
) -> Result<(), StoreError> {
    let detail = json!({ "reasons": [Reason::new("person", "freeze", sentence)] });
    let all = experiments::under_way(tx).await?;
    for experiment in all.iter().filter(|one| one.tenant_id == actor.tenant_id) {
        experiments::happened(tx, actor.tenant_id, experiment.id, (now, kind, &detail)).await?;
    }
    Ok(())
}

/// Tells the tenant's webhooks.
async fn tell(
    tx: &mut Tx,
    actor: &Actor,
    (at, event, detail): (UnixMillis, &str, &serde_json::Value),
) -> Result<(), StoreError> {
    deliveries::tell(tx, actor.tenant_id, News { event, at, about: &json!({}), detail }).await
}

fn woken(state: &AppState) {
    state.hub.wake_push();
    state.hub.wake_analyze();
    state.hub.happened();
}
