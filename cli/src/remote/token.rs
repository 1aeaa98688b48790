//! `phoenix token …`.

use anyhow::Context as _;
use api::{CreatedToken, EnrollmentToken};
use clap::Subcommand;
use client::{Client, Method};
use serde_json::{Map, Value, json};

use super::show::{self, Column, Show, cell, line};

const COLUMNS: [Column<EnrollmentToken>; 6] = [
    ("id", |token| token.id.clone()),
    ("labels", |token| show::labels(&token.labels)),
    ("uses", |token| token.uses.to_string()),
    ("of", |token| token.max_uses.to_string()),
    ("expires", |token| token.expires_at.to_string()),
    ("revoked", |token| cell(token.revoked_at.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// Create an enrollment token; it is shown this once, alone on its line
    Create {
        /// A label that it gives to agents: `key=value`
        #[arg(long = "label", value_name = "KEY=VALUE")]
        labels: Vec<String>,
        /// Number of agents that it lets in, or `unlimited`
        #[arg(long, default_value = "1")]
        max_uses: String,
        /// Time for which it is valid, as `30m`, `24h`, `7d`
        #[arg(long, default_value = "24h")]
        expires_in: String,
    },
    /// List enrollment tokens
    List,
    /// Revoke an enrollment token
    Revoke {
        /// Its id
        id: String,
    },
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::Create { labels, max_uses, expires_in } => {
            let max_uses: Value = max_uses.parse::<u64>().map_or_else(|_| Value::from(max_uses), Value::from);
            let body = json!({ "labels": read(&labels)?, "max_uses": max_uses, "expires_in": expires_in });
            let made = client.post("/enrollment-tokens", &body).await?;
            match show.read::<CreatedToken>(&made)? {
                Some(made) => line(&made.token),
                None => Ok(()),
            }
        }
        Command::List => show.list(&client.list("/enrollment-tokens").await?, &COLUMNS),
        Command::Revoke { id } => {
            Ok(client.call(Method::DELETE, &format!("/enrollment-tokens/{id}"), None).await.map(drop)?)
        }
    }
}

fn read(labels: &[String]) -> anyhow::Result<Map<String, Value>> {
    let one = |text: &String| {
        let (key, value) = text.split_once('=').with_context(|| format!("{text:?} is not key=value"))?;
        Ok((key.to_owned(), Value::from(value)))
    };
    labels.iter().map(one).collect()
}
