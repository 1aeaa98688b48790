//! An experiment as somebody asks for it, and what becomes of it: defaults filled in, template rendered, checked.

use std::time::Duration;

use observe::{Critical, Lens, Price};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::actions::lifecycle;
use crate::actions::templates;
use crate::audit::By;
use crate::auth::Actor;
use crate::experiment::{Policy, Spec, TemplateUse};
use crate::labels::Selector;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::Experiment;

/// See the module. What is not given has its default.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Name for people.
    pub name: String,
    /// The agents it runs on.
    pub selector: Selector,
    /// The pipeline that is tried.
    pub candidate: Candidate,
    /// The pipeline in charge; without it, what each agent runs when the experiment starts.
    pub baseline: Option<String>,
    /// Unit that is assigned as a whole: `process` or `host` alone, or resource attributes.
    pub unit: Vec<String>,
    /// True if the baseline is run against itself first.
    pub aa: bool,
    /// The weights after mirror, basis points.
    pub weights_bp: Option<Vec<u16>>,
    /// Length of a window.
    pub window: Option<Duration>,
    /// Least length of a judged horizon.
    pub report_every: Option<Duration>,
    /// The aggregates that people look at.
    pub lenses: Option<Vec<Lens>>,
    /// The processes that must not vanish.
    pub critical: Option<Vec<Critical>>,
    /// Price of the backend.
    pub price: Option<Price>,
    /// The most that a batch may take in the candidate's pipeline.
    pub max_batch_latency: Option<Duration>,
    /// Policy that it must meet.
    pub policy: Policy,
}

/// Source of the candidate.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A Collector fragment: processors, and service.pipelines.metrics.processors.
    Config(String),
    /// A template of the tenant's.
    Template {
        /// Its name.
        name: String,
        /// Its version; the latest if not given.
        version: Option<u32>,
        /// Its parameters.
        #[serde(default)]
        parameters: Map<String, Value>,
    },
}

/// Writes an experiment down. Its pipelines are checked with the code that agents check with.
///
/// # Errors
/// 404 for a template that is not there, 422 for what is wrong with it, and the store's.
pub async fn create(state: &AppState, actor: &Actor, draft: Draft) -> Result<Experiment, Refusal> {
    if !(1..=64).contains(&draft.unit.len()) {
        let expected = "process, host, or a list of 1 to 64 resource attributes";
        return Err(Refusal::invalid_field("unit", "it names nothing that can be assigned", expected));
    }
    let (candidate, template) = match &draft.candidate {
        Candidate::Config(text) => (text.clone(), None),
        Candidate::Template { name, version, parameters } => {
            let (version, rendered) =
                templates::render_kept(state, actor, name, *version, parameters.clone()).await?;
            let (name, parameters) = (name.clone(), parameters.clone());
            let used = TemplateUse { name, version, parameters, digest: rendered.digest.to_string() };
            (rendered.text, Some(used))
        }
    };
    let spec = draft.into_spec(candidate, template);
    spec.check()?;
    Ok(lifecycle::create(state, actor.tenant_id, By::from(actor), &actor.email, spec).await?)
}

impl Draft {
    fn into_spec(self, candidate: String, template: Option<TemplateUse>) -> Spec {
        Spec {
            name: self.name,
            selector: self.selector,
            baseline: self.baseline,
            candidate,
            template,
            unit: self.unit,
            aa: self.aa,
            weights_bp: self.weights_bp.unwrap_or_else(|| vec![500, 2_500, 5_000, 10_000]),
            window: self.window.unwrap_or(Duration::from_secs(10)),
            report_every: self.report_every.unwrap_or(Duration::from_secs(60)),
            lenses: self.lenses.unwrap_or_else(Lens::defaults),
            critical: self.critical.unwrap_or_else(|| vec![Critical::default()]),
            price: self.price.unwrap_or_default(),
            max_batch_latency: self.max_batch_latency,
            policy: self.policy,
        }
    }
}
