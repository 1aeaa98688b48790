//! `/api/v1/webhooks`: addresses that are told what happens.

use api::{
    ChangeWebhook, CreateWebhook, DeliveryState, Page, Problem, SecretWebhook, Webhook, WebhookDelivery,
    WebhookFormat,
};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::actions::webhooks::{self as actions, Change, NewWebhook};
use crate::auth::Actor;
use crate::http::{Access, IfMatch, Json, PageQuery, Path, Query, Routes, Tagged, page};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;
use crate::store::deliveries::{self, Delivery, State as Settled};
use crate::store::webhooks::{self, Form};

pub(super) fn routes(routes: Routes) -> Routes {
    let admins = Access::AtLeast(Role::Admin);
    routes
        .add(admins, __path_create, create)
        .add(admins, __path_list, list)
        .add(admins, __path_get, get)
        .add(admins, __path_change, change)
        .add(admins, __path_delete, delete)
        .add(admins, __path_rotate, rotate)
        .add(admins, __path_ping, ping)
        .add(admins, __path_log, log)
        .add(admins, __path_redeliver, redeliver)
}

impl From<webhooks::Webhook> for Webhook {
    fn from(webhook: webhooks::Webhook) -> Self {
        Self {
            id: webhook.id.0,
            name: webhook.name,
            place: webhook.place,
            events: webhook.events,
            format: match webhook.form {
                Form::Json => WebhookFormat::Json,
                Form::Slack => WebhookFormat::Slack,
            },
            enabled: webhook.enabled,
            waiting: webhook.waiting,
            dropped: webhook.dropped,
            version: webhook.version,
            created_by: webhook.created_by,
            created_at: webhook.created_at.into(),
            updated_at: webhook.updated_at.into(),
        }
    }
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            seq: delivery.place.seq,
            message_id: delivery.place.message_id(),
            event: delivery.event,
            at: delivery.at.into(),
            state: match delivery.state {
                Settled::Waiting => DeliveryState::Waiting,
                Settled::Delivered => DeliveryState::Delivered,
                Settled::Failed => DeliveryState::Failed,
            },
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            last_attempt_at: delivery.last_at.map(Into::into),
            next_attempt_at: delivery.due_at.map(Into::into),
        }
    }
}

fn form(format: WebhookFormat) -> Form {
    match format {
        WebhookFormat::Json => Form::Json,
        WebhookFormat::Slack => Form::Slack,
    }
}

fn tagged(webhook: webhooks::Webhook) -> Tagged<Webhook> {
    Tagged { version: webhook.version, document: webhook.into() }
}

/// With the secret, which is shown this once.
fn with_secret((webhook, secret): (webhooks::Webhook, String)) -> Tagged<SecretWebhook> {
    Tagged { version: webhook.version, document: SecretWebhook { about: webhook.into(), secret } }
}

/// Makes a webhook. The secret that signs what is sent to it is shown this once.
#[utoipa::path(
    post, path = "/api/v1/webhooks", tag = "webhooks", request_body = CreateWebhook,
    responses(
        (status = 201, body = SecretWebhook), (status = 409, body = Problem), (status = 422, body = Problem)
    )
)]
async fn create(
    State(state): State<AppState>,
    actor: Actor,
    Json(CreateWebhook { name, url, events, format }): Json<CreateWebhook>,
) -> Result<(StatusCode, Tagged<SecretWebhook>), Refusal> {
    let new = NewWebhook { name, url, events, form: form(format) };
    Ok((StatusCode::CREATED, with_secret(actions::create(&state, &actor, new).await?)))
}

/// The tenant's webhooks, by name, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = Page<Webhook>), (status = 422, body = Problem))
)]
async fn list(
    State(state): State<AppState>,
    actor: Actor,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<Webhook>>, Refusal> {
    let (after, limit) = (asked.after.clone().unwrap_or_default(), asked.limit()?);
    let mut reader = state.store.read(actor.tenant_id).await?;
    let found = webhooks::list(&mut reader, actor.tenant_id, (&after, limit + 1)).await?;
    Ok(Json(page(found, limit, |webhook| webhook.name.clone())))
}

/// A webhook, without its secrets.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{name}", tag = "webhooks", params(("name" = String, Path)),
    responses((status = 200, body = Webhook), (status = 404, body = Problem))
)]
async fn get(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Tagged<Webhook>, Refusal> {
    let mut reader = state.store.read(actor.tenant_id).await?;
    Ok(tagged(actions::find(&mut reader, &actor, &name).await?))
}

/// Changes a webhook: its address, its events, its form, or whether anything is sent. Another address gets all that waits.
#[utoipa::path(
    patch, path = "/api/v1/webhooks/{name}", tag = "webhooks", params(("name" = String, Path)),
    request_body = ChangeWebhook,
    responses(
        (status = 200, body = Webhook), (status = 404, body = Problem), (status = 412, body = Problem),
        (status = 422, body = Problem)
    )
)]
async fn change(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
    Json(ChangeWebhook { url, events, format, enabled }): Json<ChangeWebhook>,
) -> Result<Tagged<Webhook>, Refusal> {
    let change = Change { url, events, form: format.map(form), enabled };
    Ok(tagged(actions::change(&state, &actor, (&name, version), change).await?))
}

/// Deletes a webhook with its messages.
#[utoipa::path(
    delete, path = "/api/v1/webhooks/{name}", tag = "webhooks", params(("name" = String, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 412, body = Problem))
)]
async fn delete(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Refusal> {
    actions::delete(&state, &actor, (&name, version)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook another secret, which is shown this once and signs whatever is sent from now on.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/rotate", tag = "webhooks", params(("name" = String, Path)),
    responses((status = 200, body = SecretWebhook), (status = 404, body = Problem), (status = 412, body = Problem))
)]
async fn rotate(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<SecretWebhook>, Refusal> {
    Ok(with_secret(actions::rotate(&state, &actor, (&name, version)).await?))
}

/// Sends a webhook a message of the event `webhook.ping`, to try it. Its log tells what became of it.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/ping", tag = "webhooks", params(("name" = String, Path)),
    responses((status = 202, body = WebhookDelivery), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn ping(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(actions::ping(&state, &actor, &name).await?.into())))
}

/// Filter of messages.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// The one state.
    state: Option<DeliveryState>,
}

/// Messages to a webhook, the newest first: those that wait, and the last thousand of the others.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{name}/deliveries", tag = "webhooks",
    params(("name" = String, Path), LogQuery, PageQuery),
    responses((status = 200, body = Page<WebhookDelivery>), (status = 404, body = Problem), (status = 422, body = Problem))
)]
async fn log(
    State(state): State<AppState>,
    actor: Actor,
    Path(name): Path<String>,
    Query(filter): Query<LogQuery>,
    Query(asked): Query<PageQuery>,
) -> Result<Json<Page<WebhookDelivery>>, Refusal> {
    let (before, limit) = (asked.after()?.unwrap_or(i64::MAX), asked.limit()?);
    let wanted = filter.state.map(|state| match state {
        DeliveryState::Waiting => Settled::Waiting,
        DeliveryState::Delivered => Settled::Delivered,
        DeliveryState::Failed => Settled::Failed,
    });
    let mut reader = state.store.read(actor.tenant_id).await?;
    let webhook = actions::find(&mut reader, &actor, &name).await?;
    let of = (actor.tenant_id, webhook.id);
    let found = deliveries::list(&mut reader, of, wanted, (before, limit + 1)).await?;
    Ok(Json(page(found, limit, |delivery| delivery.place.seq.to_string())))
}

/// Has a message that was delivered or given up sent anew, under the same id.
#[utoipa::path(
    post, path = "/api/v1/webhooks/{name}/deliveries/{seq}/redeliver", tag = "webhooks",
    params(("name" = String, Path), ("seq" = i64, Path)),
    responses((status = 202, body = WebhookDelivery), (status = 404, body = Problem), (status = 409, body = Problem))
)]
async fn redeliver(
    State(state): State<AppState>,
    actor: Actor,
    Path((name, seq)): Path<(String, i64)>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(actions::redeliver(&state, &actor, &name, seq).await?.into())))
}
