//! `phoenix template …`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use api::{RenderedTemplate, TemplateDetail, TemplateSummary};
use clap::Subcommand;
use client::{Client, Method};
use serde_json::{Map, Value, json};

use super::apply::Place;
use super::show::{Column, Show, line};

const SUMMARY: [Column<TemplateSummary>; 4] = [
    ("name", |template| template.name.clone()),
    ("version", |template| template.version.to_string()),
    ("digest", |template| template.digest.clone()),
    ("created", |template| template.created_at.to_string()),
];

const DETAIL: [Column<TemplateDetail>; 6] = [
    ("name", |template| template.summary.name.clone()),
    ("version", |template| template.summary.version.to_string()),
    ("digest", |template| template.summary.digest.clone()),
    ("created", |template| template.summary.created_at.to_string()),
    ("description", |template| template.description.clone()),
    ("text", |template| template.text.clone()),
];

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
            let text = read(&file)?;
            let made = client.post("/templates", &json!({ "name": name, "text": text })).await;
            show.one(&placed(made, &format!("template {name}"), &file)?, &SUMMARY)
        }
        Command::Version { name, file } => {
            let body = json!({ "text": read(&file)? });
            let made = client.post(&format!("/templates/{name}/versions"), &body).await;
            show.one(&placed(made, &format!("template {name}"), &file)?, &SUMMARY)
        }
        Command::List => show.list(&client.list("/templates").await?, &SUMMARY),
        Command::Get { name } => show.one(&client.get(&format!("/templates/{name}")).await?, &DETAIL),
        Command::Render { name, parameters } => {
            let body = json!({ "parameters": read_parameters(&parameters)? });
            let rendered = client.post(&format!("/templates/{name}/render"), &body).await?;
            match show.read::<RenderedTemplate>(&rendered)? {
                Some(rendered) => line(&rendered.text),
                None => Ok(()),
            }
        }
        Command::Delete { name } => {
            Ok(client.call(Method::DELETE, &format!("/templates/{name}"), None).await.map(drop)?)
        }
    }
}

/// An answer; of a refusal, its mistakes with their places in the file that was sent as the text.
fn placed(answer: Result<Value, client::Error>, what: &str, file: &Path) -> anyhow::Result<Value> {
    answer.map_err(|error| {
        let error = anyhow::Error::from(error);
        match Place::of_text(file).told_of_fields(what, &error) {
            Some(told) => anyhow!(told.join("\n")),
            None => error.context(what.to_owned()),
        }
    })
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
