//! Messages to webhooks: written in the transaction of what they tell of, so that none is lost, and kept as a log.

use serde_json::Value;

use super::webhooks::{self, Webhook, WebhookId};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id::TenantId;
use crate::webhook;

const TABLE: &str = "webhook_deliveries";
/// The most messages of a webhook that wait.
pub const MOST_WAITING: i64 = 1_000;
/// Number of messages of a webhook that are kept once they are settled.
const KEPT: i64 = 1_000;
/// The most webhooks of a tenant.
pub const MOST: u32 = 20;

/// State of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// To be sent.
    Waiting,
    /// Taken.
    Delivered,
    /// Given up.
    Failed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Place of a message: its webhook, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Tenant of the webhook.
    pub tenant_id: TenantId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Number, from 1.
    pub seq: i64,
}

impl Place {
    /// Id of the message, as its receiver knows it.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}_{}", self.webhook_id, self.seq)
    }
}

/// A message to a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its place.
    pub place: Place,
    /// Event that it tells.
    pub event: String,
    /// Time of the event.
    pub at: UnixMillis,
    /// The message in the form `json`.
    pub body: String,
    /// State.
    pub state: State,
    /// Time of the next attempt.
    pub due_at: Option<UnixMillis>,
    /// Number of attempts.
    pub attempts: i64,
    /// Status of the last answer.
    pub last_status: Option<i64>,
    /// Reason for which the last attempt was none.
    pub last_error: Option<String>,
    /// Time of the last attempt.
    pub last_at: Option<UnixMillis>,
}

/// Something that happened, to be told.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// Event, such as `tenant.freeze`.
    pub event: &'a str,
    /// Time.
    pub at: UnixMillis,
    /// Thing that it happened to.
    pub about: &'a Value,
    /// More of it.
    pub detail: &'a Value,
}

/// Queues a message for each webhook of the tenant that is told of it.
///
/// # Errors
/// The store's.
pub async fn tell(tx: &mut Tx, tenant: TenantId, news: News<'_>) -> Result<(), StoreError> {
    let all = webhooks::list(tx, tenant, ("", MOST)).await?;
    for webhook in all.iter().filter(|webhook| webhook.is_told(news.event)) {
        queue(tx, webhook, news).await?;
    }
    Ok(())
}

/// Queues a message for a webhook, whatever it is told. One for which there is no room is counted.
///
/// # Errors
/// The store's.
pub async fn queue(tx: &mut Tx, webhook: &Webhook, news: News<'_>) -> Result<(), StoreError> {
    let Webhook { tenant_id, id, waiting, .. } = webhook;
    if *waiting >= MOST_WAITING {
        return webhooks::dropped(tx, *tenant_id, *id).await;
    }
    let mut about = news.about.clone();
    about["tenant_id"] = Value::from(tenant_id.to_string());
    let body = webhook::message(news.event, news.at, about, news.detail);
    query(
        "INSERT INTO webhook_deliveries (tenant_id, webhook_id, seq, event, at, body, state, due_at, attempts)
         SELECT $1, $2, COALESCE(MAX(seq), 0) + 1, $3, $4, $5, 'waiting', $4, 0
         FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2",
    )
    .bind(*tenant_id)
    .bind(*id)
    .bind(news.event)
    .bind(news.at)
    .bind(body.to_string())
    .execute(tx)
    .await?;
    Ok(())
}

/// The first message that is due of each webhook that is enabled, those that wait longest first. The inner limit keeps SQLite
/// to the index of what is due.
///
/// # Errors
/// The store's.
pub async fn due(connection: &mut Connection, now: UnixMillis, limit: u32) -> Result<Vec<Place>, StoreError> {
    let rows = query(
        "SELECT due.tenant_id, due.webhook_id, MIN(due.seq) AS seq
         FROM (SELECT tenant_id, webhook_id, seq, due_at FROM webhook_deliveries
               WHERE due_at <= $1 ORDER BY due_at LIMIT 1000000) AS due
         JOIN webhooks AS w ON w.tenant_id = due.tenant_id AND w.id = due.webhook_id
         WHERE w.enabled
         GROUP BY due.tenant_id, due.webhook_id ORDER BY MIN(due.due_at) LIMIT $2",
    );
    let rows = rows.bind(now).bind(limit).fetch_all(connection).await?;
    rows.iter().map(place).collect()
}

/// Takes a message that is due for one attempt, until `until`; nothing if somebody else has, or if it is due no more.
///
/// # Errors
/// The store's.
pub async fn take(
    tx: &mut Tx,
    place: Place,
    (now, until): (UnixMillis, UnixMillis),
) -> Result<Option<(Webhook, Delivery)>, StoreError> {
    let taken = query(
        "UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = $5, last_at = $4
         WHERE tenant_id = $1 AND webhook_id = $2 AND seq = $3 AND due_at <= $4",
    )
    .bind(place.tenant_id)
    .bind(place.webhook_id)
    .bind(place.seq)
    .bind(now)
    .bind(until)
    .execute(tx)
    .await?;
    if taken.rows_affected() == 0 {
        return Ok(None);
    }
    let Some(delivery) = get(tx, place).await? else { return Ok(None) };
    let all = webhooks::list(tx, place.tenant_id, ("", MOST)).await?;
    Ok(all.into_iter().find(|webhook| webhook.id == place.webhook_id).map(|webhook| (webhook, delivery)))
}

/// Makes all that waits due: a process that starts knows of no attempt that is being made.
///
/// # Errors
/// The store's.
pub async fn all_due(tx: &mut Tx, now: UnixMillis) -> Result<(), StoreError> {
    query("UPDATE webhook_deliveries SET due_at = $1 WHERE due_at > $1").bind(now).execute(tx).await?;
    Ok(())
}

/// Outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// State after it.
    pub state: State,
    /// Time of the next attempt.
    pub due_at: Option<UnixMillis>,
    /// Status of the answer.
    pub status: Option<i64>,
    /// Reason for which it was none.
    pub error: Option<String>,
}

/// Notes the outcome of attempt number `attempt`, and forgets what is old and settled.
///
/// # Errors
/// The store's.
pub async fn settle(tx: &mut Tx, place: Place, attempt: i64, outcome: &Outcome) -> Result<(), StoreError> {
    query(
        "UPDATE webhook_deliveries SET state = $5, due_at = $6, last_status = $7, last_error = $8
         WHERE tenant_id = $1 AND webhook_id = $2 AND seq = $3 AND attempts = $4",
    )
    .bind(place.tenant_id)
    .bind(place.webhook_id)
    .bind(place.seq)
    .bind(attempt)
    .bind(outcome.state.name())
    .bind(outcome.due_at)
    .bind(outcome.status)
    .bind(&outcome.error)
    .execute(tx)
    .await?;
    query(
        "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND state <> 'waiting' AND seq <= (
             SELECT MAX(seq) FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2) - $3",
    )
    .bind(place.tenant_id)
    .bind(place.webhook_id)
    .bind(KEPT)
    .execute(tx)
    .await?;
    Ok(())
}

/// Has a message sent anew, from its first attempt on.
///
/// # Errors
/// The store's.
pub async fn again(tx: &mut Tx, place: Place, now: UnixMillis) -> Result<(), StoreError> {
    query(
        "UPDATE webhook_deliveries SET state = 'waiting', due_at = $4, attempts = 0
         WHERE tenant_id = $1 AND webhook_id = $2 AND seq = $3",
    )
    .bind(place.tenant_id)
    .bind(place.webhook_id)
    .bind(place.seq)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// A message.
///
/// # Errors
/// The store's.
pub async fn get(connection: &mut Connection, place: Place) -> Result<Option<Delivery>, StoreError> {
    let row = query("SELECT * FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2 AND seq = $3")
        .bind(place.tenant_id)
        .bind(place.webhook_id)
        .bind(place.seq)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(delivery).transpose()
}

/// Up to `limit` messages to a webhook before `before`, the newest first; of one state, or of all.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    (tenant, webhook): (TenantId, WebhookId),
    state: Option<State>,
    (before, limit): (i64, u32),
) -> Result<Vec<Delivery>, StoreError> {
    let rows = query(
        "SELECT * FROM webhook_deliveries
         WHERE tenant_id = $1 AND webhook_id = $2 AND seq < $3 AND ($4 IS NULL OR state = $4)
         ORDER BY seq DESC LIMIT $5",
    )
    .bind(tenant)
    .bind(webhook)
    .bind(before)
    .bind(state.map(State::name))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(delivery).collect()
}

fn place(row: &Row) -> Result<Place, StoreError> {
    let (tenant_id, webhook_id) = (row.try_get("tenant_id")?, row.try_get("webhook_id")?);
    Ok(Place { tenant_id, webhook_id, seq: row.try_get("seq")? })
}

fn delivery(row: &Row) -> Result<Delivery, StoreError> {
    let name: String = row.try_get("state")?;
    let state = State::ALL.into_iter().find(|state| state.name() == name);
    Ok(Delivery {
        place: place(row)?,
        event: row.try_get("event")?,
        at: row.try_get("at")?,
        body: row.try_get("body")?,
        state: state.ok_or_else(|| StoreError::row(TABLE, "it has no known state"))?,
        due_at: row.try_get("due_at")?,
        attempts: row.try_get("attempts")?,
        last_status: row.try_get("last_status")?,
        last_error: row.try_get("last_error")?,
        last_at: row.try_get("last_at")?,
    })
}
