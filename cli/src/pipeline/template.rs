//! `phoenix pipeline template`: the built-in catalog.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use pipelines::catalog;
use pipelines::template::{Parameter, Template};
use pipelines::yaml::nearest;
use serde_json::{Map, Value, json};

use crate::{output, table};

/// List, show and render the built-in templates.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Print the names and what each does
    List,
    /// Print a template with its parameters
    Show {
        /// Its name
        name: String,
        /// Print a JSON document instead of text
        #[arg(long)]
        json: bool,
    },
    /// Print the Collector fragment that a template becomes
    Render {
        /// Its name
        name: String,
        /// A parameter's value; lists with commas
        #[arg(long = "set", value_name = "PARAMETER=VALUE")]
        values: Vec<String>,
    },
}

pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => {
            for template in catalog::templates()? {
                output::line(&format!("{:16} {}", template.name(), template.description()))?;
            }
        }
        Command::Show { name, json: true } => output::say(&document(&find(name)?))?,
        Command::Show { name, json: false } => output::line(&describe(&find(name)?))?,
        Command::Render { name, values } => {
            let template = find(name)?;
            let rendered = template.render(&read(&template, values)?)?;
            output::line(rendered.text.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> anyhow::Result<Template> {
    let known = catalog::CATALOG.iter().map(|(name, _)| *name);
    let unknown = || {
        let near = nearest(name, known).map(|near| format!(": did you mean {near:?}?"));
        anyhow!("there is no template {name:?}{}", near.unwrap_or_default())
    };
    Ok(catalog::template(name).ok_or_else(unknown)??)
}

fn read(template: &Template, values: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut read = Map::new();
    for value in values {
        let (name, text) =
            value.split_once('=').with_context(|| format!("expected PARAMETER=VALUE, got {value:?}"))?;
        // One that there is not is said together with all else that is wrong.
        let value = template.parameter(name).map_or(Ok(Value::from(text)), |parameter| parameter.read(text));
        read.insert(
            name.to_owned(),
            value.map_err(|problem| anyhow!("{}: {}", problem.parameter, problem.message))?,
        );
    }
    Ok(read)
}

fn document(template: &Template) -> Value {
    json!({
        "name": template.name(),
        "description": template.description(),
        "for": template.audience(),
        "claim": template.claim(),
        "parameters": template.parameters(),
        "samples": template.samples(),
    })
}

fn describe(template: &Template) -> String {
    let rows = template.parameters().iter().map(|Parameter { name, description, kind, default }| {
        let default = default.as_ref().map(|default| match default {
            Value::Array(items) => format!("{} items", items.len()),
            other => other.to_string(),
        });
        vec![
            name.clone(),
            kind.name().to_owned(),
            default.unwrap_or_else(|| "must be set".to_owned()),
            description.clone(),
        ]
    });
    let claim = template.claim().map(|claim| format!("\n  {}", claim.text)).unwrap_or_default();
    let parameters =
        table::render("Parameters", &["name", "type", "default", "what it sets"], 4, rows.collect());
    format!(
        "{}: {}\n  For {}.{claim}\n{parameters}",
        template.name(),
        template.description(),
        template.audience()
    )
}
