//! `phoenix experiment …`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use client::Method;
use serde_json::Value;

use super::Format;
use super::results;
use super::show::{Show, cell, line};
use crate::output;
use client::Client;

const COLUMNS: [(&str, &str); 7] = [
    ("id", "/id"),
    ("name", "/name"),
    ("selector", "/selector"),
    ("phase", "/phase"),
    ("step", "/step"),
    ("outcome", "/outcome"),
    ("updated", "/updated_at"),
];

#[derive(Subcommand)]
pub enum Command {
    /// Create an experiment from a file of JSON, or from standard input (`-`)
    Create {
        /// File of JSON, or `-` for standard input
        file: PathBuf,
        /// Start it at once
        #[arg(long)]
        start: bool,
    },
    /// List experiments, the newest first
    List,
    /// Show an experiment
    Get(Which),
    /// Show the phase, the step, the agents, the last horizon and the last verdict of an experiment
    Status(Which),
    /// Show the results of an experiment
    Results(Which),
    /// Follow the events of an experiment until it is over
    Watch(Which),
    /// Start an experiment
    Start(Which),
    /// Pause an experiment in its step
    Pause(Which),
    /// Resume a paused experiment
    Resume(Which),
    /// Stop an experiment after its last horizon is in
    Stop(Which),
    /// Promote the candidate of an experiment
    Promote(Which),
    /// Roll an experiment back to its baseline
    Rollback(Which),
    /// Cancel an experiment that is pending
    Cancel(Which),
    /// Approve the promotion of an experiment that somebody else wrote
    Approve(Which),
    /// Delete an experiment that is not under way, with its results
    Delete(Which),
}

#[derive(clap::Args)]
pub struct Which {
    /// The experiment's id
    id: String,
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    let (which, verb) = match command {
        Command::Create { file, start } => return create(file, start, client, show).await,
        Command::List => return show.list(&client.get("/experiments?limit=200").await?, &COLUMNS),
        Command::Get(which) => return one(&client.get(&path(&which, "")).await?, show),
        Command::Status(which) => return status(&client.get(&path(&which, "/status")).await?, show),
        Command::Results(which) => return results::show(&client.get(&path(&which, "/results")).await?, show),
        Command::Watch(which) => {
            return client.events(&path(&which, "/events"), |event| happened(event, show)).await;
        }
        Command::Delete(which) => {
            client.call(Method::DELETE, &path(&which, ""), None).await?;
            return Ok(());
        }
        Command::Start(which) => (which, "/start"),
        Command::Pause(which) => (which, "/pause"),
        Command::Resume(which) => (which, "/resume"),
        Command::Stop(which) => (which, "/stop"),
        Command::Promote(which) => (which, "/promote"),
        Command::Rollback(which) => (which, "/rollback"),
        Command::Cancel(which) => (which, "/cancel"),
        Command::Approve(which) => (which, "/approve"),
    };
    one(&client.call(Method::POST, &path(&which, verb), None).await?, show)
}

fn path(which: &Which, what: &str) -> String {
    format!("/experiments/{}{what}", which.id)
}

async fn create(file: PathBuf, start: bool, client: &Client, show: Show) -> anyhow::Result<()> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?
    } else {
        std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?
    };
    let body: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    let made = client.post("/experiments", &body).await?;
    if !start {
        return one(&made, show);
    }
    let id = made["id"].as_str().context("the answer has no id")?;
    one(&client.call(Method::POST, &format!("/experiments/{id}/start"), None).await?, show)
}

fn one(experiment: &Value, show: Show) -> anyhow::Result<()> {
    show.one(experiment, &COLUMNS)?;
    show.reasons(&experiment["reasons"])
}

fn status(status: &Value, show: Show) -> anyhow::Result<()> {
    let columns = [
        ("phase", "/phase"),
        ("outcome", "/outcome"),
        ("step", "/step"),
        ("since", "/since"),
        ("verdict", "/verdict/verb"),
    ];
    show.one(status, &columns)?;
    show.reasons(&status["verdict"]["reasons"])?;
    if show.0 == Format::Json {
        return Ok(());
    }
    let columns = [
        ("agent", "/host"),
        ("connected", "/connected"),
        ("applied", "/applied"),
        ("horizons", "/horizons"),
        ("series in", "/horizon/series_in"),
        ("series out", "/horizon/series/1"),
        ("lost", "/horizon/lost"),
        ("collide", "/horizon/collisions"),
    ];
    show.list(&serde_json::json!({ "items": status["agents"] }), &columns)
}

fn happened(event: &Value, show: Show) -> anyhow::Result<()> {
    if show.0 == Format::Json {
        return output::say(event);
    }
    let detail = &event["detail"];
    let more = ["to", "step", "verb", "outcome"].map(|key| cell(detail.get(key)));
    let more: Vec<String> = more.into_iter().filter(|text| !text.is_empty()).collect();
    line(&format!("{}  {:9} {}", cell(event.get("at")), cell(event.get("kind")), more.join(" · ")))?;
    show.reasons(&detail["reasons"])
}
