//! Values: JSON in, what a template's expressions see out.

use std::collections::BTreeMap;
use std::time::Duration;

use minijinja::Value as ExprValue;
use serde_json::{Map, Value};

use crate::yaml::{nearest, parse_duration};

use super::{Invalid, Parameter, ParameterKind, ParameterProblem};

/// Length that a text may have, in bytes.
pub(super) const MAX_TEXT: usize = 1024;
/// Number of items that a list may have.
pub(super) const MAX_ITEMS: usize = 1000;

/// Values that expressions see, by name.
pub(super) type Values = BTreeMap<String, ExprValue>;

/// Checks values and adds the defaults.
pub(super) fn complete(parameters: &[Parameter], given: &Map<String, Value>) -> Result<Values, Invalid> {
    let (mut values, mut problems) = (Values::new(), Vec::new());
    for parameter in parameters {
        let value = given.get(&parameter.name).filter(|value| !value.is_null());
        match value.or(parameter.default.as_ref()) {
            Some(value) => match check(parameter, value) {
                Ok(seen) => {
                    values.insert(parameter.name.clone(), seen);
                }
                Err(problem) => problems.push(problem),
            },
            None => problems.push(
                ParameterProblem::new(&parameter.name, "is not set and has no default")
                    .expected(range(&parameter.kind)),
            ),
        }
    }
    let known = || parameters.iter().map(|parameter| parameter.name.as_str());
    for name in given.keys().filter(|name| known().all(|known| known != name.as_str())) {
        let suggestion = nearest(name, known()).map(str::to_owned);
        let listed = format!("one of {}", known().collect::<Vec<_>>().join(", "));
        let problem = ParameterProblem::new(name, "there is no such parameter").expected(listed);
        problems.push(ParameterProblem { suggestion, ..problem });
    }
    if problems.is_empty() { Ok(values) } else { Err(Invalid { problems }) }
}

/// Checks one value against its parameter.
pub(super) fn check(parameter: &Parameter, value: &Value) -> Result<ExprValue, ParameterProblem> {
    let expected = || range(&parameter.kind);
    let wrong = |message: String| ParameterProblem::new(&parameter.name, message).expected(expected());
    let mismatch = || wrong(format!("{} is no {}", describe(value), parameter.kind.name()));
    let outside = || wrong(format!("{} is not allowed", describe(value)));
    match (&parameter.kind, value) {
        (ParameterKind::Boolean, Value::Bool(value)) => Ok(ExprValue::from(*value)),
        (ParameterKind::Integer { min, max }, Value::Number(number)) => {
            let whole = || number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 9e15).map(|v| v as i64);
            let value = number.as_i64().or_else(whole).ok_or_else(mismatch)?;
            (*min..=*max).contains(&value).then(|| ExprValue::from(value)).ok_or_else(outside)
        }
        (ParameterKind::Number { min, max }, Value::Number(number)) => {
            let value = number.as_f64().ok_or_else(mismatch)?;
            (*min..=*max).contains(&value).then(|| ExprValue::from(value)).ok_or_else(outside)
        }
        (ParameterKind::Duration { min, max }, Value::String(text)) => {
            let nanoseconds =
                parse_duration(text).and_then(|n| u64::try_from(n).ok()).ok_or_else(mismatch)?;
            let inside = (*min..=*max).contains(&Duration::from_nanos(nanoseconds));
            inside.then(|| ExprValue::from_safe_string(text.clone())).ok_or_else(outside)
        }
        (ParameterKind::String { pattern, one_of }, Value::String(text)) => {
            let allowed = one_of.is_empty() || one_of.contains(text);
            let allowed = allowed && pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
            short(parameter, text)?;
            allowed.then(|| ExprValue::from(text.as_str())).ok_or_else(outside)
        }
        (ParameterKind::Strings { pattern, min_items, max_items }, Value::Array(items)) => {
            if !(*min_items..=*max_items).contains(&items.len()) {
                return Err(wrong(format!("a list of {} is not allowed", items.len())));
            }
            let texts = items.iter().map(|item| {
                let text = item.as_str().ok_or_else(|| wrong(format!("{} is no text", describe(item))))?;
                short(parameter, text)?;
                let allowed = pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
                allowed
                    .then(|| text.to_owned())
                    .ok_or_else(|| wrong(format!("{} is not allowed", describe(item))))
            });
            Ok(ExprValue::from(texts.collect::<Result<Vec<_>, _>>()?))
        }
        _ => Err(mismatch()),
    }
}

fn short(parameter: &Parameter, text: &str) -> Result<(), ParameterProblem> {
    if text.len() <= MAX_TEXT {
        return Ok(());
    }
    let message = format!("a text of {} bytes", text.len());
    Err(ParameterProblem::new(&parameter.name, message).expected(format!("at most {MAX_TEXT} bytes")))
}

fn describe(value: &Value) -> String {
    let shown: String = value.to_string().chars().take(60).collect();
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => shown,
    }
}

/// Type and bounds of a parameter, in words.
fn range(kind: &ParameterKind) -> String {
    match kind {
        ParameterKind::String { one_of, .. } if !one_of.is_empty() => format!("one of {}", one_of.join(", ")),
        ParameterKind::String { pattern: Some(pattern), .. } => {
            format!("a text that matches {}", pattern.as_str())
        }
        ParameterKind::String { .. } => "a text".to_owned(),
        ParameterKind::Integer { min, max } => match (*min, *max) {
            (i64::MIN, i64::MAX) => "a whole number".to_owned(),
            (min, i64::MAX) => format!("a whole number from {min} on"),
            (i64::MIN, max) => format!("a whole number up to {max}"),
            (min, max) => format!("a whole number from {min} to {max}"),
        },
        ParameterKind::Number { min, max } => match (*min, *max) {
            (f64::MIN, f64::MAX) => "a number".to_owned(),
            (min, f64::MAX) => format!("a number from {min} on"),
            (f64::MIN, max) => format!("a number up to {max}"),
            (min, max) => format!("a number from {min} to {max}"),
        },
        ParameterKind::Boolean => "true or false".to_owned(),
        ParameterKind::Duration { min, max } if *max == Duration::MAX => {
            format!("a duration such as 1m30s, from {min:?} on")
        }
        ParameterKind::Duration { min, max } => format!("a duration such as 1m30s, from {min:?} to {max:?}"),
        ParameterKind::Strings { pattern, min_items, max_items } => {
            let each =
                pattern.as_ref().map(|p| format!(", each matching {}", p.as_str())).unwrap_or_default();
            format!("a list of {min_items} to {max_items} texts{each}")
        }
    }
}

/// A bound of a duration for machines: seconds.
pub(super) fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
