//! `phoenix agent …`.

use std::collections::BTreeSet;

use anyhow::Context as _;
use api::{Agent, AgentGeneration, ConnectionSettings, Page, RefusedConfig};
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::difference::of_fields;
use super::show::{Column, Show, cell, fields, labels, line};

const COLUMNS: [Column<Agent>; 9] = [
    ("uid", |agent| agent.uid.to_string()),
    ("host", |agent| agent.host.clone()),
    ("labels", |agent| labels(&agent.labels)),
    ("node", |agent| agent.node.clone().unwrap_or_default()),
    ("status", status),
    ("version", |agent| agent.version.clone()),
    ("pushed configs", pushed),
    ("last seen", |agent| cell(agent.last_seen.as_ref())),
    ("let in by", |agent| agent.enrolled_by.clone()),
];

#[derive(Subcommand, Clone)]
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
        /// Its uid, or the name of its host where that has one agent
        uid: String,
    },
    /// List what an agent was told to run, the newest first, and what became of it
    History {
        /// Its uid, or the name of its host where that has one agent
        uid: String,
    },
    /// Compare two generations of an agent: what it runs and what it was last told, unless others are named
    Diff {
        /// Its uid, or the name of its host where that has one agent
        uid: String,
        /// Number of the earlier generation
        #[arg(long)]
        from: Option<i64>,
        /// Number of the later generation
        #[arg(long)]
        to: Option<i64>,
    },
    /// Lift the quarantine of everything that an agent has in it, so that it may be tried there again
    Lift {
        /// Its uid, or the name of its host where that has one agent
        uid: String,
    },
    /// Delete an agent and its credential
    Delete {
        /// Its uid, or the name of its host where that has one agent
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

/// The same of an agent that is not connected: what it runs now nobody knows.
const HISTORY_THEN: [Column<AgentGeneration>; 7] = [
    HISTORY[0],
    ("in force when last heard", |one| one.in_force.to_string()),
    HISTORY[2],
    HISTORY[3],
    HISTORY[4],
    HISTORY[5],
    HISTORY[6],
];

/// Sentence about an agent that is not connected, of what it was heard to run; nothing about one that is.
fn last_heard(agent: &Agent) -> Option<String> {
    let at = agent.last_seen.as_ref().filter(|_| agent.status != "connected")?;
    Some(format!(
        "It is not connected, and was last heard of at {at}: what was in force then may not be now."
    ))
}

/// Sentence about a node that two agents claim.
const CONFLICT: &str = "conflict    the agent that was replaced is there still: nothing that either reports counts. Stop one of them, or \
                        give each a host.id of its own in OTEL_RESOURCE_ATTRIBUTES";

/// Sentence about an agent whose file was changed below what it was pushed.
const OVERRIDDEN: &str = "override    the pipeline of its file was changed, and what it was pushed runs in its place: the change is not in \
                          force. Roll back what was promoted (`phoenix experiment rollback`), end what was deployed (`phoenix deployment end`), or put \
                          the earlier pipeline back in the file";

/// Sentence about the way in which an agent proves who it is, by what let it in.
fn proof(enrolled_by: &str, own_credential: bool) -> String {
    let certificate = enrolled_by.strip_prefix("certificate:");
    match (certificate, own_credential) {
        (Some(name), true) => format!("credential  a certificate of {name} (CN of its subject)"),
        (None, true) => format!("credential  one of its own, which it got when {enrolled_by} let it in"),
        (Some(name), false) => format!(
            "credential  none of its own: it came by a certificate of {name} (CN of its subject) over OpAMP, is heard, and nothing is \
             pushed to it"
        ),
        (None, false) => format!(
            "credential  none of its own: it came by {enrolled_by} over OpAMP, is heard, and nothing is pushed to it"
        ),
    }
}

/// Words for what becomes of configs that are pushed to an agent.
fn pushed(agent: &Agent) -> String {
    match &agent.refused_config {
        _ if agent.refuses_configs => "refused".to_owned(),
        Some(RefusedConfig { generation, .. }) => format!("generation {generation} refused"),
        None => "taken".to_owned(),
    }
}

/// Sentence about what an agent runs that runs nothing of what it was told.
fn runs_else(agent: &Agent) -> &'static str {
    match agent.effective_hash {
        None => "None of these is in force: the pipeline of its own file is.",
        Some(_) => {
            "None of these is in force: it runs a config that this control plane has not pushed, or has forgotten."
        }
    }
}

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
    if agent.local_override_pending {
        line(OVERRIDDEN)?;
    }
    if let Some(RefusedConfig { generation, reason }) = &agent.refused_config {
        let runs = if agent.effective_hash.is_some() {
            "what it ran before"
        } else {
            "the pipeline of its own file"
        };
        line(&format!(
            "refused     generation {generation}: {}. It runs {runs}",
            reason.trim_end_matches('.')
        ))?;
    }
    if let Some(waits) = &agent.waits {
        line(&format!("waits       {waits}"))?;
    }
    line(&proof(&agent.enrolled_by, agent.own_credential))?;
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

/// Prints what is another in one generation of an agent than in another one.
fn diff(answer: &Value, uid: &str, (from, to): (Option<i64>, Option<i64>), show: Show) -> anyhow::Result<()> {
    let page = Page::<AgentGeneration>::deserialize(answer).context("the answer is not as expected")?;
    let told = page.items;
    let number = |number: i64| {
        let found = told.iter().find(|one| one.generation == number);
        found.with_context(|| {
            format!("agent {uid} was told no generation {number}; `phoenix agent history {uid}` lists them")
        })
    };
    let last = told.first().with_context(|| format!("agent {uid} was told nothing: it runs its own file"))?;
    let in_force = || {
        told.iter().find(|one| one.in_force).with_context(|| {
            format!(
                "agent {uid} runs none of what it was told: choose two with --from and --to; \
                 `phoenix agent history {uid}` lists them"
            )
        })
    };
    let before = from.map_or_else(in_force, number)?;
    let after = to.map_or(Ok(last), number)?;
    let lines = lines(&before.body, &after.body)?;
    if show.is_for_programs() {
        return show.say(&json!({ "from": before.generation, "to": after.generation, "changes": lines }));
    }
    let state = |one: &AgentGeneration| {
        let state = if one.in_force { "in force" } else { one.status.as_str() };
        format!("{} ({state})", one.generation)
    };
    if before.generation == after.generation {
        return line(&format!("generation {} is compared with itself: nothing differs", state(before)));
    }
    line(&format!("generation {} → {}", state(before), state(after)))?;
    lines.iter().try_for_each(|text| line(text))
}

/// What is another in the body of a generation than in that of another one, the number besides.
fn lines(before: &str, after: &str) -> anyhow::Result<Vec<String>> {
    let read = |body: &str| {
        serde_json::from_str::<Map<String, Value>>(body).context("a generation is not as expected")
    };
    let (before, after) = (read(before)?, read(after)?);
    let fields: BTreeSet<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    let fields: Vec<&str> = fields.into_iter().filter(|field| *field != "generation").collect();
    let [before, after] = [before.clone(), after.clone()].map(Value::Object);
    Ok(of_fields(&before, &after, &fields))
}

/// Characters that are escaped in a part of a path.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Path of the agent of a uid or host, and of what is asked of it.
fn path(agent: &str, what: &str) -> String {
    format!("/agents/{}{what}", utf8_percent_encode(agent, &ESCAPED))
}

impl Command {
    /// Tells whether it shows something, and nothing else.
    pub fn shows(&self) -> bool {
        matches!(self, Self::List { .. } | Self::Get { .. } | Self::History { .. } | Self::Diff { .. })
    }
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List { labels, archived } => {
            let escaped = |labels: String| utf8_percent_encode(&labels, NON_ALPHANUMERIC).to_string();
            let labels = labels.map(|labels| format!("&labels={}", escaped(labels))).unwrap_or_default();
            let agents = client.list(&format!("/agents?archived={archived}{labels}")).await?;
            show.list(&agents, &COLUMNS)
        }
        Command::Get { uid } => one(&client.get(&path(&uid, "")).await?, show),
        Command::History { uid } => history(&uid, client, show).await,
        Command::Diff { uid, from, to } => {
            let told = client.list(&path(&uid, "/generations")).await?;
            diff(&told, &uid, (from, to), show)
        }
        Command::Lift { uid } => one(&client.call(Method::POST, &path(&uid, "/lift"), None).await?, show),
        Command::Delete { uid } => Ok(client.call(Method::DELETE, &path(&uid, ""), None).await.map(drop)?),
    }
}

/// Prints what an agent was told, and what it runs where that is none of it.
async fn history(uid: &str, client: &Client, show: Show) -> anyhow::Result<()> {
    let told = client.list(&path(uid, "/generations")).await?;
    if show.is_for_programs() {
        return show.list(&told, &HISTORY);
    }
    let agent =
        Agent::deserialize(&client.get(&path(uid, "")).await?).context("the answer is not as expected")?;
    let heard = last_heard(&agent);
    show.list(&told, if heard.is_some() { &HISTORY_THEN } else { &HISTORY })?;
    let page = Page::<AgentGeneration>::deserialize(&told).context("the answer is not as expected")?;
    if !page.items.is_empty() && !page.items.iter().any(|one| one.in_force) {
        line(runs_else(&agent))?;
    }
    heard.map_or(Ok(()), |heard| line(&heard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_on_an_agent_that_is_gone_is_said_to_be_of_when_it_was_last_heard() {
        let said = |status: &str| {
            let fields = json!({
                "uid": uuid::Uuid::nil(), "instance_uid": uuid::Uuid::nil(), "labels": {}, "host": "a", "version": "1",
                "enrolled_by": "t", "enrolled_at": "2026-01-01T00:00:00Z", "status": status, "refuses_configs": false,
                "last_seen": "2026-01-02T00:00:00Z",
            });
            last_heard(&Agent::deserialize(&fields).expect("an agent"))
        };
        assert_eq!(said("connected"), None);
        let gone = said("disconnected").expect("a sentence");
        assert!(gone.contains("last heard of at 2026-01-02T00:00:00Z"), "{gone}");
    }

    #[test]
    fn what_an_agent_proves_itself_by_is_said_as_it_came() {
        for (by, own, said) in [
            ("certificate:node-a", true, "credential  a certificate of node-a (CN of its subject)"),
            ("pet_1", true, "credential  one of its own, which it got when pet_1 let it in"),
            ("certificate:node-a", false, "credential  none of its own: it came by a certificate of node-a"),
            ("pet_1", false, "credential  none of its own: it came by pet_1 over OpAMP"),
        ] {
            assert!(proof(by, own).starts_with(said), "{}", proof(by, own));
        }
    }
}
