//! `phoenix audit …`.

mod evidence;
mod verify;

use std::path::PathBuf;

use api::AuditEntry;
use clap::Subcommand;
use client::Client;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::show::{Column, Show};
use crate::output;

const COLUMNS: [Column<AuditEntry>; 5] = [
    ("seq", |entry| entry.seq.to_string()),
    ("at", |entry| entry.at.to_string()),
    ("actor", |entry| entry.actor.clone()),
    ("action", |entry| entry.action.clone()),
    ("object", |entry| entry.object.clone()),
];

/// Entries that are asked for.
#[derive(clap::Args)]
pub struct Filter {
    /// Those of this author, such as user/ID, api-key/ID or control-plane
    #[arg(long)]
    actor: Option<String>,
    /// Those of this action, such as experiment.promote
    #[arg(long)]
    action: Option<String>,
    /// Those of this thing, such as experiment/ID
    #[arg(long)]
    object: Option<String>,
    /// Those not before this time, such as 2026-11-28T00:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Those before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

#[derive(Subcommand)]
pub enum Command {
    /// List who changed what, the oldest first
    List(Filter),
    /// Export entries with their hashes, a line of JSON each
    Export(Filter),
    /// Check that the chain is as it was written, and that the evidence of each verdict is as the chain says; exit code 1 if one is not
    Verify {
        /// A file with anchors of your own, to be compared besides those that the control plane keeps: lines as in its file of
        /// --audit-anchors, or messages of the event audit.anchor as a webhook got them, one a line
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
    },
}

impl Filter {
    fn path(self) -> String {
        let all = [
            ("actor", self.actor),
            ("action", self.action),
            ("object", self.object),
            ("from", self.from),
            ("to", self.to),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let written =
            given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
        let query: Vec<String> = written.collect();
        if query.is_empty() { "/audit".to_owned() } else { format!("/audit?{}", query.join("&")) }
    }
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List(filter) => show.list(&client.list(&filter.path()).await?, &COLUMNS),
        Command::Export(filter) => {
            let all = client.list(&filter.path()).await?;
            all["items"].as_array().into_iter().flatten().try_for_each(output::say)
        }
        Command::Verify { anchors } => verify::run(anchors.as_deref(), client, show).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_query_with_what_was_given() {
        let none = Filter { actor: None, action: None, object: None, from: None, to: None };
        assert_eq!(none.path(), "/audit");
        let some = Filter {
            actor: Some("control-plane".to_owned()),
            action: None,
            object: Some("experiment/1".to_owned()),
            from: None,
            to: None,
        };
        assert_eq!(some.path(), "/audit?actor=control%2Dplane&object=experiment%2F1");
    }
}
