//! `phoenix token …`.

use anyhow::Context as _;
use api::{CreatedToken, EnrollmentToken, MaxUses, Word};
use clap::Subcommand;
use client::{Client, Method};
use serde_json::{Map, Value, json};

use super::show::{self, Column, Show, cell, line};
use crate::output;

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
                Some(made) => {
                    line(&made.token)?;
                    output::tell(&admits(&made.about));
                    Ok(())
                }
                None => Ok(()),
            }
        }
        Command::List => show.list(&client.list("/enrollment-tokens").await?, &COLUMNS),
        Command::Revoke { id } => {
            Ok(client.call(Method::DELETE, &format!("/enrollment-tokens/{id}"), None).await.map(drop)?)
        }
    }
}

/// Number of agents that a new token lets in, and until when.
fn admits(token: &EnrollmentToken) -> String {
    let until = &token.expires_at;
    match token.max_uses {
        MaxUses::Times(1) => format!(
            "this token lets in one agent, until {until}; one for several agents is made with --max-uses, as --max-uses 5 or \
             --max-uses unlimited"
        ),
        MaxUses::Times(times) => format!("this token lets in {times} agents, until {until}"),
        MaxUses::Word(Word::Unlimited) => format!("this token lets in any number of agents, until {until}"),
    }
}

fn read(labels: &[String]) -> anyhow::Result<Map<String, Value>> {
    let one = |text: &String| {
        let (key, value) = text.split_once('=').with_context(|| format!("{text:?} is not key=value"))?;
        Ok((key.to_owned(), Value::from(value)))
    };
    labels.iter().map(one).collect()
}
