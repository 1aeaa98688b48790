//! The shape of an experiment that is to be written down.

use std::time::Duration;

use observe::{Critical, Lens, Price};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Refusal;
use crate::actions::{Candidate, Draft};
use crate::experiment::Policy;
use crate::labels::Selector;

/// An experiment to be written down. Durations are texts such as `10s`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateExperiment {
    /// Name for people.
    name: String,
    /// The agents it runs on, by label; empty for all.
    #[serde(default)]
    selector: Selector,
    /// The pipeline that is tried.
    candidate: Candidate,
    /// The pipeline in charge, a Collector fragment; without it, what each agent runs when the experiment starts.
    baseline: Option<String>,
    /// Unit that is assigned as a whole: `process`, `host`, or a list of resource attributes.
    #[serde(default)]
    unit: Unit,
    /// True if the baseline is run against itself first.
    #[serde(default)]
    aa: bool,
    /// The weights after mirror, basis points, rising to 10000; 5, 25, 50 and 100 % if not given.
    weights_bp: Option<Vec<u16>>,
    /// Length of a window; 10s if not given.
    #[schema(example = "10s")]
    window: Option<String>,
    /// Least length of a judged horizon; 60s if not given.
    #[schema(example = "60s")]
    report_every: Option<String>,
    /// The aggregates that people look at: `{name, metric, group_by}`; memory and CPU if not given.
    #[schema(value_type = Option<Vec<Object>>)]
    lenses: Option<Vec<Lens>>,
    /// The processes that must not vanish: `{executables, metrics, granularity}`.
    #[schema(value_type = Option<Vec<Object>>)]
    critical: Option<Vec<Critical>>,
    /// Price of the backend: `{usd_per_1000_active_series, usd_per_gigabyte, source}`.
    #[schema(value_type = Option<Object>)]
    price: Option<Price>,
    /// The most that a batch may take in the candidate's pipeline; agents cut it out past that.
    #[schema(example = "250ms")]
    max_batch_latency: Option<String>,
    /// Policy that it must meet.
    #[serde(default)]
    policy: Policy,
}

/// Unit that is assigned as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Unit {
    /// `process` or `host`.
    Named(String),
    /// Resource attributes.
    Attributes(Vec<String>),
}

impl Default for Unit {
    fn default() -> Self {
        Self::Named("process".to_owned())
    }
}

impl CreateExperiment {
    pub(super) fn into_draft(self) -> Result<Draft, Refusal> {
        let unit = match self.unit {
            Unit::Named(name) if name == "process" || name == "host" => vec![name],
            Unit::Attributes(names) => names,
            Unit::Named(_) => {
                let message = "it names nothing that can be assigned";
                return Err(Refusal::invalid_field(
                    "unit",
                    message,
                    "process, host, or a list of attributes",
                ));
            }
        };
        Ok(Draft {
            name: self.name,
            selector: self.selector,
            candidate: self.candidate,
            baseline: self.baseline,
            unit,
            aa: self.aa,
            weights_bp: self.weights_bp,
            window: duration("window", self.window)?,
            report_every: duration("report_every", self.report_every)?,
            lenses: self.lenses,
            critical: self.critical,
            price: self.price,
            max_batch_latency: duration("max_batch_latency", self.max_batch_latency)?,
            policy: self.policy,
        })
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
