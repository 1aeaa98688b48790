//! `phoenix agent …`.

use super::show::Show;
use clap::Subcommand;
use client::{Client, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

const COLUMNS: [(&str, &str); 6] = [
    ("uid", "/uid"),
    ("host", "/host"),
    ("labels", "/labels"),
    ("status", "/status"),
    ("version", "/version"),
    ("last seen", "/last_seen"),
];

#[derive(Subcommand)]
pub enum Command {
    /// List agents, all or those with some labels
    List {
        /// `key=value,key=value`
        #[arg(long)]
        labels: Option<String>,
    },
    /// Show an agent
    Get {
        /// Its uid
        uid: String,
    },
    /// Delete an agent and its credential
    Delete {
        /// Its uid
        uid: String,
    },
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::List { labels } => {
            let escaped = |labels: String| utf8_percent_encode(&labels, NON_ALPHANUMERIC).to_string();
            let labels = labels.map(|labels| format!("&labels={}", escaped(labels))).unwrap_or_default();
            show.list(&client.get(&format!("/agents?limit=200{labels}")).await?, &COLUMNS)
        }
        Command::Get { uid } => show.one(&client.get(&format!("/agents/{uid}")).await?, &COLUMNS),
        Command::Delete { uid } => {
            Ok(client.call(Method::DELETE, &format!("/agents/{uid}"), None).await.map(drop)?)
        }
    }
}
