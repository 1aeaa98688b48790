//! An experiment that is to be there as it is written.

use anyhow::{Context as _, bail};
use api::{Experiment, Phase};
use client::{Client, Error, Method};
use serde::Deserialize as _;
use serde_json::Value;

use super::documents::{Document, Kind};
use super::{Applied, Change};
use crate::remote::difference::of_fields;
use crate::remote::which;

/// Fields that say what an experiment is; the others say what became of it.
const SPECIFIED: [&str; 6] = ["selector", "candidate", "baseline", "observe_only", "template", "spec"];

/// Creates it, replaces the specification of one that is pending, or leaves it alone.
///
/// # Errors
/// Another specification than that of one that has begun or is over, and the control plane's refusals.
pub async fn apply(
    document: &Document,
    all: &[Document],
    client: &Client,
    dry_run: bool,
) -> anyhow::Result<Applied> {
    let name = &document.name;
    let body = Value::Object(document.body.clone());
    let written = match client.post("/experiments?dry_run=true", &body).await {
        Ok(written) => written,
        Err(Error::Refused { status: 404, .. }) if dry_run && awaits(document, all) => {
            let state = "checked only once its template is there".to_owned();
            return Ok(applied(name, Change::Created, state, Vec::new()));
        }
        Err(error) => return Err(error).with_context(|| format!("experiment {name}")),
    };
    let Some((known, experiment)) = known(name, client).await? else {
        if dry_run {
            return Ok(applied(name, Change::Created, "pending".to_owned(), Vec::new()));
        }
        let made = read(&client.post("/experiments", &body).await?)?;
        return Ok(Applied { id: Some(made.id), ..applied(name, Change::Created, state(&made), Vec::new()) });
    };
    let difference = of_fields(&known, &written, &SPECIFIED);
    let of = |change, state| Applied { id: Some(experiment.id), ..applied(name, change, state, Vec::new()) };
    if difference.is_empty() {
        return Ok(of(Change::Unchanged, state(&experiment)));
    }
    if experiment.phase != Phase::Pending {
        bail!(
            "experiment {name} is {} with another specification, which cannot be changed any more; write the new one under \
             another name:\n    {}",
            state(&experiment),
            difference.join("\n    ")
        );
    }
    if !dry_run {
        let path = format!("/experiments/{}", experiment.id);
        client.call(Method::PUT, &path, Some(&body)).await?;
    }
    Ok(Applied { difference, ..of(Change::Replaced, state(&experiment)) })
}

/// Asks the control plane what is wrong with a document, and has nothing kept.
///
/// # Errors
/// The control plane's refusals, but for what stands in the place of a field that could not be read.
pub async fn check(document: &Document, all: &[Document], client: &Client) -> anyhow::Result<()> {
    let body = Value::Object(document.body.clone());
    match client.post("/experiments?dry_run=true", &body).await {
        Ok(_) => Ok(()),
        Err(Error::Refused { status: 404, .. }) if awaits(document, all) => Ok(()),
        Err(error) => Err(error).with_context(|| document.called()),
    }
}

/// Starts the experiment of a document if it is pending.
///
/// # Errors
/// The control plane's refusals.
pub async fn start(applied: &mut Applied, client: &Client) -> anyhow::Result<()> {
    let id = applied.id.context("the experiment has no id")?;
    let path = format!("/experiments/{id}");
    if read(&client.get(&path).await?)?.phase != Phase::Pending {
        return Ok(());
    }
    let started = client.call(Method::POST, &format!("{path}/start"), None).await;
    let started = started.with_context(|| format!("experiment {}", applied.name))?;
    applied.state = state(&read(&started)?);
    Ok(())
}

/// Tells whether its template is one of the documents: in a dry run it is not there yet.
fn awaits(document: &Document, all: &[Document]) -> bool {
    all.iter().any(|other| other.kind == Kind::Template && document.is_of_template(&other.name))
}

/// The experiment of this name.
async fn known(name: &str, client: &Client) -> anyhow::Result<Option<(Value, Experiment)>> {
    match client.get(&which::path(name, "")).await {
        Ok(answer) => Ok(Some((answer.clone(), read(&answer)?))),
        Err(Error::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn read(answer: &Value) -> anyhow::Result<Experiment> {
    Experiment::deserialize(answer).context("the answer is not as expected")
}

fn applied(name: &str, change: Change, state: String, difference: Vec<String>) -> Applied {
    Applied { kind: Kind::Experiment, name: name.to_owned(), change, id: None, state, difference }
}

fn state(experiment: &Experiment) -> String {
    match experiment.outcome {
        Some(outcome) => format!("{}, {outcome}", experiment.phase),
        None => experiment.phase.to_string(),
    }
}
