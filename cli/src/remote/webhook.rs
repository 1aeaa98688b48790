//! `phoenix webhook …`.

use api::{SecretWebhook, Webhook, WebhookDelivery};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::show::{Column, Show, cell, line};

const COLUMNS: [Column<Webhook>; 8] = [
    ("name", |webhook| webhook.name.clone()),
    ("place", |webhook| webhook.place.clone()),
    ("events", |webhook| webhook.events.join(" ")),
    ("format", |webhook| webhook.format.to_string()),
    ("enabled", |webhook| webhook.enabled.to_string()),
    ("waiting", |webhook| webhook.waiting.to_string()),
    ("dropped", |webhook| webhook.dropped.to_string()),
    ("made by", |webhook| webhook.created_by.clone()),
];

const LOG: [Column<WebhookDelivery>; 7] = [
    ("seq", |message| message.seq.to_string()),
    ("event", |message| message.event.clone()),
    ("at", |message| message.at.to_string()),
    ("state", |message| message.state.to_string()),
    ("attempts", |message| message.attempts.to_string()),
    ("last answer", |message| match (&message.last_error, message.last_status) {
        (Some(error), Some(status)) => format!("{status}: {error}"),
        (Some(error), None) => error.clone(),
        (None, status) => cell(status),
    }),
    ("next attempt", |message| cell(message.next_attempt_at.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// Create a webhook; the secret that signs what is sent is shown this once, alone on its line
    Create {
        /// Its name
        name: String,
        /// Its address; it is not shown again
        url: String,
        /// An event that it is told, such as experiment.verdict or tenant.freeze; may be given several times; all without it
        #[arg(long = "event", value_name = "EVENT", default_value = "*")]
        events: Vec<String>,
        /// Form of what is sent: json or slack
        #[arg(long, default_value = "json")]
        format: String,
    },
    /// List webhooks
    List,
    /// Show a webhook
    Get {
        /// Its name
        name: String,
    },
    /// Change a webhook: what is not said stays as it is
    Change {
        /// Its name
        name: String,
        /// Another address, which gets all that waits
        #[arg(long)]
        url: Option<String>,
        /// An event that it is told; may be given several times, and replaces those that it was told
        #[arg(long = "event", value_name = "EVENT")]
        events: Vec<String>,
        /// Another form: json or slack
        #[arg(long)]
        format: Option<String>,
        /// False to send nothing for now, true to go on
        #[arg(long)]
        enabled: Option<bool>,
    },
    /// Give a webhook another secret, which is shown this once, alone on its line
    Rotate {
        /// Its name
        name: String,
    },
    /// Send a webhook a message that tells nothing, to try it
    Ping {
        /// Its name
        name: String,
    },
    /// List the messages to a webhook, the newest first
    Log {
        /// Its name
        name: String,
        /// The one state: waiting, delivered or failed
        #[arg(long)]
        state: Option<String>,
    },
    /// Send a message again that was delivered or given up
    Redeliver {
        /// Name of the webhook
        name: String,
        /// Number of the message, as the log has it
        seq: u64,
    },
    /// Delete a webhook with its messages
    Delete {
        /// Its name
        name: String,
    },
}

fn path(name: &str) -> String {
    format!("/webhooks/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::Create { name, url, events, format } => {
            let body = json!({ "name": name, "url": url, "events": events, "format": format });
            secret(&client.post("/webhooks", &body).await?, show)
        }
        Command::List => show.list(&client.list("/webhooks").await?, &COLUMNS),
        Command::Get { name } => show.one(&client.get(&path(&name)).await?, &COLUMNS),
        Command::Change { name, url, events, format, enabled } => {
            let mut body = json!({});
            let events = (!events.is_empty()).then(|| Value::from(events));
            let said =
                [("url", url.map(Value::from)), ("events", events), ("format", format.map(Value::from))];
            for (key, value) in said.into_iter().chain([("enabled", enabled.map(Value::from))]) {
                if let Some(value) = value {
                    body[key] = value;
                }
            }
            show.one(&client.call(Method::PATCH, &path(&name), Some(&body)).await?, &COLUMNS)
        }
        Command::Rotate { name } => {
            secret(&client.post(&format!("{}/rotate", path(&name)), &json!({})).await?, show)
        }
        Command::Ping { name } => {
            show.one(&client.post(&format!("{}/ping", path(&name)), &json!({})).await?, &LOG)
        }
        Command::Log { name, state } => {
            let filter =
                state.map(|state| format!("?state={}", utf8_percent_encode(&state, NON_ALPHANUMERIC)));
            let at = format!("{}/deliveries{}", path(&name), filter.unwrap_or_default());
            show.list(&client.list(&at).await?, &LOG)
        }
        Command::Redeliver { name, seq } => {
            let at = format!("{}/deliveries/{seq}/redeliver", path(&name));
            show.one(&client.post(&at, &json!({})).await?, &LOG)
        }
        Command::Delete { name } => Ok(client.call(Method::DELETE, &path(&name), None).await.map(drop)?),
    }
}

/// A secret alone on its line, or all of the answer for a program.
fn secret(answer: &Value, show: Show) -> anyhow::Result<()> {
    match show.read::<SecretWebhook>(answer)? {
        Some(made) => line(&made.secret),
        None => Ok(()),
    }
}
