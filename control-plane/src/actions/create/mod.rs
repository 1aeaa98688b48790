//! An experiment as somebody asks for it, and what becomes of it: defaults filled in, template rendered, checked.

mod policy;
mod steps;

use std::time::Duration;

use api::{Candidate, CreateExperiment, Entity, Unit};
use observe::{Critical, Lens};
use pipelines::config::CollectorFile;

use crate::actions::lifecycle;
use crate::actions::named::{Named, check_name};
use crate::actions::templates;
use crate::audit::By;
use crate::auth::Actor;
use crate::experiment::{ExperimentId, Spec, TemplateUse};
use crate::refusal::Refusal;
use crate::selector::Selector;
use crate::state::AppState;
use crate::store::experiments::Experiment;

/// Writes an experiment down. Its pipelines are checked with the code that agents check with.
///
/// # Errors
/// 404 for a template that is not there, 409 for a name that is taken, 422 for what is wrong with it, and the store's.
pub async fn create(state: &AppState, actor: &Actor, asked: CreateExperiment) -> Result<Experiment, Refusal> {
    let spec = specify(state, actor, asked).await?;
    Ok(lifecycle::create(state, actor.tenant_id, By::from(actor), &actor.email, spec).await?)
}

/// The experiment that [`create`] would write down: checked as that is, without an id of its own, and nowhere written.
///
/// # Errors
/// As [`create`], but for a name that is taken: whoever applies a file asks with the name of what is there.
pub async fn dry_run(
    state: &AppState,
    actor: &Actor,
    asked: CreateExperiment,
) -> Result<Experiment, Refusal> {
    let spec = specify(state, actor, asked).await?;
    let id = ExperimentId(uuid::Uuid::nil());
    Ok(lifecycle::pending(actor.tenant_id, id, spec, &actor.email, state.clock.now()))
}

/// Gives a pending experiment another specification, checked as that of a new one.
///
/// # Errors
/// As [`create`]; 404 for one that is not there, and 409 for one that has begun.
pub async fn replace(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    asked: CreateExperiment,
) -> Result<Experiment, Refusal> {
    let experiment = super::find(state, actor, named).await?;
    let spec = specify(state, actor, asked).await?;
    Ok(lifecycle::replace(state, experiment, spec, (By::from(actor), &actor.email)).await?)
}

/// Writes down an experiment like another one under a name of its own, checked as that of a new one.
///
/// # Errors
/// As [`create`]; 404 for one that is not there.
pub async fn duplicate(
    state: &AppState,
    actor: &Actor,
    named: &Named,
    name: String,
) -> Result<Experiment, Refusal> {
    check_name(&name)?;
    let like = super::find(state, actor, named).await?;
    let spec = check(state, actor, Spec { name, ..like.spec }).await?;
    Ok(lifecycle::create(state, actor.tenant_id, By::from(actor), &actor.email, spec).await?)
}

/// The specification of what is asked for.
pub(super) async fn specify(
    state: &AppState,
    actor: &Actor,
    asked: CreateExperiment,
) -> Result<Spec, Refusal> {
    check_name(&asked.name)?;
    let (candidate, template) = candidate(state, actor, asked.candidate.clone()).await?;
    let spec = spec(asked, candidate, template)?;
    check(state, actor, spec).await
}

/// Checks a specification off the threads that answer: its pipelines are somebody's programs.
async fn check(state: &AppState, actor: &Actor, spec: Spec) -> Result<Spec, Refusal> {
    let checked = state.checks.run(actor.user_id, move || {
        let pipeline = spec.pipeline.as_deref();
        let candidate = of_whole("candidate.config", spec.candidate, pipeline)?;
        let baseline = spec.baseline.map(|text| of_whole("baseline", text, pipeline)).transpose()?;
        Ok(Spec { candidate, baseline, ..spec }.check()?)
    });
    checked.await?
}

/// The fragment that a whole Collector file holds, of the pipeline that is named if it has several; any other text as it is.
pub(super) fn of_whole(field: &str, text: String, pipeline: Option<&str>) -> Result<String, Refusal> {
    // Variables are of what is carried along; those of the fragment are refused when it is checked.
    let file = CollectorFile::parse(field, &text, &|_| Some("1".to_owned()));
    match file.ok().filter(CollectorFile::is_whole) {
        None => Ok(text),
        Some(file) => match file.fragment(pipeline) {
            Ok(fragment) => Ok(fragment.text),
            Err(error) => {
                let expected = "a fragment: processors and service.pipelines.metrics.processors";
                Err(Refusal::invalid_field(field, error.to_string(), expected))
            }
        },
    }
}

/// The candidate's fragment, and the template that it was rendered from.
async fn candidate(
    state: &AppState,
    actor: &Actor,
    asked: Candidate,
) -> Result<(String, Option<TemplateUse>), Refusal> {
    let (name, version, parameters) = match asked {
        Candidate::Config(text) => return Ok((text, None)),
        Candidate::Template { name, version, parameters } => (name, version, parameters),
    };
    let (version, rendered) =
        templates::render_kept(state, actor, &name, version, parameters.clone()).await?;
    let used = TemplateUse { name, version, parameters, digest: rendered.digest.to_string() };
    Ok((rendered.text, Some(used)))
}

/// A specification, not yet checked as a whole. What cannot be read of it is told all at once.
fn spec(asked: CreateExperiment, candidate: String, template: Option<TemplateUse>) -> Result<Spec, Refusal> {
    let mut wrong = Vec::new();
    let selector = kept(&mut wrong, asked.selector.parse::<Selector>().map_err(no_selector));
    let steps = kept(&mut wrong, steps::of(asked.steps, asked.aa, asked.weights_bp));
    let unit = kept(&mut wrong, unit(asked.unit));
    let mut time = |field, text| kept(&mut wrong, duration(field, text)).flatten();
    let (window, report_every) = (time("window", asked.window), time("report_every", asked.report_every));
    let lookback = time("lookback", asked.lookback);
    let max_batch_latency = time("max_batch_latency", asked.max_batch_latency);
    let policy = kept(&mut wrong, asked.policy.try_into());
    let (Some(selector), Some((aa, weights_bp)), Some(unit), Some(policy), true) =
        (selector, steps, unit, policy, wrong.is_empty())
    else {
        return Err(Refusal::together(wrong));
    };
    Ok(Spec {
        name: asked.name,
        selector,
        pipeline: asked.pipeline,
        baseline: asked.baseline,
        candidate,
        traits: None,
        template,
        unit,
        aa,
        weights_bp,
        window: window.unwrap_or(Duration::from_secs(10)),
        report_every: report_every.unwrap_or(Duration::from_secs(60)),
        lenses: lenses(asked.lenses, lookback),
        critical: asked.critical.unwrap_or_else(|| vec![Critical::default()]),
        price: asked.price.unwrap_or_default(),
        max_batch_latency,
        policy,
    })
}

/// What was read; nothing where it is wrong, which is noted.
fn kept<T>(wrong: &mut Vec<Refusal>, read: Result<T, Refusal>) -> Option<T> {
    read.map_err(|refusal| wrong.push(refusal)).ok()
}

fn no_selector(error: impl std::fmt::Display) -> Refusal {
    let expected = "for example env=prod,region in (eu,us),!canary";
    Refusal::invalid_field("selector", error.to_string(), expected)
}

/// The lenses that are asked for, or the default ones; `lookback` is for those that do not say it themselves.
fn lenses(asked: Option<Vec<Lens>>, lookback: Option<Duration>) -> Vec<Lens> {
    let lenses = asked.unwrap_or_else(Lens::defaults).into_iter();
    let own = |lens: &Lens| lens.lookback != Lens::LOOKBACK;
    let shown = |lens: Lens| match lookback {
        Some(lookback) if !own(&lens) => Lens { lookback, ..lens },
        _ => lens,
    };
    lenses.map(shown).collect()
}

fn unit(asked: Unit) -> Result<Vec<String>, Refusal> {
    match asked {
        Unit::Entity(Entity::Entity) => Ok(vec!["entity".to_owned()]),
        Unit::Entity(Entity::Process) => Ok(vec!["process".to_owned()]),
        Unit::Entity(Entity::Host) => Ok(vec!["host".to_owned()]),
        Unit::Attributes(names) if (1..=64).contains(&names.len()) => Ok(names),
        Unit::Attributes(_) => {
            let expected = "entity, process, host, or a list of 1 to 64 resource attributes";
            Err(Refusal::invalid_field("unit", "it names nothing that can be assigned", expected))
        }
    }
}

fn duration(field: &str, text: Option<String>) -> Result<Option<Duration>, Refusal> {
    let read = |text: String| {
        let wrong =
            |error| Refusal::invalid_field(field, format!("{text:?}: {error}"), "a duration such as 10s");
        humantime::parse_duration(&text).map_err(wrong)
    };
    text.map(read).transpose()
}
