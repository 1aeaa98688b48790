//! Templates: what the control plane keeps is what renders and builds.
//!
//! A text is parsed, rendered with each of its samples, and every result is checked by the code that the agent runs, before
//! it is stored. A version never changes; a name that was deleted goes on counting, so that name and version never mean
//! two texts.

use pipelines::config::{CollectorFile, Signal};
use pipelines::cost::Allowance;
use pipelines::template::{Invalid, Rendered, Template};
use pipelines::yaml::{Location, Problem, Problems};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::audit;
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::hash::sha256;
use crate::id::is_name;
use crate::refusal::{Mistake, Refusal};
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::templates::{self, Head, TemplateVersion};

/// Bytes of a text.
const LONGEST: usize = 256 << 10;

/// Reason for which a template is not taken or not rendered.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// Not a name.
    #[error("a template's name has 1 to 64 characters out of a-z, 0-9, '.', '_' and '-', not {0:?}")]
    Name(String),
    /// Too long to be read.
    #[error("a template has at most {LONGEST} bytes, not {0}")]
    TooLong(usize),
    /// The text is wrong.
    #[error(transparent)]
    Text(#[from] Problems),
    /// The values are wrong.
    #[error(transparent)]
    Values(#[from] Invalid),
    /// Rendered text that is not a pipeline. Places are those of the rendered text.
    #[error("what it renders is not a pipeline: {0}")]
    Rendered(Problems),
    /// The name is taken.
    #[error("template {0} exists; add a version to it")]
    Exists(String),
    /// Not the one any more that who asks has read.
    #[error("template {name} is at version {version}, not {asked}; read it again")]
    Changed {
        /// Its name.
        name: String,
        /// Its latest version.
        version: u32,
        /// The version that was asked for.
        asked: i64,
    },
    /// There is no such template, or no such version of it.
    #[error("there is no template {0}")]
    Unknown(String),
    /// What was kept is not valid any more.
    #[error("a kept template is not valid: {0}")]
    Lost(Problems),
    /// It cannot be tried now.
    #[error("a template could not be tried: {}", .0.detail())]
    Refused(Refusal),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<TemplateError> for Refusal {
    fn from(error: TemplateError) -> Self {
        let said = error.to_string();
        match error {
            TemplateError::Name(_) => Self::invalid_field("name", said, "for example drop-small"),
            TemplateError::TooLong(_) => Self::invalid_field("text", said, "a shorter one"),
            TemplateError::Text(problems) => Self::from(problems).in_text_of("text"),
            TemplateError::Values(invalid) => invalid.into(),
            TemplateError::Rendered(problems) => {
                let refusal = Self::from(problems);
                let detail = format!("what it renders is not a pipeline: {}", refusal.detail());
                Self::Invalid { detail, mistakes: refusal.mistakes().to_vec() }
            }
            TemplateError::Exists(_) => Self::exists(said),
            TemplateError::Changed { .. } => Self::Changed(said),
            TemplateError::Unknown(name) => Self::not_found("template", name),
            TemplateError::Lost(_) => Self::internal(said),
            TemplateError::Refused(refusal) => refusal,
            TemplateError::Store(error) => error.into(),
        }
    }
}

/// Every wrong parameter.
impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        let mistakes: Vec<Mistake> = invalid
            .problems
            .into_iter()
            .map(|problem| Mistake {
                place: None,
                field: Some(format!("parameters.{}", problem.parameter)),
                message: problem.message,
                expected: problem.expected,
                nearest: problem.suggestion,
            })
            .collect();
        let first = mistakes.first().map(|first| first.message.clone()).unwrap_or_default();
        Self::Invalid { detail: format!("the parameters are not valid: {first}"), mistakes }
    }
}

/// Parses a template and tries it with its samples, by the agent's code.
///
/// # Errors
/// All that is wrong with the text, or with what it renders.
pub fn check(name: &str, text: &str) -> Result<Template, TemplateError> {
    if text.len() > LONGEST {
        return Err(TemplateError::TooLong(text.len()));
    }
    let template = Template::parse(name, text)?;
    // What all samples cost is bounded together.
    let mut allowance = Allowance::new();
    for sample in template.samples() {
        let rendered = template.render(&sample.values)?;
        build(&format!("{name}, sample {}", sample.name), &rendered, &mut allowance)?;
    }
    Ok(template)
}

/// Renders a template with these values. What is left out has its default.
///
/// # Errors
/// All that is wrong with the values, or with what comes out.
pub fn render(name: &str, text: &str, values: &Map<String, Value>) -> Result<Rendered, TemplateError> {
    let rendered = Template::parse(name, text)?.render(values)?;
    build(name, &rendered, &mut Allowance::new())?;
    Ok(rendered)
}

/// A rendered text has pipelines of metrics, and each of them builds.
fn build(name: &str, rendered: &Rendered, allowance: &mut Allowance) -> Result<(), TemplateError> {
    let file = CollectorFile::parse(name, &rendered.text, &|_| None).map_err(TemplateError::Rendered)?;
    if file.pipelines().iter().all(|entry| entry.signal != Signal::Metrics) {
        let missing = Problem::new(Location::START, "there is no pipeline of metrics")
            .expected("service.pipelines.metrics.processors");
        return Err(TemplateError::Rendered(file.problems(vec![missing])));
    }
    file.check_within(allowance).map(drop).map_err(TemplateError::Rendered)
}

/// Keeps a new template, as its version 1 (or the one after the last that was deleted).
///
/// # Errors
/// [`TemplateError`].
pub async fn create(
    state: &AppState,
    actor: &Actor,
    name: String,
    text: String,
) -> Result<TemplateVersion, TemplateError> {
    keep(state, actor, (name, None), text, false).await
}

/// Keeps a new version of a template, whose latest one has to be `version` if that is given.
///
/// # Errors
/// [`TemplateError`].
pub async fn add_version(
    state: &AppState,
    actor: &Actor,
    (name, version): (String, Option<i64>),
    text: String,
) -> Result<TemplateVersion, TemplateError> {
    keep(state, actor, (name, version), text, true).await
}

/// The version that a text would become: checked as one that is kept, and nowhere written.
///
/// # Errors
/// [`TemplateError`].
pub async fn dry_run(
    state: &AppState,
    actor: &Actor,
    name: String,
    text: String,
) -> Result<TemplateVersion, TemplateError> {
    let (name, text) = checked(state, actor, name, text).await?;
    let head =
        templates::head(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, &name).await?;
    Ok(next(head, (name, text), actor, state.clock.now()))
}

fn unless_at(name: &str, version: u32, asked: Option<i64>) -> Result<(), TemplateError> {
    match asked.filter(|asked| *asked != i64::from(version)) {
        None => Ok(()),
        Some(asked) => Err(TemplateError::Changed { name: name.to_owned(), version, asked }),
    }
}

/// A name and a text that are right.
async fn checked(
    state: &AppState,
    actor: &Actor,
    name: String,
    text: String,
) -> Result<(String, String), TemplateError> {
    if !is_name(&name) {
        return Err(TemplateError::Name(name.chars().take(64).collect()));
    }
    aside(state, actor, move || check(&name, &text).map(|_| (name, text))).await
}

/// The version after the latest.
fn next(
    head: Option<Head>,
    (name, text): (String, String),
    actor: &Actor,
    now: UnixMillis,
) -> TemplateVersion {
    TemplateVersion {
        version: head.map_or(0, |head| head.latest_version) + 1,
        digest: sha256(&text),
        name,
        text,
        created_by: actor.user_id,
        created_at: now,
    }
}

async fn keep(
    state: &AppState,
    actor: &Actor,
    (name, at): (String, Option<i64>),
    text: String,
    known: bool,
) -> Result<TemplateVersion, TemplateError> {
    let (name, text) = checked(state, actor, name, text).await?;
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    let head = templates::head(&mut tx, actor.tenant_id, &name).await?;
    match head {
        Some(head) if !head.deleted && !known => return Err(TemplateError::Exists(name)),
        Some(head) if !head.deleted => unless_at(&name, head.latest_version, at)?,
        _ if known => return Err(TemplateError::Unknown(name)),
        _ => {}
    }
    let version = next(head, (name, text), actor, now);
    templates::insert(&mut tx, actor.tenant_id, &version).await?;
    let object = format!("template/{}@{}", version.name, version.version);
    let detail = json!({ "digest": version.digest });
    audit::record(&mut tx, now, actor.tenant_id, actor, "template.create", &object, &detail).await?;
    tx.commit().await?;
    Ok(version)
}

/// Takes a template out of use, with all its versions; the latest one has to be `version` if that is given.
///
/// # Errors
/// [`TemplateError::Unknown`], [`TemplateError::Changed`] and the store's.
pub async fn delete(
    state: &AppState,
    actor: &Actor,
    (name, version): (&str, Option<i64>),
) -> Result<(), TemplateError> {
    let now = state.clock.now();
    let mut tx = state.store.begin(actor.tenant_id).await?;
    if let Some(head) = templates::head(&mut tx, actor.tenant_id, name).await?
        && !head.deleted
    {
        unless_at(name, head.latest_version, version)?;
    }
    if !templates::delete(&mut tx, actor.tenant_id, name, now).await? {
        return Err(TemplateError::Unknown(name.to_owned()));
    }
    let object = format!("template/{name}");
    audit::record(&mut tx, now, actor.tenant_id, actor, "template.delete", &object, &json!({})).await?;
    tx.commit().await?;
    Ok(())
}

/// A version of a template that is in use; without a number, the latest.
///
/// # Errors
/// [`TemplateError::Unknown`] and the store's.
pub async fn get(
    state: &AppState,
    actor: &Actor,
    name: &str,
    version: Option<u32>,
) -> Result<TemplateVersion, TemplateError> {
    let kept = templates::get(&mut *state.store.read(actor.tenant_id).await?, actor.tenant_id, name, version)
        .await?;
    kept.ok_or_else(|| TemplateError::Unknown(name.to_owned()))
}

/// A version that was kept, parsed again.
///
/// # Errors
/// [`TemplateError::Lost`]: what was kept does parse, unless the store has changed; and too many checks at once.
pub async fn parsed(
    state: &AppState,
    actor: &Actor,
    kept: TemplateVersion,
) -> Result<(TemplateVersion, Template), TemplateError> {
    let parse = move || match Template::parse(&kept.name, &kept.text) {
        Ok(template) => Ok((kept, template)),
        Err(problems) => Err(TemplateError::Lost(problems)),
    };
    aside(state, actor, parse).await
}

/// Renders a kept template with these values; returns its version, too: without one, the latest.
///
/// # Errors
/// [`TemplateError`].
pub async fn render_kept(
    state: &AppState,
    actor: &Actor,
    name: &str,
    version: Option<u32>,
    values: Map<String, Value>,
) -> Result<(u32, Rendered), TemplateError> {
    let kept = get(state, actor, name, version).await?;
    let render = move || render(&kept.name, &kept.text, &values).map(|text| (kept.version, text));
    aside(state, actor, render).await
}

/// Off the threads that answer: a template is somebody's program.
async fn aside<T: Send + 'static>(
    state: &AppState,
    actor: &Actor,
    work: impl FnOnce() -> Result<T, TemplateError> + Send + 'static,
) -> Result<T, TemplateError> {
    state.checks.run(actor.user_id, work).await.map_err(TemplateError::Refused)?
}
