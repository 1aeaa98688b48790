//! Templates, the values of their parameters, and what is wrong with a text.

use std::collections::HashMap;

use pipelines::template::{Parameter, Template};
use pipelines::yaml;
use proto::v1::{self, parameter_value::Kind};
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::store::templates::TemplateVersion;

/// Values, by name.
///
/// # Errors
/// 422 for one that is no value.
pub(in super::super) fn parameters(
    from: HashMap<String, v1::ParameterValue>,
) -> Result<Map<String, Value>, Refusal> {
    let read = |(name, value): (String, v1::ParameterValue)| {
        let read = read_value(value).ok_or_else(|| {
            let field = format!("parameters.{}", name.chars().take(64).collect::<String>());
            Refusal::invalid_field(&field, "it has no value", "a text, number, boolean or list of texts")
        })?;
        Ok((name, read))
    };
    from.into_iter().map(read).collect()
}

fn read_value(from: v1::ParameterValue) -> Option<Value> {
    Some(match from.kind? {
        Kind::Text(text) => text.into(),
        Kind::Integer(number) => number.into(),
        // Neither infinity nor NaN is a number of JSON.
        Kind::Number(number) => serde_json::Number::from_f64(number)?.into(),
        Kind::Boolean(boolean) => boolean.into(),
        Kind::Texts(list) => list.texts.into(),
    })
}

/// Values, by name; a value that no parameter can have is left out.
pub(super) fn values(from: &Map<String, Value>) -> HashMap<String, v1::ParameterValue> {
    from.iter().filter_map(|(name, found)| Some((name.clone(), value(found)?))).collect()
}

fn value(from: &Value) -> Option<v1::ParameterValue> {
    let kind = match from {
        Value::String(text) => Kind::Text(text.clone()),
        Value::Bool(boolean) => Kind::Boolean(*boolean),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Kind::Integer(integer),
            None => Kind::Number(number.as_f64()?),
        },
        Value::Array(items) => {
            let texts = items.iter().map(|item| Some(item.as_str()?.to_owned()));
            Kind::Texts(v1::Texts { texts: texts.collect::<Option<_>>()? })
        }
        Value::Null | Value::Object(_) => return None,
    };
    Some(v1::ParameterValue { kind: Some(kind) })
}

/// A version of a template, as it was kept and parsed.
///
/// # Errors
/// 500 for a parameter that JSON does not hold.
pub(in super::super) fn template(
    (kept, template): (TemplateVersion, Template),
) -> Result<v1::Template, Refusal> {
    let parameters = template.parameters().iter().map(parameter).collect::<Result<_, _>>();
    Ok(v1::Template {
        description: template.description().to_owned(),
        parameters: parameters.map_err(Refusal::internal)?,
        text: kept.text.clone(),
        summary: Some(kept.into()),
    })
}

/// Bounds depend on the type; they are those of its JSON.
fn parameter(from: &Parameter) -> Result<v1::TemplateParameter, serde_json::Error> {
    let shown = serde_json::to_value(from)?;
    let one_of = shown["one_of"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(v1::TemplateParameter {
        name: from.name.clone(),
        description: from.description.clone(),
        r#type: from.kind.name().to_owned(),
        default: from.default.as_ref().and_then(value),
        min: value(&shown["min"]),
        max: value(&shown["max"]),
        pattern: shown["pattern"].as_str().unwrap_or_default().to_owned(),
        one_of: one_of.map(str::to_owned).collect(),
        min_items: shown["min_items"].as_u64(),
        max_items: shown["max_items"].as_u64(),
    })
}

impl From<TemplateVersion> for v1::TemplateSummary {
    fn from(kept: TemplateVersion) -> Self {
        Self {
            name: kept.name,
            version: kept.version,
            digest: kept.digest,
            created_by: kept.created_by.to_string(),
            created_at_ms: kept.created_at.0,
        }
    }
}

/// One mistake in a text.
pub(in super::super) fn problem(from: yaml::Problem) -> v1::ConfigurationProblem {
    v1::ConfigurationProblem {
        line: from.location.line,
        column: from.location.column,
        message: from.message,
        expected: from.expected.unwrap_or_default(),
        nearest: from.suggestion.unwrap_or_default(),
    }
}
