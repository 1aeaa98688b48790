//! `phoenix experiment …`.

use anyhow::{Context as _, bail};
use api::{AgentStatus, Event, Experiment, Freeze, Page, Promote, Signal, Status};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::follow::{self, Patience};
use super::show::{Column, Show, cell, fields, line, reasons, table};
use super::which::Which;
use super::{create, explain, freeze, patch, results, session};
use crate::output;

const COLUMNS: [Column<Experiment>; 7] = [
    ("id", |experiment| experiment.id.to_string()),
    ("name", |experiment| experiment.name.clone()),
    ("selector", |experiment| experiment.selector.clone()),
    ("phase", |experiment| experiment.phase.to_string()),
    ("step", |experiment| cell(experiment.step.as_ref())),
    ("outcome", |experiment| cell(experiment.outcome)),
    ("updated", |experiment| experiment.updated_at.to_string()),
];

const SCHEDULE: [Column<Experiment>; 1] = [("starts", |experiment| cell(experiment.starts_at.as_ref()))];

const SIGNALS: [Column<Signal>; 4] = [
    ("at", |signal| signal.at.to_string()),
    ("signal", |signal| signal.signal.to_string()),
    ("by", |signal| signal.by.clone()),
    ("phase", |signal| cell(signal.to)),
];

const STATUS: [Column<Status>; 6] = [
    ("phase", |status| status.phase.to_string()),
    ("outcome", |status| cell(status.outcome)),
    ("delivers", |status| cell(status.observe_only.then_some("nothing of the candidate: it only observes"))),
    ("step", |status| cell(status.step.as_ref())),
    ("since", |status| cell(status.since.as_ref())),
    ("verdict", verdict),
];

const AGENTS: [Column<AgentStatus>; 9] = [
    ("agent", |agent| agent.host.clone()),
    ("connected", |agent| agent.connected.to_string()),
    ("applied", |agent| agent.applied.to_string()),
    ("wave", |agent| match agent.wave {
        Some(0) => "waits".to_owned(),
        wave => cell(wave),
    }),
    ("horizons", |agent| agent.horizons.to_string()),
    ("series in", |agent| cell(agent.horizon.as_ref().map(|found| found.series_in))),
    ("series out", |agent| cell(agent.horizon.as_ref().map(|found| found.series[1]))),
    ("lost", |agent| cell(agent.horizon.as_ref().map(|found| found.lost))),
    ("collide", |agent| cell(agent.horizon.as_ref().map(|found| found.collisions))),
];

/// Columns of agents whose experiment is over: none of them runs the step any more.
const AGENTS_THEN: [Column<AgentStatus>; 7] = [
    AGENTS[0],
    ("ran the last step", |agent| agent.applied.to_string()),
    AGENTS[4],
    AGENTS[5],
    AGENTS[6],
    AGENTS[7],
    AGENTS[8],
];

/// Sentence about a promotion that is forced without a reason.
const NO_REASON: &str = "--force needs --reason: it promotes what the criteria do not allow, and whoever reads the audit must see why. \
                         Add --reason with a few words";

#[derive(Subcommand, Clone)]
pub enum Command {
    /// Create an experiment from a file of JSON, from standard input (`-`), or from a candidate alone
    Create(create::Args),
    /// List experiments, the newest first
    List {
        /// Those in this phase, such as running
        #[arg(long)]
        phase: Option<String>,
        /// Those whose name has this text in it
        #[arg(long)]
        search: Option<String>,
        /// List the oldest first
        #[arg(long)]
        oldest_first: bool,
    },
    /// Show an experiment
    Get(Which),
    /// Show the phase, the step, the agents, the last horizon and the last verdict of an experiment
    Status(Which),
    /// Explain the last verdict of an experiment: every criterion with its answer, and what it rests on
    Explain(Which),
    /// Show the results of an experiment
    Results {
        #[command(flatten)]
        which: Which,
        /// Show a row for each step, horizon or agent in place of what all have measured; older horizons are merged
        #[arg(long, value_name = "step|horizon|agent")]
        by: Option<String>,
    },
    /// Write the candidate of an experiment that ended in its favor into the Collector file that was adopted
    ///
    /// The processors that Phoenix ran of the pipeline are replaced in their places; all else stays as it was written. Refused
    /// if the pipeline is not the experiment's baseline.
    Patch(patch::Args),
    /// Follow the events of an experiment until it is over
    Watch(Which),
    /// Show what people and programs asked of an experiment, and who
    Signals(Which),
    /// Create an experiment like another one
    Clone {
        #[command(flatten)]
        which: Which,
        /// Name of the new one
        name: String,
    },
    /// Start an experiment, now or at a time
    Start {
        #[command(flatten)]
        which: Which,
        /// Time at which it starts by itself, such as 2026-11-28T22:00:00Z
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Take back the time at which an experiment was to start
    Unschedule(Which),
    /// Pause an experiment in its step
    Pause(Which),
    /// Resume a paused experiment
    Resume(Which),
    /// Stop an experiment after its last horizon is in
    Stop(Which),
    /// Promote the candidate of an experiment whose criteria are met
    Promote(Promotion),
    /// Roll an experiment back to its baseline
    Rollback(Which),
    /// Cancel an experiment that is pending
    Cancel(Which),
    /// Approve the promotion of an experiment that somebody else wrote
    Approve(Which),
    /// Delete an experiment that is not under way, with its results
    Delete(Which),
}

#[derive(clap::Args, Clone)]
pub struct Promotion {
    #[command(flatten)]
    which: Which,
    /// Promote it although criteria are not met; takes the role admin, and --reason
    #[arg(long)]
    force: bool,
    /// Reason for which it is forced, which --force needs; stands in the audit
    #[arg(long, requires = "force")]
    reason: Option<String>,
}

impl Command {
    /// Tells whether it shows something, and nothing else.
    pub fn shows(&self) -> bool {
        matches!(
            self,
            Self::List { .. }
                | Self::Get(_)
                | Self::Status(_)
                | Self::Explain(_)
                | Self::Results { .. }
                | Self::Signals(_)
        )
    }
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    let (which, verb) = match command {
        Command::Create(args) => return one(&create::create(args, client).await?, show),
        Command::Patch(args) => return patch::run(&args, client, show).await,
        Command::List { phase, search, oldest_first } => {
            let mut path = format!("/experiments?oldest_first={oldest_first}");
            for (name, value) in [("phase", phase), ("search", search)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
                }
            }
            return list(&client.list(&path).await?, show);
        }
        Command::Signals(which) => {
            return show.list(&client.list(&which.path("/signals")).await?, &SIGNALS);
        }
        Command::Clone { which, name } => {
            return one(&client.post(&which.path("/clone"), &json!({ "name": name })).await?, show);
        }
        Command::Start { which, at: Some(at) } => {
            return one(&client.post(&which.path("/start"), &json!({ "at": at })).await?, show);
        }
        Command::Unschedule(which) => {
            return one(&client.call(Method::DELETE, &which.path("/start"), None).await?, show);
        }
        Command::Get(which) => return one(&client.get(&which.path("")).await?, show),
        Command::Status(which) => {
            return status(&client.get(&which.path("/status")).await?, show);
        }
        Command::Explain(which) => {
            return explain::show(&client.get(&which.path("/status")).await?, show);
        }
        Command::Results { which, by: Some(by) } => {
            let by = utf8_percent_encode(&by, NON_ALPHANUMERIC);
            return results::rows(&client.get(&which.path(&format!("/results?by={by}"))).await?, show);
        }
        Command::Results { which, by: None } => {
            return results::show(&client.get(&which.path("/results")).await?, show);
        }
        Command::Watch(which) => {
            let (path, patience) = (which.path("/events"), Patience::default());
            let each = |event: &Value| happened(event, show);
            return follow::events(&path, patience, session::client, output::tell, each).await;
        }
        Command::Delete(which) => {
            client.call(Method::DELETE, &which.path(""), None).await?;
            return Ok(());
        }
        Command::Promote(Promotion { which, force, reason }) => {
            if force && reason.is_none() {
                bail!(NO_REASON);
            }
            let asked = serde_json::to_value(Promote { force, reason })?;
            return one(&client.post(&which.path("/promote"), &asked).await?, show);
        }
        Command::Start { which, at: None } => (which, "/start"),
        Command::Pause(which) => (which, "/pause"),
        Command::Resume(which) => (which, "/resume"),
        Command::Stop(which) => (which, "/stop"),
        Command::Rollback(which) => (which, "/rollback"),
        Command::Cancel(which) => (which, "/cancel"),
        Command::Approve(which) => (which, "/approve"),
    };
    one(&client.call(Method::POST, &which.path(verb), None).await?, show)
}

/// Verb of the last verdict. One of before the end says nothing of what is now.
fn verdict(status: &Status) -> String {
    let verb = cell(status.verdict.as_ref().map(|verdict| verdict.verb));
    if status.phase.is_over() && !verb.is_empty() {
        format!("{verb}, the last before it ended")
    } else {
        verb
    }
}

fn list(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(page) = show.read::<Page<Experiment>>(answer)? else { return Ok(()) };
    table(&page.items, &COLUMNS)?;
    // A tenant's is that of all its experiments.
    frozen(page.items.first().and_then(|first| first.frozen.as_ref()))
}

fn frozen(freeze: Option<&Freeze>) -> anyhow::Result<()> {
    freeze.map_or(Ok(()), |freeze| line(&freeze::told(freeze)))
}

fn one(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(experiment) = show.read::<Experiment>(answer)? else { return Ok(()) };
    fields(&experiment, &COLUMNS)?;
    fields(&experiment, &SCHEDULE)?;
    frozen(experiment.frozen.as_ref())?;
    for (at, need) in experiment.needs.iter().enumerate() {
        line(&format!("{:8}  {need}", if at == 0 { "needs" } else { "" }))?;
    }
    reasons(&experiment.reasons)
}

fn status(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(status) = show.read::<Status>(answer)? else { return Ok(()) };
    fields(&status, &STATUS)?;
    frozen(status.frozen.as_ref())?;
    explain::promotion(&status)?;
    explain::uncounted(status.uncounted.as_ref())?;
    match &status.verdict {
        _ if status.phase.is_over() => reasons(&status.reasons)?,
        Some(verdict) => reasons(&verdict.reasons)?,
        None => {}
    }
    match status.phase.is_over() {
        true => table(&status.agents, &AGENTS_THEN),
        false => table(&status.agents, &AGENTS),
    }
}

fn happened(answer: &Value, show: Show) -> anyhow::Result<()> {
    let Some(event) = show.read::<Event>(answer)? else { return Ok(()) };
    let detail = event.detail().context("an event is not as expected")?;
    let wave = detail.wave.map(|wave| format!("{wave}: {}", detail.hosts.unwrap_or_default().join(", ")));
    let more = [cell(detail.to), cell(detail.step), cell(detail.verb), cell(detail.outcome), cell(wave)];
    let more: Vec<String> = more.into_iter().filter(|text| !text.is_empty()).collect();
    line(&format!("{}  {:9} {}", event.at, event.kind, more.join(" · ")))?;
    reasons(&detail.reasons.unwrap_or_default())
}
