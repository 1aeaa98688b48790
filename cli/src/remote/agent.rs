//! `phoenix agent …`.

use api::Agent;
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use serde_json::Value;

use super::show::{Column, Show, cell, fields, labels, line};

const COLUMNS: [Column<Agent>; 7] = [
    ("uid", |agent| agent.uid.to_string()),
    ("host", |agent| agent.host.clone()),
    ("labels", |agent| labels(&agent.labels)),
    ("status", |agent| agent.status.clone()),
    ("version", |agent| agent.version.clone()),
    ("pushed configs", |agent| if agent.refuses_configs { "refused" } else { "taken" }.to_owned()),
    ("last seen", |agent| cell(agent.last_seen.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// List agents, all or those with some labels
    List {
        /// Selector, such as `env=prod,region in (eu,us),!canary`
        #[arg(long)]
        labels: Option<String>,
    },
    /// Show an agent
    Get {
        /// Its uid
        uid: String,
    },
    /// Lift the quarantine of everything that an agent has in it, so that it may be tried there again
    Lift {
        /// Its uid
        uid: String,
    },
    /// Delete an agent and its credential
    Delete {
        /// Its uid
        uid: String,
    },
}

fn one(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(agent) = show.read::<Agent>(answer)? else { return Ok(()) };
    fields(&agent, &COLUMNS)?;
    agent.quarantined.values().try_for_each(|words| line(&format!("quarantine  {words}")))
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List { labels } => {
            let escaped = |labels: String| utf8_percent_encode(&labels, NON_ALPHANUMERIC).to_string();
            let labels = labels.map(|labels| format!("?labels={}", escaped(labels))).unwrap_or_default();
            show.list(&client.list(&format!("/agents{labels}")).await?, &COLUMNS)
        }
        Command::Get { uid } => one(&client.get(&format!("/agents/{uid}")).await?, show),
        Command::Lift { uid } => {
            one(&client.call(Method::POST, &format!("/agents/{uid}/lift"), None).await?, show)
        }
        Command::Delete { uid } => {
            Ok(client.call(Method::DELETE, &format!("/agents/{uid}"), None).await.map(drop)?)
        }
    }
}
