//! `phoenix context …`: the control planes that somebody works with, by names of their own, and the one that is in use.
//!
//! They stand in a file beside the session's that only its owner can read. The environment goes before it: `PHOENIX_CONTEXT` names
//! another context for one command, `PHOENIX_API_KEY` and `PHOENIX_SESSION` make none count.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::session::{Held, folder, said};
use super::show::{Column, Show, line, table};

/// The variable with the name of a context, which goes before the one in use.
const NAME: &str = "PHOENIX_CONTEXT";
/// The most characters of a name.
const LONGEST: usize = 64;

/// A control plane, and how to come in there.
#[derive(Clone, Serialize, Deserialize)]
pub struct Context {
    /// Its address.
    pub server: String,
    /// API key; without one a session, from `phoenix login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// All of the file.
#[derive(Default, Serialize, Deserialize)]
struct Contexts {
    /// Name of the one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

#[derive(Subcommand)]
pub enum Command {
    /// List contexts; the one in use has a star
    List,
    /// Use a context from now on
    Use {
        /// Its name
        name: String,
    },
    /// Make or replace a context, and use it if none is in use
    Set {
        /// Its name: a-z, A-Z, 0-9, '.', '_' and '-'
        name: String,
        /// The control plane's address, such as https://phoenix.example.org
        #[arg(long)]
        server: String,
        /// A file with an API key; without it, log in with `phoenix login`
        #[arg(long, value_name = "FILE")]
        api_key_file: Option<PathBuf>,
    },
    /// Delete a context with its session
    Delete {
        /// Its name
        name: String,
    },
}

/// Row of a list.
struct Listed {
    used: bool,
    name: String,
    server: String,
    by: &'static str,
}

const COLUMNS: [Column<Listed>; 4] = [
    ("", |listed| if listed.used { "*" } else { "" }.to_owned()),
    ("name", |listed| listed.name.clone()),
    ("server", |listed| listed.server.clone()),
    ("by", |listed| listed.by.to_owned()),
];

fn file() -> anyhow::Result<PathBuf> {
    Ok(folder()?.join("contexts.json"))
}

/// File of the session of a context.
pub fn session(name: &str) -> anyhow::Result<PathBuf> {
    Ok(folder()?.join(format!("session-{name}.json")))
}

fn load() -> anyhow::Result<Contexts> {
    let path = file()?;
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .with_context(|| format!("{} holds no contexts; move it away", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Contexts::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The context that counts: the one that the environment names, else the one in use, if any is.
///
/// # Errors
/// A name that no context has; a file that cannot be read.
pub fn current() -> anyhow::Result<Option<(String, Context)>> {
    let named = said(NAME)?;
    let all = load()?;
    let Some(name) = named.or(all.current) else { return Ok(None) };
    match all.contexts.get(&name) {
        Some(context) => Ok(Some((name, context.clone()))),
        None => bail!("there is no context {name}; `phoenix context list` shows those that there are"),
    }
}

pub fn run(command: Command, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List => list(show),
        Command::Use { name } => choose(&name),
        Command::Set { name, server, api_key_file } => {
            let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if name.is_empty() || name.len() > LONGEST || !name.chars().all(fine) || name.starts_with('.') {
                bail!(
                    "a name has 1 to {LONGEST} characters out of a-z, A-Z, 0-9, '.', '_' and '-', not {name:?}"
                );
            }
            client::Client::new(&server)?;
            let key = api_key_file.map(|path| {
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            });
            let api_key = key.transpose()?.map(|key| key.trim().to_owned());
            change(|all| {
                all.contexts.insert(name.clone(), Context { server, api_key });
                all.current.get_or_insert(name);
                Ok(())
            })
        }
        Command::Delete { name } => {
            change(|all| {
                known(all, &name)?;
                all.contexts.remove(&name);
                all.current.take_if(|current| *current == name);
                Ok(())
            })?;
            match fs::remove_file(session(&name)?) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            }
        }
    }
}

/// All contexts, by name.
///
/// # Errors
/// A file that cannot be read.
pub fn all() -> anyhow::Result<BTreeMap<String, Context>> {
    Ok(load()?.contexts)
}

/// Uses a context from now on.
///
/// # Errors
/// A name that no context has; a file that cannot be read or written.
pub fn choose(name: &str) -> anyhow::Result<()> {
    change(|all| {
        known(all, name)?;
        all.current = Some(name.to_owned());
        Ok(())
    })
}

fn list(show: Show) -> anyhow::Result<()> {
    let all = load()?;
    let current = said(NAME)?.or(all.current);
    let row = |(name, context): (String, Context)| Listed {
        used: Some(&name) == current.as_ref(),
        by: if context.api_key.is_some() { "API key" } else { "login" },
        server: context.server,
        name,
    };
    let rows: Vec<Listed> = all.contexts.into_iter().map(row).collect();
    if show.is_for_programs() {
        let item = |one: &Listed| json!({ "name": one.name, "server": one.server, "in_use": one.used, "by": one.by });
        return show.say(&json!({ "items": rows.iter().map(item).collect::<Vec<_>>() }));
    }
    if rows.is_empty() {
        return line("there are no contexts; `phoenix context set NAME --server URL` makes one");
    }
    table(&rows, &COLUMNS)
}

fn known(all: &Contexts, name: &str) -> anyhow::Result<()> {
    if all.contexts.contains_key(name) {
        return Ok(());
    }
    let names: Vec<&str> = all.contexts.keys().map(String::as_str).collect();
    match names.is_empty() {
        true => bail!("there is no context {name}, and no other"),
        false => bail!("there is no context {name}; there are {}", names.join(", ")),
    }
}

fn change(change: impl FnOnce(&mut Contexts) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let held = Held::take(file()?)?;
    let mut all = load()?;
    change(&mut all)?;
    held.store(&all)
}
