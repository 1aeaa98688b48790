//! `phoenix template …`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use client::Method;
use serde_json::{Map, Value, json};

use super::Format;
use super::show::{Show, line};
use crate::output;
use client::Client;

const COLUMNS: [(&str, &str); 4] =
    [("name", "/name"), ("version", "/version"), ("digest", "/digest"), ("created", "/created_at")];

#[derive(Subcommand)]
pub enum Command {
    /// Create a template from a file of YAML
    Create {
        /// Its name
        name: String,
        /// File of YAML
        file: PathBuf,
    },
    /// Add a version to a template
    Version {
        /// Its name
        name: String,
        /// File of YAML
        file: PathBuf,
    },
    /// List templates
    List,
    /// Show the latest version of a template
    Get {
        /// Its name
        name: String,
    },
    /// Render a template with parameters
    Render {
        /// Its name
        name: String,
        /// A parameter: `name=value`, the value as JSON or as text
        #[arg(long = "set", value_name = "NAME=VALUE")]
        parameters: Vec<String>,
    },
    /// Delete a template; its name stays taken
    Delete {
        /// Its name
        name: String,
    },
}

pub async fn run(command: Command, client: &Client, show: Show) -> anyhow::Result<()> {
    match command {
        Command::Create { name, file } => {
            let body = json!({ "name": name, "text": read(&file)? });
            show.one(&client.post("/templates", &body).await?, &COLUMNS)
        }
        Command::Version { name, file } => {
            let body = json!({ "text": read(&file)? });
            show.one(&client.post(&format!("/templates/{name}/versions"), &body).await?, &COLUMNS)
        }
        Command::List => show.list(&client.get("/templates?limit=200").await?, &COLUMNS),
        Command::Get { name } => {
            let found = client.get(&format!("/templates/{name}")).await?;
            let more = [COLUMNS.as_slice(), &[("description", "/description"), ("text", "/text")]].concat();
            show.one(&found, &more)
        }
        Command::Render { name, parameters } => {
            let body = json!({ "parameters": read_parameters(&parameters)? });
            let rendered = client.post(&format!("/templates/{name}/render"), &body).await?;
            match show.0 {
                Format::Json => output::say(&rendered),
                Format::Text => line(rendered["text"].as_str().unwrap_or_default()),
            }
        }
        Command::Delete { name } => {
            Ok(client.call(Method::DELETE, &format!("/templates/{name}"), None).await.map(drop)?)
        }
    }
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_parameters(parameters: &[String]) -> anyhow::Result<Map<String, Value>> {
    let one = |text: &String| {
        let (name, value) = text.split_once('=').with_context(|| format!("{text:?} is not name=value"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok((name.to_owned(), value))
    };
    parameters.iter().map(one).collect()
}
