//! `phoenix apply`: has the control plane hold what files say, templates first, then experiments.
//!
//! What always holds: what is there as it is written is left alone, so that the same files can be applied again and again; what is
//! under way or over is never changed.

mod documents;
mod experiment;
mod place;
mod template;

use std::path::PathBuf;

use anyhow::bail;
use client::Client;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use documents::Read;
pub use documents::{Document, Kind};
pub use place::Place;

use super::show::{Show, line};

#[derive(clap::Args)]
pub struct Args {
    /// File of YAML or JSON with one document or several, or `-` for standard input; may be given several times
    ///
    /// A document has a `kind` (`experiment` or `template`; `experiment` if not given) and the fields of the REST resource. In an
    /// experiment `candidate: { file: PATH }`, and in a template `file: PATH`, stand for the text of a file beside it.
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Have everything checked, show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Start the experiments that are pending then
    #[arg(long, conflicts_with = "dry_run")]
    start: bool,
}

/// Change that a document makes, or would make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is there as it is written.
    Unchanged,
    /// It was not there.
    Created,
    /// A pending experiment has another specification now.
    Replaced,
    /// A template has another version now.
    NewVersion,
}

/// Outcome of a document.
#[derive(Debug, Serialize)]
pub struct Applied {
    /// Kind of the document.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its change.
    pub change: Change,
    /// Id of an experiment, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// More of it for a person, such as the phase of an experiment.
    pub state: String,
    /// Lines that tell what is another than before.
    pub difference: Vec<String>,
}

/// Documents of files that have no mistake. Where there is one nothing is applied, and the control plane is asked what it would say
/// of the documents, so that all mistakes are told at once.
///
/// # Errors
/// All mistakes, each with its place.
pub async fn read(files: &[PathBuf], client: &Client) -> anyhow::Result<Vec<Document>> {
    let Read { documents, mut mistakes } = documents::read(files);
    if mistakes.is_empty() {
        return Ok(documents);
    }
    for document in &documents {
        let checked = match document.kind {
            Kind::Template => template::check(document, client).await.map(drop),
            Kind::Experiment => experiment::check(document, &documents, client).await,
        };
        let Err(error) = checked else { continue };
        if concerns_all(&error) {
            mistakes.push(format!("whether the documents are right besides was not checked: {error:#}"));
            break;
        }
        mistakes.extend(document.place.told(&document.called(), &error));
    }
    match &mistakes[..] {
        [only] => bail!("{only}"),
        all => bail!("{} mistakes in the files, so that nothing is applied:\n{}", all.len(), all.join("\n")),
    }
}

/// Asks the control plane about all documents before any is written. Not known before are mistakes of an experiment whose template is
/// written by the same files, and what changes meanwhile.
///
/// # Errors
/// Its refusals, all of them; a control plane that cannot be reached.
pub async fn check(documents: &[Document], client: &Client) -> anyhow::Result<()> {
    let (mut refused, mut changed): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    for document in documents {
        // What a template says now is not what it will say.
        if changed.iter().any(|template| document.is_of_template(template)) {
            continue;
        }
        let would_be = kept(apply(document, documents, client, true).await, document, &mut refused)?;
        if document.kind == Kind::Template && would_be.is_none_or(|it| it.change != Change::Unchanged) {
            changed.push(&document.name);
        }
    }
    match &refused[..] {
        [] => Ok(()),
        [only] if documents.len() == 1 => bail!("{only}"),
        several => bail!(
            "{} of {} documents refused, so that nothing is applied:\n{}",
            several.len(),
            documents.len(),
            several.join("\n")
        ),
    }
}

/// Applies files, and prints what became of each document. Where one would be refused nothing is applied; one that is refused although
/// it was not to be keeps no other from being applied.
///
/// # Errors
/// Files that cannot be read, documents that say no such thing, a control plane that cannot be reached; its refusals, all of them.
pub async fn run(args: &Args, client: &Client, show: Show) -> anyhow::Result<()> {
    let documents = read(&args.files, client).await?;
    if !args.dry_run && documents.len() > 1 {
        check(&documents, client).await?;
    }
    let (mut applied, mut refused) = (Vec::new(), Vec::new());
    for document in &documents {
        let done = apply(document, &documents, client, args.dry_run).await;
        let Some(mut done) = kept(done, document, &mut refused)? else { continue };
        let started = match (args.start, document.kind) {
            (true, Kind::Experiment) => start(&mut done, client).await,
            _ => Ok(()),
        };
        if !show.is_for_programs() {
            tell(&done, args.dry_run)?;
        }
        // What was written down stays, whether it starts or not.
        kept(started, document, &mut refused)?;
        applied.push(done);
    }
    if show.is_for_programs() {
        show.say(&serde_json::json!({ "items": applied }))?;
    }
    let all = documents.len();
    match &refused[..] {
        [] => Ok(()),
        [only] if all == 1 => bail!("{only}"),
        several => bail!("{} of {all} documents refused:\n{}", several.len(), several.join("\n")),
    }
}

/// What came of a document, or its refusal, which is kept. What keeps all others from being applied ends it.
fn kept<T>(
    came: anyhow::Result<T>,
    document: &Document,
    refused: &mut Vec<String>,
) -> anyhow::Result<Option<T>> {
    match came {
        Ok(done) => Ok(Some(done)),
        Err(error) if concerns_all(&error) => Err(error),
        Err(error) => {
            refused.push(document.place.told(&document.called(), &error).join("\n"));
            Ok(None)
        }
    }
}

/// Tells whether an error is about more than one document: nobody is there, or can take anything now, or lets this person in.
fn concerns_all(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<client::Error>() {
        Some(client::Error::Refused { status, .. }) => matches!(status, 401 | 429 | 500..),
        other => other.is_some(),
    }
}

/// Applies one document of several.
///
/// # Errors
/// The control plane's refusals.
pub async fn apply(
    document: &Document,
    all: &[Document],
    client: &Client,
    dry_run: bool,
) -> anyhow::Result<Applied> {
    match document.kind {
        Kind::Template => template::apply(document, client, dry_run).await,
        Kind::Experiment => experiment::apply(document, all, client, dry_run).await,
    }
}

/// Starts the experiment of a document if it is pending.
///
/// # Errors
/// The control plane's refusals.
pub async fn start(applied: &mut Applied, client: &Client) -> anyhow::Result<()> {
    experiment::start(applied, client).await
}

fn tell(applied: &Applied, dry_run: bool) -> anyhow::Result<()> {
    let change = match (applied.change, dry_run) {
        (Change::Unchanged, _) => "unchanged",
        (Change::Created, false) => "created",
        (Change::Created, true) => "would be created",
        (Change::Replaced, false) => "replaced",
        (Change::Replaced, true) => "would be replaced",
        (Change::NewVersion, false) => "has a new version",
        (Change::NewVersion, true) => "would have a new version",
    };
    line(&format!("{} {}: {change}; {}", applied.kind, applied.name, applied.state))?;
    applied.difference.iter().try_for_each(|different| line(&format!("    {different}")))
}

/// Text of a field of an answer.
fn text<'a>(answer: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    let Some(text) = answer[field].as_str() else {
        bail!("the answer is not as expected: it has no {field}")
    };
    Ok(text)
}
