//! Webhooks: made, changed, tried and deleted by admins.

use pipelines::yaml::nearest;
use serde_json::json;

use crate::audit;
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::id::is_name;
use crate::outgoing::Target;
use crate::refusal::{Mistake, Refusal};
use crate::state::AppState;
use crate::store::deliveries::{self, Delivery, News, Place};
use crate::store::webhooks::{self, Form, Webhook, WebhookId};
use crate::store::{Connection, Tx};
use crate::webhook::{self, ALL, EVENTS, PING};

/// A webhook to be made.
#[derive(Debug)]
pub struct NewWebhook {
    /// Its name.
    pub name: String,
    /// Its address.
    pub url: String,
    /// Events that it is told.
    pub events: Vec<String>,
    /// Form of what is sent.
    pub form: Form,
}

/// Change of a webhook: nothing leaves a thing as it is.
#[derive(Debug)]
pub struct Change {
    /// Another address.
    pub url: Option<String>,
    /// Other events.
    pub events: Option<Vec<String>>,
    /// Another form.
    pub form: Option<Form>,
    /// True if something is sent.
    pub enabled: Option<bool>,
}

/// Subject of a seal.
fn about(webhook: &Webhook, part: &str) -> String {
    format!("webhook/{}/{}/{part}", webhook.tenant_id, webhook.id)
}

/// Address and secret of a webhook, opened; nothing where they were sealed by another key.
pub(super) fn opened(state: &AppState, webhook: &Webhook) -> Option<(String, String)> {
    let open = |part, sealed: &str| state.seal.open(&about(webhook, part), sealed);
    Some((open("url", &webhook.url)?, open("secret", &webhook.secret)?))
}

fn seal(state: &AppState, webhook: &Webhook, part: &str, text: &str) -> Result<String, Refusal> {
    state.seal.seal(&state.entropy, &about(webhook, part), text).map_err(Refusal::internal)
}

fn target(state: &AppState, url: &str) -> Result<Target, Refusal> {
    Target::parse(url, &state.outgoing.rules).map_err(|why| {
        let expected =
            "an address of the public internet with TLS, such as https://hooks.example.org/phoenix";
        Refusal::invalid_field("url", why.to_string(), expected)
    })
}

fn check_events(events: &[String]) -> Result<(), Refusal> {
    if events.is_empty() {
        let expected = format!("{ALL}, or some of {}", EVENTS.join(", "));
        return Err(Refusal::invalid_field("events", "there are none", expected));
    }
    let unknown = events.iter().find(|event| *event != ALL && !EVENTS.contains(&event.as_str()));
    let Some(event) = unknown else { return Ok(()) };
    let event: String = event.chars().take(64).collect();
    let mistake = Mistake {
        place: None,
        field: Some("events".to_owned()),
        message: format!("there is no event {event:?}"),
        expected: Some(format!("{ALL}, or some of {}", EVENTS.join(", "))),
        nearest: nearest(&event, EVENTS).map(str::to_owned),
    };
    Err(Refusal::Invalid { detail: format!("events: {}", mistake.message), mistakes: vec![mistake] })
}

/// Events, each once.
fn each_once(mut events: Vec<String>) -> Vec<String> {
    events.sort_unstable();
    events.dedup();
    events
}

/// The webhook of a name.
///
/// # Errors
/// Not found, and the store's.
pub async fn find(connection: &mut Connection, actor: &Actor, name: &str) -> Result<Webhook, Refusal> {
    let found = webhooks::named(connection, actor.tenant_id, name).await?;
    found.ok_or_else(|| Refusal::not_found("webhook", name.chars().take(64).collect::<String>()))
}

/// Makes a webhook. Returns it with its secret, which is shown this once.
///
/// # Errors
/// Invalid for a name, an address or events that are none; exists for a name that is taken; a conflict past the most of a
/// tenant; and the store's.
pub async fn create(state: &AppState, actor: &Actor, new: NewWebhook) -> Result<(Webhook, String), Refusal> {
    let NewWebhook { name, url, events, form } = new;
    if !is_name(&name) {
        let said = format!("{:?} is no name", name.chars().take(64).collect::<String>());
        let expected = "1 to 64 characters out of a-z, 0-9, '.', '_' and '-'";
        return Err(Refusal::invalid_field("name", said, expected));
    }
    check_events(&events)?;
    let (target, now) = (target(state, &url)?, state.clock.now());
    let mut webhook = Webhook {
        id: WebhookId(state.entropy.uuid(now)),
        tenant_id: actor.tenant_id,
        name,
        place: target.place(),
        url: String::new(),
        secret: String::new(),
        events: each_once(events),
        form,
        enabled: true,
        version: 1,
        dropped: 0,
        waiting: 0,
        created_by: actor.email.clone(),
        created_at: now,
        updated_at: now,
    };
    let secret = webhook::secret(&state.entropy);
    webhook.url = seal(state, &webhook, "url", target.as_str())?;
    webhook.secret = seal(state, &webhook, "secret", &secret)?;
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let known = webhooks::list(&mut tx, actor.tenant_id, ("", deliveries::MOST)).await?;
    if known.len() >= deliveries::MOST as usize {
        let most = deliveries::MOST;
        return Err(Refusal::conflict(format!("there are {most} webhooks; delete one that nobody needs")));
    }
    webhooks::insert(&mut tx, &webhook).await.map_err(|error| match error.is_duplicate() {
        true => {
            Refusal::exists(format!("a webhook of the name {} exists; choose another name", webhook.name))
        }
        false => error.into(),
    })?;
    note(&mut tx, actor, now, ("create", &webhook)).await?;
    tx.commit().await?;
    Ok((webhook, secret))
}

/// Changes a webhook, which has to be at `version` if that is given. Another address has all that waits.
///
/// # Errors
/// Not found; changed for another version; invalid for an address or events that are none; and the store's.
pub async fn change(
    state: &AppState,
    actor: &Actor,
    (name, version): (&str, Option<i64>),
    change: Change,
) -> Result<Webhook, Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let mut webhook = at_version(&mut tx, actor, name, version).await?;
    if let Some(url) = change.url {
        let target = target(state, &url)?;
        webhook.place = target.place();
        webhook.url = seal(state, &webhook, "url", target.as_str())?;
    }
    if let Some(events) = change.events {
        check_events(&events)?;
        webhook.events = each_once(events);
    }
    webhook.form = change.form.unwrap_or(webhook.form);
    webhook.enabled = change.enabled.unwrap_or(webhook.enabled);
    webhook.version += 1;
    webhook.updated_at = now;
    webhooks::replace(&mut tx, &webhook).await?;
    note(&mut tx, actor, now, ("change", &webhook)).await?;
    tx.commit().await?;
    state.hub.happened();
    Ok(webhook)
}

/// Gives a webhook another secret, which is shown this once. Whatever is sent from now on is signed by it.
///
/// # Errors
/// Not found, changed for another version, and the store's.
pub async fn rotate(
    state: &AppState,
    actor: &Actor,
    (name, version): (&str, Option<i64>),
) -> Result<(Webhook, String), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let mut webhook = at_version(&mut tx, actor, name, version).await?;
    let secret = webhook::secret(&state.entropy);
    webhook.secret = seal(state, &webhook, "secret", &secret)?;
    webhook.version += 1;
    webhook.updated_at = now;
    webhooks::replace(&mut tx, &webhook).await?;
    note(&mut tx, actor, now, ("rotate", &webhook)).await?;
    tx.commit().await?;
    Ok((webhook, secret))
}

/// Deletes a webhook with its messages.
///
/// # Errors
/// Not found, changed for another version, and the store's.
pub async fn delete(
    state: &AppState,
    actor: &Actor,
    (name, version): (&str, Option<i64>),
) -> Result<(), Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let webhook = at_version(&mut tx, actor, name, version).await?;
    webhooks::delete(&mut tx, actor.tenant_id, webhook.id).await?;
    note(&mut tx, actor, now, ("delete", &webhook)).await?;
    Ok(tx.commit().await?)
}

/// Queues a message that tells nothing but that the webhook works.
///
/// # Errors
/// Not found; a conflict for one that is disabled or for which too much waits; and the store's.
pub async fn ping(state: &AppState, actor: &Actor, name: &str) -> Result<Delivery, Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let webhook = find(&mut tx, actor, name).await?;
    if !webhook.enabled {
        return Err(Refusal::conflict(format!("webhook {name} is disabled; enable it first")));
    }
    if webhook.waiting >= deliveries::MOST_WAITING {
        let waiting = webhook.waiting;
        return Err(Refusal::conflict(format!("{waiting} messages to webhook {name} wait already")));
    }
    let news = News { event: PING, at: now, about: &json!({}), detail: &json!({ "by": actor.email }) };
    deliveries::queue(&mut tx, &webhook, news).await?;
    let newest = deliveries::list(&mut tx, (actor.tenant_id, webhook.id), None, (i64::MAX, 1)).await?;
    note(&mut tx, actor, now, ("ping", &webhook)).await?;
    tx.commit().await?;
    state.hub.happened();
    newest.into_iter().next().ok_or_else(|| Refusal::internal("a message that was queued is not there"))
}

/// Has a message sent anew, from its first attempt on.
///
/// # Errors
/// Not found for a webhook or a message that is not there; a conflict for one that waits anyhow; and the store's.
pub async fn redeliver(state: &AppState, actor: &Actor, name: &str, seq: i64) -> Result<Delivery, Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let webhook = find(&mut tx, actor, name).await?;
    let place = Place { tenant_id: actor.tenant_id, webhook_id: webhook.id, seq };
    let unknown = || Refusal::not_found("message", format!("{seq} to webhook {name}"));
    let known = deliveries::get(&mut tx, place).await?.ok_or_else(unknown)?;
    if known.due_at.is_some() {
        return Err(Refusal::conflict(format!("message {seq} to webhook {name} waits to be sent already")));
    }
    deliveries::again(&mut tx, place, now).await?;
    let object = format!("webhook/{}", webhook.id);
    let detail = json!({ "name": webhook.name, "seq": seq });
    audit::record(&mut tx, now, actor.tenant_id, actor, "webhook.redeliver", &object, &detail).await?;
    let anew = deliveries::get(&mut tx, place).await?.ok_or_else(unknown)?;
    tx.commit().await?;
    state.hub.happened();
    Ok(anew)
}

async fn at_version(
    tx: &mut Tx,
    actor: &Actor,
    name: &str,
    version: Option<i64>,
) -> Result<Webhook, Refusal> {
    let webhook = find(tx, actor, name).await?;
    Refusal::unless_at(format_args!("webhook {name}"), webhook.version, version)?;
    Ok(webhook)
}

async fn note(
    tx: &mut Tx,
    actor: &Actor,
    now: UnixMillis,
    (verb, webhook): (&str, &Webhook),
) -> Result<(), Refusal> {
    let (action, object) = (format!("webhook.{verb}"), format!("webhook/{}", webhook.id));
    let detail = json!({
        "name": webhook.name, "place": webhook.place, "events": webhook.events, "enabled": webhook.enabled,
    });
    audit::record(tx, now, actor.tenant_id, actor, &action, &object, &detail).await?;
    Ok(())
}
