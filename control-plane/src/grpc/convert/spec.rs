//! Specification of an experiment.

use std::time::Duration;

use api::{Candidate, CreateExperiment, Unit};
use observe::{Critical, Granularity, Lens, LensFunction, LensValue, Price};
use proto::v1::{self, experiment_spec};

use super::policy::{policy, read_policy};
use super::template::{parameters, values};
use crate::experiment::Spec;
use crate::refusal::Refusal;

/// An experiment as somebody asks for it.
///
/// # Errors
/// 422 for a field that cannot be what it says.
pub(in super::super) fn asked(request: v1::CreateExperimentRequest) -> Result<CreateExperiment, Refusal> {
    let spec = request
        .spec
        .ok_or_else(|| Refusal::invalid_field("spec", "it is missing", "what the experiment is to do"))?;
    Ok(CreateExperiment {
        name: spec.name,
        selector: spec.selector,
        candidate: candidate(spec.candidate)?,
        pipeline: spec.pipeline,
        baseline: spec.baseline,
        unit: if spec.unit.is_empty() { Unit::default() } else { Unit::Attributes(spec.unit) },
        aa: spec.aa,
        steps: None,
        weights_bp: weights(&spec.weights_bp, spec.observe_only)?,
        window: spec.window_ms.map(duration),
        report_every: spec.report_every_ms.map(duration),
        lenses: spec
            .lenses
            .map(|list| list.lenses.into_iter().map(read_lens).collect::<Result<_, _>>())
            .transpose()?,
        lookback: spec.lookback_ms.map(duration),
        critical: spec
            .critical
            .map(|list| list.criteria.into_iter().map(read_critical).collect::<Result<_, _>>())
            .transpose()?,
        price: spec.price.map(price).transpose()?,
        max_batch_latency: spec.max_batch_latency_ms.map(duration),
        policy: read_policy(spec.policy.unwrap_or_default())?,
    })
}

fn candidate(from: Option<experiment_spec::Candidate>) -> Result<Candidate, Refusal> {
    match from {
        Some(experiment_spec::Candidate::Config(text)) => Ok(Candidate::Config(text)),
        Some(experiment_spec::Candidate::Template(used)) => Ok(Candidate::Template {
            name: used.name,
            version: used.version,
            parameters: parameters(used.parameters)?,
        }),
        None => Err(Refusal::invalid_field("candidate", "it is missing", "a config, or a template")),
    }
}

fn weights(from: &[u32], observe_only: bool) -> Result<Option<Vec<u16>>, Refusal> {
    if observe_only && !from.is_empty() {
        let message = "it has weights, and is to observe only";
        return Err(Refusal::invalid_field("observe_only", message, "no weights_bp, or false"));
    }
    let read = |weight: &u32| {
        let wrong =
            |_| Refusal::invalid_field("weights_bp", format!("{weight}"), "at most 10000 basis points");
        u16::try_from(*weight).map_err(wrong)
    };
    if from.is_empty() && !observe_only {
        return Ok(None);
    }
    from.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn price(from: v1::Price) -> Result<Price, Refusal> {
    let wrong = |invalid: proto::Invalid| Refusal::invalid_field("price", invalid.to_string(), "US dollars");
    Price::try_from(from).map_err(wrong)
}

fn read_lens(from: v1::Lens) -> Result<Lens, Refusal> {
    let functions = ("lenses.function", "sum, avg, max, min, count or rate");
    let function = word(&from.function, &LensFunction::WORDS, functions)?;
    let value = word(&from.value, &LensValue::WORDS, ("lenses.value", "count or sum"))?;
    Ok(Lens {
        value,
        lookback: from.lookback_ms.map_or(Lens::LOOKBACK, Duration::from_millis),
        max_error: from.max_error,
        min_group_share: from.min_group_share,
        max_groups_lost: from.max_groups_lost,
        absolute_margin: from.absolute_margin,
        ..Lens::new(from.name, from.metric, from.group_by, function)
    })
}

/// Meaning of a word, and the default of an empty one.
fn word<T: Copy + Default>(
    text: &str,
    words: &[(&str, T)],
    (field, expected): (&str, &str),
) -> Result<T, Refusal> {
    let known = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    let unsaid = text.is_empty().then(T::default);
    known.or(unsaid).ok_or_else(|| Refusal::invalid_field(field, format!("there is no {text:?}"), expected))
}

fn read_critical(from: v1::Critical) -> Result<Critical, Refusal> {
    let granularity = match v1::Granularity::try_from(from.granularity) {
        Ok(v1::Granularity::Unspecified | v1::Granularity::Process) => Granularity::Process,
        Ok(v1::Granularity::Executable) => Granularity::Executable,
        Err(_) => {
            let message = format!("there is no granularity {}", from.granularity);
            return Err(Refusal::invalid_field("critical", message, "process or executable"));
        }
    };
    Ok(Critical { executables: from.executables, metrics: from.metrics, granularity })
}

/// A specification, every default filled in.
pub(super) fn spec(from: Spec) -> v1::ExperimentSpec {
    let critical = |from: Critical| v1::Critical {
        executables: from.executables,
        metrics: from.metrics,
        granularity: match from.granularity {
            Granularity::Process => v1::Granularity::Process,
            Granularity::Executable => v1::Granularity::Executable,
        }
        .into(),
    };
    let lens = |from: Lens| v1::Lens {
        name: from.name,
        metric: from.metric,
        group_by: from.group_by,
        function: from.function.name().to_owned(),
        value: from.value.name().to_owned(),
        lookback_ms: Some(millis(from.lookback)),
        max_error: from.max_error,
        min_group_share: from.min_group_share,
        max_groups_lost: from.max_groups_lost,
        absolute_margin: from.absolute_margin,
    };
    let candidate = match from.template {
        None => experiment_spec::Candidate::Config(from.candidate),
        Some(used) => experiment_spec::Candidate::Template(v1::TemplateUse {
            name: used.name,
            version: Some(used.version),
            parameters: values(&used.parameters),
        }),
    };
    v1::ExperimentSpec {
        name: from.name,
        selector: from.selector.to_string(),
        candidate: Some(candidate),
        pipeline: from.pipeline,
        baseline: from.baseline,
        unit: from.unit,
        aa: from.aa,
        observe_only: from.weights_bp.is_empty(),
        weights_bp: from.weights_bp.into_iter().map(u32::from).collect(),
        window_ms: Some(millis(from.window)),
        report_every_ms: Some(millis(from.report_every)),
        lookback_ms: None,
        lenses: Some(v1::Lenses { lenses: from.lenses.into_iter().map(lens).collect() }),
        critical: Some(v1::CriticalProcesses { criteria: from.critical.into_iter().map(critical).collect() }),
        price: Some((&from.price).into()),
        max_batch_latency_ms: from.max_batch_latency.map(millis),
        policy: Some(policy(&from.policy)),
    }
}

/// A duration of so many milliseconds, in the text that people write.
pub(super) fn duration(millis: u64) -> String {
    format!("{millis}ms")
}

pub(super) fn millis(from: Duration) -> u64 {
    u64::try_from(from.as_millis()).unwrap_or(u64::MAX)
}
