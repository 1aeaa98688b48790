//! Webhooks: addresses that are told what happens, with the messages to each.

use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id;
use crate::id::TenantId;
use crate::webhook::{ALL, ANCHOR};

const TABLE: &str = "webhooks";

id! {
    /// A webhook.
    WebhookId, "webhook id"
}

/// Form of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Standard Webhooks' own.
    Json,
    /// Slack's.
    Slack,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
        }
    }
}

/// A webhook. Its address and its secret are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Tenant whose events it is told.
    pub tenant_id: TenantId,
    /// Its name.
    pub name: String,
    /// Its address without the path.
    pub place: String,
    /// Its sealed address.
    pub url: String,
    /// Its sealed secret.
    pub secret: String,
    /// Events that it is told.
    pub events: Vec<String>,
    /// Form of what is sent.
    pub form: Form,
    /// True if something is sent.
    pub enabled: bool,
    /// One more with each change.
    pub version: i64,
    /// Number of messages that were never queued.
    pub dropped: i64,
    /// Number of messages that wait.
    pub waiting: i64,
    /// Author.
    pub created_by: String,
    /// Time.
    pub created_at: UnixMillis,
    /// Time of the last change.
    pub updated_at: UnixMillis,
}

impl Webhook {
    /// Tells whether it is told of an event now.
    #[must_use]
    pub fn is_told(&self, event: &str) -> bool {
        self.enabled && self.events.iter().any(|told| told == event || (told == ALL && event != ANCHOR))
    }
}

/// Adds a webhook.
///
/// # Errors
/// The store's; [`StoreError::is_duplicate`] if its name is taken.
pub async fn insert(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    query(
        "INSERT INTO webhooks (tenant_id, id, name, place, url, secret, events, format, enabled, version, dropped, created_by,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(webhook.tenant_id)
    .bind(webhook.id)
    .bind(&webhook.name)
    .bind(&webhook.place)
    .bind(&webhook.url)
    .bind(&webhook.secret)
    .bind(events(webhook))
    .bind(webhook.form.name())
    .bind(webhook.enabled)
    .bind(webhook.version)
    .bind(webhook.dropped)
    .bind(&webhook.created_by)
    .bind(webhook.created_at)
    .bind(webhook.updated_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Replaces all of a webhook but its name, its author and its counts.
///
/// # Errors
/// The store's.
pub async fn replace(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    query(
        "UPDATE webhooks SET place = $3, url = $4, secret = $5, events = $6, format = $7, enabled = $8, version = $9,
             updated_at = $10
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(webhook.tenant_id)
    .bind(webhook.id)
    .bind(&webhook.place)
    .bind(&webhook.url)
    .bind(&webhook.secret)
    .bind(events(webhook))
    .bind(webhook.form.name())
    .bind(webhook.enabled)
    .bind(webhook.version)
    .bind(webhook.updated_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes a webhook with its messages.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, id: WebhookId) -> Result<(), StoreError> {
    query("DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id).execute(tx).await?;
    Ok(())
}

/// Notes that a message was not queued.
///
/// # Errors
/// The store's.
pub async fn dropped(tx: &mut Tx, tenant: TenantId, id: WebhookId) -> Result<(), StoreError> {
    query("UPDATE webhooks SET dropped = dropped + 1 WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// The webhook of a name.
///
/// # Errors
/// The store's.
pub async fn named(
    connection: &mut Connection,
    tenant: TenantId,
    name: &str,
) -> Result<Option<Webhook>, StoreError> {
    let row = query(
        "SELECT webhooks.*, (SELECT count(*) FROM webhook_deliveries AS d WHERE d.tenant_id = webhooks.tenant_id
             AND d.webhook_id = webhooks.id AND d.state = 'waiting') AS waiting
         FROM webhooks WHERE tenant_id = $1 AND name = $2",
    );
    let row = row.bind(tenant).bind(name).fetch_optional(connection).await?;
    row.as_ref().map(webhook).transpose()
}

/// Up to `limit` webhooks of a tenant whose names come behind `after`.
///
/// # Errors
/// The store's.
pub async fn list(
    connection: &mut Connection,
    tenant: TenantId,
    (after, limit): (&str, u32),
) -> Result<Vec<Webhook>, StoreError> {
    let rows = query(
        "SELECT webhooks.*, (SELECT count(*) FROM webhook_deliveries AS d WHERE d.tenant_id = webhooks.tenant_id
             AND d.webhook_id = webhooks.id AND d.state = 'waiting') AS waiting
         FROM webhooks WHERE tenant_id = $1 AND name > $2 ORDER BY name LIMIT $3",
    );
    let rows = rows.bind(tenant).bind(after).bind(limit).fetch_all(connection).await?;
    rows.iter().map(webhook).collect()
}

fn events(webhook: &Webhook) -> String {
    webhook.events.join(" ")
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    let events: String = row.try_get("events")?;
    let form: String = row.try_get("format")?;
    let form = [Form::Json, Form::Slack].into_iter().find(|one| one.name() == form);
    Ok(Webhook {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        name: row.try_get("name")?,
        place: row.try_get("place")?,
        url: row.try_get("url")?,
        secret: row.try_get("secret")?,
        events: events.split(' ').map(str::to_owned).collect(),
        form: form.ok_or_else(|| StoreError::row(TABLE, "it has no known format"))?,
        enabled: row.try_get("enabled")?,
        version: row.try_get("version")?,
        dropped: row.try_get("dropped")?,
        waiting: row.try_get("waiting")?,
        created_by: row.try_get("created_by")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
