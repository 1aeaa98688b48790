//! `/api/v1/webhooks`: addresses that are told what happens.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Timestamp;

/// Form of what is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// `type`, `timestamp` and `data`, as Standard Webhooks has them.
    #[default]
    Json,
    /// `text` alone, as incoming webhooks of Slack take it, and those of Mattermost and Rocket.Chat.
    Slack,
}

/// A webhook to be made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Its name: a-z, 0-9, `.`, `_`, `-`.
    pub name: String,
    /// Address, such as `https://hooks.example.org/phoenix`. It is kept sealed and not shown again, because many let in whoever
    /// knows them.
    pub url: String,
    /// Events that it is told, such as `experiment.verdict` or `tenant.freeze`; `*` for all but `audit.anchor`, which has to be
    /// named: it brings the end of the audit chain, every time it has moved on.
    pub events: Vec<String>,
    /// Form of what is sent; `json` without it.
    #[serde(default)]
    pub format: WebhookFormat,
}

/// Change of a webhook: what is left out stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWebhook {
    /// Another address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Other events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
    /// Another form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<WebhookFormat>,
    /// False to send nothing for now: what waits stays, and what happens meanwhile is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A webhook, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its address without the path.
    pub place: String,
    /// Events that it is told.
    pub events: Vec<String>,
    /// Form of what is sent.
    pub format: WebhookFormat,
    /// True if something is sent.
    pub enabled: bool,
    /// Number of messages that wait.
    pub waiting: i64,
    /// Number of messages that were never queued, because too many waited.
    pub dropped: i64,
    /// One more with each change.
    pub version: i64,
    /// Person or program that made it.
    pub created_by: String,
    /// Time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
}

/// A webhook and the secret that signs what is sent to it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretWebhook {
    /// Facts about it.
    #[serde(flatten)]
    pub about: Webhook,
    /// The secret, as `whsec_…`. It is shown this once.
    pub secret: String,
}

/// State of a message to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// To be sent, again if it was not taken before.
    Waiting,
    /// Taken: answered with a status of 200 to 299.
    Delivered,
    /// Given up after its last attempt.
    Failed,
}

/// A message to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its number, from 1.
    pub seq: i64,
    /// Id that the message has in its header `webhook-id`, the same in each attempt.
    pub message_id: String,
    /// Event that it tells.
    pub event: String,
    /// Time of the event.
    pub at: Timestamp,
    /// State.
    pub state: DeliveryState,
    /// Number of attempts.
    pub attempts: i64,
    /// Status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_status: Option<i64>,
    /// Reason for which the last attempt was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Time of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<Timestamp>,
    /// Time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
}

/// Without what is secret.
impl fmt::Debug for CreateWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CreateWebhook");
        shown.field("name", &self.name).field("events", &self.events).finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for ChangeWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ChangeWebhook");
        shown.field("events", &self.events).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// Without what is secret.
impl fmt::Debug for SecretWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretWebhook").field("about", &self.about).finish_non_exhaustive()
    }
}
