//! `phoenix api-key …`.

use api::{ApiKey, CreatedApiKey};
use clap::Subcommand;
use client::{Client, Method};
use serde_json::{Value, json};

use super::show::{Column, Show, cell, line};

const COLUMNS: [Column<ApiKey>; 7] = [
    ("id", |key| key.id.clone()),
    ("name", |key| key.name.clone()),
    ("role", |key| key.role.to_string()),
    ("kind", |key| cell(key.kind.as_ref())),
    ("expires", |key| key.expires_at.to_string()),
    ("last used", |key| cell(key.last_used_at.as_ref())),
    ("revoked", |key| cell(key.revoked_at.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// Create an API key, for a program in your place; it is shown this once, alone on its line
    Create {
        /// Its purpose, such as ci
        name: String,
        /// The highest role that it acts in: viewer, operator or admin; your own without it
        #[arg(long)]
        role: Option<String>,
        /// The one kind of thing that it reaches, such as experiments; agents:connect lets agents in over OpAMP and no more
        #[arg(long)]
        kind: Option<String>,
        /// Time for which it is valid, as `24h`, `30d`
        #[arg(long, default_value = "90d")]
        expires_in: String,
        /// Id of the service account that it is of, in place of your own; takes the role admin
        #[arg(long, value_name = "ID")]
        owner: Option<String>,
    },
    /// List API keys: your own, and for an admin everybody's
    List,
    /// Revoke an API key, at once
    Revoke {
        /// Its id
        id: String,
    },
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::Create { name, role, kind, expires_in, owner } => {
            let mut body = json!({ "name": name, "expires_in": expires_in });
            for (key, value) in [("role", role), ("kind", kind), ("owner_id", owner)] {
                if let Some(value) = value {
                    body[key] = Value::from(value);
                }
            }
            match show.read::<CreatedApiKey>(&client.post("/api-keys", &body).await?)? {
                Some(made) => line(&made.key),
                None => Ok(()),
            }
        }
        Command::List => show.list(&client.list("/api-keys").await?, &COLUMNS),
        Command::Revoke { id } => {
            Ok(client.call(Method::DELETE, &format!("/api-keys/{id}"), None).await.map(drop)?)
        }
    }
}
