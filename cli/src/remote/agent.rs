//! `phoenix agent …`.

use clap::Subcommand;
use hyper::Method;

use super::client::Client;
use super::show::Show;

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
            let labels = labels.map(|labels| format!("&labels={}", escaped(&labels))).unwrap_or_default();
            show.list(&client.get(&format!("/agents?limit=200{labels}")).await?, &COLUMNS)
        }
        Command::Get { uid } => show.one(&client.get(&format!("/agents/{uid}")).await?, &COLUMNS),
        Command::Delete { uid } => {
            client.call(Method::DELETE, &format!("/agents/{uid}"), None).await.map(|_| ())
        }
    }
}

/// As a query wants it.
fn escaped(text: &str) -> String {
    let one = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}
