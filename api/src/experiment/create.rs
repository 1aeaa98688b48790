//! An experiment that is to be written down.

use observe::{Critical, Lens, Price};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Policy;

/// An experiment to be written down. Durations are texts such as `10s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateExperiment {
    /// Name for people.
    pub name: String,
    /// The agents it runs on, by label; empty for all.
    #[serde(default)]
    #[schema(example = "env=prod,region in (eu,us),!canary")]
    pub selector: String,
    /// The pipeline that is tried.
    pub candidate: Candidate,
    /// Id of the pipeline of metrics that it is about, where agents' files have several; without it, the one that each agent's
    /// file says. An agent whose experiments are about another one refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "metrics/host")]
    pub pipeline: Option<String>,
    /// The pipeline in charge, a Collector fragment; without it, what each agent runs when the experiment starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Unit that is assigned as a whole: `entity` (a process, service instance, container, pod, host
    /// or another resource), `process`, `host`, or a list of resource attributes; `entity` if not given.
    #[serde(default)]
    pub unit: Unit,
    /// True if the baseline is run against itself first.
    #[serde(default)]
    pub aa: bool,
    /// All steps in order, in place of `aa` and `weights_bp`: `aa` if the baseline is run against itself first, `mirror`, and the
    /// weights. With no weight, as in `["mirror"]`, the experiment only observes: nothing of the candidate is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["mirror"]))]
    pub steps: Option<Vec<AskedStep>>,
    /// The weights after mirror, basis points, rising to 10000; 5, 25, 50 and 100 % if not given. An empty list is an experiment
    /// that only observes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_bp: Option<Vec<u16>>,
    /// Length of a window; 10s if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "10s")]
    pub window: Option<String>,
    /// Least length of a judged horizon; 60s if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "60s")]
    pub report_every: Option<String>,
    /// The aggregates that people look at, as panels show them: `{name, metric, group_by, function, value, lookback,
    /// max_error, min_group_share, max_groups_lost, absolute_margin}`; a histogram enters by the `count` (default) or the `sum`
    /// of its observations, as `value` says; if not given, memory, CPU and others of processes, and the total
    /// of every other metric by owner. The metric `*` stands for every other one, and has no limit; `(owner)` groups by the
    /// service, else the workload, the namespace, the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub lenses: Option<Vec<Lens>>,
    /// Time for which a lens shows a series after its last point, for the lenses that do not say it themselves; 5m if not
    /// given. A lens with a limit is judged only after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5m")]
    pub lookback: Option<String>,
    /// The processes that must not vanish: `{executables, metrics, granularity}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub critical: Option<Vec<Critical>>,
    /// Price of the backend: `{usd_per_1000_active_series, usd_per_gigabyte, source}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub price: Option<Price>,
    /// The most that a batch may take in the candidate's pipeline; agents cut it out past that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "250ms")]
    pub max_batch_latency: Option<String>,
    /// Policy that it must meet.
    #[serde(default)]
    pub policy: Policy,
}

/// A step of the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected aa, mirror, or a weight in basis points up to 10000")]
pub enum AskedStep {
    /// `aa` or `mirror`.
    Named(NamedStep),
    /// This weight, basis points.
    Weight(u16),
}

/// Step without a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedStep {
    /// The baseline against itself.
    Aa,
    /// Both variants, of which the baseline is delivered.
    Mirror,
}

/// Source of the candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A Collector fragment: processors, and service.pipelines.metrics.processors.
    Config(String),
    /// A template of the tenant's.
    Template {
        /// Its name.
        name: String,
        /// Its version; the latest if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<u32>,
        /// Its parameters.
        #[serde(default)]
        parameters: Map<String, Value>,
    },
}

/// Unit that is assigned as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected entity, process, host, or a list of resource attributes")]
pub enum Unit {
    /// `entity`, `process` or `host`.
    Entity(Entity),
    /// Resource attributes.
    Attributes(Vec<String>),
}

/// Unit that needs no list of attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A process, service instance, container, pod, host or another resource, whichever a resource names first.
    #[default]
    Entity,
    /// A process.
    Process,
    /// A host.
    Host,
}

impl Default for Unit {
    fn default() -> Self {
        Self::Entity(Entity::default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_least_that_can_be_asked_reads_back() {
        let least = json!({ "name": "n", "candidate": { "template": { "name": "t" } } });
        let asked = CreateExperiment::deserialize(&least).unwrap();
        assert_eq!((&asked.unit, &asked.policy), (&Unit::default(), &Policy::default()));
        let written = serde_json::to_value(&asked).unwrap();
        assert_eq!(CreateExperiment::deserialize(&written).unwrap(), asked);
    }

    #[test]
    fn a_step_is_a_word_or_a_weight() {
        let text = json!(["aa", "mirror", 500]);
        let steps = Vec::<AskedStep>::deserialize(&text).unwrap();
        let named = [NamedStep::Aa, NamedStep::Mirror].map(AskedStep::Named);
        assert_eq!((&steps[..2], steps[2]), (&named[..], AskedStep::Weight(500)));
        assert_eq!(serde_json::to_value(steps).unwrap(), text);
        let why = AskedStep::deserialize(&json!("50 %")).unwrap_err().to_string();
        assert_eq!(why, "expected aa, mirror, or a weight in basis points up to 10000");
    }

    #[test]
    fn a_unit_is_a_word_or_a_list() {
        for (text, unit) in [
            (json!("host"), Unit::Entity(Entity::Host)),
            (json!(["k8s.pod.uid"]), Unit::Attributes(vec!["k8s.pod.uid".to_owned()])),
        ] {
            assert_eq!(Unit::deserialize(&text).unwrap(), unit);
            assert_eq!(serde_json::to_value(unit).unwrap(), text);
        }
        let why = Unit::deserialize(&json!("pod")).unwrap_err().to_string();
        assert_eq!(why, "expected entity, process, host, or a list of resource attributes");
    }
}
