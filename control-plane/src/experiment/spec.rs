//! Specification of an experiment.

use std::time::Duration;

use observe::{Critical, Lens, Price};
use pipelines::config::Plan;
use pipelines::split::{Split, Unit, Weight};
use proto::generation::{Baseline, Candidate, Experiment, Fragment, Generation, Guardrails, is_pipeline};
use serde::{Deserialize, Serialize};

use super::guardrail::Quantity;
use super::invalid::{Invalid, Mistakes, field};
use super::{Policy, Step, Traits};
use crate::selector::Selector;

/// The most steps a rollout may have, mirror and 100 % included.
const MAX_STEPS: usize = 16;

/// An experiment, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Name for people.
    pub name: String,
    /// The agents it runs on.
    pub selector: Selector,
    /// Id of the pipeline of metrics that it is about; nothing for the one that each agent's file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// The pipeline in charge: a Collector fragment; nothing for what each agent runs when it starts.
    pub baseline: Option<String>,
    /// The pipeline that is tried: a Collector fragment.
    pub candidate: String,
    /// Traits of the candidate's pipeline; nothing before it was checked, and in what an earlier release wrote down.
    #[serde(default)]
    pub traits: Option<Traits>,
    /// The template that the candidate was rendered from.
    pub template: Option<TemplateUse>,
    /// Resource attributes that make a unit; `entity`, `process` or `host` for those.
    pub unit: Vec<String>,
    /// True if candidate = baseline is run first, which must differ by exactly nothing.
    pub aa: bool,
    /// The weights after mirror, basis points, rising to 10,000; none where it only observes.
    pub weights_bp: Vec<u16>,
    /// Length of a window.
    #[serde(with = "crate::duration")]
    pub window: Duration,
    /// Least length of a judged horizon: agents report that often.
    #[serde(with = "crate::duration")]
    pub report_every: Duration,
    /// The aggregates that people look at.
    pub lenses: Vec<Lens>,
    /// The processes that must not vanish.
    pub critical: Vec<Critical>,
    /// Price of the backend.
    pub price: Price,
    /// The most that a batch may take in the candidate's pipeline, acted on by the agents themselves.
    #[serde(with = "crate::duration::option")]
    pub max_batch_latency: Option<Duration>,
    /// Policy that it must meet.
    pub policy: Policy,
}

/// A template at a version with parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Parameters that it was rendered with.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// SHA-256 of the rendered text, in hexadecimal.
    pub digest: String,
}

fn not_a_pipeline(pipeline: &str) -> Invalid {
    let message = format!("{pipeline:?} is no pipeline of metrics");
    field("pipeline", message, "metrics, or metrics/ with a name, as agents' files have it")
}

impl Spec {
    /// Checks it with the code that an agent checks with: what passes here builds there. Returns it with the candidate's
    /// traits.
    ///
    /// # Errors
    /// All that is wrong with it, but for what may follow from another mistake.
    pub fn check(self) -> Result<Self, Invalid> {
        let mut wrong = Mistakes::default();
        wrong.unless(!self.name.trim().is_empty() && self.name.chars().count() <= 200, || {
            field("name", "it is empty or too long", "1 to 200 characters")
        });
        if let Some(pipeline) = self.pipeline.as_ref().filter(|pipeline| !is_pipeline(pipeline)) {
            wrong.note(not_a_pipeline(pipeline));
        }
        let candidate = wrong.keep(Fragment::new(&self.candidate).plan("candidate"));
        let baseline = self.baseline.as_ref().map(|text| Fragment::new(text).plan("baseline"));
        let baseline = wrong.keep(baseline.transpose());
        let spec = Self { traits: candidate.as_ref().map(Traits::of), ..self };
        let steps = wrong.keep(spec.check_steps());
        if let Some(candidate) = &candidate {
            wrong.keep(spec.check_hold(candidate));
        }
        if let (Some(candidate), Some(baseline), Some(())) = (&candidate, &baseline, steps) {
            // Agents that run another baseline check again with theirs.
            wrong.keep(spec.check_unit([baseline.as_ref().unwrap_or(candidate), candidate]));
        }
        wrong.keep(spec.check_times());
        let lenses: Vec<&str> = spec.lenses.iter().map(|lens| lens.name.as_str()).collect();
        wrong.keep(spec.policy.check(&lenses));
        wrong.keep(spec.check_observation());
        wrong.keep(spec.check_measurable());
        if wrong.are_none() {
            wrong.keep(spec.check_lookbacks());
            wrong.keep(spec.check_needs());
        }
        wrong.end()?;
        Ok(spec)
    }

    /// Checks that no stage of either pipeline looks at more than a unit of the split, where units move.
    fn check_unit(&self, plans: [&Plan; 2]) -> Result<(), Invalid> {
        let check = |&weight: &u16| {
            let split = Split { unit: self.unit(), weight: weight_of(weight), salt: String::new() };
            split.check_scope(plans).map_err(|why| field("unit", why.message, "a coarser unit"))
        };
        self.weights_bp.iter().try_for_each(check)
    }

    /// Checks a pipeline that agents are to run outside of experiments.
    ///
    /// # Errors
    /// What is wrong with it; a pipeline that is none of metrics.
    pub fn check_deployed(pipeline: Option<&str>, config: &str) -> Result<(), Invalid> {
        if let Some(pipeline) = pipeline.filter(|pipeline| !is_pipeline(pipeline)) {
            return Err(not_a_pipeline(pipeline));
        }
        Fragment::new(config).plan("config")?;
        Ok(())
    }

    /// Checks again, when it begins, what a release before this one did not ask of what it wrote down.
    ///
    /// # Errors
    /// A candidate that holds points back, where the policy does not allow it or a lens does not look back for so long; and a
    /// pipeline that is wrong by now.
    pub fn check_stored(&self) -> Result<(), Invalid> {
        self.check_hold(&Fragment::new(&self.candidate).plan("candidate")?)?;
        self.check_lookbacks()
    }

    /// Checks that no step delivers what a stage of a candidate holds back, unless the policy allows it.
    fn check_hold(&self, candidate: &Plan) -> Result<(), Invalid> {
        let hold = candidate.hold();
        if hold.is_zero() || self.is_observe_only() || self.policy.allow.held {
            return Ok(());
        }
        let hold = humantime::format_duration(hold);
        let message = format!(
            "{} of the candidate holds points for up to {hold}; where the candidate is cut out of delivery, those of its \
             units may be lost",
            candidate.holding().join(", ")
        );
        let expected = "held among them, such as allow: [held]; or steps: [mirror], which delivers nothing of the candidate";
        Err(field("policy.allow", message, expected))
    }

    /// Checks that lenses with a limit, and those of guardrails, look back for longer than the candidate may hold points: what
    /// lives shorter than that would be gone from them before the candidate shows it, so that nobody could say that it is lost.
    fn check_lookbacks(&self) -> Result<(), Invalid> {
        let hold = self.hold();
        let guarded = |lens: &Lens| {
            self.policy.guardrails.iter().any(|one| one.lens.as_deref() == Some(lens.name.as_str()))
        };
        let lenses = self.limited_lenses();
        let mut judged = lenses.iter().filter(|lens| lens.limit().is_some() || guarded(lens));
        let short = judged.find(|lens| !hold.is_zero() && lens.lookback < hold.saturating_add(self.window));
        let Some(lens) = short else { return Ok(()) };
        let [lookback, hold] = [lens.lookback, hold].map(|time| humantime::format_duration(time).to_string());
        let message = format!(
            "{} looks back {lookback}, and the candidate may hold points for {hold}: what lives shorter than that is gone from it \
             before the candidate shows it, and would never be missed",
            lens.name
        );
        Err(field("lookback", message, "the time for which the candidate holds points and a window, or more"))
    }

    /// Checks that what the policy asks for can be measured at all.
    fn check_measurable(&self) -> Result<(), Invalid> {
        let Policy { critical_process_coverage, max_lens_error, max_groups_lost, min_cost_reduction, .. } =
            &self.policy;
        let hidden = self.policy.guardrails.iter().any(|one| one.quantity == Quantity::CriticalHidden);
        if self.critical.is_empty() && (critical_process_coverage.is_some() || hidden) {
            let what = "no process is critical, so that none can be missed";
            return Err(field("policy.critical_process_coverage", what, "with it, something in `critical`"));
        }
        if self.lenses.is_empty() && max_lens_error.is_some() {
            return Err(field(
                "policy.max_lens_error",
                "there is no lens to hold to it",
                "with it, `lenses`",
            ));
        }
        if max_groups_lost.is_some() && self.limited_lenses().iter().all(|lens| lens.limit().is_none()) {
            let what = "no lens has a limit, so that none counts its groups";
            return Err(field(
                "policy.max_groups_lost",
                what,
                "with it, max_lens_error, or max_error of a lens",
            ));
        }
        let free = self.price.usd_per_1000_active_series == 0.0 && self.price.usd_per_gigabyte == 0.0;
        if free && min_cost_reduction.is_some() {
            return Err(field(
                "policy.min_cost_reduction",
                "by `price` nothing costs anything",
                "with it, a price",
            ));
        }
        Ok(())
    }

    fn check_steps(&self) -> Result<(), Invalid> {
        if self.is_observe_only() {
            return Ok(());
        }
        let weights = &self.weights_bp;
        let falls = weights.windows(2).find(|pair| pair[0] >= pair[1]);
        let message = if weights.first() == Some(&0) {
            "the first weight is 0, which is the mirror step and stands before them by itself".to_owned()
        } else if let Some([before, after]) = falls {
            format!("{after} comes after {before}, and weights rise")
        } else if let Some(last) = weights.last().filter(|last| **last != 10_000) {
            format!("the last weight is {last}, and a rollout ends with 10000 (100 %)")
        } else if weights.len() + 2 > MAX_STEPS {
            format!("there are {} weights", weights.len())
        } else {
            return Ok(());
        };
        let expected = "basis points that rise from above 0 to 10000 (100 %), which is always the last of them, such as 500, 5000, \
                        10000; at most 14 of them, or none to observe only";
        Err(field("weights_bp", message, expected))
    }

    fn check_times(&self) -> Result<(), Invalid> {
        let second = Duration::from_secs(1);
        let said = |time| humantime::format_duration(time).to_string();
        if self.window < second || self.window > Duration::from_secs(3_600) {
            return Err(field("window", said(self.window), "1s to 1h"));
        }
        if self.report_every < self.window || self.report_every > Duration::from_secs(86_400) {
            return Err(field("report_every", said(self.report_every), "a window or more, up to 24h"));
        }
        Ok(())
    }

    fn check_observation(&self) -> Result<(), Invalid> {
        if self.lenses.len() > 32 || self.critical.len() > 32 {
            return Err(field("lenses", "there are too many of them, or of critical", "at most 32 of each"));
        }
        if let Some((what, found, expected)) = self.lenses.iter().find_map(Lens::problem) {
            return Err(field("lenses", format!("{what} is {found}"), expected));
        }
        match self.critical.iter().find_map(Critical::problem) {
            Some(_) => Err(field("critical", "one of them says nothing", "executables, and 1 to 32 metrics")),
            None => Ok(()),
        }
    }

    /// The unit of the split.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match self.unit.as_slice() {
            [one] if one == "entity" => Unit::Entity,
            [one] if one == "process" => Unit::Process,
            [one] if one == "host" => Unit::Host,
            names => Unit::Attributes(names.to_vec()),
        }
    }

    /// Tells whether it only observes: no step has a weight, so that nothing of the candidate is delivered or promoted.
    #[must_use]
    pub fn is_observe_only(&self) -> bool {
        self.weights_bp.is_empty()
    }

    /// The first step.
    #[must_use]
    pub fn first_step(&self) -> Step {
        if self.aa { Step::Aa } else { Step::Mirror }
    }

    /// The step after `step`; nothing after the last.
    #[must_use]
    pub fn step_after(&self, step: Step) -> Option<Step> {
        match step {
            Step::Aa => Some(Step::Mirror),
            Step::Mirror => self.weights_bp.first().copied().map(Step::Split),
            Step::Split(weight) => {
                self.weights_bp.iter().copied().find(|&next| next > weight).map(Step::Split)
            }
        }
    }

    /// The lenses, with the policy's limits where they have none of their own: agents count all groups against them.
    #[must_use]
    pub fn limited_lenses(&self) -> Vec<Lens> {
        let Policy { max_lens_error, max_groups_lost, .. } = &self.policy;
        let limited = |lens: &Lens| {
            if lens.is_every() {
                return lens.clone();
            }
            let max_error = lens.max_error.or(*max_lens_error);
            let max_groups_lost = lens.max_groups_lost.or(max_error.and(*max_groups_lost));
            Lens { max_error, max_groups_lost, ..lens.clone() }
        };
        self.lenses.iter().map(limited).collect()
    }

    /// Generation that an agent is to run in `step`: everything but the number. `weight` is the agent's own.
    #[must_use]
    pub fn generation(&self, id: &str, baseline: &Baseline, step: Step, weight: u16) -> Generation {
        let candidate = match step {
            Step::Aa => Candidate::Baseline,
            Step::Mirror | Step::Split(_) => Candidate::Given(Fragment::new(&self.candidate)),
        };
        let split = Split { unit: self.unit(), weight: weight_of(weight), salt: id.to_owned() };
        let experiment = Experiment {
            id: id.to_owned(),
            split,
            candidate,
            window: self.window,
            report_every: self.report_every,
            lenses: self.limited_lenses(),
            critical: self.critical.clone(),
            price: self.price.clone(),
            guardrails: Guardrails { max_batch_latency: self.max_batch_latency },
        };
        let (pipeline, baseline) = (self.pipeline.clone(), baseline.clone());
        Generation { number: 0, pipeline, baseline, experiment: Some(experiment) }
    }
}

/// A weight that was checked when the specification was.
fn weight_of(bp: u16) -> Weight {
    Weight::from_bp(u64::from(bp)).unwrap_or(Weight::NONE)
}
