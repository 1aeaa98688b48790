//! `phoenix agent …`.

use api::{Agent, AgentGeneration, ConnectionSettings};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use serde_json::Value;

use super::show::{Column, Show, cell, fields, labels, line};

const COLUMNS: [Column<Agent>; 8] = [
    ("uid", |agent| agent.uid.to_string()),
    ("host", |agent| agent.host.clone()),
    ("labels", |agent| labels(&agent.labels)),
    ("node", |agent| agent.node.clone().unwrap_or_default()),
    ("status", status),
    ("version", |agent| agent.version.clone()),
    ("pushed configs", |agent| if agent.refuses_configs { "refused" } else { "taken" }.to_owned()),
    ("last seen", |agent| cell(agent.last_seen.as_ref())),
];

#[derive(Subcommand)]
pub enum Command {
    /// List agents, all or those with some labels
    List {
        /// Selector, such as `env=prod,k8s.cluster.name in (a,b),!canary`
        #[arg(long)]
        labels: Option<String>,
        /// List those that are archived instead, because nothing was heard of them for a day
        #[arg(long)]
        archived: bool,
    },
    /// Show an agent
    Get {
        /// Its uid
        uid: String,
    },
    /// List what an agent was told to run, the newest first, and what became of it
    History {
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

const HISTORY: [Column<AgentGeneration>; 7] = [
    ("generation", |one| one.generation.to_string()),
    ("in force", |one| one.in_force.to_string()),
    ("status", |one| one.status.clone()),
    ("experiment", |one| cell(one.experiment_id)),
    ("step", |one| cell(one.step.as_ref())),
    ("told", |one| one.told_at.to_string()),
    ("error", |one| cell(one.error.as_ref())),
];

/// Sentence about a node that two agents claim.
const CONFLICT: &str = "conflict    the agent that was replaced is there still: nothing that either reports counts. Stop one of them, or \
                        give each a host.id of its own in OTEL_RESOURCE_ATTRIBUTES";

/// Sentence about an agent without a credential of its own.
const VISITOR: &str =
    "credential  none of its own: it came by a token over OpAMP, is heard, and nothing is pushed to it";

fn status(agent: &Agent) -> String {
    match (&agent.archived_at, &agent.node_conflict_at) {
        (Some(_), _) => "archived".to_owned(),
        (None, Some(_)) => "node conflict".to_owned(),
        (None, None) => agent.status.clone(),
    }
}

fn one(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(agent) = show.read::<Agent>(answer)? else { return Ok(()) };
    fields(&agent, &COLUMNS)?;
    if !agent.attributes.is_empty() {
        line(&format!("attributes  {}", labels(&agent.attributes)))?;
    }
    if let Some(at) = &agent.replaced_at {
        line(&format!("replaced    {}: another agent of its node took the place of the one before", at.0))?;
    }
    if agent.node_conflict_at.is_some() {
        line(CONFLICT)?;
    }
    if !agent.own_credential {
        line(VISITOR)?;
    }
    if let Some(ConnectionSettings { status, error }) = &agent.connection_settings {
        let why = error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        line(&format!("settings    offered with a credential of its own: {status}{why}"))?;
    }
    for (name, text) in &agent.effective_config {
        let name = if name.is_empty() { "its config" } else { name };
        line(&format!("runs        {name}:\n{}", text.trim_end()))?;
    }
    agent.quarantined.values().try_for_each(|words| line(&format!("quarantine  {words}")))
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List { labels, archived } => {
            let escaped = |labels: String| utf8_percent_encode(&labels, NON_ALPHANUMERIC).to_string();
            let labels = labels.map(|labels| format!("&labels={}", escaped(labels))).unwrap_or_default();
            let agents = client.list(&format!("/agents?archived={archived}{labels}")).await?;
            show.list(&agents, &COLUMNS)
        }
        Command::Get { uid } => one(&client.get(&format!("/agents/{uid}")).await?, show),
        Command::History { uid } => {
            show.list(&client.list(&format!("/agents/{uid}/generations")).await?, &HISTORY)
        }
        Command::Lift { uid } => {
            one(&client.call(Method::POST, &format!("/agents/{uid}/lift"), None).await?, show)
        }
        Command::Delete { uid } => {
            Ok(client.call(Method::DELETE, &format!("/agents/{uid}"), None).await.map(drop)?)
        }
    }
}
