//! `phoenix deployment …`.

use std::path::PathBuf;

use anyhow::Context as _;
use api::{CreateDeployment, Deployment, DeploymentSummary, RollBackDeployment};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::show::{Column, Show, cell, fields, line};

const COLUMNS: [Column<Deployment>; 7] = [
    ("id", |version| version.id.to_string()),
    ("version", |version| version.version.to_string()),
    ("selector", |version| version.selector.clone()),
    ("runs", |version| if version.config.is_some() { "a config" } else { "ended" }.to_owned()),
    ("experiment", |version| cell(version.experiment_id)),
    ("by", |version| version.created_by.clone()),
    ("since", |version| version.created_at.to_string()),
];

const LISTED: [Column<DeploymentSummary>; 7] = [
    ("precedence", precedence),
    ("id", |one| one.version.id.to_string()),
    ("version", |one| one.version.version.to_string()),
    ("selector", |one| one.version.selector.clone()),
    ("runs", |one| if one.version.config.is_some() { "a config" } else { "ended" }.to_owned()),
    ("experiment", |one| cell(one.version.experiment_id)),
    ("since", |one| one.version.created_at.to_string()),
];

/// Precedence of a deployment. One that has ended has none, whatever an earlier release numbers it.
fn precedence(one: &DeploymentSummary) -> String {
    if one.version.config.is_some() { one.precedence.to_string() } else { String::new() }
}

#[derive(Subcommand, Clone)]
pub enum Command {
    /// List deployments, in the order in which they go before each other
    List,
    /// Show the version of a deployment that is in force, with its config
    Get {
        /// Its id
        id: String,
    },
    /// List all versions of a deployment, the newest first
    History {
        /// Its id
        id: String,
    },
    /// Make a deployment by hand, which no experiment has looked at; takes the role admin
    Create {
        /// File with the config: a fragment of a Collector file, or a whole one
        file: PathBuf,
        /// The agents, as `env=prod,region in (eu,us),!canary`; `` for all
        #[arg(long)]
        selector: String,
        /// Id of the pipeline of metrics, such as metrics/host
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// Put an earlier version of a deployment in force again
    Rollback {
        /// Its id
        id: String,
        /// The version
        #[arg(long)]
        to: i64,
    },
    /// End a deployment: its agents go back to what they run without it
    End {
        /// Its id
        id: String,
    },
}

fn path(id: &str, what: &str) -> String {
    format!("/deployments/{}{what}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

impl Command {
    /// Tells whether it shows something, and nothing else.
    pub fn shows(&self) -> bool {
        matches!(self, Self::List | Self::Get { .. } | Self::History { .. })
    }
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    let changed = match command {
        Command::List => return show.list(&client.list("/deployments").await?, &LISTED),
        Command::History { id } => {
            return show.list(&client.list(&path(&id, "/versions")).await?, &COLUMNS);
        }
        Command::Get { id } => {
            let answer = client.get(&path(&id, "")).await?;
            one(&answer, show)?;
            return match answer["config"].as_str().filter(|_| !show.is_for_programs()) {
                Some(config) => line(&format!("\n{}", config.trim_end())),
                None => Ok(()),
            };
        }
        Command::Create { file, selector, pipeline } => {
            let config = std::fs::read_to_string(&file);
            let config = config.with_context(|| format!("cannot read {}", file.display()))?;
            let asked = CreateDeployment { selector, pipeline, config };
            client.post("/deployments", &serde_json::to_value(asked)?).await?
        }
        Command::Rollback { id, to } => {
            let asked = serde_json::to_value(RollBackDeployment { to })?;
            client.post(&path(&id, "/rollback"), &asked).await?
        }
        Command::End { id } => client.call(Method::DELETE, &path(&id, ""), None).await?,
    };
    one(&changed, show)
}

/// Prints a version, and how far it is.
fn one(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(version) = show.read::<Deployment>(answer)? else { return Ok(()) };
    fields(&version, &COLUMNS)?;
    version.staging.map_or(Ok(()), |staging| line(&format!("staging     {}", staging.sentence)))
}
